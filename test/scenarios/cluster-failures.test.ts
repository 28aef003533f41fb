/**
 * A bridge on a cluster while the API server, Temporal, or what is between them fails. Every test ends with what each VM was asked to do.
 *
 * Guarantees: G1.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RESOURCES } from '../../kubernetes';
import { startClusterSystem, type ClusterBridge, type ClusterSystem } from '../support/cluster-system';
import { startFaultProxy, type FaultProxy, type SeenCall } from '../support/fault-proxy';
import { groupManifest, groupWithVms, vmManifest } from '../support/manifests';
import { accepted } from '../support/system';
import { until } from '../support/until';

let system: ClusterSystem;
let proxy: FaultProxy;
let bridge: ClusterBridge;

beforeAll(async () => {
  system = await startClusterSystem();
  proxy = await startFaultProxy(system.cluster.kubeconfig());
  bridge = await system.startBridge(proxy.kubeconfig);
}, 120_000);
afterEach(() => proxy.heal());
afterAll(async () => {
  await system.stop();
  await proxy.close();
});

/** A group of three VMs, one after the other. */
const app = (namespace: string, powerState = 'PoweredOn', delay = '300ms'): string =>
  groupWithVms({
    namespace,
    name: 'app',
    powerState,
    tiers: [{ members: ['a'], delay }, { members: ['b'], delay }, { members: ['c'] }],
  });

/** Waits until the status on the server says that this generation is done. */
async function converged(namespace: string, generation: number): Promise<void> {
  await system.until(async () => {
    const status = await system.status(namespace, 'app').catch(() => undefined);
    return status?.observedGeneration === generation && status.phase === 'Converged' ? true : undefined;
  }, `${namespace}/app to be in its desired state as of generation ${generation}`);
}

async function operations(namespace: string): Promise<string[]> {
  return accepted(await system.journal(), namespace);
}

async function runs(namespace: string): Promise<number> {
  let found = 0;
  const query = `WorkflowId = "vmgroup/${namespace}/app"`;
  for await (const run of system.temporal.client.workflow.list({ query })) found += run.runId === '' ? 0 : 1;
  return found;
}

const patch = (namespace: string, spec: object): Promise<unknown> =>
  system.api.merge(RESOURCES.virtualMachineGroups, { namespace, name: 'app' }, { spec });

/** Takes a VM out of its group, as a user does. */
const leaveGroup = (namespace: string, vm: string): Promise<string> =>
  system.kubectl(['-n', namespace, 'patch', 'vm', vm, '--type=merge', '-p', '{"spec":{"groupName":""}}']);

/** Whether none is the same as the one before. */
const inTurns = (states: string[]): boolean =>
  states.every((state, at) => at === 0 || state !== states[at - 1]);

const POWERED_ON = ['PoweredOn a', 'PoweredOn b', 'PoweredOn c'];

test('the API server killed and started again in the middle of a run', async () => {
  await system.apply('killed', app('killed', 'PoweredOn', '2s'));
  await system.until(
    async () => ((await operations('killed')).length === 1 ? true : undefined),
    'the first VM to be asked',
  );
  await system.cluster.killApiServer();
  await sleep(2_000);
  await system.cluster.restartApiServer();
  await converged('killed', 1);
  expect(await operations('killed')).toEqual(POWERED_ON);
  expect(await runs('killed')).toBe(1);
}, 120_000);

test('OWN-5: no run starts before the finalizer is set, and none for a group that is deleted before that', async () => {
  const isFinalizer = ({ method, path }: SeenCall): boolean =>
    method === 'PATCH' && path.includes('vmgroup-bridge-finalizer');
  proxy.decide((call) => (isFinalizer(call) ? { answer: 500 } : undefined));
  await system.apply('unclaimed', app('unclaimed'));
  await system.apply('deleted-early', app('deleted-early'));
  await system.until(
    () => (proxy.calls().filter(isFinalizer).length >= 4 ? true : undefined),
    'the bridge to ask for finalizers',
  );
  const owned = async (namespace: string): Promise<number> => {
    const { items } = await system.api.list(RESOURCES.virtualMachines, { namespace });
    return items.filter(({ metadata }) => metadata.ownerReferences !== undefined).length;
  };
  expect([await runs('unclaimed'), await owned('unclaimed')]).toEqual([0, 0]);
  await system.kubectl(['-n', 'deleted-early', 'delete', 'vmg', 'app', '--timeout=20s']);
  proxy.heal();
  await converged('unclaimed', 1);
  expect([await runs('unclaimed'), await owned('unclaimed')]).toEqual([1, 3]);
  expect([await runs('deleted-early'), await owned('deleted-early')]).toEqual([0, 0]);
}, 120_000);

test('a cluster that is restored from an older backup: the restored desired state counts, and the status says so', async () => {
  await system.apply('restored', app('restored'));
  await converged('restored', 1);
  await system.cluster.backUp();
  await converged('restored', 1);
  await patch('restored', { powerState: 'PoweredOff' });
  await converged('restored', 2);
  await system.apply('lost', app('lost'));
  await converged('lost', 1);
  await system.cluster.restore();
  await system.until(
    async () => ((await operations('restored')).length === 9 ? true : undefined),
    'the VMs to be powered on again',
  );
  await converged('restored', 1);
  expect((await operations('restored')).slice(6)).toEqual(POWERED_ON);
  const group = await system.get(RESOURCES.virtualMachineGroups, 'restored', 'app');
  expect(group?.metadata.finalizers).toHaveLength(1);
  await patch('restored', { powerState: 'PoweredOff' });
  await converged('restored', 2);
  expect((await operations('restored')).slice(9).sort()).toEqual([
    'PoweredOff a',
    'PoweredOff b',
    'PoweredOff c',
  ]);
}, 180_000);

test('a burst of edits through 500s and 429s: the last one counts', async () => {
  await system.apply('burst', app('burst'));
  await converged('burst', 1);
  let turn = 0;
  proxy.decide(() => {
    turn += 1;
    return turn % 3 === 0 ? { answer: 500 } : turn % 3 === 1 ? { answer: 429, retryAfter: 1 } : undefined;
  });
  for (let edit = 0; edit < 10; edit += 1) {
    await patch('burst', { powerState: edit % 2 === 0 ? 'PoweredOff' : 'PoweredOn' });
  }
  await patch('burst', { powerState: 'PoweredOff' });
  await converged('burst', 12);
  proxy.heal();
  for (const vm of ['a', 'b', 'c']) {
    const lines = (await system.journal()).filter((line) => 'vm' in line && line.vm === `burst/${vm}`);
    // What was on its way when the run was turned round is fenced off, POWER-1: the new operation takes its place, and the VM is switched once.
    const asked = lines.flatMap((line) =>
      line.type === 'call' && (line.answer === 'Accepted' || line.replaces !== undefined) ? [line] : [],
    );
    const twice = asked.filter(
      ({ operation, replaces }, at) => operation === asked[at - 1]?.operation && replaces === undefined,
    );
    const switched = lines.flatMap((line) =>
      line.type === 'effect' && line.effect !== 'Ready' ? [line.effect] : [],
    );
    expect({ vm, last: switched.at(-1), twice, switched: inTurns(switched) }).toEqual({
      vm,
      last: 'PoweredOff',
      twice: [],
      switched: true,
    });
  }
}, 120_000);

test('compaction while the bridge is cut off: deletions, changes and new objects are noticed', async () => {
  await system.apply('compacted', app('compacted'));
  await system.apply('compacted-gone', app('compacted-gone'));
  await converged('compacted', 1);
  await converged('compacted-gone', 1);
  proxy.decide(() => 'cut');
  proxy.cutAll();
  await system.apply('compacted', vmManifest('compacted', 'd', 'app'));
  await leaveGroup('compacted', 'c');
  await patch('compacted', { bootOrder: ['a', 'b'].map((name) => ({ members: [{ name }] })) });
  await system.kubectl(['-n', 'compacted-gone', 'delete', 'vmg', 'app', '--wait=false']);
  await system.cluster.compact();
  proxy.heal();
  await system.until(async () => {
    const status = await system.status('compacted', 'app').catch(() => undefined);
    const names = status?.members.map(({ name }) => name).join();
    return names === 'a,b,d' && status?.readyMembers === '3/3' ? true : undefined;
  }, 'd to be on, and c to be let go');
  await system.until(
    async () =>
      (await system.get(RESOURCES.virtualMachineGroups, 'compacted-gone', 'app')) ? undefined : true,
    'the deleted group to go',
  );
  expect(await operations('compacted')).toEqual([...POWERED_ON, 'PoweredOn d']);
  expect(await operations('compacted-gone')).toEqual(POWERED_ON);
}, 120_000);

test('a silent API server is reported, and edits made meanwhile are carried out', async () => {
  await system.apply('silent', app('silent'));
  await converged('silent', 1);
  proxy.decide(() => 'silent');
  await patch('silent', { powerState: 'PoweredOff' });
  const { message } = await untilReadiness(false, 90);
  expect(message).toMatch(/^lost the watch on the API server at /);
  expect(await operations('silent')).toEqual(POWERED_ON);
  proxy.heal();
  await converged('silent', 2);
  await untilReadiness(true);
  expect((await operations('silent')).slice(3).sort()).toEqual([
    'PoweredOff a',
    'PoweredOff b',
    'PoweredOff c',
  ]);
  expect(await runs('silent')).toBe(2);
}, 180_000);

test.each([409, 422, 404, 500])('a status write that is refused with %d is repeated', async (answer) => {
  const namespace = `refused-${answer}`;
  await system.apply(namespace, app(namespace));
  await converged(namespace, 1);
  let refused = 0;
  const isWrite = ({ method, path, resource }: SeenCall): boolean =>
    method === 'PATCH' && resource === 'virtualmachinegroups/status' && path.includes(`/${namespace}/`);
  proxy.decide((call) => {
    if (!isWrite(call) || refused === 2) return undefined;
    refused += 1;
    return { answer };
  });
  // One edit that changes nothing but the generation: no further write would come by itself.
  await patch(namespace, { powerOffMode: 'Hard' });
  await converged(namespace, 2);
  expect(refused).toBe(2);
  expect(await operations(namespace)).toEqual(POWERED_ON);
});

test.each([409, 422, 500])(
  'a mark that is refused with %d is written again, and so is its removal',
  async (answer) => {
    const namespace = `marks-${answer}`;
    const vm = (call: SeenCall): boolean =>
      call.method === 'PATCH' && call.resource === 'virtualmachines' && call.path.includes(`/${namespace}/`);
    let refused = 0;
    /** Refuses the next two writes to VMs of the namespace. */
    const refuse = (): void => {
      refused = 0;
      proxy.decide((call) => {
        if (!vm(call) || refused === 2) return undefined;
        refused += 1;
        return { answer };
      });
    };
    const owners = async (name: string): Promise<number> =>
      (await system.get(RESOURCES.virtualMachines, namespace, name))?.metadata.ownerReferences?.length ?? 0;
    refuse();
    await system.apply(namespace, app(namespace));
    await converged(namespace, 1);
    await system.until(async () => {
      const all = await Promise.all(['a', 'b', 'c'].map(owners));
      return all.join() === '1,1,1' ? true : undefined;
    }, 'all of them to be marked');
    expect(refused).toBe(2);

    refuse();
    await leaveGroup(namespace, 'c');
    await system.until(
      async () => ((await owners('c')) === 0 ? true : undefined),
      'the mark of c to be taken off',
    );
    expect(refused).toBe(2);
    expect(await operations(namespace)).toEqual(POWERED_ON);
  },
);

test('LEADER-3: a bridge that renews its lease waits for a status write that takes longer than a call may', async () => {
  const isStatusWrite = ({ method, resource, path: of }: SeenCall): boolean =>
    method === 'PATCH' && resource === 'virtualmachinegroups/status' && of.includes('/slow-write/');
  proxy.forget();
  proxy.decide((call) => (isStatusWrite(call) ? { delay: 12_000 } : undefined));
  await system.apply('slow-write', groupManifest({ namespace: 'slow-write', name: 'app', tiers: [] }));
  await system.until(
    async () => (await system.status('slow-write', 'app'))?.observedGeneration,
    'the status of slow-write/app',
  );
  // Another may have begun since, of what changed meanwhile.
  expect(proxy.calls().filter(isStatusWrite)[0]).not.toHaveProperty('abandoned');
}, 60_000);

test('Temporal away while specs change: the bridge says so, and misses nothing', async () => {
  await system.apply('temporal', app('temporal'));
  await converged('temporal', 1);
  await system.temporal.kill();
  await patch('temporal', { powerState: 'PoweredOff' });
  const { message } = await untilReadiness(false);
  expect(message).toBe('Temporal does not answer');
  await patch('temporal', { powerState: 'PoweredOn' });
  await patch('temporal', { powerState: 'PoweredOff' });
  await system.temporal.restart();
  await converged('temporal', 4);
  await untilReadiness(true);
  expect((await operations('temporal')).slice(3).sort()).toEqual([
    'PoweredOff a',
    'PoweredOff b',
    'PoweredOff c',
  ]);
  expect(await runs('temporal')).toBe(2);
}, 120_000);

test('two bridges: nothing happens twice; one that never led takes over groups that are being deleted', async () => {
  const other = await system.startBridge();
  await system.apply('two', app('two'));
  await converged('two', 1);
  expect(await operations('two')).toEqual(POWERED_ON);
  expect([bridge.bridge.ready().ready, other.bridge.ready().ready]).toEqual([true, true]);

  // The leader neither hears nor writes any more; the other one has seen the deletion before it may act.
  proxy.decide(() => 'cut');
  proxy.cutAll();
  await system.kubectl(['-n', 'two', 'delete', 'vmg', 'app', '--timeout=40s']);
  for (const name of ['a', 'b', 'c']) {
    const vm = await system.get(RESOURCES.virtualMachines, 'two', name);
    expect(vm?.metadata.ownerReferences ?? []).toEqual([]);
  }
  await system.apply('two-2', app('two-2'));
  await converged('two-2', 1);
  proxy.heal();
  await untilReadiness(true);
  expect(await operations('two-2')).toEqual(POWERED_ON);
  await other.stop();
  // Lost and had again.
  await patch('two-2', { powerState: 'PoweredOff' });
  await converged('two-2', 2);
  expect((await operations('two-2')).slice(3)).toHaveLength(3);
}, 180_000);

test('a bridge that starts while the API server is away, and finds groups deleted, changed and created', async () => {
  await system.apply('restart', app('restart'));
  await system.apply('restart-gone', app('restart-gone'));
  await converged('restart', 1);
  await converged('restart-gone', 1);
  await bridge.stop();
  await patch('restart', { powerState: 'PoweredOff' });
  await system.kubectl(['-n', 'restart-gone', 'delete', 'vmg', 'app', '--wait=false']);
  await system.apply('restart-made', app('restart-made'));
  await system.cluster.killApiServer();
  const starting = system.startBridge(proxy.kubeconfig);
  await sleep(2_000);
  await system.cluster.restartApiServer();
  bridge = await starting;
  await converged('restart', 2);
  await converged('restart-made', 1);
  await system.until(
    async () =>
      (await system.get(RESOURCES.virtualMachineGroups, 'restart-gone', 'app')) ? undefined : true,
    'the deleted group to go',
  );
  expect(await operations('restart')).toHaveLength(6);
  expect(await operations('restart-made')).toEqual(POWERED_ON);
  expect(await operations('restart-gone')).toEqual(POWERED_ON);
}, 120_000);

test('a user without rights can change nothing', async () => {
  await system.apply('rights', app('rights'));
  await converged('rights', 1);
  for (const args of [
    ['patch', 'vmg', 'app', '--type=merge', '-p', '{"spec":{"powerState":"PoweredOff"}}'],
    ['patch', 'vmg', 'app', '--subresource=status', '--type=merge', '-p', '{"status":{"phase":"Failed"}}'],
    ['patch', 'vm', 'a', '--type=merge', '-p', '{"spec":{"groupName":""}}'],
    ['delete', 'vmg', 'app'],
  ]) {
    const { code, stderr } = await system.cluster.kubectl(['-n', 'rights', ...args], { user: 'nobody' });
    expect([code, stderr]).toEqual([1, expect.stringContaining('forbidden')]);
  }
  expect(await operations('rights')).toEqual(POWERED_ON);
  expect(await system.status('rights', 'app')).toMatchObject({ phase: 'Converged', observedGeneration: 1 });
});

async function untilReadiness(ready: boolean, seconds = 60): Promise<{ message: string }> {
  const look = (): { message: string } | undefined => {
    const now = bridge.bridge.ready();
    return now.ready === ready ? now : undefined;
  };
  return until(look, `the bridge to be ${ready ? '' : 'not '}ready`, { seconds });
}
