/**
 * How plans change a run. Pure functions of plain JSON: no clock, no randomness, no Temporal.
 *
 * R1: the same plan received twice changes nothing; a plan older than the one in force is refused, unless it names that one as replaced.
 * R3: after a change of the desired power state a member counts as there only when that was observed after its last operation ended.
 * RUN-1: an open operation whose mode, gate, limits or VM the plan has changed is replaced by one with the new settings.
 * RUN-2: what a parent has settled counts only while there is a parent.
 */
import type { VirtualMachineStatus } from '../api';
import { isLater } from '../api/later';
import { own } from '../api/own';
import { fitText } from '../api/text';
import { CHANGES, usesAll, type Uses } from './changes';
import {
  type PlanMessage,
  type RecordedCommand,
  desireOf,
  isInState,
  meetsGate,
  memberKey,
  operationSettings,
  standOf,
  type DesiredPowerState,
  type MemberKey,
  type Plan,
  type PlanMember,
  type PlanTier,
} from '../contract';
import { claimAgain, placeAgain } from './placing';
import {
  drop,
  membersOf,
  MESSAGE_BYTES,
  reachedSince,
  remember,
  stagesOf,
  type MemberState,
  type PlacedMember,
  type Run,
  type Stage,
} from './state';

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
    ...(message.digest !== undefined && { planDigest: message.digest }),
    ...(message.sequence !== undefined && { parentSequence: message.sequence }),
  };
  const forced = asksForSync(plan, plan.syncedAs);
  if (isAsked(message, forced)) run.words = [askedWord(message, now)];
  return withMembers(run, plan, now, { fresh: true, forgive: forced, forced, uses: usesAll });
}

/** The run after a plan message; R1. */
export function receivePlan(run: Run, message: PlanMessage, now: number, uses: Uses = usesAll): Run {
  const { plan } = message;
  const replaces = message.supersedes !== undefined && message.supersedes === run.planDigest;
  if (isStale(plan, run.plan) && !replaces && !isLaterOfParent(run, message, uses))
    return refusing(run, message, now);
  const turned = plan.powerState !== run.plan.powerState;
  const edited = turned || plan.revision !== run.plan.revision || plan.lineage !== run.plan.lineage;
  const asked = message.cause === 'Asked';
  const forced = asksForSync(plan, run.plan.forceSync);
  const changed = edited || asked || forced || !sameDesire(plan, run.plan);

  const next: Run = { ...run, plan, placedByParent: isPlacedByParent(run, message, uses) };
  delete next.refusedPlan;
  delete next.planDigest;
  if (message.digest !== undefined) next.planDigest = message.digest;
  delete next.parentSequence;
  if (message.sequence !== undefined) next.parentSequence = message.sequence;
  if (changed) {
    next.cause = message.cause;
    delete next.ending;
    if (next.claims?.release) claimAgain(next, next.claims);
  }
  if (turned) next.planAt = now;
  if (isAsked(message, forced)) next.words = remember(run.words, askedWord(message, now));
  next.stages = turned ? stagesOf(plan) : carryLatches(run, plan);
  if (plan.beside && standOf(plan) !== standOf(run.plan)) placeAgain(next);
  const forgive = edited || asked || forced;
  if (forgive) delete next.roomless;
  return withMembers(next, run.plan, now, { fresh: turned, forgive, forced, uses });
}

/**
 * Whether a plan comes with a later operation of the parent's run than the plan in force: that run has decided which of the two is later, so
 * generations that went back (a restored etcd) do not matter.
 */
function isLaterOfParent({ parentSequence }: Run, { sequence }: PlanMessage, uses: Uses): boolean {
  const later = parentSequence !== undefined && sequence !== undefined && sequence > parentSequence;
  return later && uses(CHANGES.parentsOrder);
}

/** The run with a refused plan on record; a plan that it has already is not refused. */
function refusing(run: Run, { plan, digest }: PlanMessage, now: number): Run {
  if (digest !== undefined && digest === run.planDigest) return run;
  const { revision, generation } = plan;
  return {
    ...run,
    refusedPlan: { revision, generation, at: now, ...(digest !== undefined && { digest }) },
  };
}

/** RUN-2. */
function isPlacedByParent(run: Run, { plan, placed }: PlanMessage, uses: Uses): boolean {
  if (placed === true) return true;
  if (!run.placedByParent) return false;
  const orphaned = plan.root === plan.name && plan.lineage !== run.plan.lineage;
  return !(orphaned && uses(CHANGES.placesFollow));
}

/** Whether the plan asks for a sync that is not done. If power is left alone, there is nothing to sync. */
function asksForSync({ forceSync, powerState }: Plan, done: string | undefined): boolean {
  return forceSync !== undefined && forceSync !== done && powerState !== 'Unchanged';
}

/** Whether a person asks. A force sync that was received before is not put on record again. */
function isAsked({ cause, actor }: PlanMessage, forced: boolean): boolean {
  return cause === 'Asked' || (forced && actor !== undefined);
}

function askedWord({ actor = 'unknown', reason = '' }: PlanMessage, now: number): RecordedCommand {
  return {
    verb: 'retryMember',
    actor: fitText(actor, MESSAGE_BYTES),
    reason: fitText(reason, MESSAGE_BYTES),
    at: now,
  };
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
  return small.every((name) => own(names, name));
}

interface Reading {
  /** The desired power state is new: nothing that was reached counts any more. */
  fresh: boolean;
  /** A person has acted: parked members and those left alone get a new chance. */
  forgive: boolean;
  forced: boolean;
  uses: Uses;
}

/** The run with the members of its plan, and with what the plan says was observed of them. */
function withMembers(run: Run, before: Plan, now: number, reading: Reading): Run {
  const next: Run = { ...run, members: {}, dropped: [...run.dropped] };
  const earlier: Record<MemberKey, PlacedMember> = {};
  for (const placed of membersOf(before)) earlier[placed.key] = placed;
  for (const placed of membersOf(run.plan)) {
    const { key, member } = placed;
    const known = own(run.members, key);
    const old = known ?? { phase: 'Pending', since: now };
    const was = own(earlier, key);
    const held = old.operation !== undefined || old.parked !== undefined;
    const changed = held && was !== undefined && isChanged(before, was, run.plan, placed);
    const state =
      member.kind === 'VirtualMachine'
        ? readVm(next, old, placed, changed, now, reading)
        : readGroup(next, old, member, was?.member.plan, now, reading);
    if (run.plan.powerState === 'Unchanged' && member.link === 'Linked') leaveAsIs(state, now);
    if (reading.forced) state.forced = true;
    if (member.recovered) delete state.parked;
    if (reading.forgive) forgive(state);
    else if (member.setAside && !known && state.reachedAt === undefined) {
      state.leftAlone = { ...member.setAside, at: now };
    }
    next.members[key] = state;
  }
  for (const [key, old] of Object.entries(run.members)) {
    if (!own(next.members, key) && old.operation) next.dropped.push(old.operation.activityId);
  }
  return next;
}

/** Whether the plan has changed the settings with which a member is operated. */
function isChanged(before: Plan, was: PlacedMember, plan: Plan, is: PlacedMember): boolean {
  if (was.member.uid !== is.member.uid) return true;
  const [one, other] = [
    operationSettings(before, was.tier, was.member),
    operationSettings(plan, is.tier, is.member),
  ];
  return JSON.stringify(one) !== JSON.stringify(other);
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
  { member, tier }: PlacedMember,
  changed: boolean,
  now: number,
  reading: Reading,
): MemberState {
  const state = reading.fresh ? restart(run, old, now) : { ...old };
  if (member.link !== 'Linked') return leave(run, state);
  if (changed && (state.operation ?? state.parked) && reading.uses(CHANGES.settingsFollow)) {
    drop(run, state);
    delete state.parked;
  }
  if (state.operation) return state;
  if (member.observed && (!state.observed || isLater(member.observed, state.observed)))
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

/** A member that is not linked is not touched. */
function leave(run: Run, state: MemberState): MemberState {
  if (state.operation) drop(run, state);
  delete state.reachedAt;
  return state;
}

function gateMet(
  observed: VirtualMachineStatus | undefined,
  tier: PlanTier,
  desired: DesiredPowerState,
): boolean {
  return desired !== 'PoweredOn' || meetsGate(tier.gate, observed);
}
