/**
 * What is observed of one VM. Pure.
 *
 * PLATFORM-3: the power state is what libvirt said last; between two states the one before stands.
 * LIBVIRT-11: an operation of this process is not reported as done before its record was read back.
 */
import type { VirtualMachineStatus } from '../../api';
import type { VirtualMachineRef } from '../../contract';
import type { FailureClass, VirtualMachineState } from '../platform';
import { outranks, type OperationRecord } from '../tracked';
import { placementOf, type Machine } from './machines';

/** How this process stands with an operation that it was asked for. */
export interface OwnStanding {
  record: OperationRecord;
  /** The record was read back. */
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
  record: OperationRecord | undefined;
  own: OwnStanding | undefined;
  /** Another process has had its time to bring its operation about. */
  overdue: boolean;
  /** Why it cannot be read now, or its host cannot be reached; undefined: it can be read. */
  unreachable: string | undefined;
  /** The last status that was reported. */
  last: VirtualMachineStatus | undefined;
}

type OperationState = NonNullable<VirtualMachineState['operation']>;

/** The state of a VM; undefined before its power state was ever known. */
export function observe(
  vm: VirtualMachineRef,
  machine: Machine,
  circumstances: Circumstances,
): VirtualMachineState | undefined {
  const status = statusOf(machine, circumstances);
  if (!status) return undefined;
  const operation = operationOf(machine, circumstances);
  return { vm, status, ...(operation && { operation }) };
}

function statusOf(machine: Machine, { last }: Circumstances): VirtualMachineStatus | undefined {
  const { power, at, on } = machine;
  if (power === undefined) return last;
  const placement = placementOf(machine);
  const agent = (at ?? on[0])?.facts.agent ?? 'None';
  return {
    powerState: power,
    // Where the VM has no channel for an agent, nothing reports that its guest is up.
    ...(agent !== 'None' && { ready: power === 'PoweredOn' && agent === 'Connected' }),
    at: Math.max(...on.map(({ facts }) => facts.at)),
    ...(placement && { placement }),
  };
}

function operationOf(machine: Machine, circumstances: Circumstances): OperationState | undefined {
  const { own, record } = circumstances;
  if (own && !(record && outranks(record, own.record))) {
    const { id, sequence, caller } = own.record;
    const base = { id, sequence, caller };
    if (own.failure) return { ...base, phase: 'Failed', failure: own.failure };
    if (own.reached && own.seen && !own.active) return { ...base, phase: 'Done' };
    if (!own.active) return { ...base, ...standing(machine, own.record, circumstances) };
    const hold = own.hold ?? holdOf(machine, circumstances);
    return { ...base, phase: 'InProgress', ...(hold !== undefined && { hold }) };
  }
  if (!record) return undefined;
  const { id, sequence, caller } = record;
  return { id, sequence, caller, ...standing(machine, record, circumstances) };
}

/** How an operation stands that this process does not carry out. */
function standing(
  machine: Machine,
  record: OperationRecord,
  circumstances: Circumstances,
): Pick<OperationState, 'phase' | 'failure' | 'hold'> {
  if (machine.power === record.to) return { phase: 'Done' };
  const hold = holdOf(machine, circumstances);
  if (circumstances.unreachable !== undefined || !circumstances.overdue)
    return { phase: 'InProgress', ...(hold !== undefined && { hold }) };
  const message = `operation ${record.id} is on record, and the VM is ${machine.power ?? 'between two states'}: the process that asked may have ended, or the change was undone`;
  return { phase: 'Failed', failure: { class: 'Transient', message } };
}

function holdOf({ trouble }: Machine, { unreachable }: Circumstances): string | undefined {
  return unreachable ?? trouble;
}
