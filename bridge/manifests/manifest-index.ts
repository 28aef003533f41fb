/** Look-ups over one set of manifests: who is whose parent, who drives whom. */
import type { Group, Manifests, SequencePolicy, VirtualMachine, VirtualMachineClass } from '../../api';

/** Identifies an object within its kind: `namespace/name`. */
export type ObjectKey = string;

/** The {@link ObjectKey} of an object. */
export function objectKey(object: { namespace: string; name: string }): ObjectKey {
  return `${object.namespace}/${object.name}`;
}

/** The object that a key names. */
export function splitKey(key: ObjectKey): { namespace: string; name: string } {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** One set of manifests, ready for look-ups. */
export interface ManifestIndex {
  groups: ReadonlyMap<ObjectKey, Group>;
  virtualMachines: ReadonlyMap<ObjectKey, VirtualMachine>;
  classes: ReadonlyMap<ObjectKey, VirtualMachineClass>;
  policies: ReadonlyMap<ObjectKey, SequencePolicy>;
  /** Groups that name the group of the key in `spec.groupName`. */
  childGroups: ReadonlyMap<ObjectKey, Group[]>;
  /** VMs that name the group of the key in `spec.groupName`. */
  childMachines: ReadonlyMap<ObjectKey, VirtualMachine[]>;
  /** By namespace, where there are affinity rules: the keys of labels that they ask for, and all VMs. */
  selectedBy: ReadonlyMap<string, { keys: string[]; machines: VirtualMachine[] }>;
}

/** Builds the look-ups. */
export function indexManifests(manifests: Manifests): ManifestIndex {
  return {
    groups: byKey(manifests.groups),
    virtualMachines: byKey(manifests.virtualMachines),
    classes: byKey(manifests.classes),
    policies: byKey(manifests.policies),
    childGroups: byParent(manifests.groups),
    childMachines: byParent(manifests.virtualMachines),
    selectedBy: selectedBy(manifests.virtualMachines),
  };
}

/** Look-ups over nothing. */
export function emptyIndex(): ManifestIndex {
  return indexManifests({ groups: [], virtualMachines: [], classes: [], policies: [], inventories: [] });
}

/**
 * The look-ups with the objects of one namespace replaced; those of all others, and of kinds of which nothing has changed, are taken over as
 * they are.
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

function byKey<T extends { namespace: string; name: string }>(objects: T[]): Map<ObjectKey, T> {
  return new Map(objects.map((object) => [objectKey(object), object]));
}

function byParent<T extends { namespace: string; name: string; groupName?: string }>(
  objects: T[],
): Map<ObjectKey, T[]> {
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

/** Order of names that does not depend on the locale. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The parent group; undefined where there is none or it does not exist. */
export function parentOf(index: ManifestIndex, group: Group): Group | undefined {
  if (group.groupName === undefined) return undefined;
  return index.groups.get(objectKey({ namespace: group.namespace, name: group.groupName }));
}

/**
 * The group and its ancestors, the group first. Ends where a group comes up a second time: validation refuses cycles, but an edit that
 * is kept at its last valid form can close one.
 */
export function ancestry(index: ManifestIndex, group: Group): Group[] {
  const chain: Group[] = [];
  for (let at: Group | undefined = group; at && !chain.includes(at); at = parentOf(index, at)) chain.push(at);
  return chain;
}

/** The group on top of the group's tree; the same for every group of it. */
export function topOf(index: ManifestIndex, group: Group): Group {
  const chain = ancestry(index, group);
  const last = chain.at(-1) ?? group;
  const above = parentOf(index, last);
  if (!above) return last;
  // A cycle: the first of it by name.
  const [first = last] = chain
    .slice(chain.indexOf(above))
    .sort((a, b) => compareNames(objectKey(a), objectKey(b)));
  return first;
}

/**
 * The group whose run drives this one: the topmost of its ancestry with a power state. Where none has one: the topmost of all if VMs have to
 * be placed ahead of any power state ({@link Plan.placesAhead}), else nobody.
 */
export function driverOf(index: ManifestIndex, group: Group, placesAhead = false): Group | undefined {
  const powered = ancestry(index, group).findLast((ancestor) => ancestor.powerState !== undefined);
  return powered ?? (placesAhead ? topOf(index, group) : undefined);
}

/** The group and every group below it, parents before children. */
export function treeOf(index: ManifestIndex, top: Group): Group[] {
  const tree: Group[] = [];
  const queue = [top];
  for (let group = queue.shift(); group; group = queue.shift()) {
    if (tree.includes(group)) continue;
    tree.push(group);
    queue.push(...(index.childGroups.get(objectKey(group)) ?? []));
  }
  return tree;
}

/** The policy of a group: the one it names, else `default` of its namespace. Undefined: the built-in values. */
export function policyOf(index: ManifestIndex, group: Group): SequencePolicy | undefined {
  const named = group.policyName ?? 'default';
  return index.policies.get(objectKey({ namespace: group.namespace, name: named }));
}
