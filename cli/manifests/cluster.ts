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
  type Problem,
} from '../../api';
import type { KubernetesObject, Resource } from '../../kubernetes';
import { connectCluster, watchedNamespaces, type SourceOptions } from '../connections/cluster';
import { listObjects } from '../groups/cluster-views';
import * as lazy from '../lazy';

/** What stands on a cluster. */
export interface ClusterManifests {
  /** The valid objects. */
  manifests: Manifests;
  problems: Problem[];
  /** Objects that were read. */
  count: number;
  /** All VirtualMachineGroups, as they stand there. */
  groups: KubernetesObject[];
  /** All VirtualMachines. */
  machines: KubernetesObject[];
  /** Lists a further resource, of a namespace or as a whole; undefined where the server does not know it. Throws as {@link readCluster}. */
  list: (resource: Resource, namespace?: string) => Promise<KubernetesObject[] | undefined>;
}

/**
 * Reads groups, VMs, classes and policies.
 *
 * @throws CliError with the cure where the API server refuses, or does not answer.
 */
export async function readCluster(options: SourceOptions): Promise<ClusterManifests> {
  const api = connectCluster(options);
  const resources = lazy.kubernetes().RESOURCES;
  const read = (resource: Resource): Promise<KubernetesObject[]> =>
    listObjects(api, resource, watchedNamespaces(options));
  const groups = await read(resources.virtualMachineGroups);
  const machines = await read(resources.virtualMachines);
  // A cluster without classes or policies is fine.
  const classes = (await read(resources.virtualMachineClasses).catch(undefinedWhereAbsent)) ?? [];
  const policies = (await read(resources.sequencePolicies).catch(undefinedWhereAbsent)) ?? [];
  const objects = [...groups, ...machines, ...classes, ...policies].filter(
    ({ metadata }) => metadata.deletionTimestamp === undefined,
  );
  return {
    ...judge(objects),
    count: objects.length,
    groups,
    machines,
    list: (resource, namespace) =>
      listObjects(api, resource, namespace === undefined ? undefined : [namespace]).catch(
        undefinedWhereAbsent,
      ),
  };
}

function undefinedWhereAbsent(error: unknown): undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof lazy.kubernetes().KubernetesError && cause.isNotFound) return undefined;
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
