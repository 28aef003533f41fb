/** Tables, JSON and YAML on standard output. */
import Table from 'cli-table3';
import { oneLine } from '../../api/text';
import type { Format } from '../options';
import { jsonText, yamlText } from './data';
import { legible } from './legible';
import { printData, printStyled } from './terminal';

/** A column: its heading, its cell in a row, and whether only `-o wide` shows it. */
export interface Column<T> {
  head: string;
  of(row: T): string | number | undefined;
  wide?: true;
}

/** A table without rules, as kubectl prints it. An empty or absent value is shown as `-`. */
export function table<T>(columns: Column<T>[], rows: T[], format: Format = 'table'): string {
  const shown = columns.filter((column) => !column.wide || format === 'wide');
  const blank = Object.fromEntries(
    ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
      .concat(['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'])
      .map((name) => [name, '']),
  );
  const out = new Table({
    chars: { ...blank, middle: '   ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
    head: shown.map((column) => column.head),
  });
  for (const row of rows) out.push(shown.map((column) => cell(column.of(row))));
  return lines(out.toString());
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
  else if (format === 'yaml') printData(yamlText(data));
  else printStyled(asText(legible(shown)));
}

function cell(value: string | number | undefined): string {
  return value === undefined || value === '' ? '-' : oneLine(String(value));
}

function lines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .concat('\n');
}
