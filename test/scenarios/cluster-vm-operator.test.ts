/** The product with VM Operator as its platform, on a real API server: what people do with groups, and what goes wrong. */
import { RESOURCES } from '../../kubernetes';
import { startClusterSystem, type ClusterBridge, type ClusterSystem } from '../support/cluster-system';
import { groupManifest, groupWithVms, policyManifest, vmManifest } from '../support/manifests';
import { effects, times } from '../support/system';

jest.setTimeout(120_000);

let system: ClusterSystem;
let bridge: ClusterBridge;

beforeAll(async () => {
  system = await startClusterSystem({ platform: 'vm-operator' });
  bridge = await system.startBridge();
}, 120_000);
afterAll(() => system.stop());

/** Waits until the status of a group is one that `test` takes. */
function status(
  namespace: string,
  name: string,
  test: (status: NonNullable<Awaited<ReturnType<ClusterSystem['status']>>>) => boolean,
  saying: string,
) {
  return system.until(async () => {
    const found = await system.status(namespace, name);
    return found && test(found) ? found : undefined;
  }, saying);
}

function patch(namespace: string, what: string, change: object): Promise<string> {
  return system.kubectl(['-n', namespace, 'patch', what, '--type=merge', '-p', JSON.stringify(change)]);
}

async function powerOf(namespace: string, name: string): Promise<string | undefined> {
  const vm = await system.get(RESOURCES.virtualMachines, namespace, name);
  return (vm?.status as { powerState?: string } | undefined)?.powerState;
}

test('a group without a power state has its VMs placed, and leaves their power to themselves', async () => {
  const text = [
    groupManifest({ namespace: 'unmanaged', name: 'nodes', tiers: [{ members: ['n-1', 'n-2'] }] }),
    vmManifest('unmanaged', 'n-1', 'nodes', { powerState: 'PoweredOn' }),
    vmManifest('unmanaged', 'n-2', 'nodes', { powerState: 'PoweredOff' }),
  ].join('---\n');
  await system.apply('unmanaged', text);
  await system.ready('unmanaged', 'nodes');
  await system.until(
    async () => ((await powerOf('unmanaged', 'n-1')) === 'PoweredOn' ? true : undefined),
    'n-1 to be on',
  );
  expect(await powerOf('unmanaged', 'n-2')).toBe('PoweredOff');
  const nodes = await system.status('unmanaged', 'nodes');
  expect(nodes?.phase).toBe('Unmanaged');
  expect(nodes?.members.map(({ placement }) => placement?.zoneID)).not.toContain(undefined);
  const handle = system.temporal.client.workflow.getHandle('vmgroup/unmanaged/nodes');
  expect(await handle.result()).toMatchObject({
    outcome: 'Converged',
    powerState: 'Unchanged',
    operations: 0,
  });

  // VM Operator makes no VM that its group does not list.
  await system.apply(
    'unmanaged',
    [
      groupManifest({ namespace: 'unmanaged', name: 'nodes', tiers: [{ members: ['n-1', 'n-2', 'n-3'] }] }),
      vmManifest('unmanaged', 'n-3', 'nodes', { powerState: 'PoweredOn' }),
    ].join('---\n'),
  );
  await system.until(
    async () => ((await powerOf('unmanaged', 'n-3')) === 'PoweredOn' ? true : undefined),
    'a VM that joins to be on',
  );
});

test('power off in the middle of powering on: what is on goes off, what was to come never starts', async () => {
  const text = groupWithVms({
    namespace: 'turn',
    name: 'app',
    powerState: 'PoweredOn',
    tiers: [{ members: ['db'], delay: '1h' }, { members: ['web'] }],
  });
  await system.apply('turn', text);
  await status('turn', 'app', ({ readyMembers }) => readyMembers === '1/2', 'the first tier to be on');
  await patch('turn', 'vmg/app', { spec: { powerState: 'PoweredOff' } });
  await status(
    'turn',
    'app',
    ({ phase, readyMembers }) => phase === 'Converged' && readyMembers === '2/2',
    'all to be off',
  );
  expect(effects(await system.journal(), 'turn')).toEqual(['PoweredOn db', 'PoweredOff db']);
  expect(await powerOf('turn', 'web')).toBe('PoweredOff');
});

test('a run that is aborted gives back the places of VMs that VM Operator has not created; those that it has keep theirs', async () => {
  const shape = { namespace: 'aborted', name: 'app', powerState: 'PoweredOn' };
  const machines = ['db', 'made', 'late'].map((name) => vmManifest('aborted', name, 'app'));
  await system.apply('aborted', machines.join('---\n'));
  // VM Operator leaves it alone for now, so it does not create it.
  await system.kubectl(['-n', 'aborted', 'annotate', 'vm/late', 'vmoperator.vmware.com/paused=true']);
  const tiers = [{ members: ['db'], delay: '1h' }, { members: ['made', 'late'] }];
  await system.apply('aborted', groupManifest({ ...shape, tiers }));
  await status('aborted', 'app', ({ readyMembers }) => readyMembers === '1/3', 'the first tier to be on');
  const created = async (name: string): Promise<boolean> => {
    const vm = await system.get(RESOURCES.virtualMachines, 'aborted', name);
    return (vm?.status as { uniqueID?: string } | undefined)?.uniqueID !== undefined;
  };
  await system.until(async () => ((await created('made')) ? true : undefined), 'the second VM to be created');
  const handle = system.temporal.client.workflow.getHandle('vmgroup/aborted/app');
  await handle.executeUpdate('abort', { args: [{ actor: 'alice', reason: 'not now' }] });
  expect(await handle.result()).toMatchObject({
    message: 'Aborted by alice: not now; no place is kept for late',
    released: ['late'],
  });
  const after = await status(
    'aborted',
    'app',
    ({ members }) => members.some(({ name, placement }) => name === 'late' && !placement),
    'the status without the place',
  );
  const zones = new Map(after.members.map(({ name, placement }) => [name, placement?.zoneID]));
  expect(zones.get('db')).toBeDefined();
  expect(zones.get('made')).toBeDefined();
  const late = after.members.find(({ name }) => name === 'late');
  expect(late?.conditions.find(({ type }) => type === 'PlacementReady')).toMatchObject({
    status: 'False',
    reason: 'Pending',
  });
  await system.kubectl(['-n', 'aborted', 'annotate', 'vm/late', 'vmoperator.vmware.com/paused-']);
  await system.apply(
    'aborted',
    groupManifest({ ...shape, tiers: [{ members: ['db'] }, { members: ['made', 'late'] }] }),
  );
  await status(
    'aborted',
    'app',
    ({ phase }) => phase === 'Converged',
    'the next run to place and power on all',
  );
  expect(await created('late')).toBe(true);
});

test('an edit of the boot order in the middle of a delay counts at once', async () => {
  const shape = { namespace: 'edit', name: 'app', powerState: 'PoweredOn' };
  await system.apply(
    'edit',
    groupWithVms({ ...shape, tiers: [{ members: ['db'], delay: '1h' }, { members: ['web'] }] }),
  );
  await status('edit', 'app', ({ readyMembers }) => readyMembers === '1/2', 'the first tier to be on');
  await system.apply(
    'edit',
    groupManifest({ ...shape, tiers: [{ members: ['db'], delay: '1s' }, { members: ['web'] }] }),
  );
  await status('edit', 'app', ({ phase }) => phase === 'Converged', 'the second tier to be on');
  const on = times(await system.journal(), 'edit', 'PoweredOn');
  expect(on['web']?.asked).toBeGreaterThanOrEqual((on['db']?.effect ?? NaN) + 950);
});

test('a VM whose power is changed by hand in its spec is brought back', async () => {
  await system.apply(
    'hand',
    groupWithVms({ namespace: 'hand', name: 'app', powerState: 'PoweredOn', tiers: [{ members: ['a'] }] }),
  );
  await status('hand', 'app', ({ phase }) => phase === 'Converged', 'a to be on');
  await patch('hand', 'vm/a', { spec: { powerState: 'PoweredOff' } });
  await system.until(async () => {
    const mine = effects(await system.journal(), 'hand');
    return mine.length === 3 ? mine : undefined;
  }, 'a to be off and on again');
  expect(effects(await system.journal(), 'hand')).toEqual(['PoweredOn a', 'PoweredOff a', 'PoweredOn a']);
  expect(
    bridge.events.some(({ reason, object }) => reason === 'DriftSeen' && object.namespace === 'hand'),
  ).toBe(true);
});

test('a power-on that fails is parked with the cause from an event, holds its tier, and is retried by an operator', async () => {
  const text = [
    policyManifest('stuck', 'default', {
      retry: { maximumAttempts: 2, initialInterval: '100ms', maximumInterval: '200ms' },
      operationTimeout: '15s',
    }),
    groupWithVms({
      namespace: 'stuck',
      name: 'app',
      powerState: 'PoweredOn',
      tiers: [{ members: ['bad', 'good'] }, { members: ['later'] }],
    }),
  ].join('---\n');
  await system.console.setFaults([{ type: 'PermanentError', vm: 'stuck/bad', operation: 'PoweredOn' }]);
  await system.apply('stuck', text);
  const parked = await status(
    'stuck',
    'app',
    ({ members }) =>
      members.some(({ conditions }) => conditions.some(({ reason }) => reason === 'PowerOperationFailed')),
    'the VM to be parked',
  );
  const bad = parked.members.find(({ name }) => name === 'bad');
  expect(bad?.conditions.find(({ type }) => type === 'PowerStateSynced')?.message).toContain(
    'the disk of the VM cannot be opened',
  );
  expect(parked.phase).toBe('Waiting');
  expect(await powerOf('stuck', 'later')).toBe('PoweredOff');
  await system.console.setFaults([]);
  const handle = system.temporal.client.workflow.getHandle('vmgroup/stuck/app');
  const retried = handle.executeUpdate('retryMember', {
    args: [{ member: 'bad', actor: 'alice', reason: 'disk is back' }],
  });
  // VM Operator may get over it by itself at this very moment.
  await retried.catch((error: unknown) =>
    expect(error).toMatchObject({
      cause: { message: expect.stringContaining('nothing to retry') as string },
    }),
  );
  await system.ready('stuck', 'app');
});

test('gate Ready: the next tier waits until the VM says that it is ready', async () => {
  const text = [
    policyManifest('gates', 'default', { gate: 'Ready' }),
    groupWithVms({
      namespace: 'gates',
      name: 'ready',
      powerState: 'PoweredOn',
      tiers: [{ members: ['r-1'] }, { members: ['r-2'] }],
    }),
  ].join('---\n');
  await system.apply('gates', text);
  await system.ready('gates', 'ready');
  const journal = await system.journal();
  const ready = journal.find(
    (line) => line.type === 'effect' && line.effect === 'Ready' && line.vm === 'gates/r-1',
  );
  expect(times(journal, 'gates', 'PoweredOn')['r-2']?.asked).toBeGreaterThanOrEqual(ready?.at ?? NaN);
});

test('gate Condition: the next tier waits until the condition that the policy names is true', async () => {
  const text = [
    policyManifest('custom-gate', 'customized', { gate: 'Condition/GuestCustomization', gateTimeout: '60s' }),
    groupWithVms({
      namespace: 'custom-gate',
      name: 'custom',
      powerState: 'PoweredOn',
      tiers: [{ members: ['c-1'] }, { members: ['c-2'] }],
      annotations: { 'vmgroup.dev/policy': 'customized' },
    }),
  ].join('---\n');
  await system.apply('custom-gate', text);
  await system.until(
    async () => ((await powerOf('custom-gate', 'c-1')) === 'PoweredOn' ? true : undefined),
    'c-1 to be on',
  );
  expect(await powerOf('custom-gate', 'c-2')).toBe('PoweredOff');
  for (const name of ['c-1', 'c-2']) {
    await system.until(
      async () => ((await powerOf('custom-gate', name)) === 'PoweredOn' ? true : undefined),
      `${name} to be on`,
    );
    const condition = {
      type: 'GuestCustomization',
      status: 'True',
      reason: 'Succeeded',
      message: '',
      lastTransitionTime: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
    };
    await system.api.apply(
      RESOURCES.virtualMachines,
      { metadata: { namespace: 'custom-gate', name }, status: { conditions: [condition] } },
      { fieldManager: 'guest', subresource: 'status' },
    );
  }
  await system.ready('custom-gate', 'custom');
});

test('a run waits for a paused VM by name, and continues once it is not paused', async () => {
  const text = [
    groupManifest({ namespace: 'paused', name: 'app', powerState: 'PoweredOn', tiers: [{ members: ['p'] }] }),
    vmManifest('paused', 'p', 'app', { powerState: 'PoweredOff' }),
  ].join('---\n');
  await system.apply(
    'paused',
    groupManifest({ namespace: 'paused', name: 'app', tiers: [{ members: ['p'] }] }),
  );
  await system.apply('paused', vmManifest('paused', 'p', 'app', { powerState: 'PoweredOff' }));
  await system.ready('paused', 'app');
  await system.kubectl(['-n', 'paused', 'annotate', 'vm/p', 'vmoperator.vmware.com/paused=true']);
  await system.apply('paused', text);
  const held = await status(
    'paused',
    'app',
    ({ members }) => members[0]?.conditions.some(({ message }) => message.includes('paused')) === true,
    'the condition to say what the VM waits for',
  );
  expect(held.members[0]?.conditions.find(({ type }) => type === 'PowerStateSynced')).toMatchObject({
    status: 'False',
    reason: 'Pending',
  });
  await system.kubectl(['-n', 'paused', 'annotate', 'vm/p', 'vmoperator.vmware.com/paused-']);
  await system.ready('paused', 'app');
  expect(effects(await system.journal(), 'paused')).toEqual(['PoweredOn p']);
});
