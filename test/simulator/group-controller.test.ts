/** The stand-in for VM Operator's group controller, held against what is known of the original. With the stand-in for its VM controller. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RESOURCES, type KubernetesObject, type ObjectCondition } from '../../kubernetes';
import { GroupController, UPSTREAM_MANAGER, type GroupControllerOptions } from '../../simulator';
import type { TestCluster } from '../support/kubernetes';
import { until } from '../support/until';
import { Stage, startVmCluster } from './vm-controller-fixtures';

jest.setTimeout(120_000);

const APPLY_TIME = 'vmoperator.vmware.com.protected/apply-power-state-time';
const LAST_UPDATED = 'vmoperator.vmware.com.protected/last-updated-power-state-time';

interface Entry {
  name: string;
  kind: string;
  uid?: string;
  powerState?: string;
  placement?: { zoneID: string };
  conditions: ObjectCondition[];
}

let cluster: Awaited<ReturnType<typeof startVmCluster>> & TestCluster;
const folders: string[] = [];

beforeAll(async () => {
  cluster = await startVmCluster();
}, 120_000);
afterAll(async () => {
  await cluster.stop();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A namespace with both stand-ins. */
async function onStage(
  namespace: string,
  use: (stage: Upstream) => Promise<void>,
  options: Partial<GroupControllerOptions> = {},
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'vmgroup-group-controller-'));
  folders.push(folder);
  const stage = new Upstream(cluster.api, namespace, folder);
  await stage.start();
  const controller = new GroupController({
    api: cluster.api,
    namespaces: [namespace],
    machine: stage.simulator.machine,
    ...options,
    onError: (error, about) => stage.refusals.push(`${about}: ${String(error)}`),
  });
  try {
    await use(stage);
  } finally {
    await controller.stop();
    await stage.stop();
  }
}

class Upstream extends Stage {
  readonly refusals: string[] = [];

  createGroup(
    name: string,
    tiers: { members: (string | { kind: string; name: string })[]; [delay: string]: unknown }[],
    more: object = {},
  ): Promise<KubernetesObject> {
    const bootOrder = tiers.map(({ members, ...delays }) => ({
      members: members.map((each) =>
        typeof each === 'string' ? { kind: 'VirtualMachine', name: each } : each,
      ),
      ...delays,
    }));
    const metadata = { namespace: this.namespace, name };
    return this.api.create(RESOURCES.virtualMachineGroups, { metadata, spec: { bootOrder, ...more } });
  }

  async readGroup(name: string): Promise<KubernetesObject | undefined> {
    return this.api.get(RESOURCES.virtualMachineGroups, { namespace: this.namespace, name });
  }

  async patchGroup(name: string, patch: object): Promise<void> {
    await this.api.merge(RESOURCES.virtualMachineGroups, { namespace: this.namespace, name }, patch);
  }

  async entries(name: string): Promise<Entry[]> {
    return ((await this.readGroup(name))?.status as { members?: Entry[] } | undefined)?.members ?? [];
  }

  /** A condition of a group, or of its member, as `status/reason`. */
  async said(name: string, type: string, member?: string): Promise<string | undefined> {
    const status = (await this.readGroup(name))?.status as { conditions?: ObjectCondition[] } | undefined;
    const conditions =
      member === undefined
        ? (status?.conditions ?? [])
        : ((await this.entries(name)).find((each) => each.name === member)?.conditions ?? []);
    const found = conditions.find((each) => each.type === type);
    return found && `${found.status}/${found.reason}`;
  }

  async untilSaid(name: string, type: string, wanted: string, member?: string): Promise<void> {
    await until(
      async () => (await this.said(name, type, member)) === wanted,
      `${type} of ${member ?? name} to be ${wanted}`,
    );
  }
}

test('a group without a power state: members are linked, owned and placed, and their power is left alone', async () => {
  await onStage('link', async (stage) => {
    await stage.createGroup('app', [{ members: ['db'] }, { members: ['web'] }]);
    await stage.vm('db', { groupName: 'app', powerState: 'PoweredOff' });
    // Nothing of a tree is placed before all of it is there.
    await stage.untilSaid('app', 'GroupLinked', 'False/NotFound', 'web');
    await stage.untilSaid('app', 'GroupLinked', 'True/True', 'db');
    expect(await stage.said('app', 'PlacementReady', 'db')).toBeUndefined();
    await stage.vm('web', { groupName: 'app', powerState: 'PoweredOff' });
    await stage.untilSaid('app', 'Ready', 'True/True');
    const db = await stage.until('db', (vm) => vm.status.uniqueID !== undefined);
    const group = await stage.readGroup('app');
    expect(group?.metadata.finalizers).toEqual(['vmoperator.vmware.com/virtualmachinegroup']);
    expect(db.metadata.ownerReferences).toEqual([
      {
        apiVersion: 'vmoperator.vmware.com/v1alpha6',
        kind: 'VirtualMachineGroup',
        name: 'app',
        uid: group?.metadata.uid,
      },
    ]);
    const [entry] = await stage.entries('app');
    expect(entry).toMatchObject({ name: 'db', kind: 'VirtualMachine', uid: db.metadata.uid });
    expect(db.status.zone).toBe(entry?.placement?.zoneID);
    expect(await stage.said('app', 'PowerStateSynced', 'db')).toBeUndefined();
    expect((await stage.told('db')).filter((line) => line.startsWith('Powered'))).toEqual([]);
    const managers = group?.metadata.managedFields?.filter(({ subresource }) => subresource === 'status');
    expect(managers?.map(({ manager }) => manager)).toEqual([UPSTREAM_MANAGER]);
  });
});

test('a VM without a power state is created on: the webhook asks for that, whatever its group says', async () => {
  await onStage('bare', async (stage) => {
    await stage.createGroup('app', [{ members: ['a'] }]);
    await stage.vm('a', { groupName: 'app' });
    await stage.untilPower('a', 'PoweredOn');
  });
});

test('a member that names another group, or none, is not a member', async () => {
  await onStage('other', async (stage) => {
    await stage.vm('a', { groupName: 'another', powerState: 'PoweredOff' });
    await stage.vm('b', { powerState: 'PoweredOff' });
    await stage.createGroup('app', [{ members: ['a', 'b'] }]);
    await stage.untilSaid('app', 'GroupLinked', 'False/NotMember', 'a');
    const [a, b] = await stage.entries('app');
    expect(a?.conditions.map(({ message }) => message)).toEqual([
      'member "VirtualMachine/a" has different group name: "another"',
    ]);
    expect(b?.conditions.map(({ message }) => message)).toEqual([
      'member "VirtualMachine/b" has no group name',
    ]);
    await stage.untilSaid('app', 'Ready', 'False/MembersNotReady');
  });
});

test('the power state is written to all tiers at once, each with its own time; off walks backwards', async () => {
  await onStage('push', async (stage) => {
    await stage.createGroup('app', [{ members: ['db'] }, { members: ['web'], powerOnDelay: '1h' }]);
    for (const name of ['db', 'web']) await stage.vm(name, { groupName: 'app', powerState: 'PoweredOff' });
    for (const name of ['db', 'web']) await stage.until(name, (vm) => vm.status.uniqueID !== undefined);
    await stage.patchGroup('app', { spec: { powerState: 'PoweredOn', powerOffMode: 'Hard' } });
    await stage.untilPower('db', 'PoweredOn');
    const web = await stage.until('web', (vm) => vm.spec.powerState === 'PoweredOn');
    const stamped = (await stage.readGroup('app'))?.metadata.annotations?.[LAST_UPDATED] ?? '';
    const applies = Date.parse(web.metadata.annotations?.[APPLY_TIME] ?? '');
    expect(applies - Date.parse(stamped)).toBe(3_600_000);
    expect(web.spec.powerOffMode).toBe('Hard');
    expect(web.status.powerState).toBe('PoweredOff');
    await stage.untilSaid('app', 'PowerStateSynced', 'True/True', 'db');
    await stage.untilSaid('app', 'PowerStateSynced', 'False/Pending', 'web');
    expect((await stage.entries('app')).map(({ name }) => name)).toEqual(['db', 'web']);

    // A timetable that was superseded stays: web has the state already, so nothing is written to it, and it still powers on at its time.
    await sleep(1_100);
    await stage.patchGroup('app', { spec: { powerState: 'PoweredOff' } });
    await stage.untilPower('db', 'PoweredOff');
    await until(async () => (await stage.entries('app')).map(({ name }) => name).join() === 'web,db');
    const later = await stage.read('web');
    expect(later.spec.powerState).toBe('PoweredOn');
    expect(later.metadata.annotations?.[APPLY_TIME]).toBe(web.metadata.annotations?.[APPLY_TIME]);
  });
});

test('a member that joins after the push is not powered; a change of power by hand is only reported; a forced sync reverts it', async () => {
  await onStage('join', async (stage) => {
    await stage.createGroup('app', [{ members: ['a', 'late'] }], { powerState: 'PoweredOn' });
    await stage.vm('a', { groupName: 'app', powerState: 'PoweredOff' });
    // The push stays open while a member is missing, and reaches a.
    await stage.until('a', (vm) => vm.spec.powerState === 'PoweredOn');
    // Times in the status are whole seconds: a push within the second of the stamp is not complete.
    await sleep(1_100);
    await stage.patchGroup('app', { spec: { bootOrder: [{ members: [{ name: 'a' }] }] } });
    await stage.untilPower('a', 'PoweredOn');
    await until(async () => {
      const status = (await stage.readGroup('app'))?.status as { lastUpdatedPowerStateTime?: string };
      const stamp = (await stage.readGroup('app'))?.metadata.annotations?.[LAST_UPDATED] ?? '';
      return Date.parse(status.lastUpdatedPowerStateTime ?? '') > Date.parse(stamp);
    }, 'the push to be complete');
    await stage.vm('late', { groupName: 'app', powerState: 'PoweredOff' });
    await stage.patchGroup('app', { spec: { bootOrder: [{ members: [{ name: 'a' }, { name: 'late' }] }] } });
    await stage.untilSaid('app', 'PowerStateSynced', 'False/NotSynced', 'late');
    await stage.until('late', (vm) => vm.status.uniqueID !== undefined);
    expect((await stage.read('late')).spec.powerState).toBe('PoweredOff');
    await stage.patch('a', { spec: { powerState: 'PoweredOff' } });
    await stage.untilPower('a', 'PoweredOff');
    await stage.untilSaid('app', 'PowerStateSynced', 'False/NotSynced', 'a');
    await stage.patchGroup('app', { spec: { nextForcePowerStateSyncTime: 'now' } });
    await stage.untilPower('a', 'PoweredOn');
    await stage.untilPower('late', 'PoweredOn');
  });
});

test('nested: only the topmost group places, and the power state and time of the parent reach the child', async () => {
  await onStage('nested', async (stage) => {
    const child = { kind: 'VirtualMachineGroup', name: 'data' };
    await stage.createGroup('data', [{ members: ['db'], powerOnDelay: '1h' }], { groupName: 'app' });
    await stage.untilSaid('data', 'GroupLinked', 'False/NotFound');
    await stage.createGroup('app', [{ members: [child], powerOnDelay: '30m' }, { members: ['web'] }]);
    await stage.vm('db', { groupName: 'data', powerState: 'PoweredOff' });
    await stage.vm('web', { groupName: 'app', powerState: 'PoweredOff' });
    await stage.untilSaid('data', 'GroupLinked', 'True/True');
    await stage.untilSaid('app', 'Ready', 'True/True');
    await stage.untilSaid('app', 'Ready', 'True/True', 'data');
    await stage.until('db', (vm) => vm.status.uniqueID !== undefined);
    await stage.patchGroup('app', { spec: { powerState: 'PoweredOn' } });
    const db = await stage.until('db', (vm) => vm.metadata.annotations?.[APPLY_TIME] !== undefined);
    const stamped = (await stage.readGroup('app'))?.metadata.annotations?.[LAST_UPDATED] ?? '';
    expect((await stage.readGroup('data'))?.spec).toMatchObject({ powerState: 'PoweredOn' });
    const delay = Date.parse(db.metadata.annotations?.[APPLY_TIME] ?? '') - Date.parse(stamped);
    expect(delay).toBe(5_400_000);
  });
});

test('a refusal of DRS places nothing of the tree, and is tried again; a VM that exists keeps its zone', async () => {
  let refusal: string | undefined = 'Resource pool (resgroup-1) has faults: no host';
  await onStage(
    'drs',
    async (stage) => {
      await stage.vm('old', { powerState: 'PoweredOff' });
      await stage.until('old', (vm) => vm.status.zone !== undefined);
      await stage.patch('old', { spec: { groupName: 'app' } });
      await stage.vm('new', { groupName: 'app', powerState: 'PoweredOff' });
      await stage.createGroup('app', [{ members: ['old', 'new'] }]);
      await until(() => stage.refusals.some((text) => text.includes('has faults')));
      expect((await stage.entries('app')).find(({ name }) => name === 'new')?.placement).toBeUndefined();
      expect((await stage.read('new')).status.uniqueID).toBeUndefined();
      refusal = undefined;
      await stage.untilSaid('app', 'PlacementReady', 'True/AlreadyPlaced', 'old');
      await stage.untilSaid('app', 'PlacementReady', 'True/True', 'new');
      const entries = await stage.entries('app');
      const old = entries.find(({ name }) => name === 'old');
      expect(old?.placement).toBeUndefined();
      expect(old?.conditions.find(({ type }) => type === 'PlacementReady')?.message).toBe(
        (await stage.read('old')).status.zone,
      );
    },
    { fault: () => refusal },
  );
});

test('a group that is deleted loses its finalizer and nothing else: its members keep owner reference and power', async () => {
  await onStage('gone', async (stage) => {
    await stage.createGroup('app', [{ members: ['a'] }]);
    await stage.vm('a', { groupName: 'app', powerState: 'PoweredOn' });
    await stage.untilPower('a', 'PoweredOn');
    await stage.api.delete(RESOURCES.virtualMachineGroups, { namespace: 'gone', name: 'app' });
    await until(async () => (await stage.readGroup('app')) === undefined);
    const a = await stage.read('a');
    expect(a.metadata.ownerReferences?.map(({ name }) => name)).toEqual(['app']);
    expect(a.spec.powerState).toBe('PoweredOn');
  });
});
