/**
 * How often VMs are read and written, by the audit log of the API server: no more often than their state changes require. (How fast: see
 * bench/.)
 *
 * OWN-1: an owner reference is written once a VM, however many VMs come at once and whatever else is written to them meanwhile; neither a
 *     restart of the bridge nor a second bridge writes anything.
 * P6: a power operation is one PATCH.
 *
 * Guarantees: G10.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import PQueue from 'p-queue';
import { parse } from 'yaml';
import { RESOURCES, type KubernetesObject } from '../../kubernetes';
import { auditArguments, objectRequests, type ObjectRequest } from '../support/audit';
import { startClusterSystem, type ClusterBridge, type ClusterSystem } from '../support/cluster-system';
import { groupManifest, vmManifest } from '../support/manifests';
import { until } from '../support/until';

jest.setTimeout(600_000);

const GROUPS = ['g-1', 'g-2', 'g-3', 'g-4', 'g-5', 'g-6'];
const vmsOf = (group: string): string[] => Array.from({ length: 10 }, (_, at) => `${group}-${at}`);
const VMS = GROUPS.flatMap(vmsOf).map((name) => `many/${name}`);
/** Field managers of the marks, and of VM Operator as a platform. */
const OWNER = /^vmgroup-bridge-owner$/;
const FINALIZER = /^vmgroup-bridge-finalizer$/;
const PLATFORM = /^vmgroup-worker$/;

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-writes-'));
let system: ClusterSystem;
let bridge: ClusterBridge;

beforeAll(async () => {
  system = await startClusterSystem({ platform: 'vm-operator', args: auditArguments(dir) });
}, 120_000);
afterAll(async () => {
  await system.stop();
  rmSync(dir, { recursive: true, force: true });
});

const groupText = (name: string): string => {
  const names = vmsOf(name);
  return groupManifest({
    namespace: 'many',
    name,
    powerState: 'PoweredOff',
    tiers: [{ members: names.slice(0, 5) }, { members: names.slice(5) }],
  });
};

/** Requests of one kind so far, by object: how many. */
function counts(resource: string, wanted: (request: ObjectRequest) => boolean): Record<string, number> {
  const found: Record<string, number> = {};
  for (const request of objectRequests(dir)) {
    if (request.resource !== resource || !wanted(request)) continue;
    const key = `${request.namespace}/${request.name}`;
    found[key] = (found[key] ?? 0) + 1;
  }
  return found;
}

/** What was written by the field managers that the pattern fits, without what was refused. */
const writesBy = (resource: string, manager: RegExp): Record<string, number> =>
  counts(
    resource,
    ({ verb, fieldManager, code }) => verb !== 'get' && code < 300 && manager.test(fieldManager),
  );

const each = (keys: string[], count: number): Record<string, number> =>
  Object.fromEntries(keys.map((key) => [key, count]));

async function allAre(phase: string, generation: number): Promise<void> {
  for (const name of GROUPS) {
    let status: Awaited<ReturnType<typeof system.status>>;
    const isSo = async (): Promise<boolean> => {
      status = await system.status('many', name);
      const isCurrent = status?.phase === phase && status.observedGeneration === generation;
      return isCurrent && status?.readyMembers === '10/10';
    };
    const saying = `${name} to be ${phase} in generation ${generation}`;
    await until(isSo, saying, { seconds: 180, context: () => JSON.stringify(status) });
  }
}

/** A run that begins before the VMs of the run before exist has to ask for their places again. */
async function allExist(): Promise<void> {
  await system.until(async () => {
    const { items } = await system.api.list(RESOURCES.virtualMachines, { namespace: 'many' });
    const zones = items.map(({ status }) => (status as { zone?: string } | undefined)?.zone);
    return (zones.length === VMS.length && zones.every(Boolean)) || undefined;
  }, 'all VMs to exist');
}

async function power(powerState: string): Promise<void> {
  const key = (name: string) => ({ namespace: 'many', name });
  await Promise.all(
    GROUPS.map((name) =>
      system.api.merge(RESOURCES.virtualMachineGroups, key(name), { spec: { powerState } }),
    ),
  );
}

test('OWN-1: one owner reference a VM, of those that were there and of a burst of new ones', async () => {
  const old = GROUPS.slice(0, 3);
  const text = old.flatMap((name) => [
    groupText(name),
    ...vmsOf(name).map((vm) => vmManifest('many', vm, name)),
  ]);
  await system.apply('many', text.join('---\n'));
  bridge = await system.startBridge();
  const young = GROUPS.slice(3);
  await system.apply('many', young.map(groupText).join('---\n'));
  const queue = new PQueue({ concurrency: 32 });
  await queue.addAll(
    young.flatMap((group) =>
      vmsOf(group).map((name) => () => {
        const object = parse(vmManifest('many', name, group)) as KubernetesObject;
        return system.api.create(RESOURCES.virtualMachines, object);
      }),
    ),
  );
  await allAre('Converged', 1);
  expect(writesBy('virtualmachines', OWNER)).toEqual(each(VMS, 1));
  const groups = GROUPS.map((name) => `many/${name}`);
  expect(writesBy('virtualmachinegroups', FINALIZER)).toEqual(each(groups, 1));
});

test('P6: a power operation is one PATCH, and a VM is read only where a write came too late', async () => {
  await allExist();
  const before = writesBy('virtualmachines', PLATFORM);
  await power('PoweredOn');
  await allAre('Converged', 2);
  await power('PoweredOff');
  await allAre('Converged', 3);
  const after = writesBy('virtualmachines', PLATFORM);
  expect(VMS.map((key) => [key, (after[key] ?? 0) - (before[key] ?? 0)])).toEqual(VMS.map((key) => [key, 2]));
  const late = counts('virtualmachines', ({ code }) => code === 409);
  const read = Object.entries(counts('virtualmachines', ({ verb }) => verb === 'get'));
  expect(read.filter(([key, times]) => times > (late[key] ?? 0))).toEqual([]);
});

test('OWN-1: a bridge that starts again, and a second one, write nothing to VMs', async () => {
  const before = objectRequests(dir).filter(({ resource }) => resource === 'virtualmachines').length;
  await bridge.stop();
  const two = [await system.startBridge(), await system.startBridge()];
  await system.until(
    () => (two.every((one) => one.bridge.ready().ready) ? true : undefined),
    'both to be ready',
  );
  // They have the lease one after the other, each with all there is to write.
  await new Promise((over) => setTimeout(over, 4_000));
  await two[0]?.stop();
  await new Promise((over) => setTimeout(over, 6_000));
  expect(two[1]?.bridge.ready().ready).toBe(true);
  expect(objectRequests(dir).filter(({ resource }) => resource === 'virtualmachines')).toHaveLength(before);
});

test('in all that time we have written to each VM once to mark it, once to place it and twice to power it', () => {
  expect(writesBy('virtualmachines', /^vmgroup-(bridge|worker)/)).toEqual(each(VMS, 4));
});
