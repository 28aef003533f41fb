/** Trees of groups: the parent of a group, the driver of its run, the groups below it. */
import type { Group, SequencePolicy } from '../../api';
import type { ManifestIndex } from './manifest-index';
import { compareNames, objectKey } from './object-key';

/** The parent group; undefined if the group names none, or it does not exist. */
export function parentOf(index: ManifestIndex, group: Group): Group | undefined {
  if (group.groupName === undefined) return undefined;
  return index.groups.get(objectKey({ namespace: group.namespace, name: group.groupName }));
}

/**
 * The group and its ancestors, the group first. Ends before a group that was met already: validation refuses cycles, but an object that is
 * kept in its last valid form can close one.
 */
function ancestry(index: ManifestIndex, group: Group): Group[] {
  const chain: Group[] = [];
  for (let at: Group | undefined = group; at && !chain.includes(at); at = parentOf(index, at)) chain.push(at);
  return chain;
}

/** The topmost group of the group's tree; the same for every group of the tree. */
export function topOf(index: ManifestIndex, group: Group): Group {
  const chain = ancestry(index, group);
  const last = chain.at(-1) ?? group;
  const above = parentOf(index, last);
  if (!above) return last;
  // A cycle: its first group by name.
  const [first = last] = chain
    .slice(chain.indexOf(above))
    .sort((a, b) => compareNames(objectKey(a), objectKey(b)));
  return first;
}

/**
 * The group whose run drives this one: the topmost of its ancestry with a power state. If none has one: the topmost of all if VMs are placed
 * whatever the power state ({@link Plan.placesAhead}), otherwise none. None of a tree whose members another controller powers.
 */
export function driverOf(index: ManifestIndex, group: Group, placesAhead = false): Group | undefined {
  if (contestOf(index, group) !== undefined) return undefined;
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

/** Why another controller powers members of the group's tree; undefined: none does. */
export function contestOf(index: ManifestIndex, group: Group): string | undefined {
  if (index.contested.size === 0) return undefined;
  const tree = treeOf(index, topOf(index, group));
  return tree.find((each) => each.contestedBy !== undefined)?.contestedBy;
}

/** The policy of a group: its own, else the one it names, else `default` of its namespace. Undefined: the built-in values. */
export function policyOf(index: ManifestIndex, group: Group): SequencePolicy | undefined {
  if (group.policy) return group.policy;
  const named = group.policyName ?? 'default';
  return index.policies.get(objectKey({ namespace: group.namespace, name: named }));
}
