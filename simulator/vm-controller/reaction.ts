/**
 * How VM Operator's VM controller reacts to one VirtualMachine: a pure function of the object, its group, its class, the VM on the platform,
 * and time. The reference (simulator-on-kubernetes.md) describes what that controller requires, and how it changes power.
 *
 * STANDIN-5: a VM of a group is not created before the group lists it, and the group's status has its entry with `uid`, `placement.zoneID` and
 *     the conditions `PlacementReady` and `GroupLinked`. A label with its zone replaces the entry.
 * STANDIN-6: while an operation is in progress on a VM no other is begun.
 * STANDIN-7: before power is changed, the time in the apply-time annotation must have come. A paused VM is left alone, and a check stops
 *     power-on.
 */
import type { VmRecord } from '../engine';
import { creationOf } from './create';
import { VM_FINALIZER, type Action, type Reaction, type VmFacts } from './facts';
import { updateOf } from './power';
import {
  CONDITION,
  isFalse,
  isTrue,
  sortConditions,
  type WantedCondition,
  type WantedStatus,
} from './status';

/** The reaction to a VM. */
export function reactionTo(facts: VmFacts): Reaction {
  const { object, machine } = facts;
  if (object.metadata.deletionTimestamp !== undefined)
    return { actions: [{ type: 'delete' }], status: undefined, settled: true };
  const link = linkOf(facts);
  const finalizer: Action[] = object.metadata.finalizers?.includes(VM_FINALIZER)
    ? []
    : [{ type: 'addFinalizer' }];
  const { actions, conditions, ...rest } = machine ? updateOf(facts, machine) : creationOf(facts, link);
  return {
    ...rest,
    actions: [...finalizer, ...actions],
    status: {
      ...placeInStatus(facts, machine),
      conditions: sortConditions([...(link ? [link] : []), ...conditions]),
    },
  };
}

/** The VM's own `GroupLinked`; undefined for a VM without group. */
function linkOf({ object, group }: VmFacts): WantedCondition | undefined {
  if (!object.spec.groupName) return undefined;
  const type = CONDITION.groupLinked;
  if (!group) return isFalse(type, 'NotFound');
  return group.listed.has(object.metadata.name) ? isTrue(type) : isFalse(type, 'NotMember');
}

function placeInStatus({ object }: VmFacts, machine: VmRecord | undefined): Omit<WantedStatus, 'conditions'> {
  if (!machine) return {};
  const { placement, powerState, address } = machine;
  return {
    uniqueID: `vm-${object.metadata.uid}`,
    zone: placement.zoneID,
    ...(placement.node !== undefined && { nodeName: placement.node }),
    powerState,
    ...(address !== undefined && {
      network: address.includes(':') ? { primaryIP6: address } : { primaryIP4: address },
    }),
  };
}
