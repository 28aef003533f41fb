/** The status that the controller owns of a VirtualMachine: what it should be, and whether it is. */
import type { PowerState } from '../../api';
import type { ObjectCondition, VirtualMachineObject } from '../../kubernetes';

/** A condition without the time of its transition. */
export type WantedCondition = Required<Omit<ObjectCondition, 'lastTransitionTime'>>;

/** The part of the status that the controller owns. */
export interface WantedStatus {
  uniqueID?: string;
  zone?: string;
  nodeName?: string;
  powerState?: PowerState;
  /** Absent: the guest reports no address. */
  network?: { primaryIP4?: string; primaryIP6?: string };
  conditions: WantedCondition[];
}

/** Types of the conditions that the controller owns. */
export const CONDITION = {
  ready: 'Ready',
  groupLinked: 'GroupLinked',
  created: 'VirtualMachineCreated',
  classReady: 'VirtualMachineConditionClassReady',
  placementReady: 'VirtualMachineConditionPlacementReady',
  powerStateSynced: 'VirtualMachinePowerStateSynced',
} as const;

const OWNED: ReadonlySet<string> = new Set(Object.values(CONDITION));

/** A condition that holds. */
export function isTrue(type: string): WantedCondition {
  return { type, status: 'True', reason: 'True', message: '' };
}

/** A condition that does not hold. */
export function isFalse(type: string, reason: string, message = ''): WantedCondition {
  return { type, status: 'False', reason, message };
}

/** `Ready` first, then by type, as VM Operator has them. */
export function sortConditions(conditions: WantedCondition[]): WantedCondition[] {
  const rank = ({ type }: WantedCondition): string => (type === CONDITION.ready ? '' : type);
  return conditions.sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

type OwnedStatus = Pick<
  VirtualMachineObject['status'],
  'uniqueID' | 'zone' | 'nodeName' | 'powerState' | 'network'
> & {
  conditions: ObjectCondition[];
};

/** The part of a status that the controller owns. */
export function ownedStatus({ status }: VirtualMachineObject): OwnedStatus {
  const { uniqueID, zone, nodeName, powerState, network, conditions = [] } = status;
  const owned = conditions.filter(({ type }) => OWNED.has(type));
  return {
    ...(uniqueID !== undefined && { uniqueID }),
    ...(zone !== undefined && { zone }),
    ...(nodeName !== undefined && { nodeName }),
    ...(powerState !== undefined && { powerState }),
    ...(network && { network }),
    conditions: owned,
  };
}

/** A status as one text for comparison: without times, whatever the order of the conditions. */
export function comparable({
  uniqueID,
  zone,
  nodeName,
  powerState,
  network,
  conditions,
}: OwnedStatus | WantedStatus): string {
  const texts = conditions.map(({ type, status, reason, message }) =>
    JSON.stringify([type, status, reason, message ?? '']),
  );
  const { primaryIP4, primaryIP6 } = network ?? {};
  return JSON.stringify([uniqueID, zone, nodeName, powerState, primaryIP4, primaryIP6, texts.sort()]);
}

/** Conditions with the times of their transitions. One that says the same as before keeps its time. */
export function withTimes(
  wanted: readonly WantedCondition[],
  present: readonly ObjectCondition[],
): ObjectCondition[] {
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  return wanted.map((condition) => {
    const before = present.find(({ type }) => type === condition.type);
    const same =
      before?.status === condition.status &&
      before.reason === condition.reason &&
      (before.message ?? '') === condition.message;
    return { ...condition, lastTransitionTime: (same && before.lastTransitionTime) || now };
  });
}
