/** What the controller reads of a VirtualMachineGroup. */
import { fieldsOf } from '../../api/unknown';
import type { Placement } from '../../api';
import type { KubernetesObject, VirtualMachineObject } from '../../kubernetes';
import { CONDITION } from './status';

/** The VMs of a group. */
export interface GroupMembers {
  /** Names of the VMs in `bootOrder`. */
  listed: ReadonlySet<string>;
  /** The VMs in `status.members`, by name. */
  members: ReadonlyMap<string, MemberStatus>;
}

/** A VM in the status of its group. */
export interface MemberStatus {
  uid?: string;
  zone?: string;
  node?: string;
  placementReady: boolean;
  linked: boolean;
}

/** Reads a group. What is malformed counts as absent. */
export function membersOfGroup(object: KubernetesObject): GroupMembers {
  const members = list(fieldsOf(object.status)['members'])
    .map(fieldsOf)
    .filter(isMachine)
    .map((member) => [member.name, memberStatus(member)] as const);
  const listed = list(fieldsOf(object.spec)['bootOrder']).flatMap((tier) =>
    list(fieldsOf(tier)['members'])
      .map(fieldsOf)
      .filter(isMachine)
      .map(({ name }) => name),
  );
  return { listed: new Set(listed), members: new Map(members) };
}

type Named = Record<string, unknown> & { name: string };

function isMachine(member: Record<string, unknown>): member is Named {
  const { name, kind } = member;
  return typeof name === 'string' && (kind === undefined || kind === 'VirtualMachine');
}

function memberStatus(member: Record<string, unknown>): MemberStatus {
  const { zoneID, node } = fieldsOf(member['placement']) as Partial<Placement>;
  const conditions = list(member['conditions']).map(fieldsOf);
  const holds = (type: string): boolean =>
    conditions.some((condition) => condition['type'] === type && condition['status'] === 'True');
  return {
    ...(typeof member['uid'] === 'string' && { uid: member['uid'] }),
    ...(typeof zoneID === 'string' && zoneID !== '' && { zone: zoneID }),
    ...(typeof node === 'string' && node !== '' && { node }),
    placementReady: holds('PlacementReady'),
    linked: holds('GroupLinked'),
  };
}

/** Whether the status of its group wakes a VM: the VM is linked there, and its own status does not show that it is linked and placed. */
export function isWokenBy(member: MemberStatus, { status }: VirtualMachineObject): boolean {
  const holds = (type: string): boolean =>
    status.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
  return member.linked && !(holds(CONDITION.groupLinked) && holds(CONDITION.placementReady));
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
