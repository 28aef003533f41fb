/** The invariants that modules state in their headers, as `POWER-1: …`: each once, numbered in order and without gaps, and tests name no others. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.join(__dirname, '../..');
const NOT_OURS = /^(?:\.|(?:node_modules|dist|coverage)$)/;

/** A platform states how it keeps what the interface of platforms asks for. */
const STATED_BY_EACH_PLATFORM = 'PLATFORM';

interface Statement {
  prefix: string;
  number: number;
  file: string;
}

const texts = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !NOT_OURS.test(entry.name))
  .flatMap(({ name }) =>
    readdirSync(path.join(root, name), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => ({
        file: path.join(name, file),
        text: readFileSync(path.join(root, name, file), 'utf8'),
      })),
  );
const statements = texts.flatMap(({ file, text }): Statement[] => {
  const header = /^(?:#!.*\n)?\/\*\*.*?\*\//s.exec(text)?.[0] ?? '';
  // What is stated in another file is only referred to.
  const ids = header.matchAll(/^ \* ([A-Z]+(?:-[A-Z]+)*)-(\d+): (?!see )/gm);
  return file.startsWith('test/')
    ? []
    : [...ids].map(([, prefix = '', number]) => ({ prefix, number: Number(number), file }));
});
const idOf = ({ prefix, number }: Statement): string => `${prefix}-${number}`;
const prefixes = [...new Set(statements.map(({ prefix }) => prefix))];
const of = (prefix: string): Statement[] => statements.filter((each) => each.prefix === prefix);

test('they are found', () =>
  expect(prefixes).toEqual(expect.arrayContaining(['POWER', 'PLANNER', 'RECORD'])));

test('each is stated once, in order, without gaps', () => {
  for (const prefix of prefixes) {
    const numbers = of(prefix).map(({ number }) => number);
    const stated = prefix === STATED_BY_EACH_PLATFORM ? [...new Set(numbers)] : numbers;
    const sorted = stated.sort((one, other) => one - other);
    expect([prefix, ...sorted]).toEqual([prefix, ...sorted.map((_, index) => index + 1)]);
    for (const { file } of of(prefix)) {
      const here = of(prefix).flatMap((each) => (each.file === file ? [each.number] : []));
      expect([file, ...here]).toEqual([file, ...[...here].sort((one, other) => one - other)]);
    }
  }
});

test('what code and tests refer to is stated', () => {
  const known = new Set(statements.map(idOf));
  const unknown = texts.flatMap(({ file, text }) =>
    [...text.matchAll(/\b([A-Z]+(?:-[A-Z]+)*)-\d+\b/g)].flatMap(([id, prefix = '']) =>
      prefixes.includes(prefix) && !known.has(id) ? [`${file}: ${id}`] : [],
    ),
  );
  expect(unknown).toEqual([]);
});
