/**
 * Rights on a real API server, with the roles of `deploy/` bound to their accounts, and what `vmgroup doctor` says of them.
 *
 * RIGHTS-1: with the roles as they are, nothing is missing, and everything works.
 * RIGHTS-2: with any verb taken away, doctor names that verb, its resource and the role, and nothing else.
 * RIGHTS-3: who has no rights changes nothing, and doctor says so.
 * RIGHTS-4: no verb is granted that is not used.
 *
 * Guarantees: G11.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { GROUP_FINALIZER } from '../../api';
import type { CheckResult } from '../../cli/doctor/check-result';
import { checkCluster } from '../../cli/doctor/cluster';
import type { ClusterDoctorOptions } from '../../cli/doctor/options';
import { PERMISSIONS, ROLE, type ClusterProcess } from '../../cli/doctor/permissions';
import { RESOURCES, type KubernetesObject, type Resource } from '../../kubernetes';
import { buildWhenStale, vmgroup } from '../cli/vmgroup';
import { auditArguments, requestsOf } from '../support/audit';
import { startClusterSystem, type ClusterSystem } from '../support/cluster-system';
import { grantsOf as grantsOfRole, rendered, type Manifest, type Rule } from '../support/deploy';
import type { ClusterUser } from '../support/kubernetes';
import { groupWithVms } from '../support/manifests';
import { asYaml, OUR_STATUS_FIELDS, vmOperatorGroups } from '../support/vm-operator-definitions';

const root = path.join(__dirname, '../..');
const NAMESPACE = 'vmgroup-system';
const PROCESSES: ClusterProcess[] = ['bridge', 'worker', 'simulator'];
const RBAC = { group: 'rbac.authorization.k8s.io', version: 'v1' };
const ROLES = {
  ClusterRole: { ...RBAC, plural: 'clusterroles', kind: 'ClusterRole', namespaced: false },
  Role: { ...RBAC, plural: 'roles', kind: 'Role', namespaced: true },
} as const satisfies Record<string, Resource>;

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-rights-'));
let system: ClusterSystem;
let shipped: Manifest[];

beforeAll(async () => {
  system = await startClusterSystem({ args: auditArguments(dir) });
  shipped = await rendered('simulator');
  await system.kubectl(['apply', '--server-side', '-k', path.join(root, 'deploy/simulator')]);
}, 120_000);
afterAll(async () => {
  await system.stop();
  rmSync(dir, { recursive: true, force: true });
});

function accountOf(process: ClusterProcess): ClusterUser {
  return `system:serviceaccount:${NAMESPACE}:${ROLE[process]}` as ClusterUser;
}

function examine(user: ClusterUser, options: Partial<ClusterDoctorOptions>): Promise<CheckResult[]> {
  return checkCluster({
    kubeconfig: system.cluster.kubeconfig(user),
    leaseNamespace: NAMESPACE,
    ...options,
  });
}

/** What doctor says about the rights of a process. */
async function rights(process: ClusterProcess, user = accountOf(process)): Promise<CheckResult[]> {
  return (await examine(user, { for: process })).filter(({ check }) => check === `rights of the ${process}`);
}

/** Doctor's answer once it is the wanted one: the API server takes a moment to see a changed role. */
function rightsWithin(
  process: ClusterProcess,
  wanted: (found: CheckResult[]) => boolean,
): Promise<CheckResult[]> {
  return system.until(async () => {
    const found = await rights(process);
    return wanted(found) ? found : undefined;
  }, `doctor's word on the rights of the ${process}`);
}

test.each(PROCESSES)('RIGHTS-1: the %s has every right that it needs', async (process) => {
  const [found, ...more] = await rightsWithin(process, ([first]) => first?.result === 'ok');
  expect(more).toEqual([]);
  expect(found?.message).toMatch(/^all \d+ that it needs$/);
});

test('RIGHTS-1, RIGHTS-4: a bridge with the shipped role does all of its work, and needs all of the role', async () => {
  await rightsWithin('bridge', ([first]) => first?.result === 'ok');
  const before = requestsOf(dir, accountOf('bridge')).length;
  const bridge = await system.startBridge(system.cluster.kubeconfig(accountOf('bridge')), NAMESPACE);
  const app = { namespace: 'rights', name: 'app', tiers: [{ members: ['db', 'web'] }] };
  for (const powerState of ['PoweredOn', 'PoweredOff', 'PoweredOn'] as const) {
    await system.apply('rights', groupWithVms({ ...app, powerState }));
    await system.until(async () => {
      const group = await system.get(RESOURCES.virtualMachineGroups, 'rights', 'app');
      const status = await system.status('rights', 'app');
      const done = status?.phase === 'Converged' && status.observedGeneration === group?.metadata.generation;
      return done ? true : undefined;
    }, `the group to be ${powerState}`);
  }
  const group = await system.get(RESOURCES.virtualMachineGroups, 'rights', 'app');
  expect(group?.metadata.finalizers).toEqual([GROUP_FINALIZER]);
  const owner = { kind: 'VirtualMachineGroup', name: 'app', uid: group?.metadata.uid };
  const owners = async (): Promise<unknown> =>
    (await system.get(RESOURCES.virtualMachines, 'rights', 'db'))?.metadata.ownerReferences;
  expect(await owners()).toEqual([expect.objectContaining(owner)]);
  expect(await system.kubectl(['-n', 'rights', 'get', 'events.events.k8s.io'])).toContain(
    'virtualmachinegroup/app',
  );
  const command = { group: 'app', command: 'abort', reason: 'it is not open', ttlSecondsAfterFinished: 0 };
  const metadata = { namespace: 'rights', name: 'abort' };
  await system.api.create(RESOURCES.operatorCommands, { metadata, spec: command });
  await system.until(
    async () => (await system.get(RESOURCES.operatorCommands, 'rights', 'abort')) === undefined,
    'the command to be answered and removed',
  );
  await system.kubectl(['-n', 'rights', 'delete', 'vmg/app', '--timeout=60s']);
  expect(await owners()).toBeUndefined();
  const late = { ...owner, apiVersion: 'vmoperator.vmware.com/v1alpha6' };
  await system.api.merge(
    RESOURCES.virtualMachines,
    { namespace: 'rights', name: 'db' },
    { metadata: { ownerReferences: [late] } },
  );
  await system.until(
    async () => ((await owners()) === undefined ? true : undefined),
    'the reference to the group that is gone to be removed',
  );
  await bridge.stop();

  const requests = requestsOf(dir, accountOf('bridge')).slice(before);
  expect(requests.filter(({ refused }) => refused)).toEqual([]);
  expect([...new Set(requests.map(({ grant }) => grant))].sort()).toEqual(grantsOf('bridge'));
}, 120_000);

/** Each verb that a shipped role grants, with the roles as they are without it. */
function withoutEach(
  process: ClusterProcess,
): { granted: string; kind: 'ClusterRole' | 'Role'; rules: Rule[] }[] {
  return shipped
    .filter(({ kind, metadata }) => /Role$/.test(kind) && metadata.name === ROLE[process])
    .flatMap(({ kind, rules = [] }) => {
      const single = rules.flatMap(({ apiGroups, resources, verbs, ...names }) =>
        resources.flatMap((resource) =>
          verbs.map((verb) => ({ apiGroups, resources: [resource], verbs: [verb], ...names })),
        ),
      );
      return single.map((rule) => ({
        granted: `cannot ${rule.verbs.join()} ${rule.resources.join()} in ${rule.apiGroups.join()}`,
        kind: kind as 'ClusterRole' | 'Role',
        rules: single.filter((other) => other !== rule),
      }));
    });
}

test.each(PROCESSES)(
  'RIGHTS-2: doctor names each verb that is taken away from the %s',
  async (process) => {
    const name = ROLE[process];
    const asShipped = (kind: 'ClusterRole' | 'Role'): Promise<KubernetesObject> => {
      const role = shipped.find((each) => each.kind === kind && each.metadata.name === name);
      return put(kind, name, role?.rules ?? []);
    };
    const cases = withoutEach(process);
    expect(cases.length).toBeGreaterThan(8);
    for (const { granted, kind, rules } of cases) {
      await put(kind, name, rules);
      const [found, ...more] = await rightsWithin(
        process,
        ([first]) => first?.message.startsWith(granted) === true,
      );
      expect(more).toEqual([]);
      expect(found?.result).toBe('problem');
      expect(found?.cure).toBe(
        kind === 'Role'
          ? `add it to Role ${name} in namespace ${NAMESPACE}`
          : `add it to ClusterRole ${name}`,
      );
      await asShipped(kind);
    }
    await rightsWithin(process, ([first]) => first?.result === 'ok');
  },
  120_000,
);

/** Replaces the rules of a role. */
function put(kind: 'ClusterRole' | 'Role', name: string, rules: Rule[]): Promise<KubernetesObject> {
  const metadata = kind === 'Role' ? { name, namespace: NAMESPACE } : { name };
  return system.api.apply(ROLES[kind], { metadata, rules } as KubernetesObject, { fieldManager: 'kubectl' });
}

test('RIGHTS-3: a right in one namespace alone is missing in the other ones', async () => {
  await system.kubectl(['create', 'namespace', 'mine']);
  await system.kubectl([
    ...['-n', 'mine', 'create', 'rolebinding', 'alice', '--clusterrole=vmgroup-worker', '--user=alice'],
  ]);
  const asked: ClusterDoctorOptions = { for: 'worker', watchNamespaces: ['mine', 'yours'] };
  const found = await system.until(async () => {
    const all = (await examine('alice', asked)).filter(({ check }) => check === 'rights of the worker');
    return all.some(({ message }) => message.includes('namespace mine')) ? undefined : all;
  }, 'the binding');
  expect(found.map(({ message }) => message)).toContain(
    'cannot patch virtualmachines in vmoperator.vmware.com, namespace yours (write the power state, and which operation asked for it)',
  );
  expect(found.map(({ cure }) => cure)).toContain(
    'add it to ClusterRole vmgroup-worker, and bind that in namespace yours',
  );
});

test('RIGHTS-3: no user can change anything', async () => {
  buildWhenStale();
  await system.apply(
    'guarded',
    groupWithVms({
      namespace: 'guarded',
      name: 'app',
      powerState: 'PoweredOff',
      tiers: [{ members: ['db'] }],
    }),
  );
  const patch = ['--type=merge', '-p', '{"spec":{"powerState":"PoweredOn"}}'];
  for (const user of ['nobody', 'alice', accountOf('worker')] as const) {
    const refused = await system.cluster.kubectl(['-n', 'guarded', 'patch', 'vmg/app', ...patch], { user });
    expect(refused.stderr).toContain(`User "${user}" cannot`);
  }
  const { metadata } = (await system.get(
    RESOURCES.virtualMachineGroups,
    'guarded',
    'app',
  )) as KubernetesObject;
  expect(metadata.generation).toBe(1);

  const kubeconfig = system.cluster.kubeconfig('nobody');
  const { code, stdout, stderr } = await vmgroup([
    ...['doctor', '--for', 'bridge', '--kubeconfig', kubeconfig],
    ...['--lease-namespace', NAMESPACE, '--temporal', system.temporal.address],
  ]);
  expect(code).toBe(1);
  expect(stdout).toContain('cannot patch virtualmachinegroups/status in vmoperator.vmware.com');
  expect(stdout).toContain('→ rights of the bridge: add it to ClusterRole vmgroup-bridge');
  expect(stdout).toContain(`→ rights of the bridge: add it to Role vmgroup-bridge in namespace ${NAMESPACE}`);
  const needed = PERMISSIONS.bridge.flatMap(({ verbs }) => verbs).length;
  expect(stdout.match(/^rights of the bridge +problem +cannot /gm)).toHaveLength(needed);
  expect(stderr).toMatch(/^error: \d+ of \d+ checks found a problem/);
});

describe('next to VM Operator', () => {
  test('another writer of the status is reported while it writes after us', async () => {
    const namespace = 'beside';
    const bridge = await system.startBridge();
    await system.apply(
      namespace,
      groupWithVms({ namespace, name: 'app', powerState: 'PoweredOff', tiers: [{ members: ['db'] }] }),
    );
    await system.ready(namespace, 'app');
    const word = async (): Promise<CheckResult | undefined> =>
      (await examine('admin', { watchNamespaces: [namespace] })).find(
        ({ check }) => check === 'other controllers',
      );
    expect(await word()).toMatchObject({ result: 'ok', message: 'none writes the status of 1 group' });

    const group = { namespace, name: 'app' };
    const theirs = { status: { lastUpdatedPowerStateTime: '2031-01-01T00:00:00Z' } };
    const options = { subresource: 'status', fieldManager: 'manager' } as const;
    await system.api.merge(RESOURCES.virtualMachineGroups, group, theirs, options);
    expect(await word()).toMatchObject({
      result: 'problem',
      message: expect.stringMatching(
        /^manager writes the status of 1 group too, such as beside\/app at .*: two controllers power the same VMs$/,
      ) as string,
    });
    await bridge.stop();
  }, 60_000);

  test('the definitions of VM Operator have no place for some fields: these are left out, and doctor says so', async () => {
    await system.kubectl(
      ['apply', '--server-side', '--force-conflicts', '-f', '-'],
      asYaml(vmOperatorGroups()),
    );
    const found = await system.until(async () => {
      const all = await examine('admin', {});
      const crd = all.find(({ check }) => check === 'crd virtualmachinegroups');
      return crd?.result === 'note' ? crd : undefined;
    }, 'the definition to change');
    expect(found.message).toContain(
      'serves v1alpha2, v1alpha3, v1alpha4, v1alpha5, v1alpha6; stores v1alpha6',
    );
    for (const field of OUR_STATUS_FIELDS) expect(found.message).toContain(`status.${field}`);

    const bridge = await system.startBridge();
    const namespace = 'theirs';
    await system.apply(
      namespace,
      groupWithVms({ namespace, name: 'app', powerState: 'PoweredOn', tiers: [{ members: ['db'] }] }),
    );
    await system.ready(namespace, 'app');
    const status = await system.status(namespace, 'app');
    expect(status?.members).toMatchObject([{ name: 'db', powerState: 'PoweredOn' }]);
    expect(Object.keys(status ?? {})).not.toContain('phase');
    await bridge.stop();
  }, 90_000);
});

/** What the shipped roles of a process grant. */
function grantsOf(process: ClusterProcess): string[] {
  return shipped
    .filter(({ metadata }) => metadata.name === ROLE[process])
    .flatMap(grantsOfRole)
    .sort();
}
