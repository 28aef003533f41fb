/** The webhook on a real API server: what reaches the one who works with kubectl. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { readResource, type Manifests } from '../../api';
import { startAdmissionServer, type AdmissionServer } from '../../bridge';
import { createAuthority, type Authority } from '../support/certificates';
import { startCluster, type Printed, type TestCluster } from '../support/kubernetes';

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-admission-'));
const files = { certificateFile: path.join(dir, 'tls.crt'), keyFile: path.join(dir, 'tls.key') };
const reviews: string[] = [];
let known: Manifests;
let authority: Authority;
let webhook: AdmissionServer;
let cluster: TestCluster;

beforeAll(async () => {
  authority = createAuthority(dir);
  authority.issue(files.certificateFile, files.keyFile);
  cluster = await startCluster();
  await cluster.define();
  await startWebhook();
  await mustWork(['apply', '-f', '-'], [registration('Mutating'), registration('Validating')].join('---\n'));
  // Registrations come into force a moment later.
  for (let tries = 0; tries < 100 && !reviews.length; tries += 1) await apply(group('first', {}));
  expect(reviews.length).toBeGreaterThan(0);
});
afterAll(async () => {
  await cluster.stop();
  await webhook.close();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(async () => {
  await mustWork(['delete', 'vmgroup', '--all', '-n', 'default', '--timeout=20s']);
  await look();
});

async function startWebhook(port = 0): Promise<void> {
  webhook = await startAdmissionServer({
    port,
    ...files,
    known: () => known,
    onReview: ({ path, kind, outcome }) => reviews.push(`${path} ${kind} ${outcome}`),
    onError: (error) => reviews.push(String(error)),
  });
}

function registration(type: 'Mutating' | 'Validating'): string {
  const verb = type === 'Mutating' ? 'mutate' : 'validate';
  const rule = (apiGroups: string[], resources: string[]) => ({
    apiGroups,
    apiVersions: ['*'],
    operations: ['CREATE', 'UPDATE', 'DELETE'],
    resources,
    scope: 'Namespaced',
  });
  return stringify({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: `${type}WebhookConfiguration`,
    metadata: { name: 'vmgroup' },
    webhooks: [
      {
        name: `${verb}.vmgroup.dev`,
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy: 'Fail',
        timeoutSeconds: 5,
        clientConfig: {
          url: `https://${webhook.address}/${verb}`,
          caBundle: Buffer.from(authority.certificate).toString('base64'),
        },
        rules: [
          rule(
            ['vmoperator.vmware.com'],
            ['virtualmachinegroups', 'virtualmachines', 'virtualmachineclasses'],
          ),
          rule(['vmgroup.dev'], ['sequencepolicies']),
        ],
      },
    ],
  });
}

async function mustWork(args: string[], input = ''): Promise<string> {
  const { stdout, stderr, code } = await cluster.kubectl(args, { input });
  expect({ args, stderr, code }).toEqual({ args, stderr: '', code: 0 });
  return stdout;
}

/** What the bridge's own watch would know by now. */
async function look(): Promise<void> {
  known = { groups: [], virtualMachines: [], classes: [], policies: [], inventories: [], platforms: [] };
  const { items } = JSON.parse(await mustWork(['get', 'vmg,vm', '-n', 'default', '-o', 'json'])) as {
    items: unknown[];
  };
  for (const item of items) {
    const { read } = readResource(item);
    if (read?.kind === 'VirtualMachineGroup') known.groups.push(read.object);
    if (read?.kind === 'VirtualMachine') known.virtualMachines.push(read.object);
  }
}

async function apply(text: string): Promise<Printed> {
  const printed = await cluster.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], {
    input: text,
  });
  await look();
  return printed;
}

function group(name: string, spec: Record<string, unknown>, metadata = {}): string {
  return object('VirtualMachineGroup', name, spec, metadata);
}

function object(kind: string, name: string, spec: Record<string, unknown>, metadata = {}): string {
  const apiVersion = kind === 'SequencePolicy' ? 'vmgroup.dev/v1alpha1' : 'vmoperator.vmware.com/v1alpha5';
  return stringify({ apiVersion, kind, metadata: { name, namespace: 'default', ...metadata }, spec });
}

function lists(...members: string[]): Record<string, unknown> {
  const tier = (member: string) =>
    member.startsWith('group:') ? { kind: 'VirtualMachineGroup', name: member.slice(6) } : { name: member };
  return { bootOrder: members.map((member) => ({ members: [tier(member)] })) };
}

const VM = 'VirtualMachine';
const verb = 'requiredDuringSchedulingIgnoredDuringExecution';
const rule = (content: unknown) => ({ groupName: 'a', affinity: { vmAffinity: { [verb]: content } } });

const DENIED: [title: string, before: string[], written: string, message: string][] = [
  [
    'a group in itself',
    [],
    group('a', lists('group:a')),
    'spec.bootOrder[0].members[0].name: invalid value "a": a group cannot have itself as a member or group name',
  ],
  [
    'a cycle',
    [group('a', lists('group:b'))],
    group('b', lists('group:a')),
    'spec.bootOrder[0].members[0].name: cycle of groups: b -> a -> b (each group contains the next): take one of these memberships out',
  ],
  [
    'a member of two groups',
    [group('a', lists('x'))],
    group('b', lists('w', 'x')),
    'spec.bootOrder[1].members[0].name: VirtualMachine/x is a member of group "a" too (spec.bootOrder[0].members[0]): only one group can list it',
  ],
  [
    'a member listed twice',
    [],
    group('a', lists('x', 'x')),
    'spec.bootOrder[1].members[0].name: duplicate member VirtualMachine/x: spec.bootOrder[0].members[0] lists it already',
  ],
  [
    'too deep',
    Array.from({ length: 16 }, (_, i) => group(`g${i}`, lists(`group:g${i + 1}`))),
    group('g16', { groupName: 'g15' }),
    'spec.groupName: nested 17 groups deep, at most 16 are allowed: g0 -> g1',
  ],
  [
    'what an affinity rule holds',
    [],
    object(VM, 'x', rule({ labelSelector: {}, topologyKey: 'rack' })),
    `spec.affinity.vmAffinity.${verb}.topologyKey: unsupported value "rack": supported values are kubernetes.io/hostname, topology.kubernetes.io/zone`,
  ],
  [
    'an operator that is none',
    [],
    object(
      VM,
      'x',
      rule([
        {
          labelSelector: { matchExpressions: [{ key: 'a', operator: 'in' }] },
          topologyKey: 'kubernetes.io/hostname',
        },
      ]),
    ),
    `spec.affinity.vmAffinity.${verb}[0].labelSelector.matchExpressions[0].operator: unsupported value "in"; did you mean "In"?`,
  ],
  [
    'memory that is none',
    [],
    object('VirtualMachineClass', 'c', { hardware: { cpus: 1, memory: '1 GB' } }),
    'spec.hardware.memory: invalid quantity "1 GB": write a number of bytes with a unit, such as "512Mi" or "64Gi"',
  ],
  [
    'a duration longer than Go can hold',
    [],
    object('SequencePolicy', 'p', { gateTimeout: '9999999h' }),
    'spec.gateTimeout: invalid duration "9999999h": longer than 292 years',
  ],
  [
    'two things at once',
    [group('a', lists('x'))],
    group('b', lists('group:b', 'x')),
    'a group cannot have itself as a member or group name; spec.bootOrder[1].members[0].name: VirtualMachine/x is a member of group "a" too',
  ],
];

test.each(DENIED)('%s is denied, with its path', async (_, before, written, message) => {
  if (before.length > 0) expect(await apply(before.join('---\n'))).toMatchObject({ code: 0 });
  const { stderr, code } = await apply(written);
  expect(stderr).toContain(`admission webhook "validate.vmgroup.dev" denied the request: `);
  expect(stderr).toContain(message);
  expect(code).toBe(1);
});

const WARNED: [title: string, before: string[], written: string, warning: string][] = [
  [
    'a group that does not list the VM',
    [group('a', lists('w'))],
    object(VM, 'x', { groupName: 'a' }),
    'spec.groupName: group "a" does not list VirtualMachine/x in its bootOrder: it is powered after the last boot group',
  ],
  [
    'a group that is not there',
    [group('shop', {})],
    object(VM, 'x', { groupName: 'shpo' }),
    'spec.groupName: there is no VirtualMachineGroup "shpo" in namespace "default"; did you mean "shop"?',
  ],
  [
    'a VM that is listed and names no group',
    [group('a', lists('x'))],
    object(VM, 'x', {}),
    'VirtualMachineGroup default/a: spec.bootOrder[0].members[0].name: VirtualMachine/x has no spec.groupName and is not touched: set it to "a" to link it',
  ],
  [
    'an unknown field of affinity',
    [group('a', lists('x'))],
    object(VM, 'x', { groupName: 'a', affinity: { vmAfinity: {} } }),
    'spec.affinity.vmAfinity: unknown field; did you mean "vmAffinity"? (left alone)',
  ],
];

test.each(WARNED)('%s is let in with a warning', async (_, before, written, warning) => {
  for (const text of before) await apply(text);
  const { stderr, code } = await apply(written);
  expect({ stderr, code }).toEqual({ stderr: `Warning: ${warning}\n`, code: 0 });
});

test('now is stamped with the present time, and cannot be taken back', async () => {
  const read = () =>
    mustWork(['get', 'vmg', 'a', '-n', 'default', '-o', 'jsonpath={.spec.nextForcePowerStateSyncTime}']);
  const before = Date.now();
  await apply(group('a', { nextForcePowerStateSyncTime: 'now' }));
  const first = await read();
  expect(first).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(Date.parse(first)).toBeGreaterThanOrEqual(before);
  expect(Date.parse(first)).toBeLessThanOrEqual(Date.now());

  // Left out by the one who set it, it would go: it stays.
  expect(await apply(group('a', { powerState: 'PoweredOn' }))).toMatchObject({ code: 0 });
  expect(await read()).toBe(first);
  await mustWork([
    'patch',
    'vmg',
    'a',
    '-n',
    'default',
    '--type=merge',
    '-p',
    '{"spec":{"nextForcePowerStateSyncTime":"Now"}}',
  ]);
  expect(Date.parse(await read())).toBeGreaterThan(Date.parse(first));
});

test('names that the API server makes up are no obstacle', async () => {
  const input = group('', {}, { name: undefined, generateName: 'made-up-' });
  expect(await cluster.kubectl(['create', '-f', '-'], { input })).toMatchObject({ stderr: '', code: 0 });
});

test('objects admitted while the webhook was away can be repaired and deleted', async () => {
  const registrations = ['validatingwebhookconfiguration', 'mutatingwebhookconfiguration'];
  const { address } = webhook;
  await mustWork(['delete', ...registrations.map((kind) => `${kind}/vmgroup`)]);
  await webhook.close();
  for (const [name, spec] of [
    ['a', lists('x', 'w')],
    ['b', lists('x')],
  ] as const)
    expect(await apply(group(name, spec, { finalizers: ['vmgroup.dev/test'] }))).toMatchObject({ code: 0 });
  await startWebhook(Number(address.split(':')[1]));
  await mustWork(['apply', '-f', '-'], [registration('Mutating'), registration('Validating')].join('---\n'));
  reviews.length = 0;
  for (let tries = 0; tries < 100 && !reviews.length; tries += 1) await apply(group('first', {}));

  const finalizers = ['vmgroup.dev/test'];
  const worse = await apply(group('a', lists('x', 'w', 'w'), { finalizers }));
  expect(worse.stderr).toContain(
    'denied the request: spec.bootOrder[2].members[0].name: duplicate member VirtualMachine/w',
  );
  const noWorse = await apply(group('a', { ...lists('x', 'w'), powerState: 'PoweredOn' }, { finalizers }));
  expect(noWorse).toMatchObject({ code: 0 });
  expect(noWorse.stderr).toContain(
    'Warning: still wrong: spec.bootOrder[0].members[0].name: VirtualMachine/x is a member of group "b" too',
  );
  // The one that is being deleted is as wrong as before, and its finalizer comes off.
  await mustWork(['delete', 'vmg', 'b', '-n', 'default', '--wait=false']);
  await mustWork([
    'patch',
    'vmg',
    'b',
    '-n',
    'default',
    '--type=merge',
    '-p',
    '{"metadata":{"finalizers":null}}',
  ]);
  await look();
  const fixed = await apply(group('a', { ...lists('x', 'w'), powerState: 'PoweredOn' }));
  expect(fixed).toMatchObject({ stderr: '', code: 0 });
});

test('a new certificate of the same authority is no interruption', async () => {
  authority.issue(files.certificateFile, files.keyFile);
  for (let round = 0; round < 20; round += 1) {
    const labels = { labels: { round: String(round) } };
    expect(await apply(group('a', lists('x'), labels))).toMatchObject({ stderr: '', code: 0 });
    await new Promise((over) => setTimeout(over, 100));
  }
});
