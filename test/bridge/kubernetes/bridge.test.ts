/** The bridge on a real API server: SOURCE-1 to SOURCE-3, STORE-1 to STORE-4, OWN-1 to OWN-4. */
import { GROUP_FINALIZER } from '../../../api';
import { RESOURCES } from '../../../kubernetes';
import { startClusterSystem, type ClusterBridge, type ClusterSystem } from '../../support/cluster-system';
import { groupManifest, groupWithVms, policyManifest, vmManifest } from '../../support/manifests';
import { accepted, times } from '../../support/system';

let system: ClusterSystem;
let bridge: ClusterBridge;

beforeAll(async () => {
  system = await startClusterSystem();
  bridge = await system.startBridge();
}, 120_000);
afterAll(() => system.stop());

const condition = (of: { conditions: { type: string }[] } | undefined, type: string) =>
  of?.conditions.find((each) => each.type === type);

function phase(namespace: string, name: string, ...wanted: string[]): Promise<string> {
  return system.until(
    async () => {
      const found = (await system.status(namespace, name))?.phase;
      return found !== undefined && wanted.includes(found) ? found : undefined;
    },
    `${namespace}/${name} to be ${wanted.join(' or ')}`,
  );
}

test('VMs are powered on in order; status, owner references, finalizer and events say so', async () => {
  const text = groupWithVms({
    namespace: 'order',
    name: 'app',
    powerState: 'PoweredOn',
    tiers: [{ members: ['db'], delay: '500ms' }, { members: ['web-1', 'web-2'] }],
  });
  await system.apply('order', text);
  await system.ready('order', 'app');
  const on = times(await system.journal(), 'order', 'PoweredOn');
  expect(on['web-1']?.asked).toBeGreaterThanOrEqual((on['db']?.effect ?? NaN) + 450);
  expect(accepted(await system.journal(), 'order')).toHaveLength(3);

  const status = await system.status('order', 'app');
  expect(status).toMatchObject({
    observedGeneration: 1,
    phase: 'Converged',
    readyMembers: '3/3',
    run: { workflowId: 'vmgroup/order/app', outcome: 'Converged' },
  });
  expect(status?.members.map(({ name }) => name)).toEqual(['db', 'web-1', 'web-2']);
  expect(status?.lastUpdatedPowerStateTime).toMatch(/Z$/);
  expect(condition(status, 'Ready')).toMatchObject({
    status: 'True',
    reason: 'AllMembersReady',
    message: 'All group members are in desired state',
    observedGeneration: 1,
  });
  const db = status?.members[0];
  expect(db).toMatchObject({ kind: 'VirtualMachine', powerState: 'PoweredOn' });
  expect(db?.placement?.zoneID).toMatch(/^zone-/);
  expect(condition(db, 'GroupLinked')).toMatchObject({ status: 'True', reason: 'MemberLinked' });
  expect(condition(db, 'PowerStateSynced')).toMatchObject({ status: 'True', reason: 'PowerStateMatches' });
  expect(condition(db, 'PlacementReady')).toMatchObject({ status: 'True', reason: 'PlacementComputed' });

  const group = await system.get(RESOURCES.virtualMachineGroups, 'order', 'app');
  const vm = await system.get(RESOURCES.virtualMachines, 'order', 'db');
  expect(group?.metadata.finalizers).toEqual([GROUP_FINALIZER]);
  expect(vm?.metadata.ownerReferences).toEqual([
    {
      apiVersion: 'vmoperator.vmware.com/v1alpha6',
      kind: 'VirtualMachineGroup',
      name: 'app',
      uid: group?.metadata.uid,
    },
  ]);
  expect(db?.uid).toBe(vm?.metadata.uid);
  const events = await system.until(async () => {
    const text = await system.kubectl(['-n', 'order', 'get', 'events', '-o', 'jsonpath={.items[*].reason}']);
    return text.includes('RunEnded') ? text.split(' ') : undefined;
  }, 'the events');
  expect(events).toEqual(expect.arrayContaining(['GroupAdded', 'PlanSent', 'RunStarted', 'RunEnded']));
  expect(await system.kubectl(['-n', 'order', 'get', 'vmg'])).toMatch(/app +PoweredOn +Converged +3\/3/);
});

test('SOURCE-1: power off is an edit of the spec, and ends in reverse order where a tier says so', async () => {
  const shape = {
    namespace: 'power-off',
    name: 'app',
    tiers: [{ members: ['db'], powerOffDelay: '300ms' }, { members: ['web'] }],
  };
  await system.apply('power-off', groupWithVms({ ...shape, powerState: 'PoweredOn' }));
  await phase('power-off', 'app', 'Converged');
  await system.kubectl([
    '-n',
    'power-off',
    'patch',
    'vmg',
    'app',
    '--type=merge',
    '-p',
    '{"spec":{"powerState":"PoweredOff"}}',
  ]);
  await system.until(async () => {
    const status = await system.status('power-off', 'app');
    return status?.observedGeneration === 2 && status.phase === 'Converged' ? true : undefined;
  }, 'everything to be off');
  const off = times(await system.journal(), 'power-off', 'PoweredOff');
  expect(off['db']?.asked).toBeGreaterThanOrEqual((off['web']?.asked ?? NaN) + 290);
});

test('a VM that joins is powered on, one that leaves is let go, one recreated under the same name is another VM', async () => {
  const shape = { namespace: 'members', name: 'app', powerState: 'PoweredOn', tiers: [{ members: ['a'] }] };
  await system.apply('members', groupWithVms(shape));
  await phase('members', 'app', 'Converged');
  await system.apply('members', vmManifest('members', 'b', 'app'));
  await system.until(async () => {
    const status = await system.status('members', 'app');
    return status?.readyMembers === '2/2' && status.phase === 'Converged' ? true : undefined;
  }, 'b to be on');
  const first = (await system.get(RESOURCES.virtualMachines, 'members', 'b'))?.metadata.uid;

  await system.kubectl([
    '-n',
    'members',
    'patch',
    'vm',
    'b',
    '--type=merge',
    '-p',
    '{"spec":{"groupName":null}}',
  ]);
  await system.until(async () => {
    const vm = await system.get(RESOURCES.virtualMachines, 'members', 'b');
    return vm?.metadata.ownerReferences?.length ? undefined : true;
  }, 'the owner reference of b to go');
  await system.until(
    async () => ((await system.status('members', 'app'))?.readyMembers === '1/1' ? true : undefined),
    'b to be no member any more',
  );

  await system.kubectl(['-n', 'members', 'delete', 'vm', 'b']);
  await system.apply('members', vmManifest('members', 'b', 'app'));
  await system.until(async () => {
    const status = await system.status('members', 'app');
    const member = status?.members.find(({ name }) => name === 'b');
    const isNew = member?.uid !== undefined && member.uid !== first;
    return isNew && status?.phase === 'Converged' && status.readyMembers === '2/2' ? true : undefined;
  }, 'the new b to be on');
  expect(accepted(await system.journal(), 'members')).toEqual(['PoweredOn a', 'PoweredOn b', 'PoweredOn b']);
});

test('RECONCILE-4: a VM that is powered by hand is brought back, or reported where the policy says so', async () => {
  const group = (name: string, policy?: string) =>
    groupWithVms({
      namespace: 'drift',
      name,
      powerState: 'PoweredOn',
      tiers: [{ members: [`${name}-vm`] }],
      ...(policy && { annotations: { 'vmgroup.dev/policy': policy } }),
    });
  await system.apply(
    'drift',
    [
      policyManifest('drift', 'lenient', { drift: { action: 'Report' } }),
      group('strict'),
      group('lax', 'lenient'),
    ].join('---\n'),
  );
  await phase('drift', 'strict', 'Converged');
  await phase('drift', 'lax', 'Converged');
  for (const name of ['strict-vm', 'lax-vm']) {
    await system.console.power({ namespace: 'drift', name }, 'PoweredOff');
  }
  await phase('drift', 'lax', 'OutOfSync');
  const lax = await system.status('drift', 'lax');
  expect(condition(lax?.members[0], 'PowerStateSynced')).toMatchObject({
    status: 'False',
    reason: 'NotSynced',
  });
  await system.until(async () => {
    const status = await system.status('drift', 'strict');
    const run = (await system.journal()).filter(
      (line) => line.type === 'effect' && line.vm === 'drift/strict-vm',
    );
    return run.length >= 5 && status?.phase === 'Converged' ? true : undefined;
  }, 'the strict VM to be brought back');
  const laxOperations = async (): Promise<string[]> =>
    accepted(await system.journal(), 'drift').filter((each) => each.endsWith('lax-vm'));
  expect(await laxOperations()).toHaveLength(1);

  // Restored from a backup, say: another VM of the same name, which nobody has changed.
  await system.kubectl(['-n', 'drift', 'delete', 'vm', 'lax-vm']);
  await system.apply('drift', vmManifest('drift', 'lax-vm', 'lax'));
  await phase('drift', 'lax', 'Converged');
  expect(await laxOperations()).toHaveLength(2);
});

test('OWN-2: deleting a group in the middle of its run stops it and keeps the VMs; Cascade leaves the owner references', async () => {
  const shape = (name: string, policy?: string) =>
    groupWithVms({
      namespace: 'deletion',
      name,
      powerState: 'PoweredOn',
      tiers: [{ members: [`${name}-1`], delay: '1h' }, { members: [`${name}-2`] }],
      ...(policy && { annotations: { 'vmgroup.dev/policy': policy } }),
    });
  await system.apply(
    'deletion',
    [
      policyManifest('deletion', 'cascade', { deletion: 'Cascade' }),
      shape('orphan'),
      shape('cascade', 'cascade'),
    ].join('---\n'),
  );
  for (const name of ['orphan', 'cascade']) {
    await system.until(async () => {
      const status = await system.status('deletion', name);
      const vms = [1, 2].map((n) => system.get(RESOURCES.virtualMachines, 'deletion', `${name}-${n}`));
      const owned = (await Promise.all(vms)).every((vm) => vm?.metadata.ownerReferences?.length === 1);
      return status?.readyMembers === '1/2' && owned ? true : undefined;
    }, `${name} to wait for its delay`);
    await system.kubectl(['-n', 'deletion', 'delete', 'vmg', name, '--timeout=20s']);
  }
  const owners = async (name: string): Promise<number | undefined> =>
    (await system.get(RESOURCES.virtualMachines, 'deletion', name))?.metadata.ownerReferences?.length;
  expect([await owners('orphan-1'), await owners('orphan-2')]).toEqual([undefined, undefined]);
  expect([await owners('cascade-1'), await owners('cascade-2')]).toEqual([1, 1]);
  for (const name of ['orphan', 'cascade']) {
    const outcome = await system.until(async () => {
      const handle = system.temporal.client.workflow.getHandle(`vmgroup/deletion/${name}`);
      const ended = (await handle.describe()).status.name === 'COMPLETED';
      return ended ? ((await handle.result()) as { outcome: string }) : undefined;
    }, 'the run to end');
    expect(outcome).toMatchObject({ outcome: 'Superseded' });
  }
  expect(accepted(await system.journal(), 'deletion').sort()).toEqual([
    'PoweredOn cascade-1',
    'PoweredOn orphan-1',
  ]);
});

test('OWN-4: a nested group gets the power state of its parent when its turn comes, and is not fought over', async () => {
  const text = [
    groupManifest({
      namespace: 'nested',
      name: 'parent',
      powerState: 'PoweredOn',
      tiers: [{ members: ['group:first'], delay: '1500ms' }, { members: ['group:second'] }],
    }),
    groupWithVms({
      namespace: 'nested',
      name: 'first',
      groupName: 'parent',
      powerState: 'PoweredOff',
      tiers: [{ members: ['f'] }],
    }),
    groupWithVms({ namespace: 'nested', name: 'second', groupName: 'parent', tiers: [{ members: ['s'] }] }),
  ].join('---\n');
  await system.apply('nested', text);
  const wants = async (name: string): Promise<unknown> =>
    ((await system.get(RESOURCES.virtualMachineGroups, 'nested', name))?.spec as { powerState?: string })
      .powerState;
  await system.until(
    async () => ((await wants('first')) === 'PoweredOn' ? true : undefined),
    'the first to be told',
  );
  expect(await wants('second')).toBeUndefined();
  await phase('nested', 'parent', 'Converged');
  await system.until(
    async () => ((await wants('second')) === 'PoweredOn' ? true : undefined),
    'the second to be told',
  );
  const parent = await system.status('nested', 'parent');
  expect(parent?.members.map((member) => condition(member, 'Ready'))).toMatchObject([
    { status: 'True' },
    { status: 'True' },
  ]);
  const child = await system.get(RESOURCES.virtualMachineGroups, 'nested', 'first');
  expect(child?.metadata.ownerReferences?.map(({ name }) => name)).toEqual(['parent']);
  expect(child?.metadata.finalizers).toEqual([GROUP_FINALIZER]);

  for (let time = 0; time < 6; time += 1) {
    await system.kubectl([
      '-n',
      'nested',
      'patch',
      'vmg',
      'first',
      '--type=merge',
      '-p',
      '{"spec":{"powerState":"PoweredOff"}}',
    ]);
    await new Promise((over) => setTimeout(over, 300));
  }
  await system.until(
    () => (bridge.events.some(({ reason }) => reason === 'PowerStateContested') ? true : undefined),
    'the fight to be given up',
  );
  expect(accepted(await system.journal(), 'nested')).toEqual(['PoweredOn f', 'PoweredOn s']);
});

test('SOURCE-2: an edit that is invalid is a condition with its path, changes nothing, and ends with its cure', async () => {
  const app = {
    namespace: 'invalid',
    name: 'app',
    powerState: 'PoweredOn',
    tiers: [{ members: ['shared'] }],
  };
  await system.apply('invalid', groupWithVms(app));
  await phase('invalid', 'app', 'Converged');
  await system.apply('invalid', groupManifest({ ...app, name: 'thief' }));
  await phase('invalid', 'thief', 'Invalid');
  const thief = await system.status('invalid', 'thief');
  expect(condition(thief, 'Ready')).toMatchObject({
    status: 'False',
    reason: 'Invalid',
    message:
      'spec.bootOrder[0].members[0].name: VirtualMachine/shared is a member of group "app" too (spec.bootOrder[0].members[0]): only one group can list it',
  });
  await system.until(async () => {
    const ready = condition(await system.status('invalid', 'app'), 'Ready');
    return ready && 'reason' in ready && ready.reason === 'Invalid' ? true : undefined;
  }, 'the other group to say so too');
  await system.kubectl(['-n', 'invalid', 'delete', 'vmg', 'thief', '--timeout=20s']);
  await system.until(async () => {
    const ready = condition(await system.status('invalid', 'app'), 'Ready');
    return ready && 'status' in ready && ready.status === 'True' ? true : undefined;
  }, 'the group to be right again');
  expect(accepted(await system.journal(), 'invalid')).toEqual(['PoweredOn shared']);
});

test('STORE-1: where nothing changes nothing is written', async () => {
  await system.apply(
    'quiet',
    groupWithVms({ namespace: 'quiet', name: 'app', powerState: 'PoweredOn', tiers: [{ members: ['a'] }] }),
  );
  await phase('quiet', 'app', 'Converged');
  await new Promise((over) => setTimeout(over, 2_500));
  const versions = async (): Promise<(string | undefined)[]> => {
    const group = await system.get(RESOURCES.virtualMachineGroups, 'quiet', 'app');
    const vm = await system.get(RESOURCES.virtualMachines, 'quiet', 'a');
    return [group?.metadata.resourceVersion, vm?.metadata.resourceVersion];
  };
  const before = await versions();
  const writes = await bridge.registry.getSingleMetricAsString('vmgroup_bridge_status_writes');
  await new Promise((over) => setTimeout(over, 3_000));
  expect(await versions()).toEqual(before);
  expect(await bridge.registry.getSingleMetricAsString('vmgroup_bridge_status_writes')).toBe(writes);
});
