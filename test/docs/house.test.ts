/** What the map of the code and the glossary name is in the code. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { codeFolders, codeText, root, textOf } from './documents';

const sources = codeText();

test('the map has a row for each folder, and each of its paths exists', () => {
  const map = textOf('docs/architecture.md');
  expect(codeFolders.filter((folder) => !map.includes(`[\`${folder}/\`]`))).toEqual([]);
  const paths = [...map.matchAll(/\]\(\.\.\/([^)#]+)[^)]*\)/g)].map(([, found = '']) => found);
  expect(paths.length).toBeGreaterThan(40);
  expect(paths.filter((found) => !existsSync(path.join(root, found)))).toEqual([]);
});

test('the map says what each folder may import', () => {
  const rules = textOf('eslint.config.mjs').split('const table = {')[1]?.split('\n};')[0] ?? '';
  const may = [...rules.matchAll(/^ {2}(\w+): \{\s*may: \[([^\]]*)\]/gm)].map(
    ([, folder = '', names = '']) =>
      [folder, [...names.matchAll(/\w+/g)].map(([name]) => name).sort()] as const,
  );
  expect(may.map(([folder]) => folder).sort()).toEqual([...codeFolders, 'encryption'].sort());
  const map = textOf('docs/architecture.md');
  for (const [folder, names] of may) {
    const row = map.split('\n').find((line) => line.startsWith(`| [\`${folder}/\`]`)) ?? '';
    const cell = row.split('|').at(-2) ?? '';
    const shown = [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name);
    const others = may.map(([each]) => each).filter((each) => each !== folder && !shown.includes(each));
    expect({ folder, may: (cell.includes('all but') ? others : shown).sort() }).toEqual({
      folder,
      may: names,
    });
  }
});

test('the path of a change has at most 15 stops', () => {
  const stops = textOf('docs/architecture.md').match(/^\d+\. /gm) ?? [];
  expect(stops.length).toBeGreaterThan(10);
  expect(stops.length).toBeLessThanOrEqual(15);
});

test('the glossary names what the code has', () => {
  const rows = textOf('docs/glossary.md')
    .split('\n')
    .filter((line) => line.startsWith('| '));
  const names = rows.flatMap((row) => {
    const cell = row.split('|').at(-2) ?? '';
    return [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name);
  });
  expect(names.length).toBeGreaterThan(25);
  expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(sources))).toEqual([]);
});
