/** The page of platforms says what the code declares. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CAPABILITIES, PLATFORM_TYPES, type Capabilities } from '../../platforms';

const page = readFileSync(path.join(__dirname, '../../docs/reference/platforms.md'), 'utf8');

/** Rows of the table that begins with this cell, without the line under its head. */
function tableOf(firstCells: string): string[][] {
  const lines = page.split('\n');
  const begin = lines.findIndex((line) => line.replaceAll(/ +/g, ' ').startsWith(firstCells));
  const end = lines.findIndex((line, index) => index > begin && !line.startsWith('|'));
  const rows = lines.slice(begin, end).map((line) => line.split('|').slice(1, -1));
  return rows.filter((_, index) => index !== 1).map((row) => row.map((cell) => cell.trim()));
}

/** A value as the table has it. */
function cellOf(value: Capabilities[keyof Capabilities]): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  const values = typeof value === 'string' ? [value] : value;
  return values.map((each) => `\`${each}\``).join(', ') || 'none';
}

test('the table of capabilities is that of the code', () => {
  const names = Object.keys(CAPABILITIES.simulated) as (keyof Capabilities)[];
  expect(tableOf('| capability | `')).toEqual([
    ['capability', ...PLATFORM_TYPES.map((type) => `\`${type}\``)],
    ...names.map((name) => [
      `\`${name}\``,
      ...PLATFORM_TYPES.map((type) => cellOf(CAPABILITIES[type][name])),
    ]),
  ]);
});

test('each value that a platform declares has a meaning there', () => {
  const explained = tableOf('| capability | value').map(([, value]) => value);
  const declared = PLATFORM_TYPES.flatMap((type) =>
    Object.values(CAPABILITIES[type]).flatMap((value) =>
      cellOf(value as Capabilities[keyof Capabilities]).split(', '),
    ),
  );
  const unexplained = declared.filter(
    (value) => value !== 'no' && value !== 'none' && !explained.includes(value),
  );
  expect(unexplained).toEqual([]);
});

test('each platform has a row that says what the suite runs against, and a binding', () => {
  const rows = tableOf('| platform | against').slice(1);
  // A second row says what the suite runs against where parts are missing.
  const named = rows.map(([platform = '']) => platform.replace(/ without .*$/, ''));
  expect([...new Set(named)]).toEqual(PLATFORM_TYPES.map((type) => `\`${type}\``));
  for (const type of PLATFORM_TYPES) {
    const binding = readFileSync(path.join(__dirname, `conformance/${type}.test.ts`), 'utf8');
    expect(binding).toContain(`describePlatform('${type}'`);
  }
});
