/** `vmgroup doctor --platform`, on a simulated vCenter and a simulated ESXi host. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { VsphereSettings } from '../../../api';
import type { CheckResult } from '../../../cli/doctor/check-result';
import { checkPlatforms } from '../../../cli/doctor/platforms';
import { checkVsphere } from '../../../cli/doctor/platforms/vsphere';
import { privilegesFor } from '../../../platforms/vsphere';
import { startVcenter, type TestVcenter } from '../../support/vsphere';

let vcenter: TestVcenter;
let dir: string;
const file = (name: string): string => path.join(dir, name);

beforeAll(async () => {
  vcenter = await startVcenter({ machines: 3 });
  dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-doctor-'));
  writeFileSync(file('ca.pem'), vcenter.authority.certificate);
  writeFileSync(file('user'), vcenter.user);
  writeFileSync(file('password'), `${vcenter.password}\n`);
  writeFileSync(file('wrong'), 'wrong');
});
beforeEach(() => vcenter.deny([]));
afterAll(async () => {
  await vcenter?.stop();
  rmSync(dir, { recursive: true, force: true });
});

function settings(over: Partial<VsphereSettings> = {}): VsphereSettings {
  return {
    type: 'vsphere',
    address: vcenter.address,
    caFile: file('ca.pem'),
    userFile: file('user'),
    passwordFile: file('password'),
    folder: '/DC0/vm/{namespace}',
    ...over,
  };
}
const checked = (over: Partial<VsphereSettings> = {}): Promise<CheckResult[]> =>
  checkVsphere('dc', settings(over));
const of = (results: CheckResult[], check: string): CheckResult[] =>
  results.filter((each) => each.check === `${check} of dc`);

test('a server that is well has nothing but ok, and a certificate that is about to end', async () => {
  const results = await checked();
  expect(results.map(({ check, result }) => `${result}: ${check}`)).toEqual([
    ...['ok: address of dc', 'note: certificate of dc', 'ok: login of dc'],
    ...['ok: privileges of dc', 'ok: VMs of dc'],
  ]);
  expect(of(results, 'certificate')[0]?.cure).toMatch(/^renew it: \d+ days? left$/);
  expect(of(results, 'address')[0]?.message).toContain('vCenter');
  expect(of(results, 'VMs')[0]?.facts).toEqual({ count: 3, all: 3 });
});

test('a certificate that is not trusted is shown with its thumbprint, which is then enough', async () => {
  const { caFile: _, ...untrusted } = settings();
  const [only, ...others] = await checkVsphere('dc', untrusted);
  expect(others).toEqual([]);
  expect(only).toMatchObject({ check: 'certificate of dc', result: 'problem' });
  const thumbprint = String(only?.facts?.['thumbprint']);
  expect(only?.cure).toContain(thumbprint);
  expect(of(await checkVsphere('dc', { ...untrusted, thumbprint }), 'login')[0]?.result).toBe('ok');
});

test('an address without a server, wrong credentials and a missing file are told apart', async () => {
  expect(await checked({ address: 'https://127.0.0.1:1' })).toMatchObject([
    { check: 'address of dc', result: 'problem' },
  ]);
  const refused = of(await checked({ passwordFile: file('wrong') }), 'login');
  expect(refused).toMatchObject([{ result: 'problem' }]);
  expect(refused[0]?.message).toMatch(/InvalidLogin/);
  expect(refused[0]?.cure).toContain(file('wrong'));
  const missing = of(await checked({ passwordFile: file('none') }), 'login');
  expect(missing[0]?.message).toMatch(/ENOENT/);
  expect(await checked({ caFile: file('none') })).toMatchObject([
    { check: 'settings of dc', result: 'problem' },
  ]);
});

test.each(privilegesFor({ records: 'Attribute', vCenter: true, drsRules: true }))(
  'without $id it says so',
  async ({ id, lost, at }) => {
    await vcenter.deny([id]);
    const found = of(await checked({ drsRules: true }), 'privileges');
    expect(found).toMatchObject([
      {
        result: lost === undefined ? 'problem' : 'note',
        facts: { privilege: id, vms: at === 'Root' ? 0 : 3 },
      },
    ]);
    expect(found[0]?.cure).toContain('deploy/vsphere/role.txt');
  },
);

test('the privilege for the configuration is asked for where records are kept there', async () => {
  await vcenter.deny(['VirtualMachine.Config.AdvancedConfig', 'Global.SetCustomField']);
  const found = of(await checked({ records: 'ExtraConfig' }), 'privileges');
  expect(found.map(({ facts }) => facts?.['privilege'])).toEqual(['VirtualMachine.Config.AdvancedConfig']);
});

test('who may not define the attribute needs not, once it is there', async () => {
  await vcenter.deny(['Global.ManageCustomFields']);
  await vcenter.create({ name: 'old', fields: { 'vmgroup.operation': '' } });
  expect(of(await checked(), 'privileges')).toMatchObject([{ result: 'ok' }]);
  await vcenter.act('old', 'destroy');
});

test('PRIVILEGE-1: the role that ships has the privileges that a vCenter needs', () => {
  const shipped = readFileSync(path.join(__dirname, '../../../deploy/vsphere/role.txt'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const needed = privilegesFor({ records: 'Attribute', vCenter: true, drsRules: false }).map(({ id }) => id);
  expect(shipped).toEqual(needed.filter((id) => !id.startsWith('System.')).sort());
});

test('a folder without VMs is a problem', async () => {
  expect(of(await checked({ folder: '/DC0/vm/nowhere' }), 'VMs')).toMatchObject([
    { result: 'problem', facts: { count: 0, all: 3 } },
  ]);
});

test('what else orders VMs, and a DRS that leaves places to people, are notes', async () => {
  await vcenter.vapp({ name: 'shop', entities: [{ vm: 'vm-000', startOrder: 1 }] });
  await vcenter.dependencies({
    groups: { first: ['vm-001'], then: ['vm-002'] },
    rules: [{ vmGroup: 'then', dependsOn: 'first' }],
  });
  await vcenter.autostart({
    defaults: { enabled: true },
    order: [{ vm: 'vm-002', startOrder: 1, startDelay: 1, startAction: 'powerOn', stopDelay: 1 }],
  });
  await vcenter.drs('manual');
  const results = await checked();
  expect(of(results, 'other orders').map(({ message }) => message)).toEqual([
    'the vApp shop also orders /DC0/vm/vmgroup/vm-000',
    'the HA orchestration of cluster DC0_C0 also orders /DC0/vm/vmgroup/vm-001, /DC0/vm/vmgroup/vm-002',
    expect.stringMatching(/^the autostart of host DC0_C0_H\d also orders \/DC0\/vm\/vmgroup\/vm-002$/),
  ]);
  expect(of(results, 'DRS')).toMatchObject([{ result: 'note', facts: { automation: 'manual' } }]);
  expect(of(await checked({ overrideDrs: true }), 'DRS')).toEqual([]);
});

test('the platforms of a file are chosen by name or type', async () => {
  const written = file('platforms.yaml');
  const block = JSON.stringify({
    address: vcenter.address,
    caFile: file('ca.pem'),
    userFile: file('user'),
    passwordFile: file('password'),
  });
  const platform = (name: string, spec: string): string =>
    `apiVersion: vmgroup.dev/v1alpha1\nkind: Platform\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
  writeFileSync(
    written,
    [
      platform('a', `{vsphere: ${block}}`),
      platform('b', '{simulated: {address: "http://127.0.0.1:1"}}'),
    ].join('---\n'),
  );
  expect((await checkPlatforms('vsphere', [written])).every(({ check }) => check.endsWith(' of a'))).toBe(
    true,
  );
  await expect(checkPlatforms('b', [written])).rejects.toThrow(/platforms of type simulated have no checks/);
  await expect(checkPlatforms('c', [written])).rejects.toThrow(/no Platform of the name or type c/);
});

test('an ESXi host records operations in the configuration of VMs', async () => {
  const esx = await startVcenter({ esx: true, machines: 1 });
  try {
    writeFileSync(file('esx.pem'), esx.authority.certificate);
    const { folder: _, ...rest } = settings({ address: esx.address, caFile: file('esx.pem') });
    const results = await checkVsphere('dc', rest);
    expect(results.map(({ result }) => result)).not.toContain('problem');
    expect(of(results, 'privileges')[0]?.facts).toEqual({ records: 'ExtraConfig' });
  } finally {
    await esx.stop();
  }
});
