/** What VM Operator's group controller finds out about the members of a group, and what it writes to them. Pure. */
import type { KubernetesObject, VirtualMachineObject } from '../../kubernetes';
import { isPowerState } from '../../platforms/vm-operator';
import { CONDITION, isFalse, isTrue, type WantedCondition } from '../vm-controller/status';
import { pushPatch, type Push } from './power-push';
import { holds, isSameMember, type Listed, type ReadGroup, type WantedEntry } from './shape';

/** Looks objects of the group's namespace up. */
export interface Neighbourhood {
  machine(name: string): VirtualMachineObject | undefined;
  group(name: string): KubernetesObject | undefined;
}

/** A member with what to write to it. */
export interface AssessedMember {
  entry: WantedEntry;
  /** The object; absent: it does not exist, or names another group. */
  object?: KubernetesObject;
  /** Merge patch of the object; absent with the object. */
  patch?: object;
  /** Why it stops the reconcile before placement. */
  error?: string;
}

/** Types of conditions of members. */
export const MEMBER = { linked: 'GroupLinked', power: 'PowerStateSynced', placed: 'PlacementReady' } as const;

const API_VERSION = 'vmoperator.vmware.com/v1alpha6';

/** The members in the order in which they are walked: backwards for a group that is powered off. */
function walk({ spec }: ReadGroup): Listed[] {
  const order = spec.powerState === 'PoweredOff' ? [...spec.bootOrder].reverse() : spec.bootOrder;
  return order.flatMap(({ members }) => members);
}

/** Finds out about all members. `push`: the power state is written now. */
export function assessMembers(
  group: ReadGroup,
  around: Neighbourhood,
  push: Push | undefined,
): AssessedMember[] {
  return walk(group).map((member) => assess(group, member, around, push));
}

function assess(
  group: ReadGroup,
  member: Listed,
  around: Neighbourhood,
  push: Push | undefined,
): AssessedMember {
  const before = group.entries.find((entry) => isSameMember(entry, member));
  const kept: WantedEntry = {
    ...before,
    ...member,
    conditions: (before?.conditions ?? []).map(withoutTime),
  };
  const object = member.kind === 'VirtualMachine' ? around.machine(member.name) : around.group(member.name);
  const label = `${member.kind}/${member.name}`;
  if (!object)
    return { entry: withCondition(kept, isFalse(MEMBER.linked, 'NotFound')), error: `${label} not found` };
  const { groupName = '' } = (object.spec ?? {}) as { groupName?: string };
  if (groupName !== group.name) {
    const message =
      groupName === ''
        ? `member "${label}" has no group name`
        : `member "${label}" has different group name: "${groupName}"`;
    return { entry: withCondition(kept, isFalse(MEMBER.linked, 'NotMember', message)), error: message };
  }
  const entry = withCondition(kept, isTrue(MEMBER.linked));
  return member.kind === 'VirtualMachine'
    ? machineMember(group, entry, object as VirtualMachineObject, push)
    : groupMember(group, entry, object, push);
}

function machineMember(
  group: ReadGroup,
  entry: WantedEntry,
  object: VirtualMachineObject,
  push: Push | undefined,
): AssessedMember {
  const { powerState } = object.status;
  const wanted = group.spec.powerState;
  const { powerState: _before, ...rest } = entry;
  const seen: WantedEntry = { ...rest, ...(isPowerState(powerState) && { powerState }) };
  const owned = ownerPatch(group, object);
  if (!wanted) return { entry: withoutCondition(seen, MEMBER.power), object, patch: owned };
  if (powerState === wanted)
    return { entry: withCondition(seen, isTrue(MEMBER.power)), object, patch: owned };
  const reason = push || object.spec.powerState === wanted ? 'Pending' : 'NotSynced';
  const patch = push ? merged(owned, pushPatch(group, push, entry)) : owned;
  return { entry: withCondition(seen, isFalse(MEMBER.power, reason)), object, patch };
}

function groupMember(
  group: ReadGroup,
  entry: WantedEntry,
  object: KubernetesObject,
  push: Push | undefined,
): AssessedMember {
  const { conditions = [] } = (object.status ?? {}) as { conditions?: WantedCondition[] };
  const ready = conditions.find(({ type }) => type === CONDITION.ready);
  const mirrored = ready ? withCondition(entry, withoutTime(ready)) : entry;
  const owned = ownerPatch(group, object);
  return { entry: mirrored, object, patch: push ? merged(owned, pushPatch(group, push, entry)) : owned };
}

/** Adds the owner reference of the group to the existing ones; empty if it is already there. */
function ownerPatch({ name, uid }: ReadGroup, { metadata }: KubernetesObject): { metadata?: object } {
  const owners = metadata.ownerReferences ?? [];
  if (owners.some((owner) => owner.uid === uid)) return {};
  const owner = { apiVersion: API_VERSION, kind: 'VirtualMachineGroup', name, uid };
  return { metadata: { ownerReferences: [...owners, owner] } };
}

function merged(a: { metadata?: object }, b: { spec: object; metadata?: object }): object {
  return { ...b, metadata: { ...a.metadata, ...b.metadata } };
}

/** An entry with a condition in place of the one of its type. */
export function withCondition(entry: WantedEntry, condition: WantedCondition): WantedEntry {
  return { ...entry, conditions: [...withoutCondition(entry, condition.type).conditions, condition] };
}

function withoutCondition(entry: WantedEntry, type: string): WantedEntry {
  return { ...entry, conditions: entry.conditions.filter((each) => each.type !== type) };
}

/** A condition without the time of its transition. */
export function withoutTime({
  type,
  status,
  reason = '',
  message = '',
}: {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}): WantedCondition {
  return { type, status, reason, message };
}

/** The group's own `Ready`. `error`: what went wrong in the reconcile. */
export function readyOf(entries: readonly WantedEntry[], error: string | undefined): WantedCondition {
  const unready = entries.flatMap((entry) => whyUnready(entry) ?? []);
  if (unready.length > 0) {
    const message = `${unready.length} of ${entries.length} members not ready: ${unready.join('; ')}`;
    return isFalse(CONDITION.ready, 'MembersNotReady', message);
  }
  return error === undefined ? isTrue(CONDITION.ready) : isFalse(CONDITION.ready, 'Error', error);
}

function whyUnready({ kind, name, conditions }: WantedEntry): string | undefined {
  const needed = [MEMBER.linked, kind === 'VirtualMachine' ? MEMBER.placed : CONDITION.ready];
  const missing = needed.find((type) => !conditions.some((each) => each.type === type));
  const failing = conditions.find(({ status }) => status !== 'True');
  if (failing) return `${kind}/${name} condition ${failing.type} is ${failing.status}`;
  return missing && `${kind}/${name} missing condition ${missing}`;
}

/** Whether a VM of a group is linked and has no place yet in the group's status. */
export function needsPlace(entry: WantedEntry, uid: string | undefined): boolean {
  const isSticky = entry.uid === uid && holds(entry.conditions, MEMBER.placed);
  return entry.kind === 'VirtualMachine' && !isSticky;
}
