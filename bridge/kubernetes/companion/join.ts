/**
 * Groups of a folder with the VMs of a cluster. Pure.
 *
 * JOIN-1: a VM is the one that the cluster has under its namespace and name, with that one's uid. One that the cluster does not have does not exist,
 *     whatever the folder says. VMs that name another platform are left as they are.
 * JOIN-2: what the folder says of a VM, such as its group, counts; for a VM that is not in the folder, what the cluster says.
 * JOIN-3: a group is contested while one of its VMs is in a group of the cluster with `spec.powerState`.
 */
import { contestText, GROUP_LABEL, own, readResource, type Group, type VirtualMachine } from '../../../api';
import type { KubernetesObject } from '../../../kubernetes';
import { indexManifests, objectKey, type ManifestIndex, type ObjectKey } from '../../manifests';
import { resolveTiers } from '../../plans';

/** Looks objects of the cluster up. */
export interface ClusterLookUp {
  /** Name of the platform that the cluster is. */
  here: string;
  machine(key: ObjectKey): KubernetesObject | undefined;
  machines(): Iterable<[ObjectKey, KubernetesObject]>;
  group(key: ObjectKey): KubernetesObject | undefined;
}

/** The folder's objects with the VMs of the cluster. */
export function joined(folder: ManifestIndex, cluster: ClusterLookUp): ManifestIndex {
  const groups = [...folder.groups.values()];
  const manifests = {
    groups,
    virtualMachines: machinesOf(folder, cluster),
    classes: [...folder.classes.values()],
    policies: [...folder.policies.values()],
    inventories: [],
    platforms: [],
  };
  const index = indexManifests(manifests);
  const contested = groups.map((group) => withContest(group, index, cluster));
  return contested.every((group, at) => group === groups[at])
    ? index
    : indexManifests({ ...manifests, groups: contested });
}

function machinesOf(folder: ManifestIndex, cluster: ClusterLookUp): VirtualMachine[] {
  const namespaces = new Set([...folder.groups.values()].map(({ namespace }) => namespace));
  const found = [...folder.virtualMachines.values()].filter((vm) => isElsewhere(vm, cluster));
  for (const [key, object] of cluster.machines()) {
    const { uid, namespace = '', deletionTimestamp } = object.metadata;
    if (uid === undefined || deletionTimestamp !== undefined || !namespaces.has(namespace)) continue;
    const { read } = readResource(object);
    if (read?.kind !== 'VirtualMachine') continue;
    const { placed, ...there } = read.object;
    const written = folder.virtualMachines.get(key);
    if (written && isElsewhere(written, cluster)) continue;
    found.push({ ...(written ?? { ...there, annotations: {} }), uid, ...(placed && { placed }) });
  }
  return found;
}

/** Whether a VM is on another platform than this cluster. */
function isElsewhere({ platform }: VirtualMachine, { here }: ClusterLookUp): boolean {
  return platform !== undefined && platform !== here;
}

function withContest(group: Group, index: ManifestIndex, cluster: ClusterLookUp): Group {
  for (const { vm, link } of resolveTiers(index, group).flatMap(({ members }) => members)) {
    const { read } = vm && link === 'Linked' ? readResource(cluster.machine(objectKey(vm))) : {};
    const groupName = read?.kind === 'VirtualMachine' ? read.object.groupName : undefined;
    if (!groupName) continue;
    const there = { namespace: group.namespace, name: groupName };
    const { powerState } = (cluster.group(objectKey(there))?.spec ?? {}) as { powerState?: string };
    if (powerState) return { ...group, contestedBy: contestText(there, powerState) };
  }
  return group;
}

/** What of a VM matters to the groups of a folder; the rest is observed by the platform. */
export function markOf(object: KubernetesObject | undefined): string {
  const { uid, deletionTimestamp, labels, annotations = {} } = object?.metadata ?? {};
  const { groupName, powerOffMode, suspendMode, affinity } = (object?.spec ?? {}) as Record<string, unknown>;
  const group = own(annotations, GROUP_LABEL);
  return JSON.stringify([
    uid,
    deletionTimestamp,
    labels,
    group,
    groupName,
    powerOffMode,
    suspendMode,
    affinity,
  ]);
}
