/** What commands print: tables for people, JSON and YAML for programs. */
import Table from 'cli-table3';
import { InvalidArgumentError, Option } from 'commander';
import type * as Yaml from 'yaml';

/** Forms of output. */
export type Format = 'table' | 'wide' | 'json' | 'yaml';

/** `-o, --output`. */
export function outputOption(formats: readonly string[] = ['table', 'wide', 'json', 'yaml']): Option {
  return new Option('-o, --output <format>', 'form of the output').choices(formats).default(formats[0]);
}

/** One column: its head, what it shows of a row, and whether only `wide` shows it. */
export interface Column<T> {
  head: string;
  of(row: T): string | number | undefined;
  wide?: true;
}

/** A table without lines, as kubectl prints it; undefined shows as `-`. */
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

/** Prints `data` as JSON or YAML, or what `asTable` makes of it. */
export function print(format: Format, data: unknown, asTable: () => string): void {
  if (format === 'json') process.stdout.write(JSON.stringify(data, undefined, 2) + '\n');
  else if (format === 'yaml') process.stdout.write(yaml(data));
  else process.stdout.write(asTable());
}

/** Milliseconds as people say them: `4s`, `2m10s`, `3h5m`, `2d4h`. */
export function elapsed(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return '0s';
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join('');
}

/** `12:34:56`, local time; `at` is milliseconds since the epoch. */
export function clock(at: number): string {
  return new Date(at).toTimeString().slice(0, 8);
}

/** The name of a group on the command line: `NAMESPACE/NAME`, or `NAME` in the namespace `default`. */
export function parseGroupName(text: string): { namespace: string; name: string } {
  const match = /^(?:([a-z0-9.-]+)\/)?([a-z0-9.-]+)$/.exec(text);
  if (!match?.[2])
    throw new InvalidArgumentError('a group is named NAMESPACE/NAME, such as prod/three-tier-app');
  return { namespace: match[1] ?? 'default', name: match[2] };
}

/** A TCP port on the command line. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidArgumentError('a port is a number from 0 (a free one) to 65535');
  return port;
}

function cell(value: string | number | undefined): string {
  return value === undefined || value === '' ? '-' : String(value).replaceAll('\n', ' ');
}

function lines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .concat('\n');
}

function yaml(data: unknown): string {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded only where YAML is asked for
  const library = require('yaml') as typeof Yaml;
  return library.stringify(data, { aliasDuplicateObjects: false, lineWidth: 0 });
}
