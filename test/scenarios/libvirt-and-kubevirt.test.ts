/**
 * One group on two kinds of platforms, as a person runs it: its database is a real guest on libvirt, its web tier VMs of KubeVirt on the stand-in.
 *
 * Guarantees: G1.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { buildWhenStale, start, vmgroup } from '../cli/vmgroup';
import { Kubevirt } from '../support/kubevirt';
import { startLibvirt, type TestLibvirt } from '../support/libvirt';
import { withoutLibvirt } from '../support/libvirt-parts';
import { groupManifest, policyManifest } from '../support/manifests';
import { until } from '../support/until';

jest.setTimeout(240_000);

const WEB = ['web-1', 'web-2'];

const why = withoutLibvirt();
if (why !== undefined) test.skip(`a group on libvirt and KubeVirt (left out: ${why})`, () => undefined);
else {
  let libvirt: TestLibvirt;
  let kubevirt: Kubevirt;
  let dir: string;

  beforeAll(async () => {
    buildWhenStale();
    dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-two-kinds-'));
    [libvirt, kubevirt] = await Promise.all([startLibvirt(), Kubevirt.start()]);
    await libvirt.define('db', { guest: 'linux' });
    await kubevirt.make(WEB);
  }, 240_000);
  afterAll(async () => {
    await Promise.all([libvirt?.stop(), kubevirt?.stop()]);
    rmSync(dir, { recursive: true, force: true });
  });

  const object = (kind: string, metadata: object, spec: object): string => {
    const apiVersion = kind === 'Platform' ? 'vmgroup.dev/v1alpha1' : 'vmoperator.vmware.com/v1alpha5';
    return stringify({ apiVersion, kind, metadata, spec });
  };

  function want(powerState: string): void {
    const hosts = [{ name: 'kvm1', socket: libvirt.socket, uri: 'qemu:///session' }];
    const vm = (name: string, platform: string): string =>
      object(
        'VirtualMachine',
        { name, namespace: 'prod', annotations: { 'vmgroup.dev/platform': platform } },
        { groupName: 'shop' },
      );
    const tiers = [{ members: ['db'] }, { members: WEB, powerOffDelay: '1ms' }];
    const texts = [
      object('Platform', { name: 'rack' }, { libvirt: { hosts } }),
      object('Platform', { name: 'cloud' }, { kubevirt: { kubeconfig: kubevirt.cluster.kubeconfig() } }),
      vm('db', 'rack'),
      ...WEB.map((name) => vm(name, 'cloud')),
      policyManifest('prod', 'default', { gate: 'Ready', gateTimeout: '3m', guestShutdownTimeout: '60s' }),
      groupManifest({ namespace: 'prod', name: 'shop', powerState, tiers }),
    ];
    mkdirSync(path.join(dir, 'shop'), { recursive: true });
    writeFileSync(path.join(dir, 'shop/all.yaml'), texts.join('---\n'));
  }

  const UP = ['up', 'shop', '--platform', 'rack', '--exit-when-converged', '-o', 'json'];
  async function up(): Promise<void> {
    const { code, stdout, stderr } = await vmgroup(UP, { cwd: dir });
    expect({ code, said: code === 0 ? '' : stdout + stderr }).toEqual({ code: 0, said: '' });
  }
  const effects = (): string[] =>
    kubevirt.deeds.flatMap((deed) => (deed.type === 'Effect' ? [`${deed.effect} ${deed.vm.name}`] : []));
  const powers = (): string[] =>
    [...libvirt.log('db').matchAll(/: (starting up|shutting down, reason=\w+)/g)].map(
      ([, what = '']) => what,
    );

  it('the web tier on KubeVirt starts once the guest of the database on libvirt is up; kill -9 in between', async () => {
    want('PoweredOn');
    const first = start(UP, { cwd: dir });
    first.stdout.resume();
    first.stderr.resume();
    await until(() => powers().length > 0, 'the database to start', { seconds: 120 });
    first.kill('SIGKILL');
    // Its guest boots still: nothing of the web tier was started.
    expect(kubevirt.deeds).toEqual([]);
    await up();
    expect(libvirt.serial('db')).toContain('READY');
    expect(powers()).toEqual(['starting up']);
    expect(effects().sort()).toEqual(WEB.map((name) => `PoweredOn ${name}`));
    for (const name of WEB)
      expect(kubevirt.deeds.filter((deed) => deed.type === 'Began' && deed.vm.name === name)).toHaveLength(1);
  });

  it('off in reverse: the database shuts down by itself once the web tier is off', async () => {
    want('PoweredOff');
    const seen: string[] = [];
    const ended = up();
    await until(
      () => {
        if (powers().length > 1) seen.push(...effects());
        return seen.length > 0;
      },
      'the database to go off',
      { seconds: 120, slowest: 20 },
    );
    expect(seen.filter((effect) => effect.startsWith('PoweredOff')).sort()).toEqual(
      WEB.map((name) => `PoweredOff ${name}`),
    );
    await ended;
    expect(powers()).toEqual(['starting up', 'shutting down, reason=shutdown']);
  });
}
