/** The stand-in for VM Operator's VM controller on a real API server: creation, power, failures, deletion, restarts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RESOURCES, type ApiServer, type VirtualMachineObject } from '../../kubernetes';
import type { TestCluster } from '../support/kubernetes';
import { inventory, withFaults } from './fixtures';
import { until } from '../support/until';
import { condition, findCondition, Stage, startVmCluster } from './vm-controller-fixtures';

let cluster: TestCluster & { api: ApiServer };
const folder = mkdtempSync(join(tmpdir(), 'vmgroup-vm-controller-'));
const stages: Stage[] = [];
beforeAll(async () => (cluster = await startVmCluster()));
afterEach(async () => {
  for (const stage of stages.splice(0)) await stage.stop();
});
afterAll(async () => {
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
});

let counter = 0;
function newStage(): Stage {
  counter += 1;
  const stage = new Stage(cluster.api, `vms-${counter}`, join(folder, String(counter)));
  stages.push(stage);
  return stage;
}

async function started(options: Parameters<Stage['start']>[0] = {}): Promise<Stage> {
  const stage = newStage();
  await stage.start(options);
  return stage;
}

const SYNCED = 'VirtualMachinePowerStateSynced';
const PLACED = 'VirtualMachineConditionPlacementReady';
const isReady = (vm: VirtualMachineObject): boolean => condition(vm, 'Ready') === 'True/True';
const time = '2026-01-01T00:00:00Z';

describe('creation', () => {
  test('a VM without group is created at once and powered on, with the size of its class', async () => {
    const stage = await started();
    await stage.api.create(RESOURCES.virtualMachineClasses, {
      metadata: { namespace: stage.namespace, name: 'small' },
      spec: { hardware: { cpus: 3, memory: '5Gi' } },
    });
    const { metadata } = await stage.vm('db', { className: 'small' });
    const vm = await stage.until('db', isReady);
    expect(vm.status).toMatchObject({
      uniqueID: `vm-${metadata.uid}`,
      zone: expect.stringMatching(/^zone-/) as string,
      nodeName: expect.stringMatching(/^host-/) as string,
      powerState: 'PoweredOn',
    });
    expect(vm.status.conditions?.map(({ type, status, reason }) => `${type} ${status}/${reason}`)).toEqual([
      'Ready True/True',
      'VirtualMachineConditionClassReady True/True',
      'VirtualMachineConditionPlacementReady True/True',
      'VirtualMachineCreated True/True',
      'VirtualMachinePowerStateSynced True/Synced',
    ]);
    expect(findCondition(vm, SYNCED)?.message).toBe('PoweredOn');
    expect(vm.metadata.finalizers).toEqual(['vmoperator.vmware.com/virtualmachine']);
    expect(vm.metadata.annotations).toHaveProperty(['virtualmachine.vmoperator.vmware.com/first-boot-done']);
    expect(await stage.told('db')).toEqual([
      'place Placed',
      'PoweredOn Accepted',
      '=> PoweredOn',
      '=> Ready',
    ]);
    expect((await stage.journal()).find(({ type }) => type === 'place')).toMatchObject({
      vms: [{ cpus: 3, memory: 5 * 1024 ** 3 }],
    });
    expect(vm.metadata.managedFields?.filter(({ subresource }) => subresource === 'status')).toMatchObject([
      { manager: 'vmgroup-simulator', operation: 'Apply' },
    ]);
    expect(stage.errors).toEqual([]);
  });

  test('a class that is created late: its absence is reported, then the VM is created', async () => {
    const stage = await started();
    await stage.vm('db', { className: 'late' });
    const vm = await stage.until('db', ({ status }) => status.conditions !== undefined);
    expect(condition(vm, 'VirtualMachineConditionClassReady')).toBe('False/NotFound');
    await stage.api.create(RESOURCES.virtualMachineClasses, {
      metadata: { namespace: stage.namespace, name: 'late' },
      spec: { hardware: { cpus: 1, memory: '1Gi' } },
    });
    await stage.untilPower('db', 'PoweredOn');
  });

  test('the zone label pins the VM; a zone without a host is reported, with a Warning', async () => {
    const stage = await started();
    await stage.vm('pinned', {}, { labels: { 'topology.kubernetes.io/zone': 'zone-b' } });
    expect((await stage.until('pinned', isReady)).status).toMatchObject({
      zone: 'zone-b',
      nodeName: 'host-2',
    });
    await stage.vm('lost', {}, { labels: { 'topology.kubernetes.io/zone': 'zone-z' } });
    const lost = await stage.until('lost', (vm) => condition(vm, PLACED) !== undefined);
    expect(findCondition(lost, PLACED)).toMatchObject({
      status: 'False',
      reason: 'NotReady',
      message: expect.stringContaining('pinned to zone zone-z, where there is no host') as string,
    });
    await until(async () => (await stage.warnings('lost')).length > 0);
    expect(await stage.warnings('lost')).toMatchObject([{ type: 'Warning', reason: 'CreateFailure' }]);
  });

  const linked = { type: 'GroupLinked', status: 'True', reason: 'MemberLinked', message: '' };
  const placed = { type: 'PlacementReady', status: 'True', reason: 'PlacementComputed', message: '' };
  const conditions = [linked, placed].map((each) => ({ ...each, lastTransitionTime: time }));
  const entry = (uid: string) => ({
    name: 'db',
    kind: 'VirtualMachine',
    uid,
    placement: { zoneID: 'zone-b' },
    conditions,
  });

  test.each<{ missing: string; change: (uid: string) => object; message: string }>([
    {
      missing: 'uid',
      change: (uid) => ({ ...entry(uid), uid: undefined }),
      message: 'VM Group placement is not ready',
    },
    {
      missing: 'the uid of this VM',
      change: (uid) => ({ ...entry(uid), uid: 'another' }),
      message: 'VM Group placement is not ready',
    },
    {
      missing: 'kind VirtualMachine',
      change: (uid) => ({ ...entry(uid), kind: 'VirtualMachineGroup' }),
      message: 'VM Group placement is not ready',
    },
    {
      missing: 'placement',
      change: (uid) => ({ ...entry(uid), placement: undefined }),
      message: 'VM Group placement is empty',
    },
    {
      missing: 'PlacementReady',
      change: (uid) => ({ ...entry(uid), conditions: conditions.slice(0, 1) }),
      message: 'VM Group placement is not ready',
    },
    {
      missing: 'GroupLinked',
      change: (uid) => ({ ...entry(uid), conditions: conditions.slice(1) }),
      message: 'VM Group placement is not ready',
    },
  ])(
    "STANDIN-5: not created while its entry in the group's status lacks $missing; then created there",
    async (row) => {
      const stage = await started();
      await stage.group('shop', [{ name: 'db' }]);
      const { metadata } = await stage.vm('db', { groupName: 'shop' });
      const uid = metadata.uid ?? '';
      await stage.groupStatus('shop', [row.change(uid)]);
      // Whatever wakes it: it looks again, and does not create.
      await stage.patch('db', { metadata: { labels: { looked: 'again' } } });
      const waiting = await stage.until('db', (vm) => findCondition(vm, PLACED)?.message === row.message);
      expect(condition(waiting, PLACED)).toBe('False/NotReady');
      expect(condition(waiting, 'GroupLinked')).toBe('True/True');
      expect(condition(waiting, 'VirtualMachineCreated')).toBe('False/NotCreated');
      expect(waiting.status.uniqueID).toBeUndefined();
      await stage.groupStatus('shop', [entry(uid)]);
      const vm = await stage.untilPower('db', 'PoweredOn');
      expect(vm.status.zone).toBe('zone-b');
      expect(condition(vm, PLACED)).toBe('True/True');
      expect(await stage.told('db')).toEqual(expect.arrayContaining(['place Placed', '=> PoweredOn']));
    },
  );

  test('STANDIN-5: a group that is missing or does not list the VM; the VM is woken when its status lists it', async () => {
    const stage = await started();
    const { metadata } = await stage.vm('db', { groupName: 'shop' });
    await stage.until('db', (vm) => condition(vm, 'GroupLinked') === 'False/NotFound');
    await stage.group('shop', [{ name: 'db', kind: 'VirtualMachineGroup' }, { name: 'web' }]);
    await stage.patch('db', { metadata: { labels: { looked: 'again' } } });
    const unlisted = await stage.until('db', (vm) => condition(vm, 'GroupLinked') === 'False/NotMember');
    expect(findCondition(unlisted, PLACED)?.message).toBe('VM is not linked to its group');
    await stage.api.merge(
      RESOURCES.virtualMachineGroups,
      { namespace: stage.namespace, name: 'shop' },
      { spec: { bootOrder: [{ members: [{ name: 'db', kind: 'VirtualMachine' }] }] } },
    );
    await stage.groupStatus('shop', [
      { ...entry(metadata.uid ?? ''), placement: { zoneID: 'zone-a', node: 'host-1' } },
    ]);
    const vm = await stage.untilPower('db', 'PoweredOn');
    expect(vm.status).toMatchObject({ zone: 'zone-a', nodeName: 'host-1' });
  });

  test('a running VM may name a group that does not exist: it is still powered off, and a condition says so', async () => {
    const stage = await started();
    await stage.vm('db');
    await stage.untilPower('db', 'PoweredOn');
    await stage.patch('db', { spec: { groupName: 'nowhere', powerState: 'PoweredOff' } });
    const vm = await stage.untilPower('db', 'PoweredOff');
    expect(condition(vm, 'GroupLinked')).toBe('False/NotFound');
    await stage.patch('db', { spec: { groupName: null } });
    await stage.until('db', (each) => condition(each, 'GroupLinked') === undefined);
  });
});

/** What our platform leaves on a VM. */
function recorded(uid: string | undefined, id: string, powerState: string): string {
  return JSON.stringify({ uid, id, sequence: 1, powerState, caller: 'vmgroup/prod/shop' });
}

describe('power', () => {
  test('off, on, suspended and off again, each in the mode of the VM; the record tells who asked', async () => {
    const stage = await started();
    const { metadata } = await stage.vm('db', {
      powerState: 'PoweredOff',
      powerOffMode: 'Hard',
      suspendMode: 'Soft',
    });
    await stage.untilPower('db', 'PoweredOff');
    const ask = (powerState: string, id: string) =>
      stage.patch('db', {
        metadata: {
          annotations: { 'vmgroup.dev/operation': recorded(metadata.uid, id, powerState) },
        },
        spec: { powerState },
      });
    await ask('PoweredOn', 'run-1/on');
    await stage.until('db', isReady);
    await ask('Suspended', 'run-2/suspend');
    await stage.untilPower('db', 'Suspended');
    await ask('PoweredOff', 'run-3/off');
    await stage.untilPower('db', 'PoweredOff');
    expect(await stage.told('db')).toEqual([
      'place Placed',
      'PoweredOn Accepted',
      '=> PoweredOn',
      '=> Ready',
      'Suspended Soft Accepted',
      '=> Suspended',
      'PoweredOff Hard Accepted',
      '=> PoweredOff',
    ]);
    const calls = (await stage.journal()).filter((line) => line.type === 'call');
    expect(calls.map(({ caller, requestId }) => [caller, requestId])).toEqual([
      ['vmgroup/prod/shop', 'run-1/on'],
      ['vmgroup/prod/shop', 'run-2/suspend'],
      ['vmgroup/prod/shop', 'run-3/off'],
    ]);
    expect(new Set(calls.map(({ operationId }) => operationId)).size).toBe(3);
  });

  test('a power state changed behind its back is brought back, in its own name', async () => {
    const stage = await started();
    const { metadata } = await stage.vm('db', { powerState: 'PoweredOff' });
    await stage.untilPower('db', 'PoweredOff');
    await stage.patch('db', {
      metadata: { annotations: { 'vmgroup.dev/operation': recorded(metadata.uid, 'run-1/on', 'PoweredOn') } },
      spec: { powerState: 'PoweredOn' },
    });
    await stage.until('db', isReady);
    await stage.simulator.machine.consolePower({ namespace: stage.namespace, name: 'db' }, 'PoweredOff');
    await until(
      async () => (await stage.told('db')).at(-1) === '=> Ready' && (await stage.told('db')).length > 4,
    );
    expect((await stage.told('db')).slice(4)).toEqual([
      '=> PoweredOff',
      'PoweredOn Accepted',
      '=> PoweredOn',
      '=> Ready',
    ]);
    const calls = (await stage.journal()).filter((line) => line.type === 'call');
    expect(calls.map(({ caller }) => caller)).toEqual(['vmgroup/prod/shop', 'vm-controller']);
  });

  test('STANDIN-6: power-off in the middle of power-on waits for its end', async () => {
    const stage = await started({ inventory: inventory({ powerOnTime: 300, readyTime: 60_000 }) });
    await stage.vm('db', { powerOffMode: 'Hard' });
    await until(async () => (await stage.told('db')).includes('PoweredOn Accepted'));
    await stage.patch('db', { spec: { powerState: 'PoweredOff' } });
    await until(async () => (await stage.told('db')).includes('=> PoweredOff'));
    expect(await stage.told('db')).toEqual([
      'place Placed',
      'PoweredOn Accepted',
      '=> PoweredOn',
      'PoweredOff Hard Accepted',
      '=> PoweredOff',
    ]);
  });

  test('a guest that ignores shutdown: TrySoft forces it, Soft gives up with a Warning and asks again', async () => {
    const stage = await started({
      inventory: withFaults({ type: 'GuestIgnoresShutdown' }),
      guestPatience: 150,
    });
    await stage.vm('try', { powerOffMode: 'TrySoft' });
    await stage.vm('soft', { powerOffMode: 'Soft' });
    for (const name of ['try', 'soft']) {
      await stage.untilPower(name, 'PoweredOn');
      await stage.patch(name, { spec: { powerState: 'PoweredOff' } });
    }
    await stage.untilPower('try', 'PoweredOff');
    await until(async () => (await stage.warnings('soft')).length > 0);
    expect(await stage.warnings('soft')).toMatchObject([
      { reason: 'UpdateFailure', note: expect.stringContaining('waiting for the guest') as string },
    ]);
    await until(
      async () => (await stage.told('soft')).filter((line) => line === 'PoweredOff Soft Accepted').length > 1,
    );
    await stage.patch('soft', { spec: { powerOffMode: 'Hard' } });
    await stage.untilPower('soft', 'PoweredOff');
  });

  test('STANDIN-7: a paused VM and a check are left alone in silence; when they go, power follows', async () => {
    const stage = await started();
    const paused = { 'vmoperator.vmware.com/paused': 'true' };
    const check = { 'poweron.check.vmoperator.vmware.com/backup': 'running' };
    for (const name of ['by-annotation', 'by-label', 'checked'])
      await stage.vm(name, { powerState: 'PoweredOff' });
    for (const name of ['by-annotation', 'by-label', 'checked']) await stage.untilPower(name, 'PoweredOff');
    const spec = { powerState: 'PoweredOn' };
    await stage.patch('by-annotation', { spec, metadata: { annotations: paused } });
    await stage.patch('by-label', { spec, metadata: { labels: paused } });
    await stage.patch('checked', { spec, metadata: { annotations: check } });
    for (const name of ['by-annotation', 'by-label', 'checked']) {
      const vm = await stage.until(name, (each) => condition(each, SYNCED) === 'False/NotSynced');
      expect(findCondition(vm, SYNCED)?.message).toBe(
        'spec.powerState=PoweredOn != status.powerState=PoweredOff',
      );
      expect(await stage.told(name)).toEqual(['place Placed']);
      expect(await stage.warnings(name)).toEqual([]);
    }
    const gone = Object.fromEntries(Object.keys({ ...paused, ...check }).map((key) => [key, null]));
    for (const name of ['by-annotation', 'by-label', 'checked'])
      await stage.patch(name, { metadata: { annotations: gone, labels: gone } });
    for (const name of ['by-annotation', 'by-label', 'checked']) await stage.untilPower(name, 'PoweredOn');
  });

  test('STANDIN-7: the apply time is awaited, removed once it has passed, and reported if it is invalid', async () => {
    const stage = await started();
    const key = 'vmoperator.vmware.com.protected/apply-power-state-time';
    await stage.vm('db', { powerState: 'PoweredOff', powerOffMode: 'Hard' });
    await stage.untilPower('db', 'PoweredOff');
    const at = Date.now() + 700;
    await stage.patch('db', {
      metadata: { annotations: { [key]: new Date(at).toISOString().replace('Z', '123456Z') } },
      spec: { powerState: 'PoweredOn' },
    });
    const vm = await stage.untilPower('db', 'PoweredOn');
    expect(vm.metadata.annotations).not.toHaveProperty([key]);
    const call = (await stage.journal()).find(({ type }) => type === 'call');
    expect(call?.at).toBeGreaterThanOrEqual(at);
    await stage.patch('db', {
      metadata: { annotations: { [key]: 'soon' } },
      spec: { powerState: 'PoweredOff' },
    });
    await until(async () => (await stage.warnings('db')).length > 0);
    expect(await stage.warnings('db')).toMatchObject([
      {
        reason: 'UpdateFailure',
        note: expect.stringContaining('must be formatted as RFC3339Nano') as string,
      },
    ]);
    expect((await stage.read('db')).status.powerState).toBe('PoweredOn');
    await stage.patch('db', { metadata: { annotations: { [key]: '2020-01-01T00:00:00Z' } } });
    expect((await stage.untilPower('db', 'PoweredOff')).metadata.annotations).not.toHaveProperty([key]);
  });
});

describe('failures', () => {
  test('the condition says NotSynced without a cause, the cause is in one Warning that counts; then it works', async () => {
    const stage = await started({
      inventory: withFaults(
        { type: 'TransientError', vm: 'db', times: 7 },
        { type: 'LostReply', vm: 'web', times: 1 },
      ),
    });
    await stage.vm('db');
    await stage.vm('web');
    const waiting = await stage.until('db', (vm) => condition(vm, SYNCED) === 'False/NotSynced');
    expect(findCondition(waiting, SYNCED)?.message).toBe(
      'spec.powerState=PoweredOn != status.powerState=PoweredOff',
    );
    expect(condition(await stage.untilPower('db', 'PoweredOn'), SYNCED)).toBe('True/Synced');
    const told = await stage.told('db');
    expect(told.filter((line) => line === 'PoweredOn Refused')).toHaveLength(7);
    expect(told.filter((line) => line === '=> PoweredOn')).toHaveLength(1);
    await until(async () => (await stage.warnings('db'))[0]?.series?.count === 7);
    expect(await stage.warnings('db')).toMatchObject([
      {
        type: 'Warning',
        reason: 'UpdateFailure',
        note: 'simulated fault: the host did not answer',
        regarding: { kind: 'VirtualMachine', name: 'db', uid: waiting.metadata.uid },
      },
    ]);
    await stage.until('web', isReady);
    expect((await stage.told('web')).filter((line) => line === '=> PoweredOn')).toHaveLength(1);
  });

  test('an operation that fails in the middle is tried again as another one', async () => {
    const stage = await started({ inventory: withFaults({ type: 'Stuck', times: 1 }) });
    await stage.vm('db');
    await until(async () => (await stage.told('db')).includes('PoweredOn Accepted'));
    await stage.simulator.machine.consoleFail(
      { namespace: stage.namespace, name: 'db' },
      { class: 'Transient', message: 'the host went away' },
    );
    await stage.untilPower('db', 'PoweredOn');
    expect(await stage.told('db')).toEqual(
      expect.arrayContaining(['PoweredOn Accepted', 'failed', 'PoweredOn Accepted', '=> PoweredOn']),
    );
    await until(async () => (await stage.warnings('db'))[0]?.note === 'the host went away');
  });

  test('STANDIN-3: what others write over the status is put right', async () => {
    const stage = await started();
    await stage.vm('db');
    await stage.until('db', isReady);
    await stage.api.merge(
      RESOURCES.virtualMachines,
      { namespace: stage.namespace, name: 'db' },
      { status: { powerState: 'PoweredOff', other: 'kept' } },
      { subresource: 'status' },
    );
    const vm = await stage.untilPower('db', 'PoweredOn');
    expect(vm.status).toMatchObject({ other: 'kept' });
  });

  test('STANDIN-3: a VM at rest costs no write', async () => {
    const stage = await started();
    await stage.vm('db');
    await stage.until('db', isReady);
    const before = (await stage.read('db')).metadata.resourceVersion;
    await stage.patch('db', { metadata: { labels: { touched: 'yes' } } });
    const touched = (await stage.read('db')).metadata.resourceVersion;
    // Another VM goes all the way meanwhile.
    await stage.vm('web');
    await stage.until('web', isReady);
    expect(touched).not.toBe(before);
    expect((await stage.read('db')).metadata.resourceVersion).toBe(touched);
  });
});

describe('deletion', () => {
  test('the VM goes with its object; under the same name another one begins from nothing', async () => {
    const stage = await started();
    const first = await stage.vm('db', { powerOffMode: 'Hard' });
    await stage.until('db', isReady);
    const key = { namespace: stage.namespace, name: 'db' };
    await stage.api.delete(RESOURCES.virtualMachines, key);
    await until(async () => (await stage.api.get(RESOURCES.virtualMachines, key)) === undefined);
    expect((await stage.told('db')).at(-1)).toBe('deleted');
    const second = await stage.vm('db');
    const vm = await stage.until('db', isReady);
    expect(vm.status.uniqueID).toBe(`vm-${second.metadata.uid}`);
    const effects = (await stage.journal()).filter(
      (line) => line.type === 'effect' && line.effect === 'PoweredOn',
    );
    expect(effects).toMatchObject([{ uid: first.metadata.uid }, { uid: second.metadata.uid }]);
  });

  test('an object that was deleted without the finalizer, also while the controller was down', async () => {
    const stage = await started();
    const key = (name: string) => ({ namespace: stage.namespace, name });
    const force = async (name: string): Promise<void> => {
      await stage.patch(name, { metadata: { finalizers: null } });
      await stage.api.delete(RESOURCES.virtualMachines, key(name));
    };
    await stage.vm('db');
    await stage.vm('web');
    for (const name of ['db', 'web']) await stage.until(name, isReady);
    await force('db');
    await until(async () => (await stage.told('db')).at(-1) === 'deleted');
    await stage.stop();
    await force('web');
    await until(async () => (await stage.api.get(RESOURCES.virtualMachines, key('web'))) === undefined);
    await stage.start();
    await until(async () => (await stage.told('web')).at(-1) === 'deleted');
  });
});

test('Zones: in each namespace with VMs or groups, according to the inventory; those of other owners are left alone', async () => {
  const stage = newStage();
  await stage.start();
  await stage.api.create(RESOURCES.zones, {
    metadata: { namespace: stage.namespace, name: 'zone-b' },
    spec: { managedVMs: { poolMoIDs: ['of-another'] } },
  });
  await stage.vm('db');
  const zone = (name: string) => stage.api.get(RESOURCES.zones, { namespace: stage.namespace, name });
  await until(async () => (await zone('zone-a')) !== undefined);
  expect(await zone('zone-a')).toMatchObject({
    spec: {
      availabilityZoneReference: { name: 'zone-a' },
      managedVMs: { poolMoIDs: ['pool-a'] },
      cpu: { limit: '4000000000000' },
      memory: { limit: String(8_000 * 1024 ** 3) },
    },
  });
  const [host] = inventory().hosts;
  if (!host) throw new Error('no host');
  await stage.simulator.setInventory(inventory({}, [{ ...host, zone: 'zone-c', pool: 'pool-c' }]));
  await until(async () => (await zone('zone-c')) !== undefined && (await zone('zone-a')) === undefined);
  expect(await zone('zone-b')).toMatchObject({ spec: { managedVMs: { poolMoIDs: ['of-another'] } } });
});

test('STANDIN-4: an API server that is killed and comes back: nothing is lost, nothing is done twice', async () => {
  const stage = await started({ inventory: inventory({ powerOnTime: 200 }) });
  for (const name of ['a', 'b', 'c']) await stage.vm(name, { powerState: 'PoweredOff' });
  for (const name of ['a', 'b', 'c']) await stage.untilPower(name, 'PoweredOff');
  for (const name of ['a', 'b', 'c']) await stage.patch(name, { spec: { powerState: 'PoweredOn' } });
  await cluster.killApiServer();
  await cluster.restartApiServer();
  for (const name of ['a', 'b', 'c']) {
    const vm = await stage.until(name, isReady);
    expect(vm.status.powerState).toBe('PoweredOn');
    expect(await stage.told(name)).toEqual([
      'place Placed',
      'PoweredOn Accepted',
      '=> PoweredOn',
      '=> Ready',
    ]);
  }
});
