/** Kubernetes quantities, as `64Gi` of memory. */

const FACTORS: ReadonlyMap<string, number> = new Map([
  ['n', 1e-9],
  ['u', 1e-6],
  ['m', 1e-3],
  ['', 1],
  ['k', 1e3],
  ['M', 1e6],
  ['G', 1e9],
  ['T', 1e12],
  ['P', 1e15],
  ['E', 1e18],
  ['Ki', 2 ** 10],
  ['Mi', 2 ** 20],
  ['Gi', 2 ** 30],
  ['Ti', 2 ** 40],
  ['Pi', 2 ** 50],
  ['Ei', 2 ** 60],
]);

const QUANTITY = /^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d{1,3})?$/;

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

function read(text: string): number | undefined {
  const [, number = '', suffix = ''] = (text.length < 64 && QUANTITY.exec(text)) || [];
  if (number === '') return undefined;
  return /^[eE]./.test(suffix) ? Number(`${number}${suffix}`) : Number(number) * (FACTORS.get(suffix) ?? NaN);
}
