/**
 * Two processes that place at the same moment, on a real daemon: its QEMU driver and its test driver are two hosts that share VMs.
 *
 * Guarantees: G5.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PlacementRequest, VirtualMachineRef } from '../../../contract';
import { solvePlacement, type Solve } from '../../../placement';
import { Daemon, LibvirtPlatform, type HostOptions } from '../../../platforms/libvirt';
import { elementOf, NAMESPACES } from '../../../platforms/libvirt/facts';
import { writePlace } from '../../../platforms/tracked';
import { startLibvirt, type TestLibvirt } from '../../support/libvirt';
import { withoutLibvirt } from '../../support/libvirt-parts';
import { solveTogether } from '../../support/solve-together';
import { until } from '../../support/until';

jest.setTimeout(120_000);

const why = withoutLibvirt();
if (why !== undefined) test.skip(`two processes that place (left out: ${why})`, () => undefined);
else {
  let libvirt: TestLibvirt;
  let half: number;
  const open: LibvirtPlatform[] = [];

  const host = (name: string, uri: string): HostOptions => ({
    name,
    uri,
    transport: { type: 'Socket', paths: [libvirt.socket] },
  });

  beforeAll(async () => {
    libvirt = await startLibvirt();
    const daemon = await Daemon.open(
      { type: 'Socket', paths: [libvirt.socket] },
      'qemu:///session',
      () => undefined,
      AbortSignal.timeout(30_000),
    );
    half = Math.ceil(((await daemon.size()).memory * 0.6) / 1_024);
    daemon.close();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((platform) => platform.close()));
  });
  afterAll(() => libvirt?.stop());

  let count = 0;
  /** A VM that both hosts have; the first one has room for one such, the second one for none. */
  async function define(): Promise<VirtualMachineRef> {
    count += 1;
    const name = `vm-${count}`;
    const uuid = `00000000-0000-4000-8000-${String(count).padStart(12, '0')}`;
    for (const type of ['qemu', 'test']) {
      const file = path.join(libvirt.dir, `${type}.xml`);
      writeFileSync(
        file,
        `<domain type='${type}'><name>${name}</name><uuid>${uuid}</uuid><memory unit='KiB'>${half}</memory><vcpu>1</vcpu><os><type arch='${type === 'qemu' ? 'x86_64' : 'i686'}'>hvm</type></os></domain>`,
      );
      await (type === 'qemu' ? libvirt.virsh('define', file) : libvirt.virshTest('define', file));
    }
    return { namespace: 'prod', name, uid: `uid-${name}` };
  }

  async function process(refs: readonly VirtualMachineRef[], solve?: Solve): Promise<LibvirtPlatform> {
    const platform = new LibvirtPlatform({
      hosts: [host('alpha', 'qemu:///session'), host('beta', 'test:///default')],
      ...(solve && { solve }),
    });
    open.push(platform);
    platform.track(refs);
    for (const vm of refs) await until(async () => (await platform.read(vm)) !== undefined);
    return platform;
  }

  const request = (vm: VirtualMachineRef): PlacementRequest => ({ vm, cpus: 1, memory: 1 });
  const outcome = (call: Promise<unknown>): Promise<string> =>
    call.then(
      () => 'placed',
      (error: unknown) => (error as { failureClass?: string }).failureClass ?? String(error),
    );

  test.each([1, 2, 3, 4, 5])(
    'TRACKED-3: both have found the last room before either writes: one gets it (%i)',
    async () => {
      const refs = [await define(), await define()];
      const solve = solveTogether(2);
      const processes = [await process(refs, solve), await process(refs, solve)];
      const calls = processes.map((platform, index) =>
        outcome(
          platform.place([request(refs[index] as VirtualMachineRef)], {
            caller: `vmgroup/prod/g${index}`,
            sequence: 1,
          }),
        ),
      );
      const outcomes = await Promise.all(calls);
      expect(outcomes.sort()).toEqual(['NoCapacity', 'placed']);
      // The room comes free for the next pair.
      for (const [index, platform] of processes.entries())
        await platform.release(refs, { caller: `vmgroup/prod/g${index}`, sequence: 2 });
    },
  );

  test('TRACKED-3: a place that a dead process has left tentative takes room, and the next call finds it again', async () => {
    const [one, two] = [await define(), await define()];
    const uuid = `00000000-0000-4000-8000-${String(count - 1).padStart(12, '0')}`;
    const claim = { host: 'alpha', caller: 'vmgroup/prod/g', sequence: 5, tentative: true as const };
    const text = writePlace({ ...claim, hosts: ['alpha', 'beta'], at: Date.now() }, uuid);
    await libvirt.setMetadata(uuid, NAMESPACES.place, elementOf('place', text));
    const platform = await process([one, two]);
    const other = { caller: 'vmgroup/prod/other', sequence: 1 };
    expect(await outcome(platform.place([request(two)], other))).toBe('NoCapacity');
    let asked = 0;
    const again = await process([one, two], async (problem) => {
      asked += 1;
      return solvePlacement(problem);
    });
    const call = { caller: 'vmgroup/prod/g', sequence: 5 };
    expect(await again.place([request(one)], call)).toMatchObject([{ placement: { node: 'alpha' } }]);
    expect(asked).toBe(1);
    expect(await again.place([request(one)], call)).toMatchObject([{ placement: { node: 'alpha' } }]);
    expect(asked).toBe(1);
  });
}
