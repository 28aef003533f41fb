/** The live objects of a cluster, read and judged as manifests are. */
import {
  checkRules,
  formatProblem,
  manifestsOf,
  problemOf,
  readResource,
  refKey,
  type Manifests,
  type ObjectRef,
  type PowerState,
  type Problem,
  type VirtualMachine,
  type VirtualMachineStatus,
} from '../api';
import type { KubernetesObject, Resource } from '../kubernetes';
import { connectCluster, watchedNamespaces, type SourceOptions } from './cluster';
import { listObjects, viewOf } from './cluster-groups';
import * as heavy from './heavy';

/** What stands on a cluster. */
export interface ClusterManifests {
  /** The valid objects. */
  manifests: Manifests;
  problems: Problem[];
  /** Objects that were read. */
  count: number;
  /** What was observed of a VM: by its own controller, else by the bridge. */
  observe: (vm: VirtualMachine) => VirtualMachineStatus | undefined;
}

/**
 * Reads groups, VMs, classes and policies.
 *
 * @throws CliError with the cure where the API server refuses, or does not answer.
 */
export async function readCluster(options: SourceOptions): Promise<ClusterManifests> {
  const api = connectCluster(options);
  const resources = heavy.kubernetes().RESOURCES;
  const list = (resource: Resource): Promise<KubernetesObject[]> =>
    listObjects(api, resource, watchedNamespaces(options));
  const groups = await list(resources.virtualMachineGroups);
  const machines = await list(resources.virtualMachines);
  const classes = await list(resources.virtualMachineClasses).catch(noneWhereAbsent);
  const policies = await list(resources.sequencePolicies).catch(noneWhereAbsent);
  const objects = [...groups, ...machines, ...classes, ...policies].filter(
    ({ metadata }) => metadata.deletionTimestamp === undefined,
  );
  return { ...judge(objects), count: objects.length, observe: observer(groups, machines) };
}

/** A cluster without classes or policies is fine. */
function noneWhereAbsent(error: unknown): KubernetesObject[] {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof heavy.kubernetes().KubernetesError && cause.isNotFound) return [];
  throw error;
}

/** A problem of an object on a cluster as `validate` prints it: `Kind namespace/name: path: message`. */
export function formatLiveProblem(problem: Problem): string {
  const { object } = problem;
  return `${object ? `${object.kind} ${object.namespace}/${object.name}: ` : ''}${formatProblem(problem)}`;
}

function judge(objects: KubernetesObject[]): { manifests: Manifests; problems: Problem[] } {
  const entries = objects.map((object) => ({ ref: refOf(object), ...readResource(object) }));
  const read = entries.flatMap((entry) => entry.read ?? []);
  const rules = checkRules(manifestsOf(read), {
    invalid: entries.filter((entry) => !entry.read).map(({ ref }) => ref),
  });
  const broken = new Set(
    rules.filter(({ severity }) => severity === 'Error').map(({ object }) => refKey(object)),
  );
  const problems = [
    ...entries.flatMap(({ ref, findings }) => findings.map((found) => problemOf({ ...found, object: ref }))),
    ...rules.map(problemOf),
  ];
  return {
    manifests: manifestsOf(
      entries.flatMap(({ ref, read }) => (read && !broken.has(refKey(ref)) ? [read] : [])),
    ),
    problems: problems.sort((a, b) => (formatLiveProblem(a) < formatLiveProblem(b) ? -1 : 1)),
  };
}

function refOf({ kind = '', metadata: { namespace = '', name } }: KubernetesObject): ObjectRef {
  return { kind, namespace, name };
}

function observer(groups: KubernetesObject[], machines: KubernetesObject[]): ClusterManifests['observe'] {
  const observed = new Map<string, PowerState>();
  for (const { members } of groups.map((group) => viewOf(group).status)) {
    for (const { uid, powerState } of members) if (uid && powerState) observed.set(uid, powerState);
  }
  for (const { metadata, status } of machines) {
    const { powerState } = (status ?? {}) as { powerState?: PowerState };
    if (metadata.uid !== undefined && powerState) observed.set(metadata.uid, powerState);
  }
  return ({ uid }) => {
    const powerState = observed.get(uid);
    return powerState && { powerState, at: Date.now() };
  };
}
