/** Suggested commands can be pasted into a shell, and reach the groups of the command that suggests them. */
import { execFileSync } from 'node:child_process';
import type { Command } from 'commander';
import { CliError, explain } from '../../../cli/errors';
import { commandLines } from '../../../cli/groups';
import { onSameTarget } from '../../../cli/options';
import { SUGGESTIBLE, takenBy } from '../../../cli/options/same-target';
import { paintFor } from '../../../cli/output';
import { buildProgram } from '../../../cli/program';

const RETRY = 'vmgroup retry production/three-tier-app app-server-2 --reason TEXT';

test.each(SUGGESTIBLE)('%s takes the options that it is given', (command) => {
  let found: Command = buildProgram();
  for (const word of (command === 'power' ? 'power on' : command).split(' '))
    found = found.commands.find((each) => each.name() === word) as Command;
  const options = found.options.map(({ long }) => long?.slice(2));
  const target = ['data', 'temporal', 'namespace', 'source', 'kubeconfig', 'context'];
  const taken = target.filter((name) => options.includes(name));
  expect([...takenBy(command)].sort()).toEqual(command === 'up' ? ['data'] : taken.sort());
});

test.each([
  ['a data folder', ['describe', 'a/b', '--data', 'drill/.vmgroup'], RETRY, `${RETRY} --data drill/.vmgroup`],
  ['one that a shell would split', ['why', '--data=my data'], RETRY, `${RETRY} --data 'my data'`],
  [
    'a cluster',
    ['describe', 'a/b', '--source', 'kubernetes', '--context', 'dr'],
    `see its state: vmgroup describe a/b`,
    'see its state: vmgroup describe a/b --source kubernetes --context dr',
  ],
  [
    'what a command does not take',
    ['retry', '--source', 'kubernetes', '--temporal', 't:7233'],
    'list the runs: vmgroup get runs',
    'list the runs: vmgroup get runs --temporal t:7233',
  ],
  ['what it has', ['retry', '--data', 'a'], 'vmgroup up PATH --data b', 'vmgroup up PATH --data b'],
  ['another program', ['why', '--data', 'a'], 'stop it: kill 26595', 'stop it: kill 26595'],
  [
    'prose',
    ['why', '--data', 'a'],
    'run vmgroup up PATH or vmgroup serve first',
    'run vmgroup up PATH or vmgroup serve first',
  ],
  [
    'two commands',
    ['record', '--data', 'a'],
    'write it: vmgroup serve --record r, or vmgroup record run --record r',
    'write it: vmgroup serve --record r, or vmgroup record run --record r',
  ],
])('%s', (_, argv, text, expected) => {
  expect(onSameTarget(text, argv)).toBe(expected);
});

test('errors suggest commands for the same groups', () => {
  const error = new CliError('there is no group a/b', ['list the groups: vmgroup get groups']);
  expect(explain(error, ['describe', 'a/b', '--data', 'd'])).toBe(
    'error: there is no group a/b\n  → list the groups: vmgroup get groups --data d\n',
  );
});

test('a command is one line where it fits', () => {
  expect(drawn(RETRY, 80)).toEqual([`        → ${RETRY}`]);
});

test('a longer one is continued as a shell continues it, with options next to their values', () => {
  expect(drawn(RETRY, 80, ['--data', '/srv/drill data/.vmgroup'])).toEqual([
    '        → vmgroup retry production/three-tier-app app-server-2 \\',
    "            --reason TEXT --data '/srv/drill data/.vmgroup'",
  ]);
});

test.each([40, 60, 80, 100, 200])('a shell reads the same words at %d columns', (width) => {
  const name = `${'production'.repeat(6)}/${'three-tier-app'.repeat(4)}`;
  const lines = drawn(`vmgroup retry ${name} app-server-2 --reason TEXT`, width, [
    '--data',
    "/srv/it's mine",
  ]);
  const pasted = lines.join('\n').replace('→ ', '');
  const script = `vmgroup() { printf '%s\\n' "$@"; }\n${pasted}\n`;
  expect(execFileSync('sh', { input: script, encoding: 'utf8' }).trimEnd().split('\n')).toEqual([
    ...['retry', name, 'app-server-2', '--reason', 'TEXT', '--data', "/srv/it's mine"],
  ]);
});

function drawn(command: string, width: number, argv: string[] = []): string[] {
  return commandLines(command, ' '.repeat(8), { now: 0, paint: paintFor({ isTTY: false }), width, argv });
}
