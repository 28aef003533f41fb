/** Kubernetes quantities, as `64Gi` of memory. */

/** Base and exponent of the factor of each suffix. */
const FACTORS: ReadonlyMap<string, readonly [base: bigint, exponent: number]> = new Map([
  ['n', [10n, -9]],
  ['u', [10n, -6]],
  ['m', [10n, -3]],
  ['', [10n, 0]],
  ['k', [10n, 3]],
  ['M', [10n, 6]],
  ['G', [10n, 9]],
  ['T', [10n, 12]],
  ['P', [10n, 15]],
  ['E', [10n, 18]],
  ['Ki', [2n, 10]],
  ['Mi', [2n, 20]],
  ['Gi', [2n, 30]],
  ['Ti', [2n, 40]],
  ['Pi', [2n, 50]],
  ['Ei', [2n, 60]],
]);

const QUANTITY = /^([+-]?)(?=\.?\d)(\d*)\.?(\d*)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d{1,3})?$/;

/**
 * Reads an amount of bytes: a number of bytes, or a Kubernetes quantity such as `64Gi` or `1.5G`
 * (`k8s.io/apimachinery/pkg/api/resource`).
 *
 * @returns Whole bytes, rounded up as Kubernetes does.
 * @throws Error when the text is not a quantity (the message shows examples), is negative, or is greater than 2^53.
 */
export function parseQuantity(amount: string | number): number {
  const bytes = typeof amount === 'number' ? amount : read(amount);
  const shown = JSON.stringify(amount);
  if (bytes === undefined) {
    throw new Error(
      `invalid quantity ${shown}: write a number of bytes with a unit, such as "512Mi" or "64Gi"`,
    );
  }
  if (bytes < 0) throw new Error(`invalid quantity ${shown}: must not be negative`);
  if (!(bytes <= Number.MAX_SAFE_INTEGER)) throw new Error(`invalid quantity ${shown}: too large`);
  return Math.ceil(bytes);
}

/** In whole numbers: as a fraction of two, 1.1G would be a byte more than it says. */
function read(text: string): number | undefined {
  const [, sign = '', whole, fraction = '', suffix = ''] = (text.length < 64 && QUANTITY.exec(text)) || [];
  if (whole === undefined) return undefined;
  const [base, exponent] = FACTORS.get(suffix) ?? [10n, Number(suffix.slice(1))];
  const factor = base ** BigInt(Math.abs(exponent));
  const above = BigInt(whole + fraction) * (exponent > 0 ? factor : 1n);
  const below = 10n ** BigInt(fraction.length) * (exponent < 0 ? factor : 1n);
  const bytes = Number((above + below - 1n) / below);
  return sign === '-' && bytes > 0 ? -bytes : bytes;
}
