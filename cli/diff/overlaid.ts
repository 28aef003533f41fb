/** Manifests over those that are there. Pure. */
import type { Manifests, ObjectName } from '../../api';

/** The objects of a cluster with those of files in the place of the ones with the same names. */
export function overlaid(cluster: Manifests, files: Manifests): Manifests {
  return {
    groups: overlaidKind(cluster.groups, files.groups),
    virtualMachines: overlaidKind(cluster.virtualMachines, files.virtualMachines),
    classes: overlaidKind(cluster.classes, files.classes),
    policies: overlaidKind(cluster.policies, files.policies),
    inventories: overlaidKind(cluster.inventories, files.inventories),
    platforms: overlaidKind(cluster.platforms, files.platforms),
  };
}

/** An object of a file is the one of the cluster in another version: it keeps its uid. */
function overlaidKind<T extends ObjectName & { uid: string }>(
  cluster: readonly T[],
  files: readonly T[],
): T[] {
  const known = new Map(cluster.map((object) => [`${object.namespace}/${object.name}`, object]));
  for (const object of files) {
    const key = `${object.namespace}/${object.name}`;
    const uid = known.get(key)?.uid ?? object.uid;
    known.set(key, { ...object, uid });
  }
  return [...known.values()];
}
