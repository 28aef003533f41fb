/** VMs of libvirt hosts before they have groups: `import` and `doctor`, on a real daemon, and on its test driver as a second host. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { parseManifests, type Manifests } from '../../api';
import type { ShownDiff } from '../../cli/diff/text';
import type { CheckResult } from '../../cli/doctor/check-result';
import { judgeFleet, judgeHost, type SurveyedHost } from '../../cli/doctor/platforms/libvirt';
import { buildWhenStale, vmgroup, type Result } from '../cli/vmgroup';
import { startLibvirt, type TestLibvirt } from '../support/libvirt';
import { withoutLibvirt } from '../support/libvirt-parts';
import { platformManifest } from '../support/manifests';

jest.setTimeout(120_000);

const host = (
  name: string,
  domains: SurveyedHost['survey']['domains'] = [],
  over: object = {},
): SurveyedHost => ({
  name,
  survey: {
    libvirt: '9.0.0',
    hypervisor: '7.2.22',
    cpus: 2,
    memory: 2 ** 30,
    domains,
    transient: [],
    unreadable: [],
    ...over,
  },
});
const domain = (
  name: string,
  uuid: string,
  over: object = {},
): SurveyedHost['survey']['domains'][number] => ({
  name,
  uuid,
  agent: 'Connected',
  running: false,
  autostart: false,
  ...over,
});

test('a host that is well has nothing but ok; rights, libvirt-guests and transient VMs are said', () => {
  const [only, ...others] = judgeHost(host('a', [domain('x', 'u')]), false);
  expect(others).toEqual([]);
  expect(only).toMatchObject({ result: 'ok' });
  expect(only?.message).toBe('libvirt 9.0.0, hypervisor 7.2.22; 2 CPUs, 1024 MiB; 1 VM');
  const readOnly = host('a', [], { readOnly: 'access denied', transient: ['t'] });
  const said = judgeHost(readOnly, true).map(({ result, message }) => `${result}: ${message}`);
  expect(said.slice(1)).toEqual([
    'problem: VMs may be read, not changed: access denied',
    'note: the service libvirt-guests starts and stops VMs with this machine, in no order',
    'note: transient VMs are left out: t',
  ]);
  // Of another machine the service here says nothing.
  expect(judgeHost({ ...readOnly, ssh: 'b' }, true)).toHaveLength(3);
});

test('a VM on several hosts is named, and is a problem where it runs twice; so are names that fit several VMs', () => {
  const a = host('a', [domain('x', 'u', { running: true }), domain('y', 'v'), domain('z', 'w')]);
  const b = host('b', [domain('x', 'u', { running: true }), domain('y', 'v'), domain('z', 'other')]);
  expect(judgeFleet([a, b]).map(({ result, message }) => `${result}: ${message}`)).toEqual([
    'problem: x runs on a and b at the same time: its disks are being damaged if they are the same',
    'note: defined on several hosts, one of which is chosen at each start: x (a, b); y (a, b)',
    'note: several VMs share a name, so they cannot be found by it: z (a, b)',
  ]);
  expect(judgeFleet([a])).toEqual([]);
});

test('the output states what is not known of a host that is another machine', () => {
  const there = [
    { ...host('b', []), ssh: 'root@b' },
    { ...host('c', []), tls: { host: 'c.example', caFile: 'ca', certFile: 'crt', keyFile: 'key' } },
  ];
  expect(judgeFleet([host('a', []), ...there]).map(({ result, message }) => `${result}: ${message}`)).toEqual(
    [
      'note: unknown for b, c: whether the service libvirt-guests starts and stops VMs with the host; doctor checks it on this machine only',
    ],
  );
});

const why = withoutLibvirt();
if (why !== undefined) test.skip(`import and doctor of libvirt (left out: ${why})`, () => undefined);
else
  describe('on a real daemon', () => {
    let libvirt: TestLibvirt;
    let dir: string;

    beforeAll(async () => {
      buildWhenStale();
      libvirt = await startLibvirt();
      await libvirt.define('db', { guest: 'linux' });
      await libvirt.define('web.1');
      await libvirt.virsh('autostart', 'web.1');
      // The test driver has a VM `test` of its own.
      const uuid = (await libvirt.virsh('domuuid', 'db')).trim();
      const twin = path.join(libvirt.dir, 'twin.xml');
      writeFileSync(
        twin,
        `<domain type='test'><name>db</name><uuid>${uuid}</uuid><memory>1024</memory><os><type>hvm</type></os></domain>`,
      );
      await libvirt.virshTest('define', twin);
    }, 120_000);
    beforeEach(() => {
      dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-libvirt-commands-'));
      const spec = {
        libvirt: {
          hosts: [
            { name: 'kvm1', socket: libvirt.socket, uri: 'qemu:///session' },
            { name: 'kvm2', socket: libvirt.socket, uri: 'test:///default' },
          ],
        },
      };
      write('platform.yaml', 'rack', spec);
    });
    afterEach(() => rmSync(dir, { recursive: true, force: true }));
    afterAll(() => libvirt?.stop());

    function write(file: string, name: string, spec: object): void {
      writeFileSync(path.join(dir, file), platformManifest(name, spec));
    }
    const run = (...words: string[]): Promise<Result> => vmgroup(words, { cwd: dir });
    const importing = (...words: string[]): Promise<Result> =>
      run('import', 'libvirt', '--platforms', 'platform.yaml', ...words);
    function printed({ stdout }: Result): Manifests {
      const { manifests, problems } = parseManifests([{ path: 'stdout', text: stdout }]);
      expect(problems).toEqual([]);
      return manifests;
    }
    async function checked(file = 'platform.yaml'): Promise<{ code: number | null; results: CheckResult[] }> {
      const words = ['doctor', '--platform', 'libvirt', '--platforms', file, '-o', 'json'];
      const { code, stdout } = await run(...words);
      return { code, results: JSON.parse(stdout) as CheckResult[] };
    }

    it('all VMs are imported as one tier, one that two hosts have once; the output states what starts by itself', async () => {
      const result = await importing('--into', 'shop');
      const { groups, virtualMachines } = printed(result);
      expect(groups).toMatchObject([{ namespace: 'shop', name: 'imported' }]);
      expect(groups[0]?.tiers).toHaveLength(1);
      expect(virtualMachines.map(({ name, locator }) => [name, locator?.slice(0, 5)]).sort()).toEqual([
        ['db', 'uuid:'],
        ['test', 'uuid:'],
        ['web-1', 'uuid:'],
      ]);
      expect(result.stdout).toContain('# /kvm1/db, /kvm2/db');
      expect(result.stderr).toContain(
        'libvirt starts web.1 with kvm1, in no order: virsh autostart --disable web.1',
      );
    });

    it('what was imported is valid and runs; nothing is overwritten', async () => {
      const words = ['--name', 'web*', '--group', 'web', '--dir', 'out'];
      expect(await importing(...words)).toMatchObject({ code: 0 });
      expect(await run('validate', 'out', 'platform.yaml')).toMatchObject({ code: 0, stdout: '' });
      expect(await run('power', 'on', 'default/web', '--path', 'out')).toMatchObject({ code: 0 });
      const up = await run('up', 'out', 'platform.yaml', '--platform', 'rack', '--exit-when-converged');
      expect({ code: up.code, said: up.code === 0 ? '' : up.stdout + up.stderr }).toEqual({
        code: 0,
        said: '',
      });
      expect(libvirt.qemu('web.1')).toBeDefined();
      const again = await importing(...words);
      expect(again).toMatchObject({ code: 1, stdout: '' });
      expect(again.stderr).toMatch(/web\.yaml exists already; nothing was written/);
      expect(readdirSync(path.join(dir, 'out'))).toEqual(['web.yaml']);
      expect(readFileSync(path.join(dir, 'out/web.yaml'), 'utf8')).toContain('powerState: PoweredOn');
    });

    it('diff asks the hosts for their VMs, and where one that joins would start; also once nothing runs', async () => {
      expect(await importing('--name', 'web*', '--group', 'web', '--dir', 'out')).toMatchObject({ code: 0 });
      expect(await run('power', 'on', 'default/web', '--path', 'out')).toMatchObject({ code: 0 });
      const up = ['up', 'out', 'platform.yaml', '--platform', 'rack', '--exit-when-converged'];
      expect(await run(...up)).toMatchObject({ code: 0 });
      const uuid = (await libvirt.virsh('domuuid', 'db')).trim();
      const db = {
        apiVersion: 'vmoperator.vmware.com/v1alpha5',
        kind: 'VirtualMachine',
        metadata: {
          name: 'db',
          namespace: 'default',
          annotations: { 'vmgroup.dev/platform-vm': `uuid:${uuid}` },
        },
        spec: { groupName: 'web' },
      };
      writeFileSync(path.join(dir, 'db.yaml'), stringify(db));
      const diff = async (): Promise<ShownDiff | undefined> => {
        const words = ['diff', 'default/web', 'out', 'db.yaml', 'platform.yaml', '--platform', 'rack'];
        const { code, stdout, stderr } = await run(...words, '-o', 'json');
        const said = stderr.split('\n').filter((line) => !line.includes('does not list VirtualMachine/db'));
        expect([code, said]).toEqual([
          0,
          ['note: neither vmgroup up nor serve runs on this data; this is the state when it stopped', ''],
        ]);
        return (JSON.parse(stdout) as ShownDiff[])[0];
      };
      const found = await diff();
      expect(found).toMatchObject({ change: 'Changed', touched: ['db'], kept: ['web-1'] });
      expect(found?.placement).toMatchObject({ type: 'Placed', placements: [{ name: 'db' }] });
      // One is stopped outside vmgroup: no bridge has seen that.
      await libvirt.virsh('destroy', 'web.1');
      expect(await diff()).toMatchObject({ touched: ['web-1', 'db'], kept: [] });
    });

    it('doctor: versions, what starts by itself, VMs without an agent, and VMs that two hosts have', async () => {
      const { code, results } = await checked();
      expect(code).toBe(0);
      const said = results
        .filter(({ check, message }) => check.endsWith('of rack') && !message.includes('libvirt-guests'))
        .map(({ check, result, message }) => `${result}: ${check}: ${message}`);
      expect(said[0]).toMatch(/^ok: host kvm1 of rack: libvirt \d+\.\d+\.\d+, hypervisor \d.*; 2 VMs$/);
      expect(said.filter((text) => text.startsWith('note'))).toEqual([
        'note: host kvm1 of rack: libvirt starts web.1 with the host, in no order',
        'note: host kvm1 of rack: no channel for a guest agent: web.1; nothing reports that they are ready',
        'note: host kvm2 of rack: no channel for a guest agent: db, test; nothing reports that they are ready',
        'note: VMs of rack: defined on several hosts, one of which is chosen at each start: db (kvm1, kvm2)',
      ]);
    });

    it('doctor: each host that cannot be reached is a problem with a cure of its own', async () => {
      const files = {
        caFile: path.join(dir, 'ca'),
        certFile: path.join(dir, 'c'),
        keyFile: path.join(dir, 'k'),
      };
      const hosts = [
        { name: 'here', socket: path.join(dir, 'no-socket') },
        { name: 'there', ssh: 'nobody@127.0.0.1' },
        { name: 'far', tls: { host: '127.0.0.1', port: 1, ...files } },
      ];
      write('away.yaml', 'away', { libvirt: { hosts } });
      const { code, results } = await checked('away.yaml');
      expect(code).toBe(1);
      const cures = Object.fromEntries(
        results.map(({ check, result, cure }) => [check, `${result}: ${cure}`]),
      );
      expect(cures['host here of away']).toMatch(/^problem: start the daemon/);
      expect(cures['host there of away']).toMatch(/^problem: try ssh .* nobody@127\.0\.0\.1 virt-ssh-helper/);
      expect(cures['host far of away']).toMatch(/^problem: check that libvirtd listens there with TLS/);
    });
  });
