/**
 * `vmgroup diff` against a cluster with VM Operator, for which the simulator stands in: what it says of a change is what happens.
 *
 * Guarantees: G8.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ShownDiff } from '../../../cli/diff/text';
import { startClusterSystem, type ClusterSystem } from '../../support/cluster-system';
import { groupManifest, groupWithVms, vmManifest } from '../../support/manifests';
import { effects } from '../../support/system';
import { buildWhenStale, vmgroup } from '../vmgroup';

jest.setTimeout(180_000);

const NS = 'change';
const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-diff-'));
let system: ClusterSystem;

beforeAll(async () => {
  buildWhenStale();
  system = await startClusterSystem({ platform: 'vm-operator' });
}, 240_000);
afterAll(async () => {
  await system?.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('one more VM, in a file that names nothing else: it is touched, after the delay, and no other', async () => {
  const shape = { namespace: NS, name: 'app', powerState: 'PoweredOn' };
  await system.apply(NS, groupWithVms({ ...shape, tiers: [{ members: ['db'] }, { members: ['web-1'] }] }));
  await system.startBridge();
  await system.until(
    async () => (await system.status(NS, 'app'))?.phase === 'Converged',
    'the group to be up',
  );

  const change = [
    groupManifest({ ...shape, tiers: [{ members: ['db'], delay: '1s' }, { members: ['web-1', 'web-2'] }] }),
    vmManifest(NS, 'web-2', 'app'),
  ].join('---\n');
  const file = path.join(dir, 'change.yaml');
  writeFileSync(file, change);
  const diff = async (...words: string[]): Promise<ShownDiff | undefined> => {
    const options = ['--kubeconfig', system.cluster.kubeconfig(), '-o', 'json'];
    const { stdout, stderr, code } = await vmgroup(['diff', ...words, ...options], { cwd: dir });
    expect([code, stderr]).toEqual([0, '']);
    return (JSON.parse(stdout) as ShownDiff[])[0];
  };
  const found = await diff(file);
  expect(await diff('change/app', '-f', file)).toEqual(found);
  // Without a change nothing is due.
  expect(await diff('change/app')).toMatchObject({ change: 'Unchanged', steps: [], untouched: 2 });
  expect(found?.placement).toMatchObject({ type: 'Placed', placements: [{ name: 'web-2' }] });
  expect(found).toMatchObject({ group: 'change/app', change: 'Changed', touched: ['web-2'], untouched: 2 });
  expect(found?.changes).toEqual(['joined: web-2', expect.stringContaining('powerOnDelay: 0 to 1000')]);

  const before = effects(await system.journal(), NS).length;
  await system.apply(NS, change);
  await system.until(async () => {
    const status = await system.status(NS, 'app');
    return status?.members.length === 3 && status.phase === 'Converged';
  }, 'the new VM to be up');
  expect(effects(await system.journal(), NS).slice(before)).toEqual(['PoweredOn web-2']);
});
