/**
 * What VM Operator's VM controller does about one VirtualMachine: a pure function of the object, its group, its class, the VM on the
 * platform, and time. What that controller demands and how it goes about power is described in the reference: the stand-in.
 *
 * STANDIN-5: a VM of a group is not created before the group lists it, and the group's status has its entry with `uid`, `placement.zoneID` and
 *     the conditions `PlacementReady` and `GroupLinked`; a label with its zone stands for the entry.
 * STANDIN-6: while an operation is in progress on a VM no other is begun.
 * STANDIN-7: before power is changed: the time in the apply-time annotation is waited for, a paused VM is left alone, a check stops power-on.
 */
import { own, type Placement, type PowerMode, type PowerState } from '../../api';
import type { KubernetesObject, ObjectCondition, VirtualMachineObject } from '../../kubernetes';
import type { FailureClass, PlatformError } from '../../platforms';
import {
  APPLY_TIME,
  isPaused,
  isPowerState,
  powerOnChecks,
  recordedOperation,
} from '../../platforms/vm-operator';
import { VM_CONTROLLER } from '../../platforms/simulated';
import type { VmRecord } from '../engine';

/** Finalizer that VM Operator puts on each VirtualMachine. */
export const VM_FINALIZER = 'vmoperator.vmware.com/virtualmachine';
/** Annotation that the VM gets after its first power-on. */
export const FIRST_BOOT_DONE = 'virtualmachine.vmoperator.vmware.com/first-boot-done';
/** Label with the zone that the VM is pinned to. */
export const ZONE_LABEL = 'topology.kubernetes.io/zone';
/** Milliseconds that the guest gets to shut down or stand by, a constant of VM Operator. */
export const GUEST_PATIENCE = 300_000;

/** What is kept of a VirtualMachineGroup. */
export interface GroupSight {
  /** Names of the VMs in `bootOrder`. */
  listed: ReadonlySet<string>;
  /** Entries of VMs in `status.members`, by name. */
  members: ReadonlyMap<string, MemberEntry>;
}

/** A VM's entry in the status of its group. */
export interface MemberEntry {
  uid?: string;
  zone?: string;
  node?: string;
  placementReady: boolean;
  linked: boolean;
}

/** CPUs, and memory in bytes. */
export interface Size {
  cpus: number;
  memory: number;
}

/** Everything that a decision rests on. */
export interface Sight {
  object: VirtualMachineObject;
  /** Undefined: the group that the VM names does not exist. */
  group: GroupSight | undefined;
  /** Undefined: the class that the VM names does not exist, or cannot be read. */
  size: Size | undefined;
  /** Undefined: not created yet. */
  machine: VmRecord | undefined;
  /** Why the platform did not create it, when that was last tried. */
  refused?: string;
  /** The failed operation that was told of already: it is tried again. */
  told?: string;
  /** Milliseconds since the epoch. */
  now: number;
  /** Milliseconds that the guest gets. */
  guestPatience: number;
}

/** One thing to do. `create` and `power` can fail and are tried again with back-off. */
export type Act =
  | { type: 'addFinalizer' }
  | { type: 'create'; request: Size & { zone?: string; node?: string } }
  | { type: 'dropApplyTime' }
  | {
      type: 'power';
      request: { powerState: PowerState; mode?: PowerMode; caller: string; requestId?: string };
    }
  | { type: 'markFirstBoot' }
  | { type: 'delete' };

/** Why it does not go on. `id` names the failed operation, so that it is told of once. */
export interface Failure {
  /** Reason of the Warning event. */
  reason: 'CreateFailure' | 'UpdateFailure';
  message: string;
  id?: string;
}

/** A condition without the time of its transition. */
export type WantedCondition = Required<Omit<ObjectCondition, 'lastTransitionTime'>>;

/** What of the status the controller owns. */
export interface WantedStatus {
  uniqueID?: string;
  zone?: string;
  nodeName?: string;
  powerState?: PowerState;
  conditions: WantedCondition[];
}

/** What to do, and what to say. */
export interface Decision {
  acts: Act[];
  /** Undefined: say nothing, the object is on its way out. */
  status: WantedStatus | undefined;
  failure?: Failure;
  /** When to look again although nothing changed, milliseconds since the epoch. */
  wakeAt?: number;
  /** Everything is as it should be: what failed before does not count any more. */
  settled: boolean;
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

/** Decides on one VM. */
export function decide(sight: Sight): Decision {
  const { object, machine } = sight;
  if (object.metadata.deletionTimestamp !== undefined) {
    return { acts: [{ type: 'delete' }], status: undefined, settled: true };
  }
  const link = linkOf(sight);
  const finalizer: Act[] = object.metadata.finalizers?.includes(VM_FINALIZER)
    ? []
    : [{ type: 'addFinalizer' }];
  const { acts, conditions, ...rest } = machine ? update(sight, machine) : create(sight, link);
  return {
    ...rest,
    acts: [...finalizer, ...acts],
    status: { ...placeOf(sight, machine), conditions: sorted([...(link ? [link] : []), ...conditions]) },
  };
}

type Part = Omit<Decision, 'status'> & { conditions: WantedCondition[] };

// ---- Membership -----------------------------------------------------------------------------------------------------------------

/** The VM's own `GroupLinked`; undefined for a VM without group. */
function linkOf({ object, group }: Sight): WantedCondition | undefined {
  if (!object.spec.groupName) return undefined;
  const type = CONDITION.groupLinked;
  if (!group) return isFalse(type, 'NotFound');
  return group.listed.has(object.metadata.name) ? isTrue(type) : isFalse(type, 'NotMember');
}

// ---- Creating -------------------------------------------------------------------------------------------------------------------

/** STANDIN-5. */
function create(sight: Sight, link: WantedCondition | undefined): Part {
  const { object, size } = sight;
  if (isPaused(object)) return waiting('the VM is paused', []);
  if (!size) {
    const message = `there is no VirtualMachineClass ${JSON.stringify(object.spec.className)} that can be read`;
    return failing(message, [isFalse(CONDITION.classReady, 'NotFound', message)]);
  }
  if (link && link.status !== 'True') {
    const message = 'VM is not linked to its group';
    return failing(message, [isFalse(CONDITION.placementReady, 'NotReady', message)]);
  }
  const place = placeFor(sight);
  if (typeof place === 'string')
    return waiting(place, [isFalse(CONDITION.placementReady, 'NotReady', place)]);
  const refused =
    sight.refused === undefined ? [] : [isFalse(CONDITION.placementReady, 'NotReady', sight.refused)];
  return {
    ...waiting(sight.refused ?? 'the VM is being created', refused),
    acts: [{ type: 'create', request: { ...size, ...place } }],
  };
}

/** Where it is to be created; a text says why that is not known yet. */
function placeFor({ object, group }: Sight): { zone?: string; node?: string } | string {
  const pinned = object.metadata.labels?.[ZONE_LABEL];
  if (pinned) return { zone: pinned };
  if (!object.spec.groupName) return {};
  const entry = group?.members.get(object.metadata.name);
  if (!entry?.placementReady || !entry.linked || entry.uid !== object.metadata.uid)
    return 'VM Group placement is not ready';
  if (entry.zone === undefined) return 'VM Group placement is empty';
  return { zone: entry.zone, ...(entry.node !== undefined && { node: entry.node }) };
}

/** An event wakes it. */
function waiting(message: string, conditions: WantedCondition[]): Part {
  return {
    acts: [],
    conditions: [isFalse(CONDITION.created, 'NotCreated', message), ...conditions],
    settled: false,
  };
}

function failing(message: string, conditions: WantedCondition[]): Part {
  return { ...waiting(message, conditions), failure: { reason: 'CreateFailure', message } };
}

// ---- Power ----------------------------------------------------------------------------------------------------------------------

function update(sight: Sight, machine: VmRecord): Part {
  const desired = desiredPower(sight.object);
  const firstBoot = machine.powerState === 'PoweredOn' && !hasAnnotation(sight.object, FIRST_BOOT_DONE);
  const power = decidePower(sight, machine, desired);
  return {
    ...power,
    acts: [...(firstBoot ? [{ type: 'markFirstBoot' } as const] : []), ...power.acts],
    settled: power.failure === undefined && machine.powerState === desired && !machine.pending,
    conditions: [
      isTrue(CONDITION.created),
      isTrue(CONDITION.classReady),
      isTrue(CONDITION.placementReady),
      powerCondition(sight.object, machine, desired),
      machine.ready
        ? isTrue(CONDITION.ready)
        : isFalse(
            CONDITION.ready,
            'NotReady',
            `the guest has not reported since the VM is ${machine.powerState}`,
          ),
    ],
  };
}

type PowerPart = Pick<Decision, 'acts' | 'failure' | 'wakeAt'>;

const LEFT_ALONE: PowerPart = { acts: [] };

/** STANDIN-7. */
function decidePower(sight: Sight, machine: VmRecord, desired: PowerState | undefined): PowerPart {
  if (desired === undefined) return LEFT_ALONE;
  const written = desired === 'Suspended' ? undefined : sight.object.metadata.annotations?.[APPLY_TIME];
  if (written === undefined) return changePower(sight, machine, desired);
  const at = Date.parse(written);
  if (Number.isNaN(at)) {
    const message = `annotation ${APPLY_TIME}: ${JSON.stringify(written)} is not a time; it must be formatted as RFC3339Nano`;
    return { acts: [], failure: { reason: 'UpdateFailure', message } };
  }
  if (at > sight.now) return { acts: [], wakeAt: at };
  const change = changePower(sight, machine, desired);
  return { ...change, acts: [{ type: 'dropApplyTime' }, ...change.acts] };
}

function changePower(sight: Sight, machine: VmRecord, desired: PowerState): PowerPart {
  if (isPaused(sight.object)) return LEFT_ALONE;
  const failure = failureOf(sight, machine);
  if (failure && failure.id !== sight.told) return { acts: [], failure };
  // STANDIN-6
  if (machine.pending && !failure) return { acts: [], ...wakeAtEnd(sight, machine) };
  if (machine.powerState === desired) return LEFT_ALONE;
  const change = allowed(sight.object, machine.powerState, desired);
  if (!change) return LEFT_ALONE;
  return {
    acts: [{ type: 'power', request: { ...change, ...askedBy(sight.object, machine, change.powerState) } }],
  };
}

/** How the last operation ended badly: it failed, or the guest took no notice for too long. */
function failureOf({ now, guestPatience }: Sight, machine: VmRecord): Failure | undefined {
  const { pending, operation } = machine;
  if (pending && isSoft(machine) && now >= pending.acceptedAt + guestPatience) {
    const message = `timed out after ${guestPatience / 1000} s waiting for the guest: the VM is still ${machine.powerState}, and ${pending.target} was asked for in mode Soft`;
    return { reason: 'UpdateFailure', message, id: pending.operationId };
  }
  if (pending || operation?.phase !== 'Failed') return undefined;
  const message = operation.failure?.message ?? 'the operation failed';
  return { reason: 'UpdateFailure', message, id: operation.id };
}

function wakeAtEnd({ guestPatience }: Sight, machine: VmRecord): Pick<Decision, 'wakeAt'> {
  return machine.pending && isSoft(machine) ? { wakeAt: machine.pending.acceptedAt + guestPatience } : {};
}

function isSoft({ pending, powerState }: VmRecord): boolean {
  return pending?.mode === 'Soft' && pending.target !== 'PoweredOn' && powerState === 'PoweredOn';
}

/** The operation that leads from one state to another; undefined: the controller does nothing, and says nothing. */
function allowed(
  object: VirtualMachineObject,
  from: PowerState,
  powerState: PowerState,
): { powerState: PowerState; mode?: PowerMode } | undefined {
  switch (powerState) {
    case 'PoweredOn':
      return powerOnChecks(object).length > 0 ? undefined : { powerState };
    case 'PoweredOff': {
      const mode = modeOf(object.spec.powerOffMode);
      return from === 'Suspended' && mode === 'Soft' ? undefined : { powerState, mode };
    }
    case 'Suspended':
      return from === 'PoweredOn' ? { powerState, mode: modeOf(object.spec.suspendMode) } : undefined;
  }
}

/** The CRD has the default `TrySoft`. */
function modeOf(written: string | undefined): PowerMode {
  return written === 'Hard' || written === 'Soft' ? written : 'TrySoft';
}

/** `PoweredOn` where it is left out, as VM Operator's webhook writes it; undefined where it is none. */
export function desiredPower({ spec }: VirtualMachineObject): PowerState | undefined {
  const { powerState = 'PoweredOn' } = spec;
  return isPowerState(powerState) ? powerState : undefined;
}

/** Who asked, as our platform records it on the VM. It tells of one operation: what comes after that is the controller's own doing. */
function askedBy(
  object: VirtualMachineObject,
  machine: VmRecord,
  powerState: PowerState,
): { caller: string; requestId?: string } {
  const asked = recordedOperation(object);
  if (asked?.powerState !== powerState || asked.id === machine.requestId) return { caller: VM_CONTROLLER };
  return { caller: asked.caller || VM_CONTROLLER, requestId: asked.id };
}

/** What vCenter's words for a failure begin with, by which its readers know its kind. */
const WORDS: Partial<Record<FailureClass, string>> = {
  NoCapacity: 'insufficient resources: ',
  Throttled: 'too many requests: ',
  Permanent: 'invalid virtual machine configuration: ',
};

/** What a refusal of the platform is told as. */
export function toldAs({ failureClass, message }: PlatformError): string {
  return `${WORDS[failureClass] ?? ''}${message}`;
}

// ---- Status ---------------------------------------------------------------------------------------------------------------------

function placeOf({ object }: Sight, machine: VmRecord | undefined): Omit<WantedStatus, 'conditions'> {
  if (!machine) return {};
  const { placement, powerState } = machine;
  return {
    uniqueID: `vm-${object.metadata.uid}`,
    zone: placement.zoneID,
    ...(placement.node !== undefined && { nodeName: placement.node }),
    powerState,
  };
}

function powerCondition(
  { spec }: VirtualMachineObject,
  { powerState }: VmRecord,
  desired: PowerState | undefined,
): WantedCondition {
  const type = CONDITION.powerStateSynced;
  if (powerState === desired) return { type, status: 'True', reason: 'Synced', message: powerState };
  const wanted = desired ?? spec.powerState;
  return isFalse(type, 'NotSynced', `spec.powerState=${wanted} != status.powerState=${powerState}`);
}

function isTrue(type: string): WantedCondition {
  return { type, status: 'True', reason: 'True', message: '' };
}

function isFalse(type: string, reason: string, message = ''): WantedCondition {
  return { type, status: 'False', reason, message };
}

/** `Ready` first, then by type, as VM Operator has them. */
function sorted(conditions: WantedCondition[]): WantedCondition[] {
  const rank = ({ type }: WantedCondition): string => (type === CONDITION.ready ? '' : type);
  return conditions.sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

function hasAnnotation({ metadata }: VirtualMachineObject, key: string): boolean {
  return own(metadata.annotations, key) !== undefined;
}

// ---- Reading what others wrote --------------------------------------------------------------------------------------------------

/** What is used of a VirtualMachineGroup. An odd object is read as far as it goes. */
export function sightOfGroup(object: KubernetesObject): GroupSight {
  const members = list(record(object.status)['members'])
    .map(record)
    .filter(isMachine)
    .map((member) => [member.name, entryOf(member)] as const);
  const listed = list(record(object.spec)['bootOrder']).flatMap((tier) =>
    list(record(tier)['members'])
      .map(record)
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

function entryOf(member: Record<string, unknown>): MemberEntry {
  const { zoneID, node } = record(member['placement']) as Partial<Placement>;
  const conditions = list(member['conditions']).map(record);
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

/** Whether the status of its group is to wake a VM: it is listed there as linked, and has not got as far itself. */
export function isWokenBy(entry: MemberEntry, { status }: VirtualMachineObject): boolean {
  const holds = (type: string): boolean =>
    status.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
  return entry.linked && !(holds(CONDITION.groupLinked) && holds(CONDITION.placementReady));
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
