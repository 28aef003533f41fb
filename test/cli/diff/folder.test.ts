/**
 * `vmgroup diff` in a folder on real processes: what it says of a change is what happens once the change is made.
 *
 * Guarantees: G8.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { GroupDiff } from '../../../cli/diff/group-diff';
import { groupWithVms, type GroupShape } from '../../support/manifests';
import { startInstallation, type Installation } from '../../support/processes';
import { accepted } from '../../support/system';
import { vmgroup, type Result } from '../vmgroup';

jest.setTimeout(240_000);

const NS = 'prod';
let installation: Installation;

const app = (tiers: GroupShape['tiers']): string =>
  groupWithVms({ ...{ namespace: NS, name: 'app', powerState: 'PoweredOn' }, tiers });
const BEFORE = app([{ members: ['db'] }, { members: ['web-1'] }]);
/** One more VM in each tier, and a delay between them. */
const AFTER = app([{ members: ['db', 'db-2'], delay: '2s' }, { members: ['web-1', 'web-2'] }]);
const OTHER = groupWithVms({
  ...{ namespace: NS, name: 'other', powerState: 'PoweredOn' },
  tiers: [{ members: ['one'] }],
});

function diff(...args: string[]): Promise<Result> {
  return vmgroup(['diff', ...args, '--data', 'bridge'], { cwd: installation.dir });
}

beforeAll(async () => {
  installation = await startInstallation({ powerOnTime: '100ms', readyTime: '50ms' });
  installation.write('app.yaml', BEFORE);
  installation.write('other.yaml', OTHER);
  for (const name of ['app', 'other']) await installation.outcome(NS, name, 'PoweredOn');
  mkdirSync(path.join(installation.dir, 'changed'));
  writeFileSync(path.join(installation.dir, 'changed/app.yaml'), AFTER);
  writeFileSync(path.join(installation.dir, 'changed/other.yaml'), OTHER);
});
afterAll(() => installation?.stop());

test('nothing is touched by manifests without a change', async () => {
  await installation.until(async () => {
    const { stdout } = await diff('manifests');
    return stdout === '2 groups without a change\n';
  }, 'no change');
});

test('the VMs that a change would touch, in their order, are those that it touches', async () => {
  const { stdout, stderr, code } = await diff('changed', '-o', 'json');
  expect([code, stderr]).toEqual([0, '']);
  const found = JSON.parse(stdout) as GroupDiff[];
  expect(found).toMatchObject([
    { group: 'prod/app', change: 'Changed', touched: ['db-2', 'web-2'], untouched: 2, end: 2_000 },
    { group: 'prod/other', change: 'Unchanged', steps: [] },
  ]);
  // Without the platform, VMs are as the bridge saw them last.
  const away = await diff('changed', '-o', 'json', '--simulator', 'http://127.0.0.1:1');
  expect(JSON.parse(away.stdout)).toEqual(found);
  const table = await diff('changed');
  expect(table.stdout).toMatch(/^prod\/app: changed\n {2}joined: db-2, web-2\n/);
  expect(table.stdout).toMatch(/^\+2s +app +2 +PowerOn +web-2 /m);
  expect(table.stdout).toContain('2 VMs touched, 2 left as they are; at least 2s');
  expect(table.stdout).toMatch(/\n1 group without a change\n$/);
  expect((await diff('changed', '--group', 'prod/other')).stdout).toBe('1 group without a change\n');

  const before = installation.journal().length;
  installation.write('app.yaml', AFTER);
  await installation.until(() => {
    const calls = accepted(installation.journal().slice(before), NS);
    return calls.length >= 2 ? calls : undefined;
  }, 'the operations');
  await installation.outcome(NS, 'app', 'PoweredOn');
  const calls = accepted(installation.journal().slice(before), NS);
  expect(calls).toEqual(found[0]?.touched.map((vm) => `PoweredOn ${vm}`));
});

test('a group that goes, and what cannot be compared', async () => {
  mkdirSync(path.join(installation.dir, 'less'));
  writeFileSync(path.join(installation.dir, 'less/app.yaml'), AFTER);
  expect((await diff('less')).stdout).toContain(
    'prod/other: deleted\n  the group goes, and its VMs stay as they are',
  );
  const unknown = await diff('changed', '--group', 'prod/none');
  expect([unknown.code, unknown.stderr]).toEqual([
    1,
    expect.stringContaining('prod/none has no run of its own'),
  ]);
  writeFileSync(path.join(installation.dir, 'less/app.yaml'), AFTER.replace('PoweredOn', 'On'));
  expect((await diff('less')).stderr).toContain('the changed manifests are not valid');
  const nowhere = await vmgroup(['diff', 'changed', '--data', 'nowhere'], { cwd: installation.dir });
  expect([nowhere.code, nowhere.stderr]).toEqual([
    1,
    expect.stringContaining('nothing runs on the data folder'),
  ]);
});
