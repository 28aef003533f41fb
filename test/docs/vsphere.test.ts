/** D7: the page about vSphere and its example, on a simulated vCenter: checked, imported, run. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { buildWhenStale, vmgroup } from '../cli/vmgroup';
import { loginTo, startVcenter, type TestVcenter } from '../support/vsphere';
import { blocksOf, commandsOf, root } from './documents';

const PAGE = 'docs/how-to/vsphere.md';
const NAMES = ['webshop-db', 'app server 2', 'webshop-app-1', 'webshop-web'];

jest.setTimeout(240_000);

let vcenter: TestVcenter;
const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-docs-vsphere-'));

beforeAll(async () => {
  buildWhenStale();
  vcenter = await startVcenter();
  for (const name of NAMES) await vcenter.create({ name, folder: 'webshop' });
  cpSync(path.join(root, 'examples/vsphere'), path.join(dir, 'examples/vsphere'), { recursive: true });
  const platform = path.join(dir, 'examples/vsphere/platform.yaml');
  const ca = path.join(dir, 'ca.pem');
  writeFileSync(ca, vcenter.authority.certificate);
  const text = readFileSync(platform, 'utf8')
    .replace('https://vcenter.example.com', vcenter.address.replace(/\/sdk$/, ''))
    .replace('/etc/vmgroup/vcenter-ca.pem', ca);
  writeFileSync(platform, text);
});
afterAll(async () => {
  await vcenter?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** The commands of the page with that verb, to their end. */
async function follow(verb: string, ...more: string[]): Promise<string> {
  const [command, ...others] = blocksOf(PAGE)
    .flatMap((block) => commandsOf(PAGE, block))
    .filter(({ words }) => words[0] === 'vmgroup' && words[1] === verb);
  expect({ verb, others }).toEqual({ verb, others: [] });
  const env = loginTo(vcenter);
  const result = await vmgroup([...(command?.words.slice(1) ?? []), ...more], { cwd: dir, env });
  const output = `${result.stdout}${result.stderr}`;
  expect({ verb, code: result.code, output }).toMatchObject({ code: 0 });
  return output;
}

test(PAGE, async () => {
  expect(await follow('doctor')).toMatch(/VMs of datacenter +ok +4 VMs in \/DC0\/vm\/\{namespace\}/);
  expect(await follow('import')).toContain('1 group and 4 VMs in 1 file in manifests');
  await follow('validate');
  expect(await follow('plan')).toContain('app-server-2');
  await follow('up', '--exit-when-converged');
  const { journal } = await vcenter.calls();
  const on = journal.flatMap(({ method, vm }) => (/^PowerOnVM_Task/.test(method) ? [vm] : []));
  expect([on[0], on.slice(1, 3).sort(), on.slice(3)]).toEqual([
    'webshop-db',
    ['app server 2', 'webshop-app-1'],
    ['webshop-web'],
  ]);
  await follow('power');
  expect(readFileSync(path.join(dir, 'examples/vsphere/group.yaml'), 'utf8')).toContain('PoweredOff');
});
