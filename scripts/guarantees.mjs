/**
 * Writes the table of `docs/reference/guarantees.md`: each guarantee with the tests that hold it. A test says so in its header, in a line
 * `Guarantees: G1, G5.`; `--check` only compares.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const page = path.join(root, 'docs/reference/guarantees.md');

/** The table after the heading "Tests". */
function table() {
  const tests = readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .sort();
  const holders = new Map();
  for (const file of tests) {
    const header = readFileSync(path.join(root, 'test', file), 'utf8').match(/^\/\*\*.*?\*\//s)?.[0] ?? '';
    const [, named = ''] = header.match(/Guarantees: (G\d+(?:, G\d+)*)\./) ?? [];
    for (const id of named.split(', ').filter(Boolean)) holders.set(id, [...(holders.get(id) ?? []), file]);
  }
  const rows = [...holders]
    .sort(([one], [other]) => Number(one.slice(1)) - Number(other.slice(1)))
    .map(
      ([id, files]) =>
        `| ${id} | ${files.map((file) => `[${file.replace('.test.ts', '')}](../../test/${file})`).join(', ')} |`,
    );
  return ['| guarantee | tests |', '| --- | --- |', ...rows].join('\n');
}

const before = readFileSync(page, 'utf8');
const [head = ''] = before.split(/(?<=\n## Tests\n)/);
const after = `${head}\n<!-- prettier-ignore-start -->\n${table()}\n<!-- prettier-ignore-end -->\n`;
if (!process.argv.includes('--check')) writeFileSync(page, after);
else if (before !== after) {
  process.stderr.write('docs/reference/guarantees.md is not up to date: node scripts/guarantees.mjs\n');
  process.exitCode = 1;
}
