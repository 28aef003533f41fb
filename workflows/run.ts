/**
 * The state of one run, and how messages and results change it. Pure functions of plain JSON: no clock, no randomness, no Temporal.
 *
 * R1: the same plan received twice changes nothing; a plan older than the one in force is ignored.
 * R2: a result of an operation that is no longer the member's current one changes nothing.
 * R3: after a change of the desired power state a member counts as there only when that was observed after its last operation ended.
 * R4: a run that goes on after it was to end asks anew for every place that it was about to give back.
 */
import type { PowerState, VirtualMachineStatus } from '../api';
import type { PlacementResult, VirtualMachineRef } from '../activities';
import type {
  Attempt,
  AttemptReport,
  Cause,
  ExceptionReason,
  MemberPhase,
  OutcomeType,
  PlanMessage,
  RecordedWord,
  RunOutcome,
  RunPlacement,
} from './messages';
import {
  desireOf,
  standOf,
  isInState,
  meetsGate,
  memberKey,
  type DesiredPowerState,
  type MemberKey,
  type Plan,
  type PlanMember,
  type PlanTier,
  type SetAsideReason,
} from './plan';

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
  /** An earlier operation was given up and may still be carried out by somebody: see {@link PowerInput.fence}. */
  fence?: true;
  /** Attempts that have failed so far. */
  attempts: Attempt[];
}

/** What a run knows of one member. */
export interface MemberState {
  phase: MemberPhase;
  /** Since when it has been in this phase. */
  since: number;
  operation?: OpenOperation;
  observed?: VirtualMachineStatus;
  /** An operation was cancelled or given up and nobody has looked since: what is observed says nothing. */
  uncertain?: true;
  /** Every member is to be looked at once more (force sync). */
  forced?: true;
  /** When the gate was reached. */
  reachedAt?: number;
  parked?: { class: string; message: string; at: number; failures: Attempt[] };
  word?: { verb: 'skipMember' | 'markReady'; actor: string; reason: string; at: number };
  leftAlone?: { reason: SetAsideReason; message: string; at: number };
  /** It left its desired state behind the group's back, and the correction has not begun. */
  drifted?: true;
  /** Of a nested group: exceptions of its own last run. */
  exceptions?: string;
}

/** The places that a run has asked for. */
export interface Claims {
  /** Of the last question, or of the release: the platform refuses what comes late. Grows across runs too, as it is a time. */
  sequence: number;
  /** Uids of the VMs that were not asked for power since, by name: their room is only promised. */
  vms: Record<string, string>;
  /** Once the run is to give them back. */
  release?: {
    activityId?: string;
    /** Names of those that were found to have no place. */
    free?: string[];
    /** Why nobody knows. */
    failure?: string;
  };
}

/** The state of one run. */
export interface Run {
  startedAt: number;
  /** When the desired power state of the present plan came into force. */
  planAt: number;
  plan: Plan;
  cause: Cause;
  stages: Stage[];
  members: Record<MemberKey, MemberState>;
  placement: { activityId?: string; since?: number; attempts: Attempt[]; done: boolean };
  placements: Record<MemberKey, RunPlacement>;
  /** Absent: nothing was asked for, or by an older build. */
  claims?: Claims;
  /** VMs whose places this run was about to give back: what was observed of them before says nothing. */
  unsure?: Record<string, true>;
  /** A parent's run has placed the whole tree. */
  placedByParent: boolean;
  paused: boolean;
  /** Set once the run is to end. */
  ending?: { outcome: OutcomeType; message: string; release?: true };
  words: RecordedWord[];
  /** Times of the corrections of drift, by member. */
  corrections: Record<MemberKey, number[]>;
  /**
   * Of the operations that were opened last, by one decision: those of different VMs may share it. So it follows the clock however many they are,
   * and the next run, which starts from the clock, is never behind it.
   */
  sequence: number;
  /** How often an activity id was used. */
  activityIds: Record<string, number>;
  operations: number;
  /** Activities whose operations were given up, to be cancelled. */
  dropped: string[];
}

/** Most words of operators that are kept, and most failed attempts of one operation. */
const KEPT = 100;

/** A member with its place in its plan. */
export interface PlacedMember {
  key: MemberKey;
  member: PlanMember;
  tier: PlanTier;
  /** Of the tier, from 0. */
  index: number;
}

/** What {@link membersOf} has found: a plan never changes, and each decision asks for its members several times. */
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

/** Whether two plans want the same of the same members. */
export function sameDesire(one: Plan, other: Plan): boolean {
  return desireOf(one) === desireOf(other);
}

/** Whether `plan` is older than the plan in force. */
export function isStale(plan: Plan, inForce: Plan): boolean {
  return plan.lineage === inForce.lineage && plan.generation < inForce.generation;
}

/** A run that begins with this message. */
export function begin(message: PlanMessage, now: number): Run {
  const { plan } = message;
  const run: Run = {
    startedAt: now,
    planAt: now,
    plan,
    cause: message.cause,
    stages: stagesOf(plan),
    members: {},
    placement: { attempts: [], done: false },
    placements: {},
    placedByParent: message.placed === true,
    paused: false,
    words: [],
    corrections: { ...plan.corrections },
    sequence: 0,
    activityIds: {},
    operations: 0,
    dropped: [],
  };
  const forced = asksForSync(plan, plan.syncedAs);
  if (isAsked(message, forced)) run.words = [askedWord(message, now)];
  return withMembers(run, plan, now, { fresh: true, forgive: forced, forced });
}

/** The run after a plan message; R1. */
export function receivePlan(run: Run, message: PlanMessage, now: number): Run {
  const { plan } = message;
  if (isStale(plan, run.plan)) return run;
  const turned = plan.powerState !== run.plan.powerState;
  const edited = turned || plan.revision !== run.plan.revision || plan.lineage !== run.plan.lineage;
  const asked = message.cause === 'Asked';
  const forced = asksForSync(plan, run.plan.forceSync);
  const changed = edited || asked || forced || !sameDesire(plan, run.plan);

  const next: Run = { ...run, plan, placedByParent: run.placedByParent || message.placed === true };
  if (changed) {
    next.cause = message.cause;
    delete next.ending;
    if (next.claims?.release) claimAnew(next, next.claims);
  }
  if (turned) next.planAt = now;
  if (isAsked(message, forced)) next.words = remember(run.words, askedWord(message, now));
  next.stages = turned ? stagesOf(plan) : carryLatches(run, plan);
  if (plan.beside && standOf(plan) !== standOf(run.plan)) placeAnew(next);
  return withMembers(next, run.plan, now, { fresh: turned, forgive: edited || asked || forced, forced });
}

/** What is being placed may not stand where it was to, or now may: it is asked for as it is now. */
function placeAnew(run: Run): void {
  const { activityId, done } = run.placement;
  if (activityId === undefined) return;
  run.dropped = [...run.dropped, activityId];
  run.placement = { attempts: [], done };
}

/** R4. */
function claimAnew(run: Run, { sequence, vms, release }: Claims): void {
  if (release?.activityId !== undefined) run.dropped = [...run.dropped, release.activityId];
  run.claims = { sequence, vms };
  run.placements = { ...run.placements };
  run.unsure = { ...run.unsure };
  for (const name of Object.keys(vms)) {
    delete run.placements[name];
    run.unsure[name] = true;
  }
  run.placement = { ...run.placement, done: false };
}

/** Where power is left alone there is nothing to bring in step. */
function asksForSync({ forceSync, powerState }: Plan, done: string | undefined): boolean {
  return forceSync !== undefined && forceSync !== done && powerState !== 'Unchanged';
}

/** A force sync that was told before is not put on record again. */
function isAsked({ cause, actor }: PlanMessage, forced: boolean): boolean {
  return cause === 'Asked' || (forced && actor !== undefined);
}

function askedWord(message: PlanMessage, now: number): RecordedWord {
  return { verb: 'retryMember', actor: message.actor ?? 'unknown', reason: message.reason ?? '', at: now };
}

/** Keeps what stages have latched as long as they and the stages before them have the same delay and, but for joins or leaves, members. */
function carryLatches(run: Run, plan: Plan): Stage[] {
  const stages = stagesOf(plan);
  for (const [index, stage] of stages.entries()) {
    const old = run.stages[index];
    if (!old || old.delay !== stage.delay || !comparable(namesOf(run.plan, old), namesOf(plan, stage))) break;
    stages[index] = { ...old, ...stage };
  }
  return stages;
}

function namesOf(plan: Plan, stage: Stage): MemberKey[] {
  return stage.tiers.flatMap((index) => plan.tiers[index]?.members.map(memberKey) ?? []);
}

/** Whether one of two lists holds all of the other. */
function comparable(one: MemberKey[], other: MemberKey[]): boolean {
  const [small, large] = one.length <= other.length ? [one, other] : [other, one];
  const names: Record<string, true> = {};
  for (const name of large) names[name] = true;
  return small.every((name) => names[name]);
}

interface Reading {
  /** The desired power state is new: nothing that was reached counts any more. */
  fresh: boolean;
  /** A person has acted: parked members and those left alone get a new chance. */
  forgive: boolean;
  forced: boolean;
}

/** The run with the members of its plan, and with what the plan says was observed of them. */
function withMembers(run: Run, before: Plan, now: number, reading: Reading): Run {
  const next: Run = { ...run, members: {}, dropped: [...run.dropped] };
  const nestedBefore: Record<MemberKey, Plan> = {};
  for (const { key, member } of membersOf(before)) if (member.plan) nestedBefore[key] = member.plan;
  for (const { key, member, tier } of membersOf(run.plan)) {
    const old = run.members[key] ?? { phase: 'Pending', since: now };
    const state =
      member.kind === 'VirtualMachine'
        ? readVm(next, old, member, tier, now, reading)
        : readGroup(next, old, member, nestedBefore[key], now, reading);
    if (run.plan.powerState === 'Unchanged' && member.link === 'Linked') leaveAsIs(state, now);
    if (reading.forced) state.forced = true;
    if (member.recovered) delete state.parked;
    if (reading.forgive) forgive(state);
    else if (member.setAside && !run.members[key] && state.reachedAt === undefined) {
      state.leftAlone = { ...member.setAside, at: now };
    }
    next.members[key] = state;
  }
  for (const [key, old] of Object.entries(run.members)) {
    if (!next.members[key] && old.operation) next.dropped.push(old.operation.activityId);
  }
  return next;
}

/** Where power is left alone every member is where it is wanted. */
function leaveAsIs(state: MemberState, now: number): void {
  state.reachedAt ??= now;
  delete state.uncertain;
  delete state.drifted;
}

function forgive(state: MemberState): void {
  delete state.parked;
  delete state.leftAlone;
}

/** A member's state at the beginning of a new desired power state: what was observed stays, R3. */
function restart(run: Run, old: MemberState, now: number): MemberState {
  const state: MemberState = { phase: 'Pending', since: now };
  if (old.observed) state.observed = old.observed;
  if (old.uncertain) state.uncertain = true;
  if (old.operation) {
    run.dropped.push(old.operation.activityId);
    state.uncertain = true;
  }
  return state;
}

function readVm(
  run: Run,
  old: MemberState,
  member: PlanMember,
  tier: PlanTier,
  now: number,
  reading: Reading,
): MemberState {
  const state = reading.fresh ? restart(run, old, now) : { ...old };
  if (member.link !== 'Linked') return leave(run, state);
  if (state.operation) return state;
  if (member.observed && (!state.observed || member.observed.at > state.observed.at))
    state.observed = member.observed;
  const there = isInState(run.plan.powerState, state.observed);
  if (!there) {
    if (member.drifted || state.reachedAt !== undefined) state.drifted = true;
    delete state.reachedAt;
  } else if (
    state.reachedAt === undefined &&
    !state.uncertain &&
    gateMet(state.observed, tier, run.plan.powerState)
  ) {
    state.reachedAt = reachedSince(state.observed, now);
  }
  return state;
}

function readGroup(
  run: Run,
  old: MemberState,
  member: PlanMember,
  before: Plan | undefined,
  now: number,
  reading: Reading,
): MemberState {
  const state = reading.fresh ? restart(run, old, now) : { ...old };
  if (member.link !== 'Linked') return leave(run, state);
  const changed = !member.plan || !before || !sameDesire(member.plan, before);
  if (changed || member.drifted || member.recovered) {
    delete state.reachedAt;
    if (state.operation) drop(run, state);
  }
  if (member.convergedAt !== undefined && !state.operation && !state.uncertain) {
    state.reachedAt ??= Math.min(now, member.convergedAt);
  }
  return state;
}

/** A member that is not (any more) ours is not touched. */
function leave(run: Run, state: MemberState): MemberState {
  if (state.operation) drop(run, state);
  delete state.reachedAt;
  return state;
}

/** Gives a member's open operation up: nobody knows how far it came. */
function drop(run: Run, state: MemberState): void {
  if (state.operation) run.dropped.push(state.operation.activityId);
  delete state.operation;
  state.uncertain = true;
}

function gateMet(
  observed: VirtualMachineStatus | undefined,
  tier: PlanTier,
  desired: DesiredPowerState,
): boolean {
  return desired !== 'PoweredOn' || meetsGate(tier.gate, observed);
}

/** When a VM that nobody had to touch came into its state; 0 for one that was never seen, `now` where nobody knows. */
function reachedSince(observed: VirtualMachineStatus | undefined, now: number): number {
  return observed ? Math.min(now, observed.since ?? now) : 0;
}

function patch(run: Run, key: MemberKey, change: (state: MemberState, next: Run) => void): Run {
  const old = run.members[key];
  if (!old) return run;
  const state = { ...old };
  const next: Run = { ...run, members: { ...run.members, [key]: state }, dropped: [...run.dropped] };
  change(state, next);
  return next;
}

/** The members of all open operations, by activity id; R2. */
function ownersOf(run: Run): Record<string, MemberKey> {
  const owners: Record<string, MemberKey> = {};
  for (const [key, { operation }] of Object.entries(run.members)) {
    if (operation) owners[operation.activityId] = key;
  }
  return owners;
}

/** What an operation came to. */
export type OperationResult =
  | { kind: 'VirtualMachine'; status: VirtualMachineStatus; acted: boolean }
  | { kind: 'VirtualMachineGroup'; outcome: RunOutcome };

/** Why an operation was given up. */
export interface OperationFailure {
  class: string;
  message: string;
  failures: Attempt[];
}

/** The end of one operation: it reached its gate, or was given up. */
export type OperationEnd = { activityId: string; at: number } & (
  { result: OperationResult } | { failure: OperationFailure }
);

/** The run after operations ended. A thousand may end together, so the members are copied once for all of them. */
export function operationsEnded(run: Run, ends: readonly OperationEnd[]): Run {
  const owners = ownersOf(run);
  const next: Run = { ...run, members: { ...run.members } };
  for (const end of ends) {
    const key = owners[end.activityId];
    const old = key === undefined ? undefined : next.members[key];
    if (key === undefined || !old) continue;
    const state = { ...old };
    next.members[key] = state;
    delete state.operation;
    delete state.drifted;
    if ('result' in end) reach(next, state, end.result, end.at);
    else park(next, state, end.failure, end.at);
  }
  return next;
}

/** The run after an operation reached its gate. */
export function operationDone(run: Run, activityId: string, result: OperationResult, now: number): Run {
  return operationsEnded(run, [{ activityId, at: now, result }]);
}

/** The run after an operation was given up: its member is parked. */
export function operationFailed(run: Run, activityId: string, failure: OperationFailure, now: number): Run {
  return operationsEnded(run, [{ activityId, at: now, failure }]);
}

function reach(run: Run, state: MemberState, result: OperationResult, now: number): void {
  delete state.uncertain;
  delete state.forced;
  if (result.kind === 'VirtualMachine') {
    state.observed = result.status;
    state.reachedAt = result.acted ? now : reachedSince(result.status, now);
    if (result.acted) run.operations += 1;
    return;
  }
  const { outcome } = result;
  state.reachedAt = outcome.operations > 0 ? now : latestChange(outcome, now);
  if (outcome.outcome === 'ConvergedWithExceptions') state.exceptions = outcome.message;
  else delete state.exceptions;
  run.operations += outcome.operations;
}

function park(run: Run, state: MemberState, failure: OperationFailure, now: number): void {
  state.uncertain = true;
  state.parked = { ...failure, failures: failure.failures.slice(-KEPT), at: now };
  run.operations += 1;
}

/** When the last VM of a group that nobody had to touch came into its state. */
function latestChange(outcome: RunOutcome, now: number): number {
  return Object.values(outcome.observed).reduce(
    (latest, status) => Math.max(latest, reachedSince(status, now)),
    0,
  );
}

/** The run after an activity told of a failed attempt. */
export function attemptReported(run: Run, { activityId, attempt }: AttemptReport): Run {
  if (run.placement.activityId === activityId) {
    return {
      ...run,
      placement: { ...run.placement, attempts: [...run.placement.attempts, attempt].slice(-KEPT) },
    };
  }
  const key = ownersOf(run)[activityId];
  if (key === undefined) return run;
  return patch(run, key, (state) => {
    if (state.operation) {
      state.operation = { ...state.operation, attempts: [...state.operation.attempts, attempt].slice(-KEPT) };
    }
  });
}

/** The run after the platform placed its VMs. */
export function placed(run: Run, activityId: string, results: PlacementResult[]): Run {
  if (run.placement.activityId !== activityId) return run;
  const placements = { ...run.placements };
  for (const { vm, placement, note } of results)
    if (placement) placements[vm.name] = { ...placement, uid: vm.uid, ...(note !== undefined && { note }) };
  return { ...run, placements, placement: { attempts: [], done: true } };
}

/** The run after the platform refused for good to place its VMs. */
export function placementFailed(run: Run, activityId: string, message: string): Run {
  if (run.placement.activityId !== activityId) return run;
  return {
    ...run,
    placement: { attempts: run.placement.attempts, done: false },
    ending: { outcome: 'Failed', message: `Placement failed: ${message}` },
  };
}

/** The VMs whose room is only promised to this run. */
export function claimed({ plan: { namespace }, claims }: Run): VirtualMachineRef[] {
  return Object.entries(claims?.vms ?? {}).map(([name, uid]) => ({ namespace, name, uid }));
}

/** Whether places are still to be given back before the run ends. Where a parent has taken over, they are its to give back. */
export function owesRelease({ ending, claims, placedByParent }: Run): boolean {
  if (ending?.release !== true || placedByParent || !claims || claims.release) return false;
  return Object.keys(claims.vms).length > 0;
}

/** The run after it was decided that it keeps what it has claimed. */
export function keepClaims(run: Run): Run {
  const { claims: _claims, ...rest } = run;
  return rest;
}

/** The run after the platform answered which VMs have no place now; or why it did not. */
export function released(
  run: Run,
  activityId: string,
  answer: { free: readonly VirtualMachineRef[] } | { failure: string },
): Run {
  const { claims } = run;
  if (claims?.release?.activityId !== activityId) return run;
  if ('failure' in answer) return { ...run, claims: { ...claims, release: answer } };
  const free = answer.free.map(({ name }) => name);
  const placements = { ...run.placements };
  for (const name of free) delete placements[name];
  return { ...run, placements, claims: { ...claims, release: { free } } };
}

/** The run after its group went away, or a parent took over. */
export function withdrawn(run: Run, reason: string): Run {
  return end(run, 'Superseded', reason);
}

/** The run after somebody or something ends it: nothing more starts, what is open is let go, and promised room is given back. */
export function end(run: Run, outcome: OutcomeType, message: string): Run {
  const next: Run = {
    ...run,
    members: {},
    dropped: [...run.dropped],
    ending: { outcome, message, release: true },
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

/** Adds a word to the record. */
export function remember(words: RecordedWord[], word: RecordedWord): RecordedWord[] {
  return [...words, word].slice(-KEPT);
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
