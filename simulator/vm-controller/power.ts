/** What the controller does about a VM that the platform has: STANDIN-6, STANDIN-7. */
import { own, type PowerMode, type PowerState } from '../../api';
import type { VirtualMachineObject } from '../../kubernetes';
import type { FailureClass, PlatformError } from '../../platforms';
import { VM_CONTROLLER } from '../../platforms/simulated';
import {
  APPLY_TIME,
  isPaused,
  isPowerState,
  powerOnChecks,
  recordedOperation,
} from '../../platforms/vm-operator';
import type { VmRecord } from '../engine';
import { FIRST_BOOT_DONE, type Failure, type PartialReaction, type Reaction, type VmFacts } from './facts';
import { CONDITION, isFalse, isTrue, type WantedCondition } from './status';

/** The reaction to a VM that exists. */
export function updateOf(facts: VmFacts, machine: VmRecord): PartialReaction {
  const desired = desiredPower(facts.object);
  const firstBoot = machine.powerState === 'PoweredOn' && !hasAnnotation(facts.object, FIRST_BOOT_DONE);
  const power = powerReaction(facts, machine, desired);
  return {
    ...power,
    actions: [...(firstBoot ? [{ type: 'markFirstBoot' } as const] : []), ...power.actions],
    settled: power.failure === undefined && machine.powerState === desired && !machine.pending,
    conditions: [
      isTrue(CONDITION.created),
      isTrue(CONDITION.classReady),
      isTrue(CONDITION.placementReady),
      powerCondition(facts.object, machine, desired),
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

type PowerReaction = Pick<Reaction, 'actions' | 'failure' | 'wakeAt'>;

const LEFT_ALONE: PowerReaction = { actions: [] };

function powerReaction(facts: VmFacts, machine: VmRecord, desired: PowerState | undefined): PowerReaction {
  if (desired === undefined) return LEFT_ALONE;
  const written = desired === 'Suspended' ? undefined : facts.object.metadata.annotations?.[APPLY_TIME];
  if (written === undefined) return changePower(facts, machine, desired);
  const at = Date.parse(written);
  if (Number.isNaN(at)) {
    const message = `annotation ${APPLY_TIME}: ${JSON.stringify(written)} is not a time; it must be formatted as RFC3339Nano`;
    return { actions: [], failure: { reason: 'UpdateFailure', message } };
  }
  if (at > facts.now) return { actions: [], wakeAt: at };
  const change = changePower(facts, machine, desired);
  return { ...change, actions: [{ type: 'dropApplyTime' }, ...change.actions] };
}

function changePower(facts: VmFacts, machine: VmRecord, desired: PowerState): PowerReaction {
  if (isPaused(facts.object)) return LEFT_ALONE;
  const failure = failureOf(facts, machine);
  if (failure && failure.id !== facts.reported) return { actions: [], failure };
  if (machine.pending && !failure) return { actions: [], ...wakeAtTimeout(facts, machine) };
  if (machine.powerState === desired) return LEFT_ALONE;
  const change = allowedChange(facts.object, machine.powerState, desired);
  if (!change) return LEFT_ALONE;
  const request = { ...change, ...requester(facts.object, machine, change.powerState) };
  return { actions: [{ type: 'power', request }] };
}

/** How the last operation failed, if it did: by itself, or because the guest did not react in time. */
function failureOf({ now, guestPatience }: VmFacts, machine: VmRecord): Failure | undefined {
  const { pending, operation } = machine;
  if (pending && isSoft(machine) && now >= pending.acceptedAt + guestPatience) {
    const message = `timed out after ${guestPatience / 1000} s waiting for the guest: the VM is still ${machine.powerState}, and ${pending.target} was asked for in mode Soft`;
    return { reason: 'UpdateFailure', message, id: pending.operationId };
  }
  if (pending || operation?.phase !== 'Failed') return undefined;
  const message = operation.failure?.message ?? 'the operation failed';
  return { reason: 'UpdateFailure', message, id: operation.id };
}

function wakeAtTimeout({ guestPatience }: VmFacts, machine: VmRecord): Pick<Reaction, 'wakeAt'> {
  return machine.pending && isSoft(machine) ? { wakeAt: machine.pending.acceptedAt + guestPatience } : {};
}

function isSoft({ pending, powerState }: VmRecord): boolean {
  return pending?.mode === 'Soft' && pending.target !== 'PoweredOn' && powerState === 'PoweredOn';
}

/** The operation from one state to another; undefined: the controller does nothing, and reports nothing. */
function allowedChange(
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

/** `PoweredOn` if absent, as VM Operator's webhook writes it; undefined for an unknown power state. */
function desiredPower({ spec }: VirtualMachineObject): PowerState | undefined {
  const { powerState = 'PoweredOn' } = spec;
  return isPowerState(powerState) ? powerState : undefined;
}

/** The caller that our platform recorded on the VM, for one operation: what comes after is the controller's own. */
function requester(
  object: VirtualMachineObject,
  machine: VmRecord,
  powerState: PowerState,
): { caller: string; requestId?: string } {
  const recorded = recordedOperation(object);
  if (recorded?.powerState !== powerState || recorded.id === machine.requestId)
    return { caller: VM_CONTROLLER };
  return { caller: recorded.caller || VM_CONTROLLER, requestId: recorded.id };
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

function hasAnnotation({ metadata }: VirtualMachineObject, key: string): boolean {
  return own(metadata.annotations, key) !== undefined;
}

/** How vCenter's messages for a failure begin; their readers tell its class by that. */
const PREFIXES: Partial<Record<FailureClass, string>> = {
  NoCapacity: 'insufficient resources: ',
  Throttled: 'too many requests: ',
  Permanent: 'invalid virtual machine configuration: ',
};

/** The message of a refusal of the platform, as vCenter would word it. */
export function vcenterMessage({ failureClass, message }: PlatformError): string {
  return `${PREFIXES[failureClass] ?? ''}${message}`;
}
