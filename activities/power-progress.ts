/** What the attempts of one power operation have in common. */
import * as v from 'valibot';
import { PlatformError, virtualMachineKey, type VirtualMachineState } from '../platforms';
import type { AnsweredQuestion, PowerInput } from '../contract';
import type { AttemptRun } from './attempts';
import { milliseconds } from './heartbeat';
import type { Patience } from './waiting';

/** Answers that are kept on record, the last ones. */
export const KEPT_ANSWERS = 20;

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

const text = v.pipe(v.string(), v.maxLength(10_000));

/** {@link PowerProgress} as it is read from a heartbeat. */
export const powerProgress: v.GenericSchema<unknown, PowerProgress> = v.object({
  round: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(Number.MAX_SAFE_INTEGER)),
  askedAt: v.exactOptional(milliseconds),
  asked: v.exactOptional(v.literal(true)),
  reachedAt: v.exactOptional(milliseconds),
  waited: v.exactOptional(
    v.object({ operation: v.exactOptional(milliseconds), gate: v.exactOptional(milliseconds) }),
  ),
  answered: v.exactOptional(
    v.pipe(
      v.array(v.object({ id: text, kind: text, choice: text, at: milliseconds })),
      v.maxLength(KEPT_ANSWERS),
    ),
  ),
});

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
