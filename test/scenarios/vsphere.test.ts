/**
 * Groups on a vCenter: `vmgroup up` on manifests whose VMs exist there, killed and started again.
 *
 * Guarantees: G1.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { buildWhenStale, start, vmgroup } from '../cli/vmgroup';
import { groupManifest, vmManifest } from '../support/manifests';
import { until } from '../support/until';
import { startVcenter, type TestVcenter } from '../support/vsphere';

jest.setTimeout(240_000);

const TIERS = [{ members: ['db'], delay: '2s' }, { members: ['app-1', 'app-2'] }, { members: ['web'] }];
const NAMES = TIERS.flatMap(({ members }) => members);

let vcenter: TestVcenter;
let dir: string;
const env = (): NodeJS.ProcessEnv => ({
  VMGROUP_VSPHERE_USER: vcenter.user,
  VMGROUP_VSPHERE_PASSWORD: vcenter.password,
});

beforeAll(async () => {
  buildWhenStale();
  vcenter = await startVcenter();
});
beforeEach(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-vsphere-'));
  for (const name of NAMES) await vcenter.create({ name });
});
afterEach(async () => {
  for (const name of NAMES) await vcenter.act(name, 'destroy');
  rmSync(dir, { recursive: true, force: true });
});
afterAll(async () => {
  await vcenter?.stop();
});

/** Writes a group of the VMs, and the platform that they are on. */
function write(powerState: string): void {
  const caFile = path.join(dir, 'ca.pem');
  writeFileSync(caFile, vcenter.authority.certificate);
  const platform = stringify({
    apiVersion: 'vmgroup.dev/v1alpha1',
    kind: 'Platform',
    metadata: { name: 'datacenter' },
    spec: { vsphere: { address: vcenter.address.replace(/\/sdk$/, ''), caFile } },
  });
  const group = groupManifest({ namespace: 'shop', name: 'shop', powerState, tiers: TIERS });
  const vms = NAMES.map((name) => vmManifest('shop', name, 'shop'));
  writeFileSync(path.join(dir, 'shop.yaml'), [platform, group, ...vms].join('---\n'));
}

const UP = ['up', '.', '--platform', 'datacenter', '--exit-when-converged', '-o', 'json'];

/** The VMs whose power was changed by calls after the first `since`, in order. */
async function poweredBy(since: number): Promise<string[]> {
  const { journal } = await vcenter.calls();
  return journal
    .slice(since)
    .filter(({ method }) => /^Power|^Shutdown/.test(method))
    .map(({ vm }) => vm);
}

it('powers the tiers on in order, and off together', async () => {
  const before = (await vcenter.calls()).journal.length;
  write('PoweredOn');
  expect(await vmgroup(UP, { cwd: dir, env: env() })).toMatchObject({ code: 0 });
  // A call for several VMs stands beside the operation of each.
  const on = [...new Set(await poweredBy(before))];
  expect(on[0]).toBe('db');
  expect(on.slice(1, 3).sort()).toEqual(['app-1', 'app-2']);
  expect(on.slice(3)).toEqual(['web']);
  for (const name of NAMES) expect(await vcenter.vm(name)).toMatchObject({ operations: 1 });

  write('PoweredOff');
  expect(await vmgroup(UP, { cwd: dir, env: env() })).toMatchObject({ code: 0 });
  for (const name of NAMES) expect((await vcenter.vm(name)).effects).toEqual(['poweredOn', 'poweredOff']);
});

it('kill -9 in the middle of a task: the next start goes on, and no VM gets a second operation', async () => {
  await vcenter.behave('app-1', { slow: 4_000 });
  write('PoweredOn');
  const first = start(UP, { cwd: dir, env: env() });
  first.stdout.resume();
  first.stderr.resume();
  await until(async () => (await vcenter.vm('app-1')).operations > 0, 'the task of app-1', { seconds: 90 });
  first.kill('SIGKILL');
  expect(await vmgroup(UP, { cwd: dir, env: env() })).toMatchObject({ code: 0 });
  for (const name of NAMES)
    expect(await vcenter.vm(name)).toMatchObject({ operations: 1, effects: ['poweredOn'] });
});
