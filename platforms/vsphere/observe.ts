/**
 * What is observed of one VM. Pure.
 *
 * PLATFORM-3: the power state is what the server says while it is connected to the VM's host. Where it is not, the last one that it knew stands,
 *     and a VM of which it never knew one is not reported.
 * VSPHERE-4: an operation of this process is not reported as done before the stream shows its record: what the stream said before that is older
 *     than the operation.
 */
import type { Placement, VirtualMachineStatus } from '../../api';
import type { VirtualMachineRef } from '../../contract';
import type { FailureClass, VirtualMachineState } from '../platform';
import type { VmFacts } from './facts';
import { outranks, type OperationRecord } from '../tracked';

/** How this process stands with an operation that it was asked for. */
export interface OwnStanding {
  record: OperationRecord;
  /** The stream has shown the record. */
  seen: boolean;
  /** It is being carried out. */
  active: boolean;
  /** The VM was seen in the wanted state. */
  reached: boolean;
  failure?: { class: FailureClass; message: string };
  hold?: string;
}

/** What is known besides the VM itself. */
export interface Circumstances {
  /** When the facts arrived, milliseconds since the epoch. */
  at: number;
  /** The record that the stream shows. */
  record: OperationRecord | undefined;
  own: OwnStanding | undefined;
  /** How the operation of the record stands, where another process carries it out. */
  other: OtherStanding;
  placement: Placement | undefined;
  /** The last status that was reported. */
  last: VirtualMachineStatus | undefined;
}

/** What is seen of an operation of another process. */
export type OtherStanding =
  /** It may be on its way. */
  | { type: 'Unknown' }
  /** A task works on the VM. */
  | { type: 'Working'; task: string }
  /** Nothing has worked on the VM for a while. */
  | { type: 'Idle' };

type OperationState = NonNullable<VirtualMachineState['operation']>;

/** The state of a VM; undefined where the server has never known its power state. */
export function observe(
  ref: VirtualMachineRef,
  vm: VmFacts,
  circumstances: Circumstances,
): VirtualMachineState | undefined {
  const status = statusOf(vm, circumstances);
  if (!status) return undefined;
  const operation = operationOf(vm, circumstances);
  return {
    vm: ref,
    status,
    ...(operation && { operation }),
    ...(vm.question && { question: vm.question }),
  };
}

function statusOf(vm: VmFacts, { at, placement, last }: Circumstances): VirtualMachineStatus | undefined {
  if (vm.power === undefined) return last;
  const on = vm.power === 'PoweredOn';
  return {
    powerState: vm.power,
    ready: on && (vm.heartbeat || (vm.tools && vm.address !== undefined)),
    at,
    ...(placement && { placement }),
    ...(on && vm.address !== undefined && { address: vm.address }),
  };
}

function operationOf(vm: VmFacts, circumstances: Circumstances): OperationState | undefined {
  const { record, own } = circumstances;
  if (own && !(record && outranks(record, own.record))) return ownOperation(vm, own, circumstances.other);
  if (!record) return undefined;
  const { id, sequence, caller } = record;
  return { id, sequence, caller, ...otherStanding(vm, record, circumstances.other) };
}

function ownOperation(vm: VmFacts, own: OwnStanding, other: OtherStanding): OperationState {
  const { id, sequence, caller } = own.record;
  const base = { id, sequence, caller };
  if (own.failure) return { ...base, phase: 'Failed', failure: own.failure };
  if (own.reached && own.seen && !own.active) return { ...base, phase: 'Done' };
  if (own.active || !own.seen) {
    const hold = holdOf(vm) ?? own.hold;
    return { ...base, phase: 'InProgress', ...(hold !== undefined && { hold }) };
  }
  // A call that got no answer.
  return { ...base, ...otherStanding(vm, own.record, other) };
}

function otherStanding(
  vm: VmFacts,
  record: OperationRecord,
  other: OtherStanding,
): Pick<OperationState, 'phase' | 'failure' | 'hold'> {
  if (vm.power === record.to) return { phase: 'Done' };
  const hold = holdOf(vm);
  if (hold !== undefined) return { phase: 'InProgress', hold };
  if (other.type === 'Working') return { phase: 'InProgress', hold: `${other.task} works on it` };
  if (other.type === 'Unknown') return { phase: 'InProgress' };
  const message = `operation ${record.id} is on record, and nothing works on the VM: the process that asked may have ended, or the change was undone`;
  return { phase: 'Failed', failure: { class: 'Transient', message } };
}

/** Why nothing will happen until an operator acts; undefined if no reason is seen. */
function holdOf({ question, connection }: VmFacts): string | undefined {
  if (question) {
    const choices = question.choices.map(({ key, label }) => `${key} (${label})`).join(', ');
    return `vSphere waits for an answer: ${question.text.trim()} Choices: ${choices}`;
  }
  if (connection !== 'connected') return `vSphere cannot reach the VM: its connection state is ${connection}`;
  return undefined;
}
