/** A VirtualMachineGroup as VM Operator's group controller reads and writes it. */
import type { MemberKind, Placement, PowerState } from '../../api';
import type { KubernetesObject, ObjectCondition } from '../../kubernetes';
import type { WantedCondition } from '../vm-controller/status';

/** A member that a group lists. */
export interface Listed {
  kind: MemberKind;
  name: string;
}

/** One boot group. Delays are milliseconds. */
export interface BootGroup {
  members: Listed[];
  powerOnDelay: number;
  powerOffDelay: number;
}

/** The spec of a group. */
export interface GroupSpec {
  groupName?: string;
  bootOrder: BootGroup[];
  powerState?: PowerState;
  powerOffMode?: string;
  suspendMode?: string;
  nextForcePowerStateSyncTime?: string;
}

/** One item of `status.members` as it stands there. */
export interface MemberEntry extends Listed {
  uid?: string;
  placement?: Placement;
  powerState?: PowerState;
  conditions: ObjectCondition[];
}

/** One desired item of `status.members`: conditions have no times yet. */
export type WantedEntry = Omit<MemberEntry, 'conditions'> & { conditions: WantedCondition[] };

/** A group with its parts. */
export interface ReadGroup {
  object: KubernetesObject;
  name: string;
  namespace: string;
  uid: string;
  spec: GroupSpec;
  entries: MemberEntry[];
  conditions: ObjectCondition[];
  lastUpdatedPowerStateTime?: string;
}

interface WrittenSpec extends Omit<GroupSpec, 'bootOrder'> {
  bootOrder?: {
    members?: { kind?: MemberKind; name: string }[];
    powerOnDelay?: string;
    powerOffDelay?: string;
  }[];
}

interface WrittenStatus {
  members?: (Omit<MemberEntry, 'conditions'> & { conditions?: ObjectCondition[] })[];
  conditions?: ObjectCondition[];
  lastUpdatedPowerStateTime?: string;
}

/** Reads a group that the API server has validated. `parse` reads a duration. */
export function readGroup(object: KubernetesObject, parse: (text: string) => number): ReadGroup {
  const { bootOrder = [], ...spec } = (object.spec ?? {}) as WrittenSpec;
  const { members = [], conditions = [], lastUpdatedPowerStateTime } = (object.status ?? {}) as WrittenStatus;
  const { name, namespace = '', uid = '' } = object.metadata;
  return {
    object,
    name,
    namespace,
    uid,
    conditions,
    spec: {
      ...spec,
      bootOrder: bootOrder.map((each) => ({
        members: (each.members ?? []).map((member) => ({
          kind: member.kind ?? 'VirtualMachine',
          name: member.name,
        })),
        powerOnDelay: each.powerOnDelay === undefined ? 0 : parse(each.powerOnDelay),
        powerOffDelay: each.powerOffDelay === undefined ? 0 : parse(each.powerOffDelay),
      })),
    },
    entries: members.map((entry) => ({ ...entry, conditions: entry.conditions ?? [] })),
    ...(lastUpdatedPowerStateTime !== undefined && { lastUpdatedPowerStateTime }),
  };
}

/** Whether two name the same member. */
export function isSameMember(a: Listed, b: Listed): boolean {
  return a.kind === b.kind && a.name === b.name;
}

/** Whether a condition of this type is there and true. */
export function holds(
  conditions: readonly { type: string; status: string }[] | undefined,
  type: string,
): boolean {
  return conditions?.some((each) => each.type === type && each.status === 'True') ?? false;
}
