/** Whether the controller creates a VM: STANDIN-5. */
import { ZONE_LABEL } from '../../api';
import { isPaused } from '../../platforms/vm-operator';
import type { PartialReaction, VmFacts } from './facts';
import { CONDITION, isFalse, type WantedCondition } from './status';

/** The reaction to a VM that the platform does not have. `link`: its own `GroupLinked`. */
export function creationOf(facts: VmFacts, link: WantedCondition | undefined): PartialReaction {
  const { object, size, refused } = facts;
  if (isPaused(object)) return waiting('the VM is paused', []);
  if (!size) {
    const message = `there is no VirtualMachineClass ${JSON.stringify(object.spec.className)} that can be read`;
    return failing(message, [isFalse(CONDITION.classReady, 'NotFound', message)]);
  }
  if (link && link.status !== 'True') {
    const message = 'VM is not linked to its group';
    return failing(message, [isFalse(CONDITION.placementReady, 'NotReady', message)]);
  }
  const place = placeFor(facts);
  if (typeof place === 'string')
    return waiting(place, [isFalse(CONDITION.placementReady, 'NotReady', place)]);
  const conditions = refused === undefined ? [] : [isFalse(CONDITION.placementReady, 'NotReady', refused)];
  return {
    ...waiting(refused ?? 'the VM is being created', conditions),
    actions: [{ type: 'create', request: { ...size, ...place } }],
  };
}

/** Where the VM is created; a text says why that is not known yet. */
function placeFor({ object, group }: VmFacts): { zone?: string; node?: string } | string {
  const pinned = object.metadata.labels?.[ZONE_LABEL];
  if (pinned) return { zone: pinned };
  if (!object.spec.groupName) return {};
  const member = group?.members.get(object.metadata.name);
  if (!member?.placementReady || !member.linked || member.uid !== object.metadata.uid)
    return 'VM Group placement is not ready';
  if (member.zone === undefined) return 'VM Group placement is empty';
  return { zone: member.zone, ...(member.node !== undefined && { node: member.node }) };
}

/** A change of an object wakes it. */
function waiting(message: string, conditions: WantedCondition[]): PartialReaction {
  return {
    actions: [],
    conditions: [isFalse(CONDITION.created, 'NotCreated', message), ...conditions],
    settled: false,
  };
}

function failing(message: string, conditions: WantedCondition[]): PartialReaction {
  return { ...waiting(message, conditions), failure: { reason: 'CreateFailure', message } };
}
