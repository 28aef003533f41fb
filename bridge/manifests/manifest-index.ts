/** Look-ups over one set of manifests. */
import type {
  Group,
  Manifests,
  ObjectName,
  SequencePolicy,
  VirtualMachine,
  VirtualMachineClass,
} from '../../api';
import { compareNames, objectKey, type ObjectKey } from './object-key';

/** One set of manifests, ready for look-ups. */
export interface ManifestIndex {
  groups: ReadonlyMap<ObjectKey, Group>;
  virtualMachines: ReadonlyMap<ObjectKey, VirtualMachine>;
  classes: ReadonlyMap<ObjectKey, VirtualMachineClass>;
  policies: ReadonlyMap<ObjectKey, SequencePolicy>;
  /** Groups whose members another controller powers. */
  contested: ReadonlyMap<ObjectKey, Group>;
  /** Groups that name the group of the key in `spec.groupName`. */
  childGroups: ReadonlyMap<ObjectKey, Group[]>;
  /** VMs that name the group of the key in `spec.groupName`. */
  childMachines: ReadonlyMap<ObjectKey, VirtualMachine[]>;
  /** By namespace that has affinity rules: the keys of the labels that they select by, and all VMs. */
  selectedBy: ReadonlyMap<string, { keys: string[]; machines: VirtualMachine[] }>;
}

/** Builds the look-ups. */
export function indexManifests(manifests: Manifests): ManifestIndex {
  return {
    groups: byKey(manifests.groups),
    virtualMachines: byKey(manifests.virtualMachines),
    classes: byKey(manifests.classes),
    policies: byKey(manifests.policies),
    contested: contestedOf(manifests.groups),
    childGroups: byParent(manifests.groups),
    childMachines: byParent(manifests.virtualMachines),
    selectedBy: selectedBy(manifests.virtualMachines),
  };
}

/** Look-ups over nothing. */
export function emptyIndex(): ManifestIndex {
  return indexManifests({
    groups: [],
    virtualMachines: [],
    classes: [],
    policies: [],
    inventories: [],
    platforms: [],
  });
}

/**
 * The look-ups with the objects of one namespace replaced. Those of other namespaces, and of kinds without a change, are reused.
 */
export function withNamespace(index: ManifestIndex, before: Manifests, after: Manifests): ManifestIndex {
  const same = <T>(some: T[], others: T[]): boolean =>
    some.length === others.length && some.every((object, at) => object === others[at]);
  const replace = <T, F>(
    all: ReadonlyMap<string, F>,
    was: T[],
    is: T[],
    lookUps: (objects: T[]) => ReadonlyMap<string, F>,
  ): ReadonlyMap<string, F> => {
    if (same(was, is)) return all;
    const next = new Map(all);
    for (const key of lookUps(was).keys()) next.delete(key);
    for (const [key, value] of lookUps(is)) next.set(key, value);
    return next;
  };
  const machines = [before.virtualMachines, after.virtualMachines] as const;
  return {
    groups: replace(index.groups, before.groups, after.groups, byKey),
    virtualMachines: replace(index.virtualMachines, ...machines, byKey),
    classes: replace(index.classes, before.classes, after.classes, byKey),
    policies: replace(index.policies, before.policies, after.policies, byKey),
    contested: replace(index.contested, before.groups, after.groups, contestedOf),
    childGroups: replace(index.childGroups, before.groups, after.groups, byParent),
    childMachines: replace(index.childMachines, ...machines, byParent),
    selectedBy: replace(index.selectedBy, ...machines, selectedBy),
  };
}

function selectedBy(machines: VirtualMachine[]): ManifestIndex['selectedBy'] {
  const keys = new Map<string, Set<string>>();
  for (const { namespace, affinity } of machines) {
    if (affinity.length === 0) continue;
    const known = keys.get(namespace) ?? new Set();
    keys.set(namespace, known);
    for (const { selector } of affinity) {
      for (const key of Object.keys(selector.matchLabels)) known.add(key);
      for (const { key } of selector.matchExpressions) known.add(key);
    }
  }
  const found = new Map<string, { keys: string[]; machines: VirtualMachine[] }>();
  for (const [namespace, known] of keys) found.set(namespace, { keys: [...known].sort(), machines: [] });
  for (const vm of machines) found.get(vm.namespace)?.machines.push(vm);
  return found;
}

function contestedOf(groups: Group[]): Map<ObjectKey, Group> {
  return byKey(groups.filter(({ contestedBy }) => contestedBy !== undefined));
}

function byKey<T extends ObjectName>(objects: T[]): Map<ObjectKey, T> {
  return new Map(objects.map((object) => [objectKey(object), object]));
}

function byParent<T extends ObjectName & { groupName?: string }>(objects: T[]): Map<ObjectKey, T[]> {
  const children = new Map<ObjectKey, T[]>();
  for (const object of objects) {
    if (object.groupName === undefined) continue;
    const parent = objectKey({ namespace: object.namespace, name: object.groupName });
    const known = children.get(parent);
    if (known) known.push(object);
    else children.set(parent, [object]);
  }
  for (const list of children.values()) list.sort((a, b) => compareNames(a.name, b.name));
  return children;
}
