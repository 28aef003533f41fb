/** The part of a namespace that is related to one object, so that the rules need not check the whole namespace for one change. */
import type { ReadObject } from '../kinds';
import type { Group, Manifests, MemberRef, VirtualMachine } from '../model';
import type { ObjectRef } from '../problem';

/** The objects whose combination with one object can break a rule. */
export interface Neighbours {
  groups: Group[];
  virtualMachines: VirtualMachine[];
  /** Unrelated groups, by reference: the rules need to know that they exist. */
  strangers: ObjectRef[];
}

/**
 * For a VM: the groups that list it or that it names. For a group: all groups of its tree, those that list one of its members, and its VMs.
 *
 * @param forms The object before and after the change.
 * @param known The objects of one namespace.
 */
export function neighboursOf(ref: ObjectRef, forms: readonly ReadObject[], known: Manifests): Neighbours {
  const rest = known.groups.filter(({ name }) => ref.kind !== 'VirtualMachineGroup' || name !== ref.name);
  const groups = formsOfGroups(forms);
  const isNear =
    ref.kind === 'VirtualMachineGroup' ? nearGroup(ref.name, groups, rest) : nearMachine(ref, forms);
  const near: Neighbours = { groups: [], virtualMachines: [], strangers: [] };
  for (const group of rest) {
    if (isNear(group)) near.groups.push(group);
    else near.strangers.push({ kind: 'VirtualMachineGroup', namespace: group.namespace, name: group.name });
  }
  if (ref.kind === 'VirtualMachineGroup') {
    const listed = membersOf(groups);
    near.virtualMachines = known.virtualMachines.filter(
      ({ name, groupName }) => groupName === ref.name || listed.has(`VirtualMachine/${name}`),
    );
  }
  return near;
}

function formsOfGroups(forms: readonly ReadObject[]): Group[] {
  return forms.flatMap(({ kind, object }) => (kind === 'VirtualMachineGroup' ? [object] : []));
}

type IsNear = (group: Group) => boolean;

function nearMachine({ name }: ObjectRef, forms: readonly ReadObject[]): IsNear {
  const parents = new Set(
    forms.flatMap(({ kind, object }) => (kind === 'VirtualMachine' ? [object.groupName] : [])),
  );
  const lists = ({ kind, ...member }: MemberRef): boolean =>
    kind === 'VirtualMachine' && member.name === name;
  return (group) => parents.has(group.name) || group.tiers.some(({ members }) => members.some(lists));
}

function nearGroup(name: string, forms: Group[], rest: Group[]): IsNear {
  const tree = treeOf(name, [...forms, ...rest]);
  const members = membersOf(forms);
  const shares = (member: MemberRef): boolean => members.has(label(member));
  return (group) => tree.has(group.name) || group.tiers.some((tier) => tier.members.some(shares));
}

/** Names of all groups that are connected to a group, directly or not, in either direction. */
function treeOf(start: string, groups: readonly Group[]): Set<string> {
  const ties = new Map<string, string[]>();
  const tie = (from: string, to: string): void => {
    const known = ties.get(from);
    if (known) known.push(to);
    else ties.set(from, [to]);
  };
  for (const { name, groupName, tiers } of groups) {
    const children = tiers.flatMap(({ members }) =>
      members.filter(({ kind }) => kind === 'VirtualMachineGroup'),
    );
    const others = [...children.map((child) => child.name), ...(groupName === undefined ? [] : [groupName])];
    for (const other of others) {
      tie(name, other);
      tie(other, name);
    }
  }
  const found = new Set([start]);
  for (const name of found) for (const other of ties.get(name) ?? []) found.add(other);
  return found;
}

function membersOf(groups: readonly Group[]): Set<string> {
  return new Set(groups.flatMap(({ tiers }) => tiers.flatMap(({ members }) => members.map(label))));
}

function label({ kind, name }: MemberRef): string {
  return `${kind}/${name}`;
}
