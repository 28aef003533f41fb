/**
 * `vmgroup diff` in a folder on real processes: what it says of a change is what happens once the change is made.
 *
 * Guarantees: G8.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ShownDiff } from '../../../cli/diff/text';
import { elapsed } from '../../../cli/output';
import { groupWithVms, type GroupShape } from '../../support/manifests';
import { startInstallation, type Installation } from '../../support/processes';
import { accepted } from '../../support/system';
import { vmgroup, type Result } from '../vmgroup';

jest.setTimeout(240_000);

const NS = 'prod';
let installation: Installation;

const app = (tiers: GroupShape['tiers']): string =>
  groupWithVms({ namespace: NS, name: 'app', powerState: 'PoweredOn', tiers });
const BEFORE = app([{ members: ['db'] }, { members: ['web-1'] }]);
/** One more VM in each tier, and a delay between them. */
const AFTER = app([{ members: ['db', 'db-2'], delay: '2s' }, { members: ['web-1', 'web-2'] }]);
const OTHER = groupWithVms({
  namespace: NS,
  name: 'other',
  powerState: 'PoweredOn',
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
  const found = JSON.parse(stdout) as ShownDiff[];
  expect(found).toMatchObject([
    { group: 'prod/app', change: 'Changed', touched: ['db-2', 'web-2'], untouched: 2, end: 2_000 },
    { group: 'prod/other', change: 'Unchanged', steps: [] },
  ]);
  // Without the platform, VMs are as the bridge saw them last.
  const away = await diff('changed', '-o', 'json', '--simulator', 'http://127.0.0.1:1');
  const [unplaced, other] = JSON.parse(away.stdout) as ShownDiff[];
  expect(unplaced?.placement?.type).toBe('NotKnown');
  expect([{ ...unplaced, placement: found[0]?.placement }, other]).toEqual(found);
  const table = await diff('changed');
  expect(table.stdout).toMatch(/^prod\/app: changed\n {2}joined: db-2, web-2\n/);
  expect(table.stdout).toMatch(/^zone-\S+ +\S+ +db-2 /m);
  expect(found[0]).toMatchObject({ kept: ['db', 'web-1'], placement: { type: 'Placed' } });
  // The second column is by past runs, and a busy machine makes those longer.
  const web = found[0]?.steps.find(({ member }) => member === 'web-2');
  expect(web?.about).toBeGreaterThanOrEqual(2_000);
  const line = /^\+2s +\+(\S+) +app +2 +PowerOn +web-2 /m.exec(table.stdout);
  expect(line?.[1]).toBe(elapsed(web?.about ?? 0));
  expect(table.stdout).toMatch(/2 VMs touched; at least 2s.*\n {2}2 VMs left as they are: db, web-1\n/);
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

test('groups by name, with the changed manifests named apart', async () => {
  const named = await diff('prod/other', '-f', 'changed');
  expect(named).toMatchObject({ code: 0, stdout: '1 group without a change\n' });
  // A path that exists is a path, whatever it looks like.
  mkdirSync(path.join(installation.dir, 'prod'));
  writeFileSync(path.join(installation.dir, 'prod/other'), 'is no manifest: [');
  const asPath = await diff('prod/other');
  expect([asPath.code, asPath.stderr]).toEqual([1, expect.stringContaining('prod/other')]);
  rmSync(path.join(installation.dir, 'prod'), { recursive: true });
  const neither = await diff('prod/none', '-f', 'changed');
  expect([neither.code, neither.stderr]).toEqual([
    1,
    expect.stringMatching(/there is no file or folder \/\S+prod\/none, and prod\/none has no run of its own/),
  ]);
  const typo = await diff('changd');
  expect([typo.code, typo.stderr]).toEqual([
    1,
    expect.stringMatching(
      /^error: changd is neither a file or folder \(looked for \/\S+changd\) nor a group/,
    ),
  ]);
});

test('an open run: what it continues, what it gives up, and what it takes from the change', async () => {
  const slow = (...first: string[]): string =>
    groupWithVms({
      namespace: NS,
      name: 'slow',
      powerState: 'PoweredOn',
      tiers: [{ members: first, delay: '1s' }, { members: ['s-3'] }],
    });
  const shown = async (...args: string[]): Promise<ShownDiff | undefined> => {
    const { stdout } = await diff(...args, '-o', 'json');
    return (JSON.parse(stdout || '[]') as ShownDiff[])[0];
  };
  await installation.addFaults([{ type: 'Slow', vm: 'prod/s-1', factor: 100_000 }]);
  installation.write('slow.yaml', slow('s-1', 's-2'));
  const now = await installation.until(async () => {
    const found = await shown('prod/slow');
    return found?.steps.some(({ member, underWay }) => member === 's-1' && underWay) && found;
  }, 'the operation of s-1 to be open');
  expect(now).toMatchObject({ change: 'Unchanged', openRun: 'PoweringOn', givenUp: [] });
  const file = path.join(installation.dir, 'slow.yaml');
  writeFileSync(file, slow('s-2'));
  const found = await installation.until(async () => {
    const each = await shown('prod/slow', '-f', file);
    return each?.kept.includes('s-2') && each;
  }, 's-2 to be on');
  expect(found).toMatchObject({
    change: 'Changed',
    left: ['s-1'],
    touched: ['s-3'],
    kept: ['s-2'],
    givenUp: [{ group: 'slow', action: 'PowerOn', member: 's-1' }],
  });
  expect((await diff('prod/slow', '-f', file)).stdout).toContain('  cancelled: PowerOn s-1\n');

  const before = installation.journal().length;
  installation.write('slow.yaml', slow('s-2'));
  await installation.outcome(NS, 'slow', 'PoweredOn');
  expect(accepted(installation.journal().slice(before), NS)).toEqual(['PoweredOn s-3']);
});

test('on a data folder whose process has stopped: what the next start would do', async () => {
  await installation.bridge.stop();
  installation.write('app.yaml', AFTER.replace('powerState: PoweredOn', 'powerState: PoweredOff'));
  const { stdout, stderr, code } = await diff('prod/app');
  expect([code, stderr]).toEqual([0, expect.stringContaining('this is the state when it stopped')]);
  expect(stdout).toMatch(/^prod\/app: changed\n {2}powerState: PoweredOn to PoweredOff\n/);
  expect(stdout).toContain('  4 VMs touched; ');
  installation.write('app.yaml', AFTER);
  await installation.bridge.restart();
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
    expect.stringContaining('nothing runs on the data folder nowhere, and nothing ever has'),
  ]);
});
