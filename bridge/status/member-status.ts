/** The status of one member of a group. Pure. */
import type { Group, VirtualMachine } from '../../api';
import { meetsGate, memberKey, type MemberKey } from '../../contract';
import type { ResolvedMember } from '../plans';
import { condition, stamped, type UnstampedCondition } from './conditions';
import type { StatusFacts } from './facts';
import { placementCondition, placementOf } from './placement-condition';
import { powerCondition } from './power-condition';
import type { MemberStatus } from './view';

/** A member with its status. */
export interface AssessedMember {
  status: MemberStatus;
  /** Why the member is not ready; absent: it is. */
  unready?: string;
}

/** Computes the status of one member. */
export function assessMember(facts: StatusFacts, member: ResolvedMember): AssessedMember {
  const key = memberKey(member.ref);
  const before = facts.before.get(key);
  const isLinked = member.link === 'Linked';
  const machine = member.vm && machineStatus(facts, member.vm, isLinked, before);
  const conditions = [linkCondition(facts.group, member)];
  if (isLinked && member.vm) {
    conditions.push(...machineConditions(facts, key, member.vm, machine?.placement, before));
  }
  if (isLinked && member.group) conditions.push(nestedCondition(facts, member.ref.name));
  const failing = conditions.find(({ status }) => status !== 'True');
  const unready = failing ? `${key}: ${failing.message}` : unmetGate(facts, key, member);
  return {
    status: {
      ...member.ref,
      ...(member.vm && { uid: member.vm.uid }),
      ...(member.group && { uid: member.group.uid }),
      ...machine,
      conditions: stamped(conditions, before?.conditions, facts),
    },
    ...(unready !== undefined && { unready }),
  };
}

function linkCondition(group: Group, member: ResolvedMember): UnstampedCondition {
  const { kind, name } = member.ref;
  const type = 'GroupLinked';
  switch (member.link) {
    case 'Linked':
      return condition(type, 'True', 'MemberLinked', 'Member is linked to this group');
    case 'NotFound':
      return condition(type, 'False', 'NotFound', `${kind} "${name}" does not exist`);
    case 'NotMember': {
      const other = member.vm?.groupName ?? member.group?.groupName;
      const text = other === undefined ? 'has no spec.groupName' : `names "${other}" in spec.groupName`;
      return condition(type, 'False', 'NotMember', `${kind} "${name}" ${text}, not "${group.name}"`);
    }
  }
}

function machineStatus(
  facts: StatusFacts,
  vm: VirtualMachine,
  isLinked: boolean,
  before: MemberStatus | undefined,
): Pick<MemberStatus, 'placement' | 'powerState'> {
  const observed = facts.observe(vm);
  const placement = isLinked ? placementOf(facts, vm, before) : undefined;
  return { ...(placement && { placement }), ...(observed && { powerState: observed.powerState }) };
}

function machineConditions(
  facts: StatusFacts,
  key: MemberKey,
  vm: VirtualMachine,
  placement: MemberStatus['placement'],
  before: MemberStatus | undefined,
): UnstampedCondition[] {
  const { plan } = facts;
  const placed = placementCondition(facts, vm, placement, before);
  const power = plan && plan.powerState !== 'Unchanged' ? powerCondition(facts, plan, key, vm) : undefined;
  return [power, placed].filter((each) => each !== undefined);
}

function nestedCondition({ childView }: StatusFacts, name: string): UnstampedCondition {
  const ready = childView(name)?.status.conditions.find(({ type }) => type === 'Ready');
  if (!ready)
    return condition('Ready', 'Unknown', 'Pending', `VirtualMachineGroup "${name}" has no status yet`);
  return condition('Ready', ready.status, ready.reason, ready.message);
}

/** Why a VM that is in its power state is not ready all the same: its gate. */
function unmetGate(facts: StatusFacts, key: MemberKey, member: ResolvedMember): string | undefined {
  const { plan } = facts;
  if (plan?.powerState !== 'PoweredOn' || !member.vm || member.link !== 'Linked') return undefined;
  const gate = facts.gates.get(key);
  if (gate === undefined || meetsGate(gate, facts.observe(member.vm))) return undefined;
  const progress = facts.progress.get(key);
  if (progress && progress.phase !== 'Done') return `${key}: ${progress.waitsFor ?? 'not ready yet'}`;
  const exception = progress ? undefined : facts.exceptions.get(key);
  return exception && `${key}: ${exception.message}`;
}
