/** Variables that are defaults of options. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { buildProgram } from '../../cli/program';
import { buildWhenStale, vmgroup } from './vmgroup';

const dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'vmgroup-environment-')));
beforeAll(() => buildWhenStale(), 180_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function variablesOf(command: Command): string[] {
  return [
    ...command.options.flatMap(({ envVar }) => envVar ?? []),
    ...command.commands.flatMap((each) => variablesOf(each)),
  ];
}

test('one that is empty counts as not set', async () => {
  const names = [...new Set(variablesOf(buildProgram()))].filter((name) => name.startsWith('VMGROUP_'));
  expect(names.length).toBeGreaterThan(15);
  const env = Object.fromEntries(names.map((name) => [name, '']));
  for (const command of [
    ['get', 'groups'],
    ['plan', 'x.yaml'],
  ]) {
    const [empty, unset] = [await vmgroup(command, { cwd: dir, env }), await vmgroup(command, { cwd: dir })];
    expect({ command, ...empty }).toEqual({ command, ...unset });
  }
});
