/** The live objects of a cluster, read and checked as manifests are. */
import {
  checkRules,
  formatProblem,
  manifestsOf,
  problemOf,
  readBesideVmOperator,
  readResource,
  refKey,
  type Manifests,
  type ObjectRef,
  type Problem,
} from '../../api';
import type { ApiServer, KubernetesObject, Resource } from '../../kubernetes';
import { connectCluster, listIfServed, listObjects } from '../connections';
import * as lazy from '../lazy';
import { watchedNamespaces, type SourceOptions } from '../options';

/** The objects of a cluster. */
export interface ClusterManifests {
  /** The valid objects. */
  manifests: Manifests;
  problems: Problem[];
  /** Number of objects that were read. */
  count: number;
  /** All VirtualMachineGroups as they are stored. */
  groups: KubernetesObject[];
  /** All VirtualMachines as they are stored: of VM Operator, or of KubeVirt. */
  machines: KubernetesObject[];
  /** Lists another resource in a namespace, or in all; undefined if the server does not serve it. Throws as {@link readCluster}. */
  list: (resource: Resource, namespace?: string) => Promise<KubernetesObject[] | undefined>;
}

/** Options of the commands that read a cluster. */
export interface ReadClusterOptions extends SourceOptions {
  /** `companion`: what is wanted of groups is in their annotations. */
  mode?: 'controller' | 'companion';
  /** Name or type of the default platform: with `kubevirt` the VMs are those of KubeVirt. */
  platform?: string;
}

/**
 * Reads groups, VMs, classes and policies. A cluster that serves no classes or policies is fine.
 *
 * @throws CliError if no API server is configured, or it refuses or does not answer.
 */
export async function readCluster(options: ReadClusterOptions): Promise<ClusterManifests> {
  const api = connectCluster(options);
  const namespaces = watchedNamespaces(options);
  const resources = lazy.kubernetes().RESOURCES;
  const groups = await listObjects(api, resources.virtualMachineGroups, namespaces);
  const machines = await listMachines(api, namespaces, options.platform === 'kubevirt');
  // An editor of a namespace may have no more rights than those to groups and VMs, as for the bridge.
  const rights = { unlessForbidden: options.mode === 'companion' };
  const classes = (await listIfServed(api, resources.virtualMachineClasses, namespaces, rights)) ?? [];
  const policies = (await listIfServed(api, resources.sequencePolicies, namespaces, rights)) ?? [];
  const objects = [...groups, ...machines, ...classes, ...policies].filter(
    ({ metadata }) => metadata.deletionTimestamp === undefined,
  );
  return {
    ...checkObjects(objects, options.mode === 'companion' ? readBesideVmOperator : readResource),
    count: objects.length,
    groups,
    machines,
    list: (resource, namespace) =>
      listIfServed(api, resource, namespace === undefined ? undefined : [namespace]),
  };
}

/** The VMs of VM Operator; where the cluster has none, or `kubevirt` are wanted, those of KubeVirt. */
async function listMachines(
  api: ApiServer,
  namespaces: readonly string[] | undefined,
  kubevirt: boolean,
): Promise<KubernetesObject[]> {
  const { virtualMachines, kubevirtMachines } = lazy.kubernetes().RESOURCES;
  if (kubevirt) return listObjects(api, kubevirtMachines, namespaces);
  try {
    return await listObjects(api, virtualMachines, namespaces);
  } catch (error: unknown) {
    const { cause } = error as { cause?: { isAbsent?: boolean } };
    const others = cause?.isAbsent && (await listIfServed(api, kubevirtMachines, namespaces));
    if (others) return others;
    throw error;
  }
}

/** A problem of an object on a cluster as `validate` prints it: `Kind namespace/name: path: message`. */
export function formatLiveProblem(problem: Problem): string {
  const { object } = problem;
  return `${object ? `${object.kind} ${object.namespace}/${object.name}: ` : ''}${formatProblem(problem)}`;
}

function checkObjects(
  objects: KubernetesObject[],
  readObject: typeof readResource,
): { manifests: Manifests; problems: Problem[] } {
  const results = objects.map((object) => ({ ref: refOf(object), ...readObject(object) }));
  const rules = checkRules(manifestsOf(results.flatMap(({ read }) => read ?? [])), {
    invalid: results.filter(({ read }) => !read).map(({ ref }) => ref),
  });
  const broken = new Set(
    rules.filter(({ severity }) => severity === 'Error').map(({ object }) => refKey(object)),
  );
  const problems = [
    ...results.flatMap(({ ref, findings }) => findings.map((found) => problemOf({ ...found, object: ref }))),
    ...rules.map(problemOf),
  ];
  return {
    manifests: manifestsOf(
      results.flatMap(({ ref, read }) => (read && !broken.has(refKey(ref)) ? [read] : [])),
    ),
    problems: problems.sort((a, b) => (formatLiveProblem(a) < formatLiveProblem(b) ? -1 : 1)),
  };
}

function refOf({ kind = '', metadata: { namespace = '', name } }: KubernetesObject): ObjectRef {
  return { kind, namespace, name };
}
