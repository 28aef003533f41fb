/**
 * What a plan changes for the members of a run. Pure.
 *
 * PLANS-2: after a change of the desired power state a member counts as converged only if that was observed after its last operation ended.
 * PLANS-3: an open operation whose mode, gate, limits or VM the plan has changed is replaced by one with the new settings.
 * PLANS-6: of two observations without versions the plan's counts if the platform reported it after the run said what it knows now.
 * PLANS-7: what was observed of a VM says nothing of another one that has its name. Once the VM was deleted, neither that nor its place counts:
 *     a folder gives the next VM of the name the same uid.
 * PLANS-8: once a member has left while it was unknown what its operation does, members that join are operated before what was observed of them
 *     counts: they may be that one.
 * PLANS-9: a VM that neither the bridge nor the run has seen counts as off only if the platform was read and does not have it.
 */
import { isLater } from '../../api/later';
import { own } from '../../api/own';
import {
  desireOf,
  gateOf,
  isInState,
  meetsGate,
  operationSettings,
  type MemberKey,
  type Plan,
  type PlanMember,
} from '../../contract';
import { CHANGES, type Uses } from '../changes';
import { drop, membersOf, reachedSince, type MemberState, type PlacedMember, type Run } from '../state';

/** Whether two plans want the same of the same members. */
export function sameDesire(one: Plan, other: Plan): boolean {
  return desireOf(one) === desireOf(other);
}

/** What a plan changes for every member. */
export interface PlanChange {
  /** The desired power state is new: no member counts as converged. */
  fresh: boolean;
  /** A person has acted: parked members and those left alone are tried again. */
  forgive: boolean;
  /** A force sync: every member is operated again. */
  forced: boolean;
  uses: Uses;
}

/** The run with the members of its plan, and with what the plan says was observed of them. */
export function withMembers(run: Run, before: Plan, now: number, change: PlanChange): Run {
  const next: Run = { ...run, members: {}, dropped: [...run.dropped] };
  const earlier: Record<MemberKey, PlacedMember> = {};
  for (const placed of membersOf(before)) earlier[placed.key] = placed;
  for (const placed of membersOf(run.plan)) {
    const { key, member } = placed;
    const was = own(earlier, key);
    const known = knownOf(next, own(run.members, key), was, member, now, change.uses);
    const old = known ?? joining(next, now, change.uses);
    const held = old.operation !== undefined || old.parked !== undefined;
    const changed = held && was !== undefined && isChanged(before, was, run.plan, placed);
    const state =
      member.kind === 'VirtualMachine'
        ? readVm(next, old, placed, changed, now, change)
        : readGroup(next, old, member, was?.member.plan, now, change);
    if (run.plan.powerState === 'Unchanged' && member.link === 'Linked') leaveAsIs(state, now);
    if (change.forced) state.forced = true;
    if (member.recovered) delete state.parked;
    if (change.forgive) forgive(state, change.uses);
    else if (member.setAside && !known && state.reachedAt === undefined) {
      state.leftAlone = { ...member.setAside, at: now };
    }
    next.members[key] = state;
  }
  letGo(next, run.members);
  return next;
}

/** Gives up the operations of members that have left; PLANS-8. */
function letGo(run: Run, before: Run['members']): void {
  for (const [key, { operation, uncertain }] of Object.entries(before)) {
    if (own(run.members, key)) continue;
    if (operation) run.dropped.push(operation.activityId);
    if (operation ?? uncertain) run.leftUncertain = true;
  }
}

/** The state of a member that was not there before; PLANS-8. */
function joining(run: Run, now: number, uses: Uses): MemberState {
  const state: MemberState = { phase: 'Pending', since: now };
  if (run.leftUncertain && uses(CHANGES.joiningChecked)) state.uncertain = true;
  return state;
}

/** Whether the plan has changed the settings with which a member is operated. */
function isChanged(before: Plan, was: PlacedMember, plan: Plan, is: PlacedMember): boolean {
  if (was.member.uid !== is.member.uid) return true;
  if (was.member.platform !== is.member.platform || was.member.locator !== is.member.locator) return true;
  const [one, other] = [
    operationSettings(before, was.tier, was.member),
    operationSettings(plan, is.tier, is.member),
  ];
  return JSON.stringify(one) !== JSON.stringify(other);
}

/** What the run knows of a member: of a VM that has replaced another one only what operators and the policy have said; PLANS-7. */
function knownOf(
  run: Run,
  known: MemberState | undefined,
  was: PlacedMember | undefined,
  { kind, uid }: PlanMember,
  now: number,
  uses: Uses,
): MemberState | undefined {
  const before = was?.member.uid;
  const isReplaced = before !== undefined && uid !== undefined && before !== uid;
  if (!known || kind !== 'VirtualMachine' || !isReplaced || !uses(CHANGES.replacedForgotten)) return known;
  const { observed: _observed, ...state } = restart(run, known, now);
  const { word, leftAlone } = known;
  return { ...state, ...(word && { word }), ...(leftAlone && { leftAlone }) };
}

/** If power is left alone, every member is in its desired state. */
function leaveAsIs(state: MemberState, now: number): void {
  state.reachedAt ??= now;
  delete state.uncertain;
  delete state.drifted;
}

/** The VM is brought back whatever the policy says of drift. */
function forgive(state: MemberState, uses: Uses): void {
  delete state.parked;
  delete state.leftAlone;
  if (state.drifted && uses(CHANGES.driftForgiven)) delete state.drifted;
}

/** The state of a member at the beginning of a new desired power state. What was observed stays; PLANS-2. */
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
  change: PlanChange,
): MemberState {
  const state = change.fresh ? restart(run, old, now) : { ...old };
  if (member.link !== 'Linked') return leave(run, state, member, change.uses);
  if (changed && (state.operation ?? state.parked) && change.uses(CHANGES.settingsFollow)) {
    drop(run, state);
    delete state.parked;
  }
  if (state.operation) return state;
  if (member.observed && isNews(member, old, change.uses)) state.observed = member.observed;
  if (isUnseen(member, state, run.plan) && change.uses(CHANGES.unseenOperated)) return state;
  const there = isInState(run.plan.powerState, state.observed);
  if (!there) {
    if (member.drifted || state.reachedAt !== undefined) state.drifted = true;
    delete state.reachedAt;
  } else if (
    state.reachedAt === undefined &&
    !state.uncertain &&
    (run.plan.powerState !== 'PoweredOn' || meetsGate(gateOf(tier, member), state.observed))
  ) {
    state.reachedAt = reachedSince(state.observed, now);
  }
  return state;
}

/** PLANS-9. */
function isUnseen({ unseen }: PlanMember, { observed }: MemberState, { powerState }: Plan): boolean {
  return unseen === true && !observed && powerState !== 'Unchanged';
}

/** Whether what a plan says of a VM is newer than what the run knows. */
function isNews(
  { observed, reportedAfter }: PlanMember,
  { observed: known, since }: MemberState,
  uses: Uses,
): boolean {
  if (!observed || !known) return observed !== undefined;
  const isLaterVersion = isLater(observed, known);
  if (isLaterVersion !== undefined) return isLaterVersion;
  const isLaterReport = reportedAfter === since;
  const hasLaterTime = observed.at > known.at;
  return isLaterReport === hasLaterTime || uses(CHANGES.reportsOrder) ? isLaterReport : hasLaterTime;
}

function readGroup(
  run: Run,
  old: MemberState,
  member: PlanMember,
  before: Plan | undefined,
  now: number,
  change: PlanChange,
): MemberState {
  const state = change.fresh ? restart(run, old, now) : { ...old };
  if (member.link !== 'Linked') return leave(run, state, member, change.uses);
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

/** A member that is not linked is not operated; PLANS-7. */
function leave(run: Run, state: MemberState, { kind, name, link }: PlanMember, uses: Uses): MemberState {
  if (state.operation) drop(run, state);
  delete state.reachedAt;
  if (kind !== 'VirtualMachine' || link !== 'NotFound') return state;
  const isKnown = (state.observed ?? own(run.placements, name)) !== undefined;
  if (!isKnown || !uses(CHANGES.replacedForgotten)) return state;
  delete state.observed;
  const { [name]: _gone, ...placements } = run.placements;
  run.placements = placements;
  return state;
}
