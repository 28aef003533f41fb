/** The VMs that VM Operator's group controller places together: those of a topmost group and of all groups below it. Pure. */
import { ZONE_LABEL } from '../../api';
import type { KubernetesObject, VirtualMachineObject } from '../../kubernetes';
import { isTrue } from '../vm-controller/status';
import { MEMBER, needsPlace, withCondition, withoutTime, type Neighbourhood } from './members';
import { holds, isSameMember, type Listed, type ReadGroup, type WantedEntry } from './shape';

/** One group of a tree with its members as its status is to show them. */
export interface TreeGroup {
  group: ReadGroup;
  entries: WantedEntry[];
}

/** What to place. */
export interface PlacingTree {
  groups: TreeGroup[];
  machines: VirtualMachineObject[];
}

/** What {@link placingTree} looks up. */
export interface TreeLookUp extends Neighbourhood {
  read(object: KubernetesObject): ReadGroup;
}

/** Most groups of one tree. */
const MOST_GROUPS = 1_000;

/**
 * The tree of a topmost group. VMs that exist are marked as placed.
 *
 * @throws Error with VM Operator's text if a member of the tree is not linked: then nothing is placed.
 */
export function placingTree(root: TreeGroup, around: TreeLookUp): PlacingTree {
  const tree: PlacingTree = { groups: [], machines: [] };
  const queue = [root];
  for (let next = queue.shift(); next; next = queue.shift()) {
    if (tree.groups.length >= MOST_GROUPS) throw notReady('a tree of groups is too large or has a cycle');
    const { group } = next;
    const here: TreeGroup = { group, entries: [...next.entries] };
    tree.groups.push(here);
    for (const member of group.spec.bootOrder.flatMap(({ members }) => members)) {
      if (member.kind === 'VirtualMachine') addMachine(tree, here, member, around);
      else queue.push(childOf(here, member, around));
    }
  }
  return tree;
}

function addMachine(
  tree: PlacingTree,
  { group, entries }: TreeGroup,
  member: Listed,
  around: TreeLookUp,
): void {
  const at = entries.findIndex((each) => isSameMember(each, member));
  const entry = entries[at];
  const object = around.machine(member.name);
  if (!entry || !object) throw notReady(`VM "${member.name}" is not in group member status`);
  if (!holds(entry.conditions, MEMBER.linked))
    throw notReady(`VM "${member.name}" is not linked for group "${group.name}"`);
  const { uid = '' } = object.metadata;
  if (!needsPlace(entry, uid)) return;
  const { uniqueID, zone = '' } = object.status;
  if (uniqueID !== undefined) {
    const { placement: _old, ...rest } = entry;
    const placed = { ...isTrue(MEMBER.placed), reason: 'AlreadyPlaced', message: zone };
    entries[at] = withCondition({ ...rest, uid }, placed);
  } else if (object.metadata.labels?.[ZONE_LABEL] === undefined) {
    tree.machines.push(object);
  }
}

function childOf({ group, entries }: TreeGroup, member: Listed, around: TreeLookUp): TreeGroup {
  const entry = entries.find((each) => isSameMember(each, member));
  const object = around.group(member.name);
  if (!entry || !object)
    throw notReady(`VM Group "${member.name}" is not in parent group "${group.name}" member status`);
  if (!holds(entry.conditions, MEMBER.linked))
    throw notReady(`VM Group "${member.name}" is not linked for parent group "${group.name}"`);
  const child = around.read(object);
  return {
    group: child,
    entries: child.entries.map((each) => ({ ...each, conditions: each.conditions.map(withoutTime) })),
  };
}

function notReady(why: string): Error {
  return new Error(`failed to get all placement members: ${why}`);
}

/** The tree with the places that were found, by the uid of the VM. */
export function withPlaces(
  tree: PlacingTree,
  places: ReadonlyMap<string, WantedEntry['placement']>,
): TreeGroup[] {
  const uids = new Map(tree.machines.map(({ metadata }) => [metadata.name, metadata.uid ?? '']));
  return tree.groups.map(({ group, entries }) => ({
    group,
    entries: entries.map((entry) => {
      const uid = entry.kind === 'VirtualMachine' ? uids.get(entry.name) : undefined;
      const placement = uid === undefined ? undefined : places.get(uid);
      return uid === undefined || !placement
        ? entry
        : withCondition({ ...entry, uid, placement }, isTrue(MEMBER.placed));
    }),
  }));
}
