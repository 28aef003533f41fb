/**
 * The product alongside VM Operator's own group controller, on a real API server with the definitions of VM Operator and no definition of ours, as a
 * user with the rights of an editor of the namespace alone: no Leases, no Events, nothing cluster-wide. The simulator stands in for both of VM
 * Operator's controllers.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { RESOURCES, type KubernetesObject, type Resource } from '../../kubernetes';
import type { GroupView } from '../../bridge';
import { buildWhenStale, vmgroup } from '../cli/vmgroup';
import { startClusterSystem, type ClusterBridge, type ClusterSystem } from '../support/cluster-system';
import type { TestCluster } from '../support/kubernetes';
import { groupManifest, vmManifest, type GroupShape } from '../support/manifests';
import { effects, times } from '../support/system';
import { asYaml, vmOperatorGroupsWithoutDelays } from '../support/vm-operator-definitions';

jest.setTimeout(120_000);

const ROOT = path.join(__dirname, '../..');
const NAMESPACE = 'team';
const POWER = 'vmgroup.dev/power-state';

let system: ClusterSystem;
let bridge: ClusterBridge;

beforeAll(async () => {
  buildWhenStale();
  system = await startClusterSystem({
    platform: 'vm-operator',
    companion: { user: 'alice', namespaces: [NAMESPACE] },
    vmOperatorOnly: true,
    prepare,
  });
  bridge = await system.startBridge();
}, 120_000);
afterAll(() => system.stop());

/** What a namespace editor has on a Supervisor: no definition of ours, and the rights to two resources in one namespace. */
async function prepare(cluster: TestCluster): Promise<void> {
  await cluster.run(
    ['apply', '--server-side', '--force-conflicts', '-f', '-'],
    asYaml(vmOperatorGroupsWithoutDelays()),
  );
  await cluster.run(['create', 'namespace', NAMESPACE]);
  const resources = ['virtualmachines', 'virtualmachinegroups'].map(
    (each) => `${each}.vmoperator.vmware.com`,
  );
  await cluster.run([
    ...['-n', NAMESPACE, 'create', 'role', 'editor', '--verb=get,list,watch,patch'],
    `--resource=${resources.join(',')}`,
  ]);
  await cluster.run(['-n', NAMESPACE, 'create', 'rolebinding', 'editor', '--role=editor', '--user=alice']);
}

function apply(text: string): Promise<void> {
  return system
    .kubectl(['apply', '--server-side', '--validate=strict', '-f', '-'], text)
    .then(() => undefined);
}

/** A group whose VMs are off in their manifests, as they should be. */
function shop(shape: Omit<GroupShape, 'namespace'>, machine: object = { powerState: 'PoweredOff' }): string {
  const names = shape.tiers.flatMap(({ members }) => members).filter((each) => !each.startsWith('group:'));
  return [
    groupManifest({ namespace: NAMESPACE, ...shape }),
    ...names.map((name) => vmManifest(NAMESPACE, name, shape.name, { ...machine })),
  ].join('---\n');
}

function annotate(group: string, ...annotations: string[]): Promise<string> {
  return system.kubectl(['-n', NAMESPACE, 'annotate', '--overwrite', `vmg/${group}`, ...annotations]);
}

function read(
  name: string,
  resource: Resource = RESOURCES.virtualMachineGroups,
): Promise<KubernetesObject | undefined> {
  return system.get(resource, NAMESPACE, name);
}

interface Summary {
  phase: GroupView['phase'];
  message: string;
  readyMembers: string;
  powerState?: string;
  run?: { runId: string; outcome?: string };
}

async function summary(name: string): Promise<Summary | undefined> {
  const text = (await read(name))?.metadata.annotations?.['vmgroup.dev/status'];
  return text === undefined ? undefined : (JSON.parse(text) as Summary);
}

function untilSummary(name: string, test: (summary: Summary) => boolean, saying: string): Promise<Summary> {
  return system.until(async () => {
    const found = await summary(name);
    return found && test(found) ? found : undefined;
  }, saying);
}

function untilConverged(name: string, powerState: string): Promise<Summary> {
  return untilSummary(
    name,
    (found) => found.phase === 'Converged' && found.powerState === powerState,
    `${name} to be ${powerState}`,
  );
}

async function powerOf(name: string): Promise<string | undefined> {
  const vm = await read(name, RESOURCES.virtualMachines);
  return (vm?.status as { powerState?: string } | undefined)?.powerState;
}

/** The fields of an object that a manager owns, as paths. */
function ownedBy(object: KubernetesObject | undefined, test: (manager: string) => boolean): string[] {
  const managed = (object?.metadata.managedFields ?? []) as { manager?: string; fieldsV1?: object }[];
  return managed.filter(({ manager = '' }) => test(manager)).flatMap(({ fieldsV1 = {} }) => paths(fieldsV1));
}

function paths(fields: object, above = ''): string[] {
  const entries = Object.entries(fields).filter(([key]) => key !== '.');
  if (entries.length === 0) return [above];
  return entries.flatMap(([key, below]) => paths(below as object, `${above}/${key.replace(/^f:/, '')}`));
}

test('three tiers come on in order and go off in reverse; what VM Operator owns has no field manager of ours', async () => {
  await apply(
    shop({
      name: 'shop',
      tiers: [{ members: ['db'] }, { members: ['app-1', 'app-2'] }, { members: ['web'] }],
    }),
  );
  await system.ready(NAMESPACE, 'shop');
  expect(effects(await system.journal(), NAMESPACE)).toEqual([]);
  await annotate('shop', `${POWER}=PoweredOn`, 'vmgroup.dev/power-off-delay=0s');
  await untilConverged('shop', 'PoweredOn');
  const on = times(await system.journal(), NAMESPACE, 'PoweredOn');
  const effect = (name: string): number => on[name]?.effect ?? NaN;
  const asked = (name: string): number => on[name]?.asked ?? NaN;
  for (const app of ['app-1', 'app-2']) {
    expect(asked(app)).toBeGreaterThanOrEqual(effect('db'));
    expect(asked('web')).toBeGreaterThanOrEqual(effect(app));
  }
  await annotate('shop', `${POWER}=PoweredOff`);
  await untilConverged('shop', 'PoweredOff');
  const off = times(await system.journal(), NAMESPACE, 'PoweredOff');
  for (const app of ['app-1', 'app-2']) {
    expect(off[app]?.asked).toBeGreaterThanOrEqual(off['web']?.effect ?? NaN);
    expect(off['db']?.asked).toBeGreaterThanOrEqual(off[app]?.effect ?? NaN);
  }

  const group = await read('shop');
  expect(group?.spec).not.toHaveProperty('powerState');
  expect(ownedBy(group, (manager) => manager.startsWith('vmgroup'))).toEqual([
    '/metadata/annotations/vmgroup.dev/status',
  ]);
  const status = (group?.metadata.managedFields ?? []).filter(({ subresource }) => subresource === 'status');
  expect(status.map(({ manager }) => manager)).toEqual(['manager']);
  expect(group?.metadata.finalizers).toEqual(['vmoperator.vmware.com/virtualmachinegroup']);
  for (const name of ['db', 'app-1', 'app-2', 'web']) {
    const vm = await read(name, RESOURCES.virtualMachines);
    const allowed = ['/metadata/annotations/vmgroup.dev/operation', '/spec/powerState'];
    const mine = ownedBy(vm, (manager) => manager.startsWith('vmgroup-') && manager !== 'vmgroup-simulator');
    expect(mine.sort()).toEqual(allowed);
    expect(vm?.metadata.ownerReferences?.map(({ uid }) => uid)).toEqual([group?.metadata.uid]);
    // VM Operator's group controller has never written power.
    expect(
      ownedBy(vm, (manager) => manager === 'manager').filter((each) => each.startsWith('/spec')),
    ).toEqual([]);
  }
});

test('VMs whose manifests ask for power are held until their turn, and named', async () => {
  const text = shop(
    {
      name: 'eager',
      tiers: [{ members: ['e-1'] }, { members: ['e-2'], powerOnDelay: '2s' }],
      annotations: { [POWER]: 'PoweredOn' },
    },
    {},
  );
  const [group = '', first = '', second = ''] = text.split('---\n');
  // The tree is not placed before its last member is there, so the first VM can be held.
  await apply([group, first].join('---\n'));
  await system.until(async () => {
    const vm = await read('e-1', RESOURCES.virtualMachines);
    return (vm?.spec as { powerState?: string }).powerState !== undefined;
  }, 'the first VM to be held or asked to be on');
  await apply(second);
  await untilConverged('eager', 'PoweredOn');
  const early = bridge.events.filter(
    ({ reason, object }) => reason === 'StartsEarly' && object.name.startsWith('e-'),
  );
  expect(early.map(({ object: { name, kind } }) => `${kind}/${name}`)).toContain('VirtualMachine/e-1');
  expect(early[0]?.message).toContain('write spec.powerState: PoweredOff in its manifest');
});

test('a VM that is on before it exists is held by the first placement, and started in its turn', async () => {
  // Nothing is placed while a listed VM is missing.
  const tiers = [{ members: ['h-1'] }, { members: ['h-2'] }, { members: ['h-3'] }];
  const all = shop({ name: 'held', tiers, annotations: { [POWER]: 'PoweredOn' } }, {}).split('---\n');
  await apply(all.slice(0, 3).join('---\n'));
  await system.until(async () => {
    const vm = await read('h-2', RESOURCES.virtualMachines);
    return (vm?.spec as { powerState?: string }).powerState === 'PoweredOff';
  }, 'the VM of the second tier to be held');
  await apply(vmManifest(NAMESPACE, 'h-3', 'held', { powerState: 'PoweredOff' }));
  await untilConverged('held', 'PoweredOn');
  const on = times(await system.journal(), NAMESPACE, 'PoweredOn');
  expect(on['h-2']?.asked).toBeGreaterThanOrEqual(on['h-1']?.effect ?? NaN);
  expect(on['h-3']?.asked).toBeGreaterThanOrEqual(on['h-2']?.effect ?? NaN);
});

test('a member that joins during a run is started in its tier', async () => {
  const tiers = [{ members: ['j-1'] }, { members: ['j-2'], powerOnDelay: '5s' }];
  await apply(shop({ name: 'joined', tiers, annotations: { [POWER]: 'PoweredOn' } }));
  await system.until(async () => (await powerOf('j-1')) === 'PoweredOn', 'the first tier to be on');
  const more = [{ members: ['j-1'] }, { members: ['j-2', 'j-3'], powerOnDelay: '5s' }];
  await apply(
    [
      groupManifest({
        namespace: NAMESPACE,
        name: 'joined',
        tiers: more,
        annotations: { [POWER]: 'PoweredOn' },
      }),
      vmManifest(NAMESPACE, 'j-3', 'joined', { powerState: 'PoweredOff' }),
    ].join('---\n'),
  );
  await untilSummary('joined', ({ readyMembers }) => readyMembers === '3/3', 'all three to be on');
  const on = times(await system.journal(), NAMESPACE, 'PoweredOn');
  expect(on['j-3']?.asked).toBeGreaterThanOrEqual((on['j-1']?.effect ?? NaN) + 4_900);
});

test('while a user has set spec.powerState nothing is done, and the status says so; the run continues once it is unset', async () => {
  const shape = { name: 'contest', tiers: [{ members: ['c-1'] }, { members: ['c-2'], powerOnDelay: '1h' }] };
  await apply(shop({ ...shape, annotations: { [POWER]: 'PoweredOn' } }));
  await system.until(async () => (await powerOf('c-1')) === 'PoweredOn', 'the first tier to be on');
  await system.kubectl([
    '-n',
    NAMESPACE,
    'patch',
    'vmg/contest',
    '--type=merge',
    '-p',
    '{"spec":{"powerState":"PoweredOff"}}',
  ]);
  const contested = await untilSummary(
    'contest',
    ({ phase }) => phase === 'Contested',
    'the contest to show',
  );
  expect(contested.message).toContain(`VirtualMachineGroup ${NAMESPACE}/contest is PoweredOff`);
  expect(
    bridge.events.some(({ reason, object }) => reason === 'PowerStateContested' && object.name === 'contest'),
  ).toBe(true);
  await system.until(
    async () => (await powerOf('c-1')) === 'PoweredOff',
    "VM Operator's controller to power it off",
  );
  const handle = system.temporal.client.workflow.getHandle(`vmgroup/${NAMESPACE}/contest`);
  expect(await handle.result()).toMatchObject({ outcome: 'Superseded' });
  // Drift is not corrected: c-1 stays as VM Operator has it.
  await sleep(1_500);
  expect(await powerOf('c-1')).toBe('PoweredOff');

  // VM Operator does not let the field be cleared: the group is replaced, and its VMs are kept.
  await system.kubectl(['-n', NAMESPACE, 'delete', 'vmg/contest', '--cascade=orphan', '--wait=false']);
  // The garbage collector, which no test cluster has, ends an orphaning deletion.
  await system
    .kubectl([
      '-n',
      NAMESPACE,
      'patch',
      'vmg/contest',
      '--type=merge',
      '-p',
      '{"metadata":{"finalizers":null}}',
    ])
    .catch(() => undefined);
  await system.until(async () => (await read('contest')) === undefined, 'the group to be gone');
  const again = { ...shape, tiers: [{ members: ['c-1'] }, { members: ['c-2'] }] };
  await apply(groupManifest({ namespace: NAMESPACE, ...again, annotations: { [POWER]: 'PoweredOn' } }));
  await untilConverged('contest', 'PoweredOn');
  expect(await powerOf('c-2')).toBe('PoweredOn');
});

test('a group that is deleted has its run withdrawn, and nothing keeps it or its members', async () => {
  const tiers = [{ members: ['d-1'] }, { members: ['d-2'], powerOnDelay: '1h' }];
  await apply(shop({ name: 'deleted', tiers, annotations: { [POWER]: 'PoweredOn' } }));
  await system.until(async () => (await powerOf('d-1')) === 'PoweredOn', 'the first tier to be on');
  const uid = (await read('deleted'))?.metadata.uid;
  await system.kubectl(['-n', NAMESPACE, 'delete', 'vmg/deleted']);
  const handle = system.temporal.client.workflow.getHandle(`vmgroup/${NAMESPACE}/deleted`);
  expect(await handle.result()).toMatchObject({ outcome: 'Superseded', message: 'the group was deleted' });
  // The garbage collector deletes the members, by the owner references of VM Operator: they are still there.
  const vm = await read('d-1', RESOURCES.virtualMachines);
  expect(vm?.metadata.ownerReferences?.map((owner) => owner.uid)).toEqual([uid]);
  expect(await powerOf('d-1')).toBe('PoweredOn');
});

test('mode and policy stand in annotations; a slip there is shown and changes nothing', async () => {
  await system.console.setFaults([
    { type: 'PermanentError', vm: `${NAMESPACE}/p-1`, operation: 'PoweredOn' },
  ]);
  const policy =
    'whenParked: Continue\nretry: {maximumAttempts: 1, initialInterval: 100ms, maximumInterval: 100ms}\noperationTimeout: 15s\n';
  await apply(
    shop({
      name: 'policy',
      tiers: [{ members: ['p-1'] }, { members: ['p-2'] }],
      annotations: { [POWER]: 'PoweredOn', 'vmgroup.dev/policy-spec': policy },
    }),
  );
  await system.until(
    async () => (await powerOf('p-2')) === 'PoweredOn',
    'the second tier to continue past a parked VM',
  );
  await system.console.setFaults([]);
  await annotate('policy', 'vmgroup.dev/power-off-mode=Hard', `${POWER}=PoweredOff`);
  await untilConverged('policy', 'PoweredOff');
  const vm = await read('p-2', RESOURCES.virtualMachines);
  expect(vm?.spec).toMatchObject({ powerState: 'PoweredOff', powerOffMode: 'Hard' });
  await annotate('policy', `${POWER}=On`);
  const shown = await system.until(async () => {
    const events = bridge.events.filter(
      ({ reason, object }) => reason === 'InvalidManifest' && object.name === 'policy',
    );
    return events[0];
  }, 'the slip to be reported');
  expect(shown.message).toContain('vmgroup.dev/power-state');
  expect(await powerOf('p-2')).toBe('PoweredOff');
});

test('a parent whose child has spec.powerState is left alone as a whole', async () => {
  const tiers = [{ members: ['group:inner'] }, { members: ['n-2'] }];
  await apply(
    [
      shop({ name: 'outer', tiers, annotations: { [POWER]: 'PoweredOn' } }),
      shop({ name: 'inner', groupName: 'outer', tiers: [{ members: ['n-1'] }] }),
    ].join('---\n'),
  );
  await untilConverged('outer', 'PoweredOn');
  expect((await read('inner'))?.spec).not.toHaveProperty('powerState');
  // A summary is written at most once a second: that of the child may come after that of its parent.
  await untilSummary('inner', ({ phase }) => phase === 'Converged', 'the child to converge');
  await system.kubectl([
    '-n',
    NAMESPACE,
    'patch',
    'vmg/inner',
    '--type=merge',
    '-p',
    '{"spec":{"powerState":"PoweredOff"}}',
  ]);
  const outer = await untilSummary(
    'outer',
    ({ phase }) => phase === 'Contested',
    'the parent to be contested',
  );
  expect(outer.message).toContain(`VirtualMachineGroup ${NAMESPACE}/inner is PoweredOff`);
  await system.until(async () => (await powerOf('n-1')) === 'PoweredOff', 'VM Operator to power it off');
  expect(await powerOf('n-2')).toBe('PoweredOn');
});

test('vmgroup power and retry write annotations, and get shows the report', async () => {
  await apply(
    shop({ name: 'command', tiers: [{ members: ['x-1'] }], annotations: { [POWER]: 'PoweredOff' } }),
  );
  await untilConverged('command', 'PoweredOff');
  const run = async (...args: string[]): Promise<string> => {
    const where = ['--kubeconfig', system.cluster.kubeconfig('alice')];
    const env = { TEMPORAL_ADDRESS: system.temporal.address };
    const { stdout, stderr, code } = await vmgroup([...args, ...where], { env });
    expect({ stderr, code }).toMatchObject({ code: 0 });
    return stdout;
  };
  const name = `${NAMESPACE}/command`;
  expect(await run('power', 'on', name)).toContain(`annotation ${POWER} is now PoweredOn (was PoweredOff)`);
  await untilConverged('command', 'PoweredOn');
  expect((await read('command'))?.spec).not.toHaveProperty('powerState');
  expect(await run('retry', name, '--reason', 'once more')).toContain('vmgroup.dev/sync');
  expect((await read('command'))?.spec).not.toHaveProperty('nextForcePowerStateSyncTime');
  const described = await system.until(async () => {
    const text = await run('describe', name);
    return text.includes('PoweredOn  Converged') ? text : undefined;
  }, 'the report of the second run');
  expect(described).toMatch(/retry +once more/);
});

test('operator commands are objects here too, once their definition and the right to them are there', async () => {
  const crd = path.join(ROOT, 'deploy/crds/operatorcommands.yaml');
  await system.kubectl(['apply', '--server-side', '-f', crd]);
  await system.kubectl(['wait', '--for=condition=Established', '--timeout=30s', '-f', crd]);
  // The shipped right, for the person as whom this bridge runs.
  const role = readFileSync(path.join(ROOT, 'deploy/companion/commands-role.yaml'), 'utf8');
  const mine = role.replace('kind: ServiceAccount\n    name: vmgroup', 'kind: User\n    name: alice');
  await system.kubectl(['-n', NAMESPACE, 'apply', '-f', '-'], mine);
  const tiers = [{ members: ['given-1'] }, { members: ['given-2'], powerOnDelay: '1h' }];
  await apply(shop({ name: 'commanded', tiers, annotations: { [POWER]: 'PoweredOn' } }));
  await system.until(async () => (await powerOf('given-1')) === 'PoweredOn', 'the first tier to be on');
  await system.kubectl(
    ['apply', '-f', '-'],
    stringify({
      apiVersion: 'vmgroup.dev/v1alpha1',
      kind: 'OperatorCommand',
      metadata: { namespace: NAMESPACE, name: 'now' },
      spec: {
        group: 'commanded',
        command: 'skip-delay',
        reason: 'INC-1',
        actor: 'anna',
        ttlSecondsAfterFinished: 0,
      },
    }),
  );
  await system.until(async () => (await powerOf('given-2')) === 'PoweredOn', 'the delay to be over');
  await untilConverged('commanded', 'PoweredOn');
  const handle = system.temporal.client.workflow.getHandle(`vmgroup/${NAMESPACE}/commanded`);
  expect(await handle.result()).toMatchObject({
    words: [{ verb: 'skipDelay', actor: 'anna', reason: 'INC-1' }],
  });
  // The answer is written, and the object goes once it is done.
  await system.until(
    async () => (await read('now', RESOURCES.operatorCommands)) === undefined,
    'the command to be removed',
  );
});

test('doctor says which mode fits, and validate and plan read the annotations', async () => {
  const annotations = { [POWER]: 'PoweredOff', 'vmgroup.dev/policy-spec': 'gate: Condition/Booted' };
  await apply(shop({ name: 'asked', tiers: [{ members: ['y-1'] }], annotations }));
  await untilConverged('asked', 'PoweredOff');
  const run = async (...args: string[]): Promise<string> => {
    const where = ['--kubeconfig', system.cluster.kubeconfig('alice'), '--watch-namespaces', NAMESPACE];
    const env = { TEMPORAL_ADDRESS: system.temporal.address, VMGROUP_SOURCE: 'kubernetes' };
    return (await vmgroup([...args, ...where], { env })).stdout;
  };
  const mode = async (asked: string): Promise<unknown> => {
    const checks = JSON.parse(await run('doctor', '--for', 'serve', '--mode', asked, '-o', 'json')) as {
      check: string;
    }[];
    return checks.find(({ check }) => check === 'mode');
  };
  const acts = expect.stringContaining("VM Operator's group controller acts") as string;
  expect(await mode('companion')).toMatchObject({ result: 'ok', message: acts });
  expect(await mode('controller')).toMatchObject({
    result: 'note',
    message: acts,
    cure: expect.stringContaining('--mode companion') as string,
  });
  const args = ['--mode', 'companion', '--group', `${NAMESPACE}/asked`];
  expect(await run('plan', ...args)).toContain(`${NAMESPACE}/asked: as observed → PoweredOff`);
  await annotate('asked', 'vmgroup.dev/power-off-mode=Gentle');
  expect(await run('validate', '--mode', 'companion')).toContain('vmgroup.dev/power-off-mode');
});

test('a bridge that is killed and started again in mid-run starts nothing twice', async () => {
  const tiers = [{ members: ['k-1'] }, { members: ['k-2'], powerOnDelay: '3s' }];
  await apply(shop({ name: 'killed', tiers, annotations: { [POWER]: 'PoweredOn' } }));
  await system.until(async () => (await powerOf('k-1')) === 'PoweredOn', 'the first tier to be on');
  const before = await system.until(() => summary('killed'), 'a summary');
  await bridge.stop();
  bridge = await system.startBridge();
  await untilConverged('killed', 'PoweredOn');
  const mine = effects(await system.journal(), NAMESPACE).filter((each) => each.includes(' k-'));
  expect(mine).toEqual(['PoweredOn k-1', 'PoweredOn k-2']);
  const handle = system.temporal.client.workflow.getHandle(`vmgroup/${NAMESPACE}/killed`);
  expect((await handle.describe()).runId).toBe(before.run?.runId ?? (await handle.describe()).runId);
});
