/** What the attempts of one power operation have in common. */
import { PlatformError, virtualMachineKey, type VirtualMachineState } from '../platforms';
import type { AnsweredQuestion, PowerInput } from '../contract';
import type { AttemptRun } from './attempts';
import type { Patience } from './waiting';

/** What an attempt hands to the next. */
export interface PowerProgress {
  /** Which operation id is in use: 1 the given one, 2 the one with `~2`, and so on. */
  round: number;
  /** When that operation was asked for, milliseconds since the epoch. */
  askedAt?: number;
  /** An operation of an earlier round was asked for. */
  asked?: true;
  /** When the power state was first seen. */
  reachedAt?: number;
  /** Milliseconds waited so far, by all workers: each measures its own part, so their clocks need not agree. */
  waited?: { operation?: number; gate?: number };
  /** Questions of the platform that were answered, the last ones. */
  answered?: AnsweredQuestion[];
}

/** How long is waited for what, and where it is noted. */
export function patienceOf(
  run: AttemptRun<PowerProgress>,
  what: 'operation' | 'gate',
  limit: number,
): Patience {
  const { waited } = run.progress;
  return {
    limit,
    spent: waited?.[what] ?? 0,
    signal: run.signal,
    note: (spent) => run.note({ ...run.progress, waited: { ...run.progress.waited, [what]: spent } }),
  };
}

/** @throws PlatformError `Superseded` if the platform has a newer operation on record. */
export function refuseSuperseded({ vm, operation }: PowerInput, state: VirtualMachineState): void {
  if (!state.operation || state.operation.sequence <= operation.sequence) return;
  const { id, sequence, caller = '' } = state.operation;
  throw new PlatformError(
    'Superseded',
    `operation ${operation.id} on VM ${virtualMachineKey(vm)} yields to the newer operation ${id}`,
    undefined,
    { recorded: { sequence, caller } },
  );
}

/** A duration in words. */
export function seconds(milliseconds: number): string {
  return `${Math.round(milliseconds / 100) / 10} s`;
}
