/** Figures, and whether they keep their bounds. */
import Table from 'cli-table3';

/** Quartiles of a sample. */
export interface Spread {
  low: number;
  median: number;
  high: number;
}

/** Quartiles of `sample`; NaN where it is empty. */
export function spread(sample: readonly number[]): Spread {
  const sorted = [...sample].sort((one, other) => one - other);
  const at = (share: number): number => {
    const place = (sorted.length - 1) * share;
    const low = sorted[Math.floor(place)] ?? NaN;
    const high = sorted[Math.ceil(place)] ?? NaN;
    return low + (high - low) * (place - Math.floor(place));
  };
  return { low: at(0.25), median: at(0.5), high: at(0.75) };
}

/** How often a sample is drawn again to see how far its median can be trusted. */
const DRAWS = 2_000;

/** The ratio of two medians, and the range of its middle half when both samples are drawn again (bootstrap). */
export function ratioOfMedians(ours: readonly number[], floor: readonly number[]): Spread {
  const again = (sample: readonly number[]): number[] =>
    sample.map(() => sample[Math.floor(Math.random() * sample.length)] ?? NaN);
  const draws = Array.from({ length: DRAWS }, () => spread(again(ours)).median / spread(again(floor)).median);
  return { ...spread(draws), median: spread(ours).median / spread(floor).median };
}

/** A median with its quartiles. */
export function withSpread({ low, median, high }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}

/** One line of a report: what was measured, and its bound. */
export interface Figure {
  name: string;
  /** Absent: nothing to hold against a bound. */
  value?: number;
  /** As printed; default: the value with its unit. */
  text?: string;
  unit?: string;
  /** Most that the value may be; absent: it is only reported. */
  bound?: number;
}

function missed({ value, bound }: Figure): boolean {
  // Written so that NaN, which nothing was measured for, misses too.
  return bound !== undefined && !((value ?? NaN) <= bound);
}

/** Prints figures as a table; the exit code becomes 1 where a bound is missed. */
export function report(title: string, figures: readonly Figure[]): void {
  const table = new Table({ head: [title, 'measured', 'at most', ''], style: { head: [], border: [] } });
  for (const figure of figures) {
    const { name, value = NaN, unit, bound } = figure;
    const of = (number: number): string => `${Number(number.toFixed(2))}${unit ? ` ${unit}` : ''}`;
    const verdict = bound === undefined ? '' : missed(figure) ? 'MISSED' : 'kept';
    table.push([name, figure.text ?? of(value), bound === undefined ? '' : of(bound), verdict]);
  }
  console.log(table.toString());
  if (figures.some(missed)) process.exitCode = 1;
}

/** How often a benchmark repeats; the environment variable `ROUNDS` outranks `usual`. */
export function rounds(usual: number): number {
  return Number(process.env['ROUNDS'] ?? usual);
}

/** Runs a benchmark and ends the process, whatever sockets its parts have left open. */
export function run(main: () => Promise<void>): void {
  main().then(
    () => process.exit(),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
}
