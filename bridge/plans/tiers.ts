/** The members of a group tier by tier. Pure. */
import type { Group, MemberRef, VirtualMachine } from '../../api';
import { memberKey, type PlanMember } from '../../contract';
import { objectKey, type ManifestIndex } from '../manifests';

/** A member with the object that it names. */
export interface ResolvedMember {
  ref: MemberRef;
  link: PlanMember['link'];
  vm?: VirtualMachine;
  group?: Group;
}

/** One tier with its members looked up. `index` counts from 0; the tier of unlisted members comes last. */
export interface ResolvedTier {
  index: number;
  powerOnDelay: number;
  powerOffDelay: number | null;
  members: ResolvedMember[];
}

/** The members of a group tier by tier, looked up; those that name the group and are not listed come in a last tier. */
export function resolveTiers(index: ManifestIndex, group: Group): ResolvedTier[] {
  const tiers: ResolvedTier[] = group.tiers.map((tier, at) => ({
    index: at,
    powerOnDelay: tier.powerOnDelay,
    powerOffDelay: tier.powerOffDelay,
    members: tier.members.map((ref) => resolveMember(index, group, ref)),
  }));
  const unlisted = unlistedMembers(index, group);
  if (unlisted.length > 0) {
    tiers.push({ index: tiers.length, powerOnDelay: 0, powerOffDelay: null, members: unlisted });
  }
  return tiers;
}

/** Whether a group has a member that a command calls `named`: its name, or `Kind/name`. */
export function hasMember(index: ManifestIndex, group: Group, named: string): boolean {
  return resolveTiers(index, group)
    .flatMap(({ members }) => members)
    .some(({ ref: { kind, name } }) => name === named || `${kind}/${name}` === named);
}

function resolveMember(index: ManifestIndex, group: Group, ref: MemberRef): ResolvedMember {
  const key = objectKey({ namespace: group.namespace, name: ref.name });
  if (ref.kind === 'VirtualMachine') {
    const vm = index.virtualMachines.get(key);
    return vm ? { ref, link: linkOf(vm, group), vm } : { ref, link: 'NotFound' };
  }
  const child = index.groups.get(key);
  return child ? { ref, link: linkOf(child, group), group: child } : { ref, link: 'NotFound' };
}

function linkOf(object: { groupName?: string }, group: Group): PlanMember['link'] {
  return object.groupName === group.name ? 'Linked' : 'NotMember';
}

function unlistedMembers(index: ManifestIndex, group: Group): ResolvedMember[] {
  const listed = new Set(group.tiers.flatMap((tier) => tier.members.map(memberKey)));
  const key = objectKey(group);
  const groups = (index.childGroups.get(key) ?? []).map((child): ResolvedMember => ({
    ref: { kind: 'VirtualMachineGroup', name: child.name },
    link: 'Linked',
    group: child,
  }));
  const machines = (index.childMachines.get(key) ?? []).map((vm): ResolvedMember => ({
    ref: { kind: 'VirtualMachine', name: vm.name },
    link: 'Linked',
    vm,
  }));
  return [...groups, ...machines].filter((member) => !listed.has(memberKey(member.ref)));
}
