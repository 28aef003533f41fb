/** VMs of a vCenter that vApps, HA and a host start in order: imported, validated, planned, run. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseManifests, type Manifests } from '../../api';
import { buildWhenStale, vmgroup, type Result } from '../cli/vmgroup';
import { loginTo, startVcenter, writeDatacenter, type TestVcenter } from '../support/vsphere';

jest.setTimeout(240_000);

let vcenter: TestVcenter;
let dir: string;

const VAPP = ['db', 'app-1', 'app-2', 'web'];
const LINKED = ['ldap', 'dns', 'mail'];
const STARTED = ['gateway', 'proxy'];

beforeAll(async () => {
  buildWhenStale();
  vcenter = await startVcenter();
  for (const name of VAPP) await vcenter.create({ name, folder: 'shop' });
  for (const name of [...LINKED, ...STARTED]) await vcenter.create({ name, folder: 'base' });
  await vcenter.create({ name: 'Alone 1', folder: 'shop/old' });
  await vcenter.vapp({ name: 'shop', entities: [] });
  await vcenter.vapp({
    name: 'apps',
    parent: 'shop',
    entities: ['app-1', 'app-2'].map((vm) => ({ vm, startOrder: 1, stopAction: 'powerOff' })),
  });
  const guest = { stopAction: 'guestShutdown', stopDelay: 90 };
  await vcenter.vapp({
    name: 'shop',
    entities: [
      { vm: 'db', startOrder: 1, startDelay: 120, waitingForGuest: true, ...guest },
      { vapp: 'apps', startOrder: 2, startDelay: 2 },
      { vm: 'web', startOrder: 3, startAction: 'powerOn', stopAction: 'suspend' },
    ],
  });
  await vcenter.dependencies({
    groups: { directory: ['ldap', 'dns'], clients: ['mail'] },
    rules: [{ vmGroup: 'clients', dependsOn: 'directory' }],
    readiness: {
      ldap: { readyCondition: 'guestHbStatusGreen', postReadyDelay: 10 },
      dns: { readyCondition: 'poweredOn', postReadyDelay: 5 },
    },
  });
  await vcenter.autostart({
    defaults: { enabled: true, startDelay: 60, stopDelay: 45, stopAction: 'guestShutdown' },
    order: [
      {
        vm: 'proxy',
        startOrder: 2,
        startDelay: 15,
        startAction: 'powerOn',
        stopAction: 'systemDefault',
        stopDelay: -1,
      },
      {
        vm: 'gateway',
        startOrder: 1,
        startDelay: -1,
        startAction: 'powerOn',
        stopAction: 'powerOff',
        stopDelay: -1,
      },
      { vm: 'db', startOrder: -1, startDelay: -1, startAction: 'none', stopAction: 'none', stopDelay: -1 },
    ],
  });
  await vcenter.tag('tier', 'directory', ['ldap', 'dns']);
});
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-import-'));
  writeDatacenter(dir, vcenter);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
afterAll(() => vcenter?.stop());

const run = (...words: string[]): Promise<Result> => vmgroup(words, { cwd: dir, env: loginTo(vcenter) });
const importing = (...words: string[]): Promise<Result> =>
  run('import', 'vsphere', '--platforms', 'platform.yaml', ...words);

/** The manifests that were printed. */
function printed({ stdout }: Result): Manifests {
  const { manifests, problems } = parseManifests([{ path: 'stdout', text: stdout }]);
  expect(problems).toEqual([]);
  return manifests;
}
const namesOf = ({ virtualMachines }: Manifests): string[] => virtualMachines.map(({ name }) => name).sort();

it('a vApp is imported, validated, planned and run in its order', async () => {
  const result = await importing(
    '--pool',
    '/DC0/host/DC0_C0/Resources/shop',
    '--into',
    'shop',
    '--dir',
    'shop',
  );
  expect(result.code).toBe(0);
  expect(result.stderr).toContain('2 groups and 4 VMs in 1 file in shop');
  expect(result.stderr).toMatch(/vApp shop: web is suspended when the others are powered off/);
  expect(result.stderr).toMatch(/vApp shop: it continues 120 s after db even without a heartbeat/);

  expect(await run('validate', 'shop', 'platform.yaml')).toMatchObject({ code: 0, stdout: '' });
  const planned = await run('plan', 'shop', 'platform.yaml', '--group', 'shop/shop', '--to', 'PoweredOn');
  expect(planned).toMatchObject({ code: 0 });
  expect(planned.stdout.indexOf('app-1')).toBeGreaterThan(planned.stdout.indexOf('db'));

  const before = (await vcenter.calls()).journal.length;
  expect(await run('power', 'on', 'shop/shop', '--path', 'shop')).toMatchObject({ code: 0 });
  const up = await run('up', 'shop', 'platform.yaml', '--platform', 'datacenter', '--exit-when-converged');
  expect(up).toMatchObject({ code: 0 });
  const { journal } = await vcenter.calls();
  const on = journal.slice(before).flatMap(({ method, vm }) => (/^PowerOnVM/.test(method) ? [vm] : []));
  expect(on[0]).toBe('db');
  expect(on.slice(1, 3).sort()).toEqual(['app-1', 'app-2']);
  expect(on.slice(3)).toEqual(['web']);

  const again = await importing(
    '--pool',
    '/DC0/host/DC0_C0/Resources/shop',
    '--into',
    'shop',
    '--dir',
    'shop',
  );
  expect(again).toMatchObject({ code: 1, stdout: '' });
  expect(again.stderr).toMatch(/shop\.yaml exists already; nothing was written/);
  expect(readdirSync(path.join(dir, 'shop'))).toEqual(['shop.yaml']);
  expect(readFileSync(path.join(dir, 'shop/shop.yaml'), 'utf8')).toContain('powerState: PoweredOn');
});

it('HA dependencies become tiers, with their gates and delays', async () => {
  const result = await importing('--folder', '/DC0/vm/base');
  const { groups, policies } = printed(result);
  const group = groups.find(({ name }) => name === 'dc0-c0');
  expect(group?.tiers.map(({ members }) => members.map(({ name }) => name).sort())).toEqual([
    ['dns', 'ldap'],
    ['mail'],
  ]);
  expect(group?.tiers[1]?.powerOnDelay).toBe(10_000);
  expect(policies.find(({ name }) => name === group?.policyName)?.spec.tiers).toEqual([
    { tier: 0, gate: 'Ready' },
    { tier: 1, gate: 'None' },
  ]);
  expect(result.stderr).toMatch(/different conditions hold for (ldap, dns|dns, ldap), which start together/);
});

it('the autostart of a host becomes tiers of one VM each', async () => {
  const { groups, virtualMachines } = printed(await importing('--folder', 'DC0/vm/base/'));
  const group = groups.find(({ tiers }) => tiers[0]?.members[0]?.name === 'gateway');
  expect(group?.tiers.map(({ members, powerOnDelay }) => [members[0]?.name, powerOnDelay])).toEqual([
    ['gateway', 0],
    ['proxy', 60_000],
  ]);
  expect(virtualMachines.find(({ name }) => name === 'gateway')?.powerOffMode).toBe('Hard');
  expect(virtualMachines.find(({ name }) => name === 'proxy')?.powerOffMode).toBe('TrySoft');
});

it('VMs are selected by tag, name and folder; the rest is one group', async () => {
  expect(namesOf(printed(await importing('--tag', 'tier/directory')))).toEqual(['dns', 'ldap']);
  expect(namesOf(printed(await importing('--tag', 'directory', '--name', 'l*')))).toEqual(['ldap']);
  const alone = await importing('--folder', '/DC0/vm/shop/old', '--group', 'rest');
  const { groups } = printed(alone);
  expect(groups).toMatchObject([{ name: 'rest', namespace: 'default' }]);
  expect(groups[0]?.tiers).toMatchObject([{ members: [{ name: 'alone-1' }] }]);
});

it('what selects nothing, and what the server does not have, is an error', async () => {
  const none = await importing('--name', 'no-such-*', '--dir', 'out');
  expect(none).toMatchObject({ code: 1, stdout: '' });
  expect(none.stderr).toMatch(/none of the 10 VMs of datacenter is selected/);
  expect(existsSync(path.join(dir, 'out'))).toBe(false);
  expect((await importing('--tag', 'no-such-tag')).stderr).toMatch(/has no tag no-such-tag/);
  const other = await importing('--platform', 'elsewhere');
  expect(other.stderr).toMatch(/there is no Platform elsewhere of type vsphere/);
});
