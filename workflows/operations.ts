/**
 * How open operations of a run end, and what activities report of them meanwhile. Pure.
 *
 * OPERATIONS-1: an operation counts only by a result of its own. After any other result (completed by hand, of another plan) the run asks the
 *     platform again.
 * OPERATIONS-2: an operation that an earlier run of the same group outranks is repeated with a greater sequence.
 * OPERATIONS-3: the result of an operation that is no longer the current one of its member changes nothing.
 */
import type { VirtualMachineStatus } from '../api';
import { own } from '../api/own';
import { fitText } from '../api/text';
import { CHANGES, type Uses } from './changes';
import {
  type Attempt,
  type AttemptReport,
  type PauseReport,
  type PausedBy,
  type RunOutcome,
  type Span,
  workflowId,
} from '../contract';
import { waitingFor } from './nested-runs';
import { MAX_OUTRANKED, outranks } from './outranked';
import {
  ignoring,
  keptAttempts,
  membersOf,
  CLASS_BYTES,
  MESSAGE_BYTES,
  reachedSince,
  type MemberState,
  type OperationFailure,
  type PlacedMember,
  type Run,
} from './state';

/** How an operation ended. */
export type OperationResult =
  | { kind: 'VirtualMachine'; status: VirtualMachineStatus; acted: boolean }
  | { kind: 'VirtualMachineGroup'; outcome: RunOutcome };

/** The end of one operation: it reached its gate, was given up, or ended with a result that is not its own. */
export type OperationEnd = { activityId: string; at: number } & (
  | { result: OperationResult }
  | { failure: OperationFailure }
  | { unconfirmed: string }
  /** A nested run takes longer than an activity waits for it. */
  | { waiting: { runId: string; failures: readonly Attempt[] } }
);

/** The run after operations ended. A thousand may end together, so the members are copied once for all of them. */
export function operationsEnded(run: Run, ends: readonly OperationEnd[], uses: Uses): Run {
  if (ends.length === 0) return run;
  const owners = ownersOf(run);
  let next: Run = { ...run, members: { ...run.members } };
  for (const end of ends) {
    const owner = own(owners, end.activityId);
    const old = owner && own(next.members, owner.key);
    if (!owner || !old) continue;
    const state = { ...old };
    next.members[owner.key] = state;
    if ('waiting' in end) {
      if (old.operation) state.operation = waitingFor(old.operation, end.waiting, uses);
      continue;
    }
    delete state.operation;
    delete state.drifted;
    const doubt = doubtOf(end, owner, uses);
    if (doubt !== undefined) {
      state.uncertain = true;
      state.confirms = true;
      next = ignoring(next, { at: end.at, what: end.activityId, why: doubt });
    } else if ('result' in end) reach(next, state, end.result, [old.operation?.since ?? end.at, end.at]);
    else if ('failure' in end) giveUp(next, state, old.operation?.sequence ?? 0, end.failure, end.at);
  }
  return next;
}

/** Why the end of an operation does not count; undefined if it does. */
function doubtOf(end: OperationEnd, { member }: PlacedMember, uses: Uses): string | undefined {
  if ('unconfirmed' in end) return end.unconfirmed;
  if (!('result' in end) || end.result.kind !== 'VirtualMachineGroup' || !member.plan) return undefined;
  const { outcome } = end.result;
  const { powerState, lineage, revision } = member.plan;
  const same =
    outcome.powerState === powerState && outcome.lineage === lineage && outcome.revision === revision;
  if (same || !uses(CHANGES.resultsConfirmed)) return undefined;
  return `the outcome is of revision ${outcome.revision} and ${outcome.powerState}, not of the plan that was asked`;
}

/** The members of all open operations, by activity id; OPERATIONS-3. */
function ownersOf(run: Run): Record<string, PlacedMember> {
  const owners: Record<string, PlacedMember> = {};
  for (const placed of membersOf(run.plan)) {
    const operation = own(run.members, placed.key)?.operation;
    if (operation) owners[operation.activityId] = placed;
  }
  return owners;
}

function reach(run: Run, state: MemberState, result: OperationResult, span: Span): void {
  const [, now] = span;
  delete state.uncertain;
  delete state.forced;
  delete state.confirms;
  delete state.outranked;
  if (result.kind === 'VirtualMachine') {
    state.observed = result.status;
    state.reachedAt = result.acted ? now : reachedSince(result.status, now);
    if (!result.acted) return;
    run.operations += 1;
    state.span = span;
    return;
  }
  const { outcome } = result;
  state.reachedAt = outcome.operations > 0 ? now : latestChange(outcome, now);
  if (outcome.operations > 0) state.span = span;
  if (outcome.outcome === 'ConvergedWithExceptions')
    state.exceptions = fitText(outcome.message, MESSAGE_BYTES);
  else delete state.exceptions;
  run.operations += outcome.operations;
}

function giveUp(
  run: Run,
  state: MemberState,
  sequence: number,
  failure: OperationFailure,
  now: number,
): void {
  const recorded = outranks(failure, sequence);
  if (recorded) run.sequence = Math.max(run.sequence, recorded.sequence);
  const { namespace, name } = run.plan;
  const times = state.outranked ?? 0;
  state.uncertain = true;
  if (recorded?.caller === workflowId(namespace, name) && times < MAX_OUTRANKED) {
    state.outranked = times + 1;
    return;
  }
  delete state.outranked;
  run.operations += 1;
  state.parked = {
    class: fitText(failure.class, CLASS_BYTES),
    message: fitText(failure.message, MESSAGE_BYTES),
    at: now,
    failed: failure.failures.length,
  };
}

/** When the last VM of a group that was not touched came into its state. */
function latestChange(outcome: RunOutcome, now: number): number {
  return Object.values(outcome.observed).reduce(
    (latest, status) => Math.max(latest, reachedSince(status, now)),
    0,
  );
}

/** The run after an activity reported a failed attempt. */
export function attemptReported(run: Run, { activityId, attempt }: AttemptReport): Run {
  if (run.placement.activityId === activityId) {
    const attempts = keptAttempts(run.placement.attempts, attempt);
    return { ...run, placement: { ...run.placement, attempts } };
  }
  return withOperation(run, activityId, (operation) => {
    operation.attempts = keptAttempts(operation.attempts, attempt);
  });
}

/** The run after an activity was paused or unpaused from outside. */
export function pauseReported(run: Run, { activityId, paused }: PauseReport): Run {
  if (run.placement.activityId === activityId) {
    return { ...run, placement: withPause({ ...run.placement }, paused) };
  }
  return withOperation(run, activityId, (operation) => withPause(operation, paused));
}

function withPause<T extends { paused?: PausedBy }>(target: T, paused: PausedBy | null): T {
  delete target.paused;
  if (paused) {
    const { at, by, reason } = paused;
    target.paused = { at, by: fitText(by, 300), reason: fitText(reason, MESSAGE_BYTES) };
  }
  return target;
}

function withOperation(
  run: Run,
  activityId: string,
  change: (operation: NonNullable<MemberState['operation']>) => void,
): Run {
  for (const { key } of membersOf(run.plan)) {
    const old = own(run.members, key);
    if (old?.operation?.activityId !== activityId) continue;
    const operation = { ...old.operation };
    change(operation);
    return { ...run, members: { ...run.members, [key]: { ...old, operation } } };
  }
  return run;
}

/** Sets what one operation came to; for forecasts. */
export function operationDone(run: Run, activityId: string, result: OperationResult, now: number): Run {
  return operationsEnded(run, [{ activityId, at: now, result }], () => true);
}
