/** What happens on the platform by itself, or at its console. */
import type { PowerState } from '../../api';
import type { FailureClass } from '../../platforms';
import { CONSOLE, PLATFORM, type Deleted, type Effect, type Failed } from '../../platforms/simulated';
import { drawTime } from './dice';
import { journalName, keyOf, type EngineState, type VmRecord } from './state';

/** What has come due by `at`, in the order in which it came due. Repeat until it is empty: an effect can cause the next one. */
export function dueEffects(state: EngineState, at: number): Effect[] {
  const due: { when: number; effect: Effect }[] = [];
  for (const record of state.vms.values()) {
    const when = dueAt(record);
    if (when !== undefined && when <= at) due.push({ when, effect: nextEffect(record, at) });
  }
  return due.sort((a, b) => a.when - b.when).map(({ effect }) => effect);
}

/** When the next effect on this VM comes due; undefined: none will. */
export function dueAt(record: VmRecord): number | undefined {
  const operation = record.pending?.dueAt;
  if (operation === undefined) return record.readyAt;
  return record.readyAt === undefined ? operation : Math.min(operation, record.readyAt);
}

function nextEffect(record: VmRecord, at: number): Effect {
  const { vm, pending, readyAt } = record;
  const base = { type: 'effect' as const, at, ...journalName(vm), from: record.powerState };
  const readyFirst = readyAt !== undefined && (pending?.dueAt === undefined || readyAt <= pending.dueAt);
  if (pending === undefined || readyFirst)
    return { ...base, effect: 'Ready', caller: PLATFORM, after: at - record.since, ...record.poweredOnBy };
  return {
    ...base,
    effect: pending.target,
    operationId: pending.operationId,
    sequence: pending.sequence,
    caller: pending.caller,
    after: at - pending.acceptedAt,
    ...(pending.readyAfter !== undefined && { readyAfter: pending.readyAfter }),
  };
}

/** A change of a VM's power state at the console, at once; undefined: the VM is in that state. */
export function consoleChange(
  state: EngineState,
  record: VmRecord,
  powerState: PowerState,
  at: number,
): Effect | undefined {
  if (record.powerState === powerState) return undefined;
  const { readyTime, seed } = state.inventory.behavior;
  const readyAfter = drawTime(readyTime, seed, keyOf(record.vm), at, 'console');
  return {
    type: 'effect',
    at,
    ...journalName(record.vm),
    effect: powerState,
    from: record.powerState,
    caller: CONSOLE,
    ...(powerState === 'PoweredOn' && { readyAfter }),
  };
}

/** A failure of the operation in progress; undefined: there is none. */
export function consoleFailure(
  { vm, pending }: VmRecord,
  failure: { class: FailureClass; message: string },
  at: number,
): Failed | undefined {
  if (!pending) return undefined;
  const { operationId, sequence } = pending;
  return { type: 'failed', at, ...journalName(vm), operationId, sequence, caller: CONSOLE, ...failure };
}

/** The deletion of a VM. */
export function deletion({ vm }: VmRecord, caller: string, at: number): Deleted {
  return { type: 'deleted', at, ...journalName(vm), caller };
}
