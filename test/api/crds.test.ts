/**
 * The CustomResourceDefinitions on a real API server: CRD-1 to CRD-3 of `api/crds.ts`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { crds, parseManifests } from '../../api';
import { crdFiles } from '../../cli/crds/crds';
import { connectKubernetes, type Resource } from '../../kubernetes';
import { EXAMPLES, exampleFolders } from '../support/examples';
import { startCluster, type Printed, type TestCluster } from '../support/kubernetes';
import { until } from '../support/until';

const root = path.join(__dirname, '../..');
const crdFolder = path.join(root, 'deploy/crds');

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster();
  await cluster.define();
});
afterAll(() => cluster.stop());

async function mustWork(args: string[], input = ''): Promise<string> {
  const { stdout, stderr, code } = await cluster.kubectl(args, { input });
  expect({ args, stderr, code }).toEqual({ args, stderr: '', code: 0 });
  return stdout;
}

function apply(text: string, ...args: string[]): Promise<Printed> {
  return cluster.kubectl(['apply', '--server-side', '--validate=strict', '-f', '-', ...args], {
    input: text,
  });
}

const namespaces = new Set(['default']);

async function makeNamespaces(names: string[]): Promise<void> {
  for (const name of names) {
    if (!namespaces.has(name)) await mustWork(['create', 'namespace', name]);
    namespaces.add(name);
  }
}

/** An object of ours in the namespace `default`. */
function manifest(kind: string, name: string, spec: unknown, version = 'v1alpha6'): string {
  const apiVersion = kind === 'SequencePolicy' ? 'vmgroup.dev/v1alpha1' : `vmoperator.vmware.com/${version}`;
  return stringify({ apiVersion, kind, metadata: { name, namespace: 'default' }, spec });
}

async function read(resource: string, name: string): Promise<{ apiVersion: string; spec: unknown }> {
  const text = await mustWork(['get', resource, name, '-n', 'default', '-o', 'json']);
  return JSON.parse(text) as { apiVersion: string; spec: unknown };
}

test('the files in deploy/crds are what the code generates', () => {
  const files = readdirSync(crdFolder)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => [file, readFileSync(path.join(crdFolder, file), 'utf8')]);
  expect(files).toEqual([...crdFiles()].sort(([a], [b]) => (a < b ? -1 : 1)));
});

test('each is structural, of use at once, and stores the newest version', async () => {
  for (const { metadata, spec } of crds()) {
    const crd = JSON.parse(await mustWork(['get', 'crd', metadata.name, '-o', 'json'])) as {
      status: { storedVersions: string[]; conditions: { type: string; status: string }[] };
    };
    expect(crd.status.storedVersions).toEqual([spec.versions.at(-1)?.name]);
    expect(crd.status.conditions.map(({ type, status }) => `${type}=${status}`).sort()).toEqual([
      'Established=True',
      'NamesAccepted=True',
    ]);
  }
});

describe.each(['v1alpha2', 'v1alpha3', 'v1alpha4', 'v1alpha5', 'v1alpha6'])('%s', (version) => {
  test.each(exampleFolders())('takes the example %s as it is', async (example) => {
    const folder = path.join(EXAMPLES, example);
    const texts = readdirSync(folder).map((file) => readFileSync(path.join(folder, file), 'utf8'));
    const { manifests } = parseManifests(texts.map((text, index) => ({ path: `${index}.yaml`, text })));
    const objects = [...manifests.groups, ...manifests.virtualMachines, ...manifests.classes];
    await makeNamespaces(objects.map(({ namespace }) => namespace));
    const written = texts
      .join('\n---\n')
      .replaceAll(/vmoperator\.vmware\.com\/v1alpha\d/g, `vmoperator.vmware.com/${version}`);
    expect(await apply(written, '--force-conflicts')).toMatchObject({ stderr: '', code: 0 });
  });
});

const term = { labelSelector: { matchLabels: { app: 'web' } }, topologyKey: 'kubernetes.io/hostname' };
const SPECS: [title: string, kind: string, resource: string, spec: Record<string, unknown>][] = [
  [
    'the documented spelling of a group',
    'VirtualMachineGroup',
    'virtualmachinegroups',
    {
      groupName: 'parent',
      powerState: 'PoweredOn',
      bootOrder: [{ members: [{ name: 'a', kind: 'VirtualMachine' }], delay: '1m30s' }],
    },
  ],
  [
    'the shipped spelling of a group',
    'VirtualMachineGroup',
    'virtualmachinegroups',
    {
      powerOffMode: 'TrySoft',
      suspendMode: 'Hard',
      nextForcePowerStateSyncTime: '2026-01-01T00:00:00.123456789Z',
      bootOrder: [
        {
          members: [{ name: 'a', kind: 'VirtualMachineGroup' }],
          powerOnDelay: '1.5h',
          powerOffDelay: '0s',
        },
      ],
    },
  ],
  [
    'the documented spelling of affinity',
    'VirtualMachine',
    'virtualmachines',
    {
      groupName: 'g',
      affinity: {
        zoneAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            labelSelector: [{ matchLabels: { tier: 'web' } }],
            topologyKey: 'topology.kubernetes.io/zone',
          },
        },
      },
    },
  ],
  [
    'the shipped spelling of affinity, and all that a VM has besides',
    'VirtualMachine',
    'virtualmachines',
    {
      groupName: 'g',
      imageName: 'ubuntu',
      network: { interfaces: [{ name: 'eth0', nested: { deep: [1, 'two', null, { three: 3 }] } }] },
      readinessProbe: { tcpSocket: { port: 22 } },
      affinity: {
        vmAffinity: { preferredDuringSchedulingPreferredDuringExecution: [term, term], later: [1] },
        podAffinity: { later: true },
      },
    },
  ],
  [
    'a class with memory as a number, and all that it has besides',
    'VirtualMachineClass',
    'virtualmachineclasses',
    {
      hardware: { cpus: 2, memory: 1073741824, devices: { vgpuDevices: [{ profileName: 'p' }] } },
      policies: { resources: { requests: { cpu: '1' } } },
    },
  ],
];

test.each(SPECS)(
  'CRD-1, CRD-2: a round trip through every version keeps %s',
  async (_, kind, plural, spec) => {
    const api = connectKubernetes({ kubeconfig: cluster.kubeconfig() });
    const versions = ['v1alpha2', 'v1alpha3', 'v1alpha4', 'v1alpha5', 'v1alpha6'];
    const resourceIn = (version: string): Resource => ({
      group: 'vmoperator.vmware.com',
      version,
      plural,
      kind,
      namespaced: true,
    });
    for (const [index, version] of versions.entries()) {
      const name = `trip-${index}`;
      await mustWork(
        ['apply', '--server-side', '--validate=strict', '-f', '-'],
        manifest(kind, name, spec, version),
      );
      const key = { namespace: 'default', name };
      for (const other of versions) {
        const found = await api.get(resourceIn(other), key);
        expect(found).toMatchObject({ apiVersion: `vmoperator.vmware.com/${other}`, spec });
        expect(found?.spec).toEqual(spec);
        // Written back as it was read in the other version.
        if (found) await api.replace(resourceIn(other), found);
      }
      expect((await api.get(resourceIn('v1alpha6'), key))?.spec).toEqual(spec);
      await api.delete(resourceIn('v1alpha6'), key);
    }
  },
);

test('a member without a kind is a VirtualMachine', async () => {
  await apply(manifest('VirtualMachineGroup', 'kinds', { bootOrder: [{ members: [{ name: 'a' }] }] }));
  expect(await read('vmg', 'kinds')).toMatchObject({
    spec: { bootOrder: [{ members: [{ kind: 'VirtualMachine', name: 'a' }] }] },
  });
});

const [group, vm, policy] = ['VirtualMachineGroup', 'VirtualMachine', 'SequencePolicy'] as const;
const delayed = (delay: unknown): unknown => ({ bootOrder: [{ members: [] }, { powerOnDelay: delay }] });
const nameRule = "in body should match '^";

const REFUSED: [title: string, kind: string, spec: unknown, message: string][] = [
  [
    'an unknown power state',
    group,
    { powerState: 'Running' },
    'spec.powerState: Unsupported value: "Running": supported values: "PoweredOn", "PoweredOff", "Suspended"',
  ],
  ['an unknown mode', group, { powerOffMode: 'Gentle' }, 'spec.powerOffMode: Unsupported value: "Gentle"'],
  ['an unknown suspend mode', group, { suspendMode: 'x' }, 'spec.suspendMode: Unsupported value: "x"'],
  [
    'an unknown kind of member',
    group,
    { bootOrder: [{ members: [{ kind: 'Pod', name: 'a' }] }] },
    'spec.bootOrder[0].members[0].kind: Unsupported value: "Pod"',
  ],
  [
    'a member without a name',
    group,
    { bootOrder: [{ members: [{ kind: vm }] }] },
    'spec.bootOrder[0].members[0].name: Required value',
  ],
  [
    'a member whose name cannot be',
    group,
    { bootOrder: [{ members: [{ name: 'Web_1' }] }] },
    `spec.bootOrder[0].members[0].name ${nameRule}`,
  ],
  [
    'a member whose name is too long',
    group,
    { bootOrder: [{ members: [{ name: 'a'.repeat(254) }] }] },
    'spec.bootOrder[0].members[0].name: Too long: may not be more than 253 bytes',
  ],
  [
    'a member listed twice in a tier',
    group,
    { bootOrder: [{ members: [{ name: 'a' }, { name: 'a', kind: vm }] }] },
    '.spec.bootOrder[0].members: duplicate entries for key [kind="VirtualMachine",name="a"]',
  ],
  ['a parent whose name cannot be', group, { groupName: 'A' }, `spec.groupName ${nameRule}`],
  [
    'a group that is its own parent',
    group,
    { groupName: 'refused' },
    'spec.groupName: Invalid value: a group cannot have itself as a member or group name',
  ],
  [
    'a delay without a unit',
    group,
    delayed('30'),
    'spec.bootOrder[1].powerOnDelay: Invalid value: "30": invalid duration "30": a unit is missing; did you mean "30s"?',
  ],
  [
    'a negative delay',
    group,
    delayed('-30s'),
    'spec.bootOrder[1].powerOnDelay: Invalid value: "-30s": invalid duration "-30s": must not be negative',
  ],
  [
    'a delay in words',
    group,
    delayed('soon'),
    'spec.bootOrder[1].powerOnDelay: Invalid value: "soon": invalid duration "soon": write numbers with units (h, m, s, ms, us, ns), such as "30s", "1m30s" or "1.5h"',
  ],
  [
    'a delay in days',
    group,
    { bootOrder: [{ delay: '1d' }] },
    'spec.bootOrder[0].delay: Invalid value: "1d": invalid duration "1d": write numbers',
  ],
  [
    'a power-off delay without a unit',
    group,
    { bootOrder: [{ powerOffDelay: '5' }] },
    'spec.bootOrder[0].powerOffDelay: Invalid value: "5": invalid duration "5": a unit is missing; did you mean "5s"?',
  ],
  ['a delay that is a number', group, delayed(30), 'spec.bootOrder[1].powerOnDelay: expected string, got'],
  [
    'a sync time that is none',
    group,
    { nextForcePowerStateSyncTime: 'later' },
    'spec.nextForcePowerStateSyncTime: Invalid value: "later": unsupported value "later": may only be set to "now"',
  ],
  ['an unknown field', group, { powerstate: 'PoweredOn' }, 'spec.powerstate: field not declared in schema'],
  [
    'an unknown field of a tier',
    group,
    { bootOrder: [{ delays: '1s' }] },
    'spec.bootOrder[0].delays: field not declared in schema',
  ],
  [
    'affinity without a group',
    vm,
    { affinity: { vmAffinity: {} } },
    'spec.affinity: Invalid value: affinity rules need spec.groupName: name the group of this VM there, or take the rules out',
  ],
  [
    'affinity with an empty group',
    vm,
    { groupName: '', affinity: { zoneAffinity: {} } },
    'spec.affinity: Invalid value: affinity rules need spec.groupName',
  ],
  [
    'a power state of a VM',
    vm,
    { powerState: 'poweredOn' },
    'spec.powerState: Unsupported value: "poweredOn"',
  ],
  [
    'a class without CPUs',
    'VirtualMachineClass',
    { hardware: { memory: '1Gi' } },
    'spec.hardware.cpus: Required value',
  ],
  [
    'a class with half a CPU',
    'VirtualMachineClass',
    { hardware: { cpus: 0, memory: '1Gi' } },
    'spec.hardware.cpus in body should be greater than or equal to 1',
  ],
  [
    'a gate that is none',
    policy,
    { gate: 'Green' },
    'spec.gate: Invalid value: "Green": unsupported value "Green": write None, PoweredOn, Ready, or Condition/ and the type of a condition',
  ],
  [
    'a time-out of nothing',
    policy,
    { gateTimeout: '0s' },
    'spec.gateTimeout: Invalid value: "0s": invalid duration "0s": must be longer than 0s',
  ],
  [
    'a time-out without a unit',
    policy,
    { operationTimeout: '90' },
    'spec.operationTimeout: Invalid value: "90": invalid duration "90": a unit is missing; did you mean "90s"?',
  ],
  [
    'no attempt at all',
    policy,
    { retry: { maximumAttempts: 0 } },
    'spec.retry.maximumAttempts in body should be greater than or equal to 1',
  ],
  [
    'a longest pause below the first',
    policy,
    { retry: { initialInterval: '1m', maximumInterval: '30s' } },
    'spec.retry.maximumInterval: Invalid value: must not be shorter than initialInterval (1m)',
  ],
  ['a quorum of zero', policy, { quorum: 0 }, 'spec.quorum in body should be greater than or equal to 1'],
  ['a quorum over all', policy, { quorum: '101%' }, "spec.quorum in body should match '^(100|"],
  [
    'a tier that is set twice',
    policy,
    { tiers: [{ tier: 1 }, { tier: 1, gate: 'None' }] },
    '.spec.tiers: duplicate entries for key [tier=1]',
  ],
  [
    'a tier below the first',
    policy,
    { tiers: [{ tier: -1 }] },
    'spec.tiers[0].tier in body should be greater than or equal to 0',
  ],
  [
    'no operation at a time',
    policy,
    { maxConcurrentOperations: 0 },
    'spec.maxConcurrentOperations in body should be greater than or equal to 1',
  ],
  ['an unknown field of a policy', policy, { retries: 3 }, 'spec.retries: field not declared in schema'],
];

test.each(REFUSED)('CRD-3: %s is refused, with its path', async (_, kind, spec, message) => {
  const { stderr, code } = await apply(manifest(kind, 'refused', spec));
  expect(stderr).toContain(message);
  expect(code).toBe(1);
});

test('CRD-3: a power state may change, and may not be emptied', async () => {
  const name = 'emptied';
  const write = (spec: unknown) =>
    cluster.kubectl(['replace', '-f', '-'], { input: manifest(group, name, spec) });
  await apply(manifest(group, name, {}));
  expect(await write({ powerState: 'PoweredOn' })).toMatchObject({ code: 0 });
  expect(await write({ powerState: 'PoweredOff' })).toMatchObject({ code: 0 });
  for (const spec of [{}, { groupName: 'g' }, undefined]) {
    const { stderr, code } = await write(spec);
    expect(code).toBe(1);
    expect(stderr).toContain(
      "spec.powerState: Forbidden: cannot set powerState to empty once it's been set: it was PoweredOff, write that or another power state",
    );
  }
});

test('a group of 10,000 members fits, in one tier and in as many', async () => {
  const members = Array.from({ length: 10_000 }, (_, index) => ({ name: `member-${index}` }));
  for (const [name, bootOrder] of [
    ['broad', [{ members }]],
    ['long', members.map((member) => ({ members: [member], delay: '1s' }))],
  ] as const) {
    const input = JSON.stringify({
      apiVersion: 'vmoperator.vmware.com/v1alpha6',
      kind: group,
      metadata: { name, namespace: 'default' },
      spec: { bootOrder },
    });
    expect(await cluster.kubectl(['create', '-f', '-'], { input })).toMatchObject({ stderr: '', code: 0 });
  }
});

test('status is written apart from spec, and keeps further fields of a run', async () => {
  await apply(
    manifest(group, 'shown', { powerState: 'PoweredOn', bootOrder: [{ members: [{ name: 'a' }] }] }),
  );
  const condition = (type: string, status: string, reason: string) => ({
    type,
    status,
    reason,
    message: 'm',
    observedGeneration: 1,
    lastTransitionTime: '2026-01-01T00:00:00Z',
  });
  const status = {
    observedGeneration: 1,
    phase: 'Running',
    message: 'tier 1 of 1',
    readyMembers: '0/1',
    members: [
      {
        name: 'a',
        kind: vm,
        uid: 'u',
        powerState: 'PoweredOff',
        placement: { zoneID: 'z', node: 'n', pool: 'p', datastores: [{ name: 'd', id: 'i', diskKey: 2000 }] },
        conditions: [condition('GroupLinked', 'True', 'MemberLinked')],
      },
    ],
    lastUpdatedPowerStateTime: '2026-01-01T00:00:00Z',
    run: {
      workflowId: 'vmgroup/default/shown',
      runId: 'r',
      startTime: '2026-01-01T00:00:00Z',
      exceptions: [{ member: 'VirtualMachine/a', reason: 'Parked', message: 'm', attempts: 5 }],
      extra: { deep: [1] },
    },
    conditions: [condition('Ready', 'False', 'MembersNotReady')],
  };
  const patched = await cluster.kubectl(
    [
      'apply',
      '--server-side',
      '--subresource=status',
      '--field-manager=test',
      '--validate=strict',
      '-f',
      '-',
    ],
    {
      input: JSON.stringify({
        apiVersion: 'vmoperator.vmware.com/v1alpha6',
        kind: group,
        metadata: { name: 'shown', namespace: 'default' },
        status,
      }),
    },
  );
  expect(patched).toMatchObject({ stderr: '', code: 0 });
  expect(await read('vmg', 'shown')).toMatchObject({ status, spec: { powerState: 'PoweredOn' } });
});

test('people see what matters', async () => {
  const columns = async (...args: string[]) => {
    const [head = '', ...rows] = (await mustWork(['get', '-n', 'default', ...args])).trim().split('\n');
    return { head: head.split(/\s+/), rows: rows.map((row) => row.split(/\s{2,}/)) };
  };
  expect(await columns('vmg', 'shown')).toEqual({
    head: ['NAME', 'DESIRED', 'PHASE', 'READY', 'CONVERGED', 'AGE'],
    rows: [['shown', 'PoweredOn', 'Running', '0/1', 'False', expect.any(String)]],
  });
  expect((await columns('vmg', 'shown', '-o', 'wide')).head.slice(-2)).toEqual(['MESSAGE', 'RUN']);
  await apply(manifest(vm, 'seen', { groupName: 'shown', powerState: 'PoweredOn' }));
  await apply(
    manifest(policy, 'seen', {
      gate: 'Condition/GuestCustomization',
      whenParked: 'Continue',
      drift: { action: 'Report' },
    }),
  );
  expect(await columns('vm', 'seen')).toEqual({
    head: ['NAME', 'DESIRED', 'POWER-STATE', 'ZONE', 'GROUP', 'AGE'],
    rows: [['seen', 'PoweredOn', 'shown', expect.any(String)]],
  });
  expect(await columns('seqpol')).toEqual({
    head: ['NAME', 'GATE', 'WHEN-PARKED', 'DRIFT', 'AGE'],
    rows: [['seen', 'Condition/GuestCustomization', 'Continue', 'Report', expect.any(String)]],
  });
  const all = await mustWork(['get', 'vmgroup', '-n', 'default', '-o', 'name']);
  expect(all.split('\n')).toEqual(
    expect.arrayContaining([
      'virtualmachinegroup.vmoperator.vmware.com/shown',
      'virtualmachine.vmoperator.vmware.com/seen',
      'sequencepolicy.vmgroup.dev/seen',
    ]),
  );
  const explained = await mustWork(['explain', 'vmg.spec.bootOrder']);
  for (const field of ['delay', 'members', 'powerOffDelay', 'powerOnDelay'])
    expect(explained).toMatch(new RegExp(`^ {2}${field}\\t<.+>\\n {4}\\S`, 'm'));
});

test('CRD-4: a group that names itself and was stored before the rule keeps its status; it may be cured, and not be made so again', async () => {
  const own = crds().find(({ spec }) => spec.names.kind === group);
  if (!own) throw new Error('no definition of groups');
  const text = JSON.stringify(own);
  const without = JSON.parse(text) as typeof own;
  for (const { schema } of without.spec.versions) delete schema.openAPIV3Schema['x-kubernetes-validations'];
  const crd = async (definition: typeof own): Promise<string> =>
    mustWork(['apply', '--server-side', '--force-conflicts', '-f', '-'], JSON.stringify(definition));
  await crd(without);
  const bad = manifest(group, 'selfish', { groupName: 'selfish' });
  // The API server takes a new schema after a moment.
  await until(async () => (await apply(bad)).code === 0);
  await crd(own);
  const worse = manifest(group, 'selfish-too', { groupName: 'selfish-too' });
  await until(async () => (await apply(worse, '--dry-run=server')).code !== 0);

  const patch = (...args: string[]): Promise<Printed> =>
    cluster.kubectl(['patch', 'vmg', 'selfish', '-n', 'default', '--type=merge', ...args]);
  expect(await patch('--subresource=status', '-p', '{"status":{"phase":"Invalid"}}')).toMatchObject({
    code: 0,
  });
  expect(await patch('-p', '{"metadata":{"labels":{"a":"b"}}}')).toMatchObject({ code: 0 });
  expect(await patch('-p', '{"spec":{"groupName":"other"}}')).toMatchObject({ code: 0 });
  const again = await patch('-p', '{"spec":{"groupName":"selfish"}}');
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('cannot have itself as a member')]);
});
