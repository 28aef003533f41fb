/**
 * What is observed of a VM, read from one version of it and of its instance. Pure.
 *
 * PLATFORM-3: a VM is on once its instance is Running, and off only if there is no instance, or one that has ended; see KUBEVIRT-1.
 * KUBEVIRT-6: a VM on a lost node keeps its last known state and is left alone: whether it still runs cannot be known. A node is lost if it was not
 *     ready when it was last seen, or is no longer in the cluster.
 * KUBEVIRT-7: an operation is done once the VM is in its target state and KubeVirt does not move it to another. It has failed if another client
 *     changed the strategy before that, or if nothing has worked on it for a while.
 */
import type { VirtualMachineStatus } from '../../api';
import { isGuestAddress } from '../guest-address';
import type { FailureClass, VirtualMachineState } from '../platform';
import { courseOf, type Course } from './course';
import { startHold, type Hold } from './holds';
import { conditionOf, holds, isFinal, type KubevirtInstance, type KubevirtMachine } from './objects';
import { recordedOperationOf, type KubevirtOperation } from './record';

/** What is known besides the objects. Times are milliseconds since the epoch. */
export interface Circumstances {
  /** When what is shown was observed. */
  at: number;
  now: number;
  /** The resource version that orders this observation. */
  version: string | undefined;
  /** The node of the instance; absent: nothing is known of it. */
  node?: { name: string; ready: boolean; zone?: string; isGone?: true };
  /** How this process stands with the operation on record. */
  own?: { hold?: string; failure?: { class: FailureClass; message: string } };
  /** Since when nothing works on the operation on record; absent: it was not so before. */
  idleSince?: number;
  /** Milliseconds that something has to happen in. */
  patience: number;
}

/** A state, and what the passing of time changes about it. */
export interface Observation {
  state: Omit<VirtualMachineState, 'vm'>;
  /** Nothing works on the operation. */
  idle: boolean;
}

type OperationState = NonNullable<VirtualMachineState['operation']>;
type Standing = Pick<OperationState, 'phase' | 'failure' | 'hold' | 'holdClass'> & { idle?: boolean };

/** Reads a VM. */
export function observe(
  vm: KubevirtMachine,
  vmi: KubevirtInstance | undefined,
  circumstances: Circumstances,
): Observation {
  const course = courseOf(vm, vmi);
  const recorded = recordedOperationOf(vm);
  const { idle = false, ...standing }: Standing = recorded
    ? standingOf(vm, vmi, { course, recorded, ...circumstances })
    : { phase: 'InProgress' };
  const operation = recorded
    ? { id: recorded.id, sequence: recorded.sequence, caller: recorded.caller, ...standing }
    : unrecorded(vm, vmi, course, circumstances);
  return {
    state: { status: statusOf(vm, vmi, course, circumstances), ...(operation && { operation }) },
    idle,
  };
}

// ---- The status --------------------------------------------------------------------------------------------------------------------

function statusOf(
  vm: KubevirtMachine,
  vmi: KubevirtInstance | undefined,
  { powerState }: Course,
  { at, version, node }: Circumstances,
): VirtualMachineStatus {
  const isOn = powerState === 'PoweredOn';
  const ready = vmi && isOn ? readinessOf(vm, vmi) : undefined;
  const conditions = (isOn ? (vmi?.status.conditions ?? []) : []).filter(
    ({ type, status }) => status === 'True' && type !== 'Ready',
  );
  const since = sinceOf(vmi, powerState, at);
  const address = isOn ? addressOf(vmi) : undefined;
  return {
    powerState,
    ...(ready !== undefined && { ready: ready && node?.ready !== false }),
    ...(conditions.length > 0 && { conditions: conditions.map(({ type }) => type) }),
    ...(since !== undefined && { since }),
    at,
    ...(version !== undefined && { version }),
    ...(node && { placement: { zoneID: node.zone ?? '', node: node.name } }),
    ...(address !== undefined && { address }),
  };
}

/** Without a probe `Ready` says only that QEMU runs; then the agent tells whether the guest does. Undefined: the VM has neither. */
function readinessOf({ spec }: KubevirtMachine, vmi: KubevirtInstance): boolean | undefined {
  if (spec.template?.spec?.readinessProbe ?? vmi.spec.readinessProbe) return holds(vmi, 'Ready');
  const agent = conditionOf(vmi, 'AgentConnected');
  return agent && agent.status === 'True';
}

/** Of whole seconds, rounded down: never too early. */
function sinceOf(
  vmi: KubevirtInstance | undefined,
  powerState: VirtualMachineStatus['powerState'],
  at: number,
): number | undefined {
  if (powerState !== 'PoweredOn') return undefined;
  const running = vmi?.status.phaseTransitionTimestamps?.find(({ phase }) => phase === 'Running');
  const since = Date.parse(running?.phaseTransitionTimestamp ?? '') + 999;
  return Number.isNaN(since) ? undefined : Math.min(since, at);
}

function addressOf(vmi: KubevirtInstance | undefined): string | undefined {
  return vmi?.status.interfaces
    ?.map(({ ipAddress }) => ipAddress)
    .find((address) => typeof address === 'string' && isGuestAddress(address));
}

// ---- The operation -----------------------------------------------------------------------------------------------------------------

interface Facts extends Circumstances {
  course: Course;
  recorded: KubevirtOperation;
}

/** KUBEVIRT-7. */
function standingOf(vm: KubevirtMachine, vmi: KubevirtInstance | undefined, facts: Facts): Standing {
  const { course, own, recorded, node } = facts;
  const isDone = isThere(course, recorded) && isSettled(course, recorded);
  if (vm.metadata.deletionTimestamp !== undefined && !isDone)
    return { phase: 'InProgress', hold: 'it is being deleted' };
  if (course.exists && node?.ready === false) return { phase: 'InProgress', ...lost(node) };
  if (isDone) return { phase: 'Done' };
  // What is there and moves on has not failed: it would pass for being there.
  if (isThere(course, recorded)) return { phase: 'InProgress', ...heldBy(own) };
  if (own?.failure) return { phase: 'Failed', failure: own.failure };
  const overruled = overruledBy(vmi, course, recorded);
  if (overruled) return { phase: 'Failed', failure: overruled };
  if (own?.hold !== undefined) return { phase: 'InProgress', ...heldBy(own) };
  if (own || isProgressing(course, recorded)) return inProgress(vm, vmi, course, recorded);
  return idleStanding(facts);
}

function heldBy(own: Circumstances['own']): Pick<Standing, 'hold'> {
  return own?.hold === undefined ? {} : { hold: own.hold };
}

function isThere({ powerState }: Course, recorded: KubevirtOperation): boolean {
  return powerState === recorded.powerState;
}

/** Whether a VM that is there stays there. */
function isSettled({ exists, stopping, starts }: Course, { powerState }: KubevirtOperation): boolean {
  return powerState === 'PoweredOff' ? !exists && !starts : !stopping;
}

/** Whether KubeVirt brings it there, or on the way there. A VM that is paused stays so by itself. */
function isProgressing(course: Course, { powerState }: KubevirtOperation): boolean {
  const { exists, stopping, starts } = course;
  if (powerState === 'PoweredOff') return stopping && !starts;
  return exists && !stopping ? course.powerState === 'PoweredOff' : starts;
}

function inProgress(
  vm: KubevirtMachine,
  vmi: KubevirtInstance | undefined,
  { exists, stopping }: Course,
  { powerState }: KubevirtOperation,
): Standing {
  if (powerState !== 'PoweredOn') return { phase: 'InProgress' };
  if (stopping) return { phase: 'InProgress', hold: 'it is still stopping; it starts after that' };
  return { phase: 'InProgress', ...shown(startHold(vm, exists ? vmi : undefined)) };
}

function shown(hold: Hold | undefined): Pick<Standing, 'hold' | 'holdClass'> {
  return hold ? { hold: hold.text, ...(hold.class && { holdClass: hold.class }) } : {};
}

function lost({ name, isGone }: NonNullable<Circumstances['node']>): Pick<Standing, 'hold' | 'holdClass'> {
  const [what, cure] = isGone
    ? ['is no longer in the cluster', 'KubeVirt ends it once its pod is deleted']
    : ['is not ready', 'repair the node, or fence it and delete its pods'];
  return {
    hold: `its node ${name} ${what}, so whether it runs is not known: ${cure}`,
    holdClass: 'Transient',
  };
}

function overruledBy(
  vmi: KubevirtInstance | undefined,
  { strategy, exists, starts }: Course,
  { id, powerState, byStop }: KubevirtOperation,
): NonNullable<Standing['failure']> | undefined {
  const isOver = vmi !== undefined && isFinal(vmi) && !starts;
  if (strategy === 'Once' && powerState === 'PoweredOn' && isOver)
    return { class: 'Permanent', message: 'it has ended, and its runStrategy Once has no second start' };
  const isHalted = powerState === 'PoweredOn' && strategy === 'Halted' && !starts;
  const isKept = powerState === 'PoweredOff' && !['Halted', 'Manual'].includes(strategy) && !byStop;
  if (!isHalted && !(isKept && (exists || starts))) return undefined;
  return {
    class: 'Transient',
    message: `runStrategy was set to ${strategy} by another client before operation ${id} (${powerState}) took effect`,
  };
}

/** KUBEVIRT-7: the process that asked may have ended before it called the action, or another client undid the change. */
function idleStanding({ idleSince, now, patience, recorded }: Facts): Standing {
  if (idleSince === undefined || now < idleSince + patience) return { phase: 'InProgress', idle: true };
  const message = `operation ${recorded.id} is on record, and nothing works on the VM: the process that asked may have ended, or the change was undone`;
  return { phase: 'Failed', failure: { class: 'Transient', message }, idle: true };
}

/** A power change that no operation of ours asked for, but that is in progress. */
function unrecorded(
  vm: KubevirtMachine,
  vmi: KubevirtInstance | undefined,
  { exists, stopping, starts, powerState, strategy }: Course,
  { node }: Circumstances,
): OperationState | undefined {
  const base = { id: `runStrategy=${strategy}`, sequence: 0, phase: 'InProgress' as const };
  if (exists && node?.ready === false) return { ...base, ...lost(node) };
  const isMoving = powerState === 'PoweredOff' ? exists || starts : stopping;
  if (!isMoving) return undefined;
  return { ...base, ...(stopping ? {} : shown(startHold(vm, exists ? vmi : undefined))) };
}
