/** Tables, JSON and YAML on standard output. */
import { oneLine } from '../../api/text';
import * as lazy from '../lazy';
import type { Format } from '../options';
import { columnsOf, padded, widest } from './columns';
import { jsonText } from './json';
import { legible } from './legible';
import { GAP, withProse } from './prose-column';
import { printData, printStyled } from './terminal';

/** A column: its heading, and its cell in a row. */
export interface Column<T> {
  head: string;
  of(row: T): string | number | undefined;
  /** Only `-o wide` shows it. */
  wide?: true;
  /** Sentences. As the last column they are wrapped where a terminal is too narrow for them. */
  prose?: true;
}

/**
 * A table without rules, as kubectl prints it. An empty or absent value is shown as `-`.
 *
 * @param width Columns of the terminal; without a terminal, lines are as long as they are.
 */
export function table<T>(
  columns: Column<T>[],
  rows: T[],
  format: Format = 'table',
  width = terminalWidth(),
): string {
  const shown = columns.filter((column) => !column.wide || format === 'wide');
  const last = shown.at(-1);
  const whole = layout(shown, rows);
  if (!last?.prose || whole.every((line) => columnsOf(line) <= width)) return text(whole);
  const prose = [last.head, ...rows.map((row) => cell(last.of(row)))];
  const others = layout(shown.slice(0, -1), rows);
  return text(
    withProse(
      others.map((line, at) => ({ line, prose: prose[at] ?? '' })),
      width,
    ),
  );
}

/** Columns of the terminal right of an indentation; infinite without a terminal. */
export function terminalWidth(indent = 0): number {
  return process.stdout.isTTY && process.stdout.columns ? process.stdout.columns - indent : Infinity;
}

function text(lines: string[]): string {
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

/** A line for the heading, and one for each row. */
function layout<T>(shown: Column<T>[], rows: T[]): string[] {
  const cells = [
    shown.map(({ head }) => head),
    ...rows.map((row) => shown.map((column) => cell(column.of(row)))),
  ];
  const widths = shown.map((_, at) => widest(cells.map((row) => row[at] ?? '')));
  return cells.map((row) =>
    row
      .map((text, at) => padded(text, widths[at] ?? 0))
      .join(GAP)
      .trimEnd(),
  );
}

/**
 * Prints `data` as JSON or YAML, otherwise the text that `asText` makes of it, or of `shown`.
 *
 * @param asText Receives {@link legible} data: what it puts into lines cannot steer the terminal.
 */
export function print<T, S = T>(
  format: Format,
  data: T,
  asText: (shown: S) => string,
  shown: S = data as unknown as S,
): void {
  if (format === 'json') printData(`${jsonText(data, 2)}\n`);
  else if (format === 'yaml') printData(lazy.yaml().yamlText(data));
  else printStyled(asText(legible(shown)));
}

function cell(value: string | number | undefined): string {
  return value === undefined || value === '' ? '-' : oneLine(String(value));
}
