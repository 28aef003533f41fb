/**
 * Go duration strings, the way Kubernetes writes durations.
 *
 * A leaf without imports: the workflow sandbox loads it on its own.
 */

/** Milliseconds of each unit of a Go duration string. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
  ['us', 0.001],
  ['µs', 0.001],
  ['μs', 0.001],
  ['ns', 0.000_001],
]);

/** Longest duration that Go can hold (2^63 - 1 nanoseconds, about 292 years), in milliseconds. */
const LONGEST = 9_223_372_036_854;

const WHOLE = /^[+-]?(?:0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:h|ms|m|s|us|µs|μs|ns))+)$/;
const PART = /(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|μs|ns)/g;
const LOOKS_LIKE = 'write numbers with units (h, m, s, ms, us, ns), such as "30s", "1m30s" or "1.5h"';

/**
 * Reads a Go duration string: a sign, then numbers (with a fraction if need be) each followed by `h`, `m`, `s`, `ms`, `us`, `µs` or
 * `ns`, such as `90s`, `1m30s`, `1.5h`; `0` needs no unit (Go, `time.ParseDuration`).
 *
 * @returns Whole milliseconds, rounded to the nearest. Negative where the text is: the caller decides whether that is allowed.
 * @throws Error that says what a duration looks like, when the text is none or is longer than Go can hold (292 years).
 */
export function parseDuration(text: string): number {
  if (!WHOLE.test(text)) throw new Error(`invalid duration ${quote(text)}: ${cure(text)}`);
  let total = 0;
  for (const [, amount = '', unit = ''] of text.matchAll(PART))
    total += Number(amount) * (UNITS.get(unit) ?? NaN);
  if (total > LONGEST) throw new Error(`invalid duration ${quote(text)}: longer than 292 years`);
  const rounded = Math.round(total);
  return text.startsWith('-') && rounded !== 0 ? -rounded : rounded;
}

/**
 * Writes milliseconds as a Go duration string, without parts that are zero: `1m30s`, `1h`, `1.5s`, `250ms`, `0s`.
 *
 * `parseDuration(formatDuration(ms)) === ms` for whole milliseconds.
 */
export function formatDuration(ms: number): string {
  const whole = Math.round(Math.abs(ms));
  if (whole === 0) return '0s';
  const sign = ms < 0 ? '-' : '';
  if (whole < 1_000) return `${sign}${whole}ms`;
  const hours = Math.floor(whole / 3_600_000);
  const minutes = Math.floor(whole / 60_000) % 60;
  const seconds = (whole % 60_000) / 1_000;
  return `${sign}${hours ? `${hours}h` : ''}${minutes ? `${minutes}m` : ''}${seconds ? `${seconds}s` : ''}`;
}

function cure(text: string): string {
  if (/^[+-]?(\d+(\.\d*)?|\.\d+)$/.test(text) && text.length < 20) {
    return `a unit is missing; did you mean "${text}s"?`;
  }
  const tidy = text.replace(/\s+/g, '').toLowerCase();
  return tidy !== text && text.length < 40 && WHOLE.test(tidy) ? `did you mean "${tidy}"?` : LOOKS_LIKE;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}
