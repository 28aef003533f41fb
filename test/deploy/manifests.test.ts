/**
 * What is shipped in `deploy/`.
 *
 * Y1: a role has the verbs of `cli/doctor/permissions.ts`, and no other.
 * Y2: every container runs without privileges, on a root that is read-only, and is asked how it is.
 * Y3: every command of a container is one that the program takes.
 *
 * Guarantees: G11.
 */
import type { Command } from 'commander';
import { PERMISSIONS, ROLE, type ClusterProcess } from '../../cli/doctor/permissions';
import { buildProgram } from '../../cli/program';
import { RESOURCES } from '../../kubernetes';
import { SHUTDOWN_FORCE_TIME } from '../../worker/start-worker';
import { grantsOf, podOf, rendered, type Manifest } from '../support/deploy';

const FOLDERS = ['base', 'vm-operator', 'core', 'simulator', 'companion'] as const;
const PROCESSES: ClusterProcess[] = ['bridge', 'worker', 'simulator'];

let objects: Record<string, Manifest[]>;
beforeAll(async () => {
  objects = Object.fromEntries(
    await Promise.all(FOLDERS.map(async (folder) => [folder, await rendered(folder)] as const)),
  );
});

function named(folder: string, kind: string, name: string): Manifest {
  const found = objects[folder]?.find((each) => each.kind === kind && each.metadata.name === name);
  if (!found) throw new Error(`deploy/${folder} has no ${kind} ${name}`);
  return found;
}

function deployments(folder: string): Manifest[] {
  return (objects[folder] ?? []).filter(({ kind }) => kind === 'Deployment');
}

describe('Y1', () => {
  test.each(PROCESSES)('the role of the %s is its table of permissions', (process) => {
    const table = (where: 'lease' | undefined): string[] =>
      PERMISSIONS[process]
        .filter((permission) => permission.where === where)
        .flatMap(({ resource, subresource, verbs }) => {
          const { group, plural } = RESOURCES[resource];
          return verbs.map((verb) => `${verb} ${group}/${[plural, subresource].filter(Boolean).join('/')}`);
        })
        .sort();
    expect(grantsOf(named('simulator', 'ClusterRole', ROLE[process]))).toEqual(table(undefined));
    const own = objects['simulator']?.find(
      ({ kind, metadata }) => kind === 'Role' && metadata.name === ROLE[process],
    );
    expect(own ? grantsOf(own) : []).toEqual(table('lease'));
  });

  test('each role is bound to the account of the process that has it', () => {
    for (const process of PROCESSES) {
      const name = ROLE[process];
      const account = { kind: 'ServiceAccount', name, namespace: 'vmgroup-system' };
      const binding = named('simulator', 'ClusterRoleBinding', name);
      expect(binding).toMatchObject({ roleRef: { kind: 'ClusterRole', name }, subjects: [account] });
      expect(podOf(named('simulator', 'Deployment', name))).toMatchObject({ serviceAccountName: name });
    }
  });

  test('rights to one object by name, but to create it, are rights to no other', () => {
    for (const process of PROCESSES)
      for (const { resource, name, where } of PERMISSIONS[process]) {
        const kind = where === 'lease' ? 'Role' : 'ClusterRole';
        const rules = (objects['simulator'] ?? [])
          .filter((each) => each.kind === kind && each.metadata.name === ROLE[process])
          .flatMap((each) => each.rules ?? [])
          .filter(({ resources }) => resources.includes(RESOURCES[resource].plural));
        for (const { resourceNames, verbs } of rules)
          if (!verbs.includes('create'))
            expect(resourceNames).toEqual(name === undefined ? undefined : [name]);
      }
  });

  test('no role allows everything', () => {
    const rules = (objects['simulator'] ?? []).flatMap((each) => each.rules ?? []);
    expect(JSON.stringify(rules)).not.toContain('*');
  });
});

test('next to VM Operator only our own definitions are added, and nothing else differs', () => {
  const names = (folder: string): string[] =>
    (objects[folder] ?? []).map(({ kind, metadata }) => `${kind}/${metadata.name}`);
  const definitions = names('base').filter((name) => name.startsWith('CustomResourceDefinition/'));
  expect(definitions).toHaveLength(5);
  expect(names('vm-operator').filter((name) => definitions.includes(name))).toEqual([
    'CustomResourceDefinition/operatorcommands.vmgroup.dev',
    'CustomResourceDefinition/sequencepolicies.vmgroup.dev',
  ]);
  expect(names('base').filter((name) => !definitions.includes(name))).toEqual(names('core'));
});

test('next to the group controller: one process, in one namespace, with rights that an editor may grant', () => {
  const all = objects['companion'] ?? [];
  expect(all.map(({ kind }) => kind).sort()).toEqual(
    ['ConfigMap', 'Deployment', 'Role', 'RoleBinding', 'ServiceAccount'].sort(),
  );
  expect(new Set(all.map(({ metadata }) => metadata.namespace))).toEqual(new Set(['team']));
  const verbs = ['get', 'list', 'patch', 'watch'];
  const resources = ['virtualmachinegroups', 'virtualmachines'];
  expect(grantsOf(named('companion', 'Role', 'vmgroup'))).toEqual(
    verbs.flatMap((verb) => resources.map((each) => `${verb} vmoperator.vmware.com/${each}`)),
  );
  const [container] = podOf(named('companion', 'Deployment', 'vmgroup')).containers;
  expect(container?.args).toContain('--mode=companion');
  expect(named('companion', 'Deployment', 'vmgroup').spec).toMatchObject({ replicas: 1 });
});

describe('Y2', () => {
  test('containers', () => {
    for (const deployment of [...deployments('simulator'), ...deployments('companion')]) {
      const pod = podOf(deployment);
      expect(pod['securityContext']).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      for (const container of pod.containers) {
        expect(container).toMatchObject({
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          livenessProbe: {},
          readinessProbe: {},
          resources: { requests: {}, limits: {} },
        });
      }
    }
  });

  test('probes', () => {
    for (const deployment of [...deployments('core'), ...deployments('companion')]) {
      for (const container of podOf(deployment).containers) {
        expect(container).toMatchObject({
          ports: expect.arrayContaining([{ name: 'health', containerPort: 8080 }]) as unknown,
          livenessProbe: { httpGet: { path: '/healthz', port: 'health' } },
          readinessProbe: { httpGet: { path: '/readyz', port: 'health' } },
        });
      }
    }
  });

  test('a worker has the time that its shutdown takes', () => {
    const seconds = Number(
      podOf(named('core', 'Deployment', 'vmgroup-worker'))['terminationGracePeriodSeconds'],
    );
    expect(seconds * 1000).toBeGreaterThan(2 * SHUTDOWN_FORCE_TIME);
  });

  test('each Deployment has two pods and a budget that leaves one of them', () => {
    for (const { metadata, spec } of deployments('core')) {
      expect(spec).toMatchObject({ replicas: 2 });
      const budget = named('core', 'PodDisruptionBudget', metadata.name);
      expect(budget.spec).toMatchObject({
        maxUnavailable: 1,
        unhealthyPodEvictionPolicy: 'AlwaysAllow',
        selector: spec?.['selector'],
      });
    }
  });
});

describe('Y3', () => {
  test('commands', async () => {
    const commands = [...deployments('simulator'), ...deployments('companion')].flatMap(
      (deployment) => podOf(deployment).containers,
    );
    expect(commands.length).toBeGreaterThanOrEqual(4);
    for (const { command, args = [] } of commands) {
      // The image's own entry point is the program.
      expect(command).toBeUndefined();
      const program = inert(buildProgram());
      await expect(program.parseAsync(args, { from: 'user' })).resolves.toBe(program);
    }
  });

  function inert(command: Command): Command {
    command.configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
    if (command.commands.length === 0) command.action(() => undefined);
    for (const each of command.commands) inert(each);
    return command;
  }
});
