/**
 * The state of one run: plain JSON, so that it survives continue-as-new. Every object in it that is keyed by names is read with `own`.
 */
import type { PowerState, VirtualMachineStatus } from '../api';
import { fitText, jsonLength } from '../api/text';
import {
  type Attempt,
  type Cause,
  type EndSubscription,
  type ExceptionReason,
  type IgnoredInput,
  type MemberPhase,
  type OutcomeType,
  type PausedBy,
  type PlacementResult,
  type RecordedCommand,
  type RefusedPlan,
  type RunPlacement,
  type Span,
  memberKey,
  type MemberKey,
  type Plan,
  type PlanMember,
  type PlanTier,
  type SetAsideReason,
} from '../contract';

/** One step of the walk through the tiers: the tiers that are released together. */
export interface Stage {
  /** Indexes into `plan.tiers`. */
  tiers: number[];
  /** Milliseconds between "the stage before is done" and the release of this one. */
  delay: number;
  /** When the delay ends; set once it has begun. */
  dueAt?: number;
  releasedAt?: number;
  doneAt?: number;
}

/** An open power operation of one member. */
export interface OpenOperation {
  activityId: string;
  sequence: number;
  powerState: PowerState;
  since: number;
  /** An earlier operation was given up, and a worker may still carry it out: see {@link PowerInput.fence}. */
  fence?: true;
  /** Attempts that have failed so far. */
  attempts: Attempt[];
  /** Paused from outside. */
  paused?: PausedBy;
  /** The last result did not come from this operation: it is checked against the platform before it counts. */
  confirms?: true;
  /** Of a nested group, once its activity has returned `waiting`: the nested run. */
  runId?: string;
  /** No activity is open while the nested run continues, until it notifies this run of its end, or is found to have ended. */
  waiting?: 'ForEnd' | 'Ended';
  /** Of a nested group, while its activity is open: the run that has notified this one of its end already. */
  endedRun?: string;
}

/** The search for nested runs that have ended without notifying this one. */
export interface EndSearch {
  /** When the next one begins, milliseconds since the epoch. */
  dueAt: number;
  /** While it is open. */
  activityId?: string;
}

/** Why an operation was given up. */
export interface OperationFailure {
  class: string;
  message: string;
  failures: Attempt[];
  /** With class `Superseded`: the operation that the platform has on record instead. */
  recorded?: { sequence: number; caller: string };
}

/** The state of one member. */
export interface MemberState {
  phase: MemberPhase;
  /** Since when it has been in this phase. */
  since: number;
  operation?: OpenOperation;
  observed?: VirtualMachineStatus;
  /** An operation was cancelled or given up, and the VM was not checked since: observations do not count. */
  uncertain?: true;
  /** A force sync: the member is checked again. */
  forced?: true;
  /** When the gate was reached. */
  reachedAt?: number;
  /** Of the operation that has reached it. */
  span?: Span;
  /** `failed`: its failed attempts; absent in runs of older builds. */
  parked?: { class: string; message: string; at: number; failed?: number };
  /** How often an operation of an earlier run of this group outranked this run's; reset once an operation ends otherwise. */
  outranked?: number;
  /** The next operation verifies what the last one claimed. */
  confirms?: true;
  word?: { verb: 'skipMember' | 'markReady'; actor: string; reason: string; at: number };
  leftAlone?: { reason: SetAsideReason; message: string; at: number };
  /** It left its desired state without the group's doing, and the correction has not begun. */
  drifted?: true;
  /** Of a nested group: exceptions of its own last run. */
  exceptions?: string;
}

/** The places that a run has requested. */
export interface Claims {
  /** Of the last request, or of the release: the platform refuses late ones. It is a time, so it grows across runs too. */
  sequence: number;
  /** Uids of the VMs that had no power operation since, by name: their room is only promised. */
  vms: Record<string, string>;
  /** Names of their platforms, by name; none for VMs of the default platform. */
  platforms?: Record<string, string>;
  /** Set once the run is to release them. */
  release?: {
    activityId?: string;
    /** The platforms that were asked so far; the last one is asked now; `''` is the default one. Absent: only that one. */
    platforms?: string[];
    /** Names of the VMs that turned out to have no place. */
    free?: string[];
    /** Why it is unknown. */
    failure?: string;
  };
}

/** The placement of the members that have no place. */
export interface Placing {
  /** While it is open. */
  activityId?: string;
  since?: number;
  attempts: Attempt[];
  /** Platform that is asked now; absent: the default one. */
  platform?: string;
  /** Places that one platform has given while others are still asked: no VM starts before all of them have answered. */
  held?: PlacementResult[];
  /** Other platforms are to be asked once this one has answered. */
  more?: true;
  /** All places are settled. */
  done: boolean;
  paused?: PausedBy;
  confirms?: true;
  /** As {@link MemberState.outranked}. */
  outranked?: number;
}

/** The state of one run. */
export interface Run {
  startedAt: number;
  /** When the desired power state of the current plan took effect. */
  planAt: number;
  plan: Plan;
  cause: Cause;
  stages: Stage[];
  members: Record<MemberKey, MemberState>;
  /** Digest of the plan in force. */
  planDigest?: string;
  /** Set while the last plan received is one that was refused. */
  refusedPlan?: RefusedPlan;
  placement: Placing;
  placements: Record<MemberKey, RunPlacement>;
  /** Absent: nothing was requested, or an older build requested it. */
  claims?: Claims;
  /** VMs whose places this run was about to release: earlier observations of them do not count. */
  unsure?: Record<string, true>;
  /** Optional VMs of the tree for which there was no room, by name, with the platform's reason. */
  roomless?: Record<string, string>;
  /** The parent's run has placed the whole tree. */
  placedByParent: boolean;
  paused: boolean;
  /** Set once the run is to end. */
  ending?: { outcome: OutcomeType; message: string; release?: true };
  words: RecordedCommand[];
  /** Times of the corrections of drift, by member. */
  corrections: Record<MemberKey, number[]>;
  /**
   * Of the operations that were opened last. Operations on different VMs that one decision opens share it, so it does not run ahead of the
   * clock however many they are, and the next run, which starts from the clock, is never behind it.
   */
  sequence: number;
  /** How often an activity id was used. */
  activityIds: Record<string, number>;
  operations: number;
  /** Activities to be cancelled, because their operations were given up. */
  dropped: string[];
  /** A member has left while it was unknown what its operation does. */
  leftUncertain?: true;
  /** The last messages and results that could not be parsed. */
  ignored?: IgnoredInput[];
  /** Set while operations wait for the end of a nested run without an activity. */
  endSearch?: EndSearch;
  /** The parent's run that is to be notified of the end of this one. */
  notify?: EndSubscription;
  /** Sequence of the parent's operation that sent the plan in force. */
  parentSequence?: number;
}

/** Most operator commands that are kept, and their most bytes as JSON. The history has all of them. */
const WORDS = { count: 100, bytes: 64_000 };
/** How many of the last failed attempts of an operation are kept. */
const ATTEMPTS = 20;
/** How many of the last unreadable inputs are kept. */
const IGNORED = 20;
/** Bytes of one message of an error that a run keeps, and of its class. */
export const MESSAGE_BYTES = 1_000;
export const CLASS_BYTES = 100;

/** A member with its place in its plan. */
export interface PlacedMember {
  key: MemberKey;
  member: PlanMember;
  tier: PlanTier;
  /** Of the tier, from 0. */
  index: number;
}

/** Cache of {@link membersOf}: a plan never changes, and each decision needs its members several times. */
const known = new WeakMap<Plan, readonly PlacedMember[]>();

/** Every member of a plan, in boot order. */
export function membersOf(plan: Plan): readonly PlacedMember[] {
  let members = known.get(plan);
  if (!members) {
    members = plan.tiers.flatMap((tier, index) =>
      tier.members.map((member) => ({ key: memberKey(member), member, tier, index })),
    );
    known.set(plan, members);
  }
  return members;
}

/** The order in which the tiers are walked for the plan's power state. */
export function stagesOf(plan: Plan): Stage[] {
  const all = plan.tiers.map((_, index) => index);
  switch (plan.powerState) {
    case 'PoweredOn':
      return plan.tiers.map((tier, index) => ({ tiers: [index], delay: tier.powerOnDelay }));
    case 'PoweredOff':
      return plan.tiers.some((tier) => tier.powerOffDelay !== null)
        ? all.reverse().map((index) => ({ tiers: [index], delay: plan.tiers[index]?.powerOffDelay ?? 0 }))
        : [{ tiers: all, delay: 0 }];
    case 'Suspended':
    case 'Unchanged':
      return [{ tiers: all, delay: 0 }];
  }
}

/** Gives up the open operation of a member: its effect is unknown. */
export function drop(run: Run, state: MemberState): void {
  if (state.operation) run.dropped.push(state.operation.activityId);
  delete state.operation;
  state.uncertain = true;
}

/** Since when an untouched VM is in its state; 0 for one that was never seen, `now` if unknown. */
export function reachedSince(observed: VirtualMachineStatus | undefined, now: number): number {
  return observed ? Math.min(now, observed.since ?? now) : 0;
}

/** A failed attempt as a run keeps it. */
export function keptAttempts(attempts: readonly Attempt[], attempt: Attempt): Attempt[] {
  const kept = {
    ...attempt,
    class: fitText(attempt.class, CLASS_BYTES),
    message: fitText(attempt.message, MESSAGE_BYTES),
  };
  return [...attempts, kept].slice(-ATTEMPTS);
}

/** Adds an operator command to the record. */
export function remember(words: readonly RecordedCommand[], word: RecordedCommand): RecordedCommand[] {
  const kept = [...words, word].slice(-WORDS.count);
  while (kept.length > 1 && jsonLength(kept) > WORDS.bytes) kept.shift();
  return kept;
}

/** The run after an input that could not be parsed. */
export function ignoring(run: Run, input: IgnoredInput): Run {
  const entry = { ...input, what: fitText(input.what, 300), why: fitText(input.why, 300) };
  return { ...run, ignored: [...(run.ignored ?? []), entry].slice(-IGNORED) };
}

/** The run after its group was deleted, or a parent has taken over. */
export function withdrawn(run: Run, reason: string): Run {
  return end(run, 'Superseded', reason);
}

/** The run once it is to end from outside: nothing more starts, open operations are given up, promised room is released. */
export function end(run: Run, outcome: OutcomeType, message: string): Run {
  const next: Run = {
    ...run,
    members: {},
    dropped: [...run.dropped],
    ending: { outcome, message: fitText(message, MESSAGE_BYTES), release: true },
  };
  for (const [key, old] of Object.entries(run.members)) {
    const state = { ...old };
    if (state.operation) drop(next, state);
    next.members[key] = state;
  }
  if (run.placement.activityId !== undefined) {
    next.dropped.push(run.placement.activityId);
    next.placement = { attempts: run.placement.attempts, done: run.placement.done };
  }
  return next;
}

/** Names of the members to which an exception applies, with the reason. */
export function exceptionOf(
  state: MemberState,
  member: PlanMember,
): { reason: ExceptionReason; message: string } | undefined {
  if (state.word?.verb === 'skipMember') {
    return { reason: 'Skipped', message: `skipped by ${state.word.actor}: ${state.word.reason}` };
  }
  if (state.word?.verb === 'markReady') {
    return { reason: 'MarkedReady', message: `marked ready by ${state.word.actor}: ${state.word.reason}` };
  }
  if (state.leftAlone) return { reason: state.leftAlone.reason, message: state.leftAlone.message };
  if (state.parked) return { reason: 'Parked', message: `${state.parked.class}: ${state.parked.message}` };
  if (member.link === 'NotFound')
    return { reason: 'NotFound', message: `${member.kind} ${member.name} does not exist` };
  if (member.link === 'NotMember') {
    return {
      reason: 'NotMember',
      message: `spec.groupName of ${member.kind} ${member.name} does not name this group`,
    };
  }
  if (state.operation) return { reason: 'InProgress', message: 'its operation was still open' };
  if (state.reachedAt === undefined) return { reason: 'NotStarted', message: 'its turn did not come' };
  if (state.exceptions !== undefined) return { reason: 'GroupHasExceptions', message: state.exceptions };
  return undefined;
}
