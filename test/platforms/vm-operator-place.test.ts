/** Places in zones, on a real API server. */
import { RESOURCES, trimVirtualMachine, type KubernetesObject } from '../../kubernetes';
import type { PlacementRequest, PlacementResult, VirtualMachineRef } from '../../contract';
import type { TestCluster } from '../support/kubernetes';
import { GIB } from '../simulator/fixtures';
import { previewPlaces, type Lister } from '../../platforms/vm-operator';
import { Desk, startZonedCluster, withProcess } from './vm-operator-fixtures';

const PLACEMENT = 'vmgroup.dev/placement';
const HELD = { caller: 'vmgroup/prod/shop', hold: true };

let cluster: TestCluster;
let desk: Desk;
beforeAll(async () => {
  cluster = await startZonedCluster();
  desk = new Desk(cluster.kubeconfig());
  await desk.api.create(RESOURCES.virtualMachineClasses, {
    metadata: { name: 'small', namespace: 'prod' },
    spec: { hardware: { cpus: 2, memory: '4Gi' } },
  });
}, 120_000);
afterAll(() => cluster.stop());

/** Each test begins without VMs and zones. */
beforeEach(async () => {
  const all = [RESOURCES.virtualMachines, RESOURCES.zones, RESOURCES.availabilityZones] as const;
  for (const resource of all) {
    for (const { metadata } of (await desk.api.list(resource)).items)
      await desk.api.delete(resource, metadata);
  }
});

async function zone(
  name: string,
  spec: object = {},
  metadata: Partial<KubernetesObject['metadata']> = {},
): Promise<void> {
  await desk.api.create(RESOURCES.zones, {
    metadata: { name, namespace: 'prod', ...metadata },
    spec: { managedVMs: { poolMoIDs: [`pool-${name}`] }, ...spec },
  });
}

function asks(vm: VirtualMachineRef, over: Partial<PlacementRequest> = {}): PlacementRequest {
  return { vm, cpus: 2, memory: 4 * GIB, ...over };
}

function zonesOf(results: PlacementResult[]): string {
  return results.map(({ vm, placement }) => `${vm.name}=${placement?.zoneID}`).join(' ');
}

test('VMs are spread over the zones, held off, and their places stand on them; asked again, nothing is written', async () => {
  await zone('zone-b');
  await zone('zone-a');
  const vms = [await desk.manifest('web-1'), await desk.manifest('web-2'), await desk.manifest('web-3')];
  let places = '';
  await withProcess(cluster.kubeconfig(), async ({ platform, api }) => {
    const requests = vms.map((vm) => asks(vm));
    const results = await platform.place(requests, HELD);
    places = zonesOf(results);
    expect(new Set(results.map(({ placement }) => placement?.zoneID))).toEqual(new Set(['zone-a', 'zone-b']));
    const [zoneID] = /zone-.$/.exec(places.split(' ')[1] ?? '') ?? [];
    expect(results[1]).toEqual({ vm: vms[1], placement: { zoneID, pool: `pool-${zoneID}` } });
    // The lock is taken first and given back last; a slow machine renews it meanwhile.
    expect([api.calls[0], api.calls.at(-1)]).toEqual(['GET leases', 'GET leases']);
    expect(api.calls.filter((call) => call !== 'GET leases')).toEqual([
      ...['LIST virtualmachines', 'LIST zones'],
      ...vms.map(() => 'PATCH virtualmachines'),
    ]);
    expect((await desk.get('web-1')).spec['powerState']).toBe('PoweredOff');
    expect(await desk.record('web-1', PLACEMENT)).toEqual({
      uid: vms[0]?.uid,
      ...results[0]?.placement,
      caller: HELD.caller,
    });
    api.calls.length = 0;
    expect(await platform.place(requests, HELD)).toEqual(results);
    expect(api.calls).toEqual(['LIST zones']);
  });
  await withProcess(cluster.kubeconfig(), async ({ platform, api }) => {
    expect(
      zonesOf(
        await platform.place(
          vms.map((vm) => asks(vm)),
          HELD,
        ),
      ),
    ).toBe(places);
    expect(api.calls).toEqual(['LIST zones']);
  });
});

test('a preview finds what placing finds, also what it promised before, and counts what it found itself', async () => {
  await zone('zone-a', { memory: { limit: '12Gi' } });
  await zone('zone-b', { memory: { limit: '8Gi' } });
  const names = ['promised', 'one', 'two', 'three'];
  const vms = await Promise.all(names.map((name) => desk.manifest(name)));
  const requests = vms.map((vm) => asks(vm));
  const list: Lister = async (resource, namespace) =>
    (await desk.api.list(resource, namespace === undefined ? {} : { namespace })).items;
  await withProcess(cluster.kubeconfig(), async ({ platform }) => {
    const [promised] = await platform.place(requests.slice(0, 1), HELD);
    const { items } = await desk.api.list(RESOURCES.virtualMachines);
    const preview = previewPlaces(list, items.map(trimVirtualMachine));
    const first = await preview(requests.slice(0, 3));
    const second = await preview(requests.slice(3));
    const found = [first, second].flatMap((answer) => (answer?.type === 'Placed' ? answer.placements : []));
    expect(found.map(({ name }) => name)).toEqual(names);
    expect(found[0]?.placement).toEqual(promised?.placement);
    expect((await desk.get('one')).metadata.annotations).toBeUndefined();
    const results = [
      ...(await platform.place(requests.slice(0, 3), HELD)),
      ...(await platform.place(requests.slice(3), HELD)),
    ];
    expect(found.map(({ placement }) => placement)).toEqual(results.map(({ placement }) => placement));
  });
});

test('where nothing is to be held, the power state stays what it is; asked to hold later, it is held', async () => {
  await zone('zone-a');
  const vm = await desk.manifest('web-1');
  await withProcess(cluster.kubeconfig(), async ({ platform }) => {
    await platform.place([asks(vm)], { caller: HELD.caller });
    expect((await desk.get('web-1')).spec['powerState']).toBe('PoweredOn');
    expect(zonesOf(await platform.place([asks(vm)], HELD))).toBe('web-1=zone-a');
    expect((await desk.get('web-1')).spec['powerState']).toBe('PoweredOff');
  });
});

test('what an operation has asked to be on is no longer held off; what exists keeps its place and is not written', async () => {
  await zone('zone-a');
  const [fresh, there] = [
    await desk.manifest('fresh'),
    await desk.vm('there', 'PoweredOn', { status: { zone: 'zone-z' } }),
  ];
  await withProcess(cluster.kubeconfig(), async ({ platform }) => {
    await platform.place([asks(fresh)], HELD);
    const operation = { id: 'on', sequence: 1 };
    await platform.power({
      vm: fresh,
      operation,
      powerState: 'PoweredOn',
      guestShutdownTimeout: 1,
      caller: HELD.caller,
    });
    const before = (await desk.get('there')).metadata.resourceVersion;
    const results = await platform.place([asks(fresh), asks(there)], HELD);
    expect(zonesOf(results)).toBe('fresh=zone-a there=zone-z');
    expect((await desk.get('fresh')).spec['powerState']).toBe('PoweredOn');
    expect((await desk.get('there')).metadata.resourceVersion).toBe(before);
  });
});

test('memory limits hold, with what is there and what is promised counted; all or none', async () => {
  await zone('zone-a', { memory: { limit: '8Gi' } });
  await zone('zone-b', { memory: { limit: String(12 * GIB) } });
  await desk.vm('old', 'PoweredOn');
  const one = await desk.manifest('one');
  await withProcess(cluster.kubeconfig(), async ({ platform }) => {
    expect(zonesOf(await platform.place([asks(one, { zone: 'zone-b' })], HELD))).toBe('one=zone-b');
  });
  const [two, three, four] = [
    await desk.manifest('two'),
    await desk.manifest('three'),
    await desk.manifest('four'),
  ];
  await withProcess(cluster.kubeconfig(), async ({ platform }) => {
    const tooMany = platform.place([asks(two), asks(three, { memory: 8 * GIB }), asks(four)], HELD);
    await expect(tooMany).rejects.toMatchObject({
      failureClass: 'NoCapacity',
      message: expect.stringMatching(
        /^there is not enough room: zone-[ab] lacks 4 GiB for prod\/\w+$/,
      ) as string,
    });
    expect((await desk.get('two')).metadata.annotations).toBeUndefined();
    // At the same moment, and each counts the other.
    const both = await Promise.all([platform.place([asks(two)], HELD), platform.place([asks(three)], HELD)]);
    const last = await platform.place([asks(four)], HELD);
    expect([...both.flat(), ...last].map(({ placement }) => placement?.zoneID).sort()).toEqual([
      'zone-a',
      'zone-b',
      'zone-b',
    ]);
  });
});

test('affinity rules: over zones they hold, also with placed VMs; those over hosts are left to vSphere, with a note', async () => {
  for (const name of ['zone-a', 'zone-b', 'zone-c']) await zone(name);
  const labelled = (
    name: string,
    labels: Record<string, string>,
    affinity: object,
  ): Promise<VirtualMachineRef> =>
    desk.manifest(name, {
      metadata: { labels },
      spec: { groupName: 'shop', affinity },
    });
  const terms = (app: string, topologyKey: string): object => ({
    requiredDuringSchedulingPreferredDuringExecution: [
      { labelSelector: { matchLabels: { app } }, topologyKey },
    ],
  });
  const apart = { vmAntiAffinity: terms('web', 'topology.kubernetes.io/zone') };
  const there = await desk.vm('there', 'PoweredOn', { metadata: { labels: { app: 'web' } } });
  const webs = [
    await labelled('web-1', { app: 'web' }, apart),
    await labelled('web-2', { app: 'web' }, apart),
  ];
  const cache = await labelled('cache', {}, { vmAntiAffinity: terms('web', 'kubernetes.io/hostname') });
  const fourth = await labelled('web-4', { app: 'web' }, apart);
  await withProcess(cluster.kubeconfig(), async ({ platform }) => {
    const results = await platform.place(
      [...webs, cache, there].map((each) => asks(each)),
      HELD,
    );
    const [one, two, third, old] = results;
    expect([one, two, old].map((each) => each?.placement?.zoneID).sort()).toEqual([
      'zone-a',
      'zone-b',
      'zone-c',
    ]);
    expect(third?.note).toMatch(/^hosts are left to vSphere: spec\.affinity\.vmAntiAffinity\./);
    expect([one?.note, two?.note, old?.note]).toEqual([undefined, undefined, undefined]);
    await expect(platform.place([asks(fourth)], HELD)).rejects.toMatchObject({
      failureClass: 'NoCapacity',
      message: expect.stringContaining(
        'of prod/web-4 cannot hold: there is no zone for it without',
      ) as string,
    });
  });
});

test('pins, zones that go away, and a namespace without zones', async () => {
  const vm = await desk.manifest('web-1');
  await withProcess(cluster.kubeconfig(), async ({ platform }) => {
    await expect(platform.place([asks(vm)], HELD)).rejects.toMatchObject({
      failureClass: 'NoCapacity',
      message: expect.stringContaining(
        'no zone is available to namespace prod, so prod/web-1 cannot be placed',
      ) as string,
    });
    await zone('zone-a');
    await zone('zone-b');
    const gone = { namespace: 'prod', name: 'zone-a' };
    const status = { markedForRemoval: true };
    await desk.api.merge(RESOURCES.zones, gone, { status }, { subresource: 'status' });
    await expect(platform.place([asks(vm, { zone: 'zone-a' })], HELD)).rejects.toMatchObject({
      failureClass: 'NoCapacity',
      message: 'prod/web-1 is pinned to zone zone-a, where there is no host',
    });
    expect(zonesOf(await platform.place([asks(vm)], HELD))).toBe('web-1=zone-b');
    // The place was promised in a zone that is gone before the VM was created.
    await desk.api.delete(RESOURCES.zones, { namespace: 'prod', name: 'zone-b' });
    await zone('zone-c');
    expect(zonesOf(await platform.place([asks(vm)], HELD))).toBe('web-1=zone-c');
  });
});

test('older set-ups: availability zones, those that name the namespace', async () => {
  const entry = (namespaces: object): object => ({ clusterComputeResourceMoIDs: ['c'], namespaces });
  for (const [name, spec] of [
    ['az-1', entry({ other: { poolMoIDs: ['p-1'] } })],
    ['az-2', entry({ prod: { poolMoIDs: ['p-2'] } })],
  ] as const)
    await desk.api.create(RESOURCES.availabilityZones, { metadata: { name }, spec });
  const vm = await desk.manifest('web-1');
  await withProcess(cluster.kubeconfig(), async ({ platform, api }) => {
    const [result] = await platform.place([asks(vm)], HELD);
    expect(result?.placement).toEqual({ zoneID: 'az-2', pool: 'p-2' });
    expect(api.calls.filter((call) => !/leases|LIST virtualmachines/.test(call))).toEqual([
      ...['LIST zones', 'LIST availabilityzones', 'PATCH virtualmachines'],
    ]);
  });
});

test('two processes place the same VM at the same moment: both have the same place', async () => {
  await zone('zone-a');
  await zone('zone-b');
  const [vm, other] = [await desk.manifest('web-1'), await desk.manifest('web-2')];
  await withProcess(cluster.kubeconfig(), (one) =>
    withProcess(cluster.kubeconfig(), async (two) => {
      // The second one sees the other VM first, so it would choose otherwise.
      const [a, b] = await Promise.all([
        one.platform.place([asks(vm)], HELD),
        two.platform.place([asks(other, { memory: 8 * GIB }), asks(vm)], HELD),
      ]);
      expect(a[0]?.placement).toEqual(b[1]?.placement);
      expect(await desk.record('web-1', PLACEMENT)).toMatchObject(a[0]?.placement as object);
    }),
  );
});

test('a VM that is gone, and another one of its name', async () => {
  await zone('zone-a');
  const vm = await desk.manifest('web-1');
  await withProcess(cluster.kubeconfig(), async ({ platform }) => {
    await desk.delete('web-1');
    await expect(platform.place([asks(vm)], HELD)).rejects.toMatchObject({ failureClass: 'Transient' });
    const next = await desk.manifest('web-1');
    expect(zonesOf(await platform.place([asks(next)], HELD))).toBe('web-1=zone-a');
  });
});

describe('PLATFORM-4: giving back', () => {
  const question = { ...HELD, sequence: 1 };
  const release = { caller: HELD.caller, sequence: 2 };

  test('what is only promised is taken off the VM and is free for others; what exists or was asked for power stays', async () => {
    await zone('zone-a', { memory: { limit: '12Gi' } });
    const vms = await Promise.all(['promised', 'asked', 'created'].map((name) => desk.manifest(name)));
    const [promised, asked] = vms as [VirtualMachineRef, VirtualMachineRef];
    const next = await desk.manifest('next');
    await withProcess(cluster.kubeconfig(), async ({ platform, api }) => {
      await platform.place(
        vms.map((vm) => asks(vm)),
        question,
      );
      const operation = { id: 'on', sequence: 1 };
      const power = { vm: asked, operation, powerState: 'PoweredOn', guestShutdownTimeout: 1 } as const;
      await platform.power({ ...power, caller: HELD.caller });
      // VM Operator creates it at that moment: what this process knows is older.
      await desk.status('created', { powerState: 'PoweredOff', uniqueID: 'id-created', zone: 'zone-a' });
      await expect(platform.place([asks(next)], HELD)).rejects.toMatchObject({ failureClass: 'NoCapacity' });
      expect(await platform.release(vms, release)).toEqual([promised]);
      expect(await desk.record('promised', PLACEMENT)).toEqual({ uid: promised.uid, ...release });
      expect(await desk.record('created', PLACEMENT)).toMatchObject({ zoneID: 'zone-a', sequence: 1 });
      expect(zonesOf(await platform.place([asks(next)], HELD))).toBe('next=zone-a');
      api.calls.length = 0;
      expect(await platform.release(vms, release)).toEqual([promised]);
      expect(api.calls).toEqual([]);
    });
  });
});

test('an optional VM without room, or without any zone, does not fail the call, and nothing is written on it', async () => {
  const vms = [await desk.manifest('report'), await desk.manifest('db')];
  const [report, db] = vms as [VirtualMachineRef, VirtualMachineRef];
  const requests = [asks(report, { optional: true }), asks(db)];
  await withProcess(cluster.kubeconfig(), async ({ platform }) => {
    expect(await platform.place(requests.slice(0, 1), HELD)).toEqual([
      { vm: report, unplaced: expect.stringMatching(/^no zone is available to namespace prod/) as string },
    ]);
    await zone('zone-a', { memory: { limit: '4Gi' } });
    const [without, placed] = await platform.place(requests, HELD);
    expect(without?.unplaced).toBe('there is not enough room: zone-a lacks 4 GiB for prod/report');
    expect(placed?.placement?.zoneID).toBe('zone-a');
    expect((await desk.get('report')).metadata.annotations).toBeUndefined();
  });
});
