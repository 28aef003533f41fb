/**
 * The planner: given a run's state and the time, what to do next, and what is awaited and why. A pure function: the workflow drives it,
 * `vmgroup plan` forecasts with it, the property tests try it.
 *
 * D1: no member of a later tier is asked before every earlier tier is done.
 * D2: a delay is never cut short, except by an operator's word, and never waited twice: it is counted from the moment at which the tier
 *     before it was done.
 * D3: a member that is in its desired state is not asked, except once by a force sync.
 * D4: a run ends, or has a member or an operator that it waits for and names.
 * D5: at most one operation of a member is open, and no more than the policy's number of operations of VMs.
 * D6: no VM is powered on without a place, and all VMs that need one are placed together. A VM that has its place waits for no other one's.
 * D7: where power is left alone nothing is asked but a place.
 * D9: not more operations are open than one workflow task and the server can hold.
 * D8: a run that is ended from outside first gives back every place that it has asked for and not used: also those of which no answer came.
 */
import type { PowerState } from '../api';
import { formatDuration } from '../api/duration';
import { own } from '../api/own';
import { fitText } from '../api/text';
import {
  type Activities,
  type ConfirmInput,
  type FindEndedGroupsInput,
  type Neighbour,
  type PlaceInput,
  type PlacementRequest,
  type PowerGroupInput,
  type PowerInput,
  type ReleaseInput,
  type RunOutcome,
  machinesOf,
  memberKey,
  operationSettings,
  workflowId,
  type MemberKey,
  type Plan,
  type PlanMember,
  type PlanTier,
} from '../contract';
import { CHANGES, usesAll, type Uses } from './changes';
import { awaitedGroups, END_SEARCH_INTERVAL, endSearchInput } from './nested-runs';
import { claimed, owesRelease } from './placing';
import { fitOutcome } from './size';
import { exceptionOf, membersOf, type MemberState, type Run, type Stage } from './state';
import { inDelay } from './operator-commands';

/** One activity to schedule. */
export type Start = { activityId: string; summary: string } & (
  | { activity: 'powerOn' | 'powerOff' | 'suspend'; input: PowerInput }
  | { activity: 'powerGroup'; input: PowerGroupInput }
  | { activity: 'awaitGroup'; input: PowerGroupInput }
  | { activity: 'place'; input: PlaceInput }
  | { activity: 'release'; input: ReleaseInput }
  | { activity: 'confirm'; input: ConfirmInput }
  | { activity: 'findEndedGroups'; input: FindEndedGroupsInput }
);

/** What an activity is scheduled for. */
export type Work =
  | ConfirmInput
  | { activity: 'release'; input: ReleaseInput }
  | { activity: 'findEndedGroups'; input: FindEndedGroupsInput };

/** What an activity is scheduled for: of one that confirms, what it confirms; of one that waits for a nested run, that it powers the group. */
export function workOf(start: Start): Work {
  switch (start.activity) {
    case 'confirm':
      return start.input;
    case 'powerGroup':
    case 'awaitGroup':
      return { activity: 'powerGroup', input: start.input };
    default:
      return start;
  }
}

/** What to do next. */
export interface Decision {
  /** The state with what was decided in it. */
  run: Run;
  /** Activities to cancel: nobody waits for them any more. */
  cancel: string[];
  /** Activities to schedule, in order. */
  start: Start[];
  /** The delay that runs: decide again when it is over. */
  wake?: { at: number; summary: string };
  /** When nested runs that have ended without a word are searched for. */
  search?: { at: number; summary: string };
  /** The run is over. */
  outcome?: RunOutcome;
}

/** Longest summary that Temporal takes, in bytes. */
const LONGEST_SUMMARY = 200;
/**
 * Most operations of VMs, and of nested groups, that are open at a time whatever the policy says: Temporal takes 2,000 pending activities a
 * run, and 4 MB a workflow task.
 */
const MOST_OPEN = { VirtualMachine: 1_000, VirtualMachineGroup: 500 } as const;

/** Decides what a run does next. `now` is milliseconds since the Unix epoch. */
export function decide(before: Run, now: number, uses: Uses = usesAll): Decision {
  const run: Run = {
    ...before,
    members: { ...before.members },
    activityIds: { ...before.activityIds },
    ...(before.claims && { claims: { ...before.claims, vms: { ...before.claims.vms } } }),
    dropped: [],
  };
  const decision: Decision = { run, cancel: before.dropped, start: [] };
  if (!run.ending) {
    place(decision, now, uses);
    walk(decision, now, Math.max(before.sequence + 1, now), uses);
    failIfAsked(run);
  } else if (owesRelease(run)) {
    if (uses(CHANGES.givesBack)) giveBack(decision, now);
    else delete run.claims;
  }
  resume(decision);
  searchEnds(decision, now);
  settlePhases(run, now);
  const outcome = outcomeOf(run, now);
  if (outcome) decision.outcome = outcome;
  return decision;
}

/** Places everything that is not placed, D6. */
function place(decision: Decision, now: number, uses: Uses): void {
  const { run } = decision;
  const { plan, placement } = run;
  const places = plan.powerState === 'PoweredOn' || plan.placesAhead === true;
  if (!places || run.placedByParent || run.paused || placement.activityId !== undefined) return;
  const needed = unplaced(run, run.plan, uses);
  if (needed.length === 0) {
    run.placement = { ...run.placement, done: true };
    return;
  }
  const activityId = nextId(run, `place/${run.plan.name}`);
  run.placement = { ...placement, activityId, since: now, attempts: [] };
  const vms = { ...run.claims?.vms };
  for (const { member } of needed) vms[member.name] = member.uid ?? '';
  run.claims = { sequence: nextClaim(run, now), vms };
  decision.start.push(placeStart(run, activityId, uses));
}

/** Schedules the activities that read the outcomes of nested runs that have ended. */
function resume({ run, start }: Decision): void {
  for (const { key, member, tier } of membersOf(run.plan)) {
    const state = own(run.members, key);
    if (state?.operation?.waiting !== 'Ended') continue;
    const { waiting: _waiting, ...operation } = state.operation;
    const { verb } = VERBS[operation.powerState];
    run.members[key] = { ...state, operation: { ...operation, activityId: nextId(run, `${verb}/${key}`) } };
    start.push(memberStart(run, key, member, tier));
  }
}

/** NESTED-2. */
function searchEnds(decision: Decision, now: number): void {
  const { run, start, cancel } = decision;
  const { endSearch } = run;
  if (awaitedGroups(run).length === 0) {
    if (endSearch?.activityId !== undefined) cancel.push(endSearch.activityId);
    delete run.endSearch;
    return;
  }
  if (endSearch?.activityId !== undefined) return;
  // The server's clock may have gone back.
  const dueAt = Math.min(endSearch?.dueAt ?? Infinity, now + END_SEARCH_INTERVAL);
  run.endSearch = { dueAt };
  if (dueAt > now) {
    decision.search = { at: dueAt, summary: 'look for nested runs that ended without a word' };
    return;
  }
  const activityId = nextId(run, `ended-groups/${run.plan.name}`);
  run.endSearch = { dueAt, activityId };
  start.push(endSearchStart(run, activityId));
}

function endSearchStart(run: Run, activityId: string): Start {
  const input = endSearchInput(run, activityId);
  const count = input.groups.length;
  return {
    activityId,
    activity: 'findEndedGroups',
    summary: `look for the end of ${count} nested run${count === 1 ? '' : 's'}`,
    input,
  };
}

function nextClaim({ claims }: Run, now: number): number {
  return Math.max((claims?.sequence ?? 0) + 1, now);
}

/** D8. */
function giveBack(decision: Decision, now: number): void {
  const { run } = decision;
  const activityId = nextId(run, `release/${run.plan.name}`);
  run.claims = { vms: {}, ...run.claims, sequence: nextClaim(run, now), release: { activityId } };
  decision.start.push(releaseStart(run, activityId));
}

/** A VM that needs a place, with the plan that has it as a member. */
interface Unplaced {
  member: PlanMember;
  plan: Plan;
}

/** The linked VMs of a tree that have no place yet and need one: to be powered on, or to be created. */
function unplaced(run: Run, plan: Plan, uses: Uses): Unplaced[] {
  const found: Unplaced[] = [];
  for (const { key, member } of membersOf(plan)) {
    if (member.link !== 'Linked' || !needsPlace(run, plan, key, member, uses)) continue;
    if (member.plan) found.push(...unplaced(run, member.plan, uses));
    else if (member.kind === 'VirtualMachine' && !isPlaced(run, plan, key, member))
      found.push({ member, plan });
  }
  return found;
}

function needsPlace(run: Run, plan: Plan, key: MemberKey, member: PlanMember, uses: Uses): boolean {
  if (member.kind === 'VirtualMachine' && own(run.roomless, member.name) !== undefined) return false;
  if (plan !== run.plan) return true;
  if (wants(run, key, member)) return true;
  if (plan.placesAhead !== true) return false;
  const skipped = own(run.members, key)?.word?.verb === 'skipMember';
  return !(skipped && uses(CHANGES.placesFollow));
}

function isPlaced(run: Run, plan: Plan, key: MemberKey, member: PlanMember): boolean {
  const placed = own(run.placements, member.name);
  if (placed && (placed.uid ?? member.uid) === member.uid) return true;
  if (own(run.unsure, member.name)) return false;
  const observed = plan === run.plan ? own(run.members, key)?.observed : member.observed;
  return observed?.placement !== undefined || member.observed?.placement !== undefined;
}

/** Whether placement lets a member be powered on. */
function mayStart(run: Run, key: MemberKey, member: PlanMember, uses: Uses): boolean {
  if (run.plan.powerState !== 'PoweredOn' || run.placedByParent) return true;
  const settled = member.plan
    ? unplaced(run, member.plan, uses).length === 0
    : isPlaced(run, run.plan, key, member);
  return settled && (run.placement.done || uses(CHANGES.placedStart));
}

/**
 * Walks the stages: D1, D2. A stage that was released stays so, and those of its members that join late or fall back are started at once;
 * a stage that was not waits for every stage before it.
 */
function walk(decision: Decision, now: number, sequence: number, uses: Uses): void {
  const { run } = decision;
  run.stages = run.stages.map((stage) => ({ ...stage }));
  const slots = freeSlots(run);
  let previousDoneAt: number | undefined = run.planAt;
  let allDone = true;
  for (const [index, stage] of run.stages.entries()) {
    if (stage.releasedAt === undefined) {
      if (!allDone || previousDoneAt === undefined) {
        // The tier before fell back while this one's delay ran: the delay has not begun.
        delete stage.dueAt;
        return;
      }
      if (!release(decision, stage, index, previousDoneAt, now)) return;
    }
    startMembers(decision, stage, slots, { now, sequence, uses });
    if (isDone(run, stage)) {
      stage.doneAt ??= doneSince(run, stage, previousDoneAt ?? now, now);
    } else {
      delete stage.doneAt;
      allDone = false;
    }
    previousDoneAt = stage.doneAt;
  }
}

/** How many operations of each kind may be opened; D5, D9. */
type Slots = Record<PlanMember['kind'], number>;

function freeSlots(run: Run): Slots {
  const slots: Slots = { ...MOST_OPEN };
  slots.VirtualMachine = Math.min(slots.VirtualMachine, run.plan.policy.maxConcurrentOperations);
  for (const { key, member } of membersOf(run.plan)) {
    if (own(run.members, key)?.operation) slots[member.kind] -= 1;
  }
  return slots;
}

/** Whether a stage is released; begins or goes on with its delay. */
function release(
  decision: Decision,
  stage: Stage,
  index: number,
  previousDoneAt: number,
  now: number,
): boolean {
  const { run } = decision;
  // Where nothing is left to start, here and later, there is nothing to wait for.
  const idle = !run.stages
    .slice(index)
    .some((later) => stageMembers(run, later).some(({ key, member }) => wants(run, key, member)));
  if (stage.delay > 0 && !idle) {
    stage.dueAt ??= previousDoneAt + stage.delay;
    // The server's clock went back.
    if (stage.dueAt - now > stage.delay) stage.dueAt = now + stage.delay;
    if (stage.dueAt > now) {
      decision.wake = { at: stage.dueAt, summary: delaySummary(run, stage, index) };
      return false;
    }
  }
  if (run.paused) return false;
  stage.releasedAt = now;
  return true;
}

function stageMembers(run: Run, stage: Stage): { key: MemberKey; member: PlanMember; tier: PlanTier }[] {
  return stage.tiers.flatMap((index) => {
    const tier = run.plan.tiers[index];
    return tier ? tier.members.map((member) => ({ key: memberKey(member), member, tier })) : [];
  });
}

/** Whether a member is where it should be, and nobody has asked to look again. */
function isReached(state: MemberState): boolean {
  return state.reachedAt !== undefined && !state.forced;
}

/** Whether a member has been set aside: by an operator, by its budget, or by the policy on drift. */
function isSetAside(state: MemberState): boolean {
  return Boolean(state.word ?? state.parked ?? state.leftAlone);
}

/** Whether a member is still to be brought to its state, now or once it exists; D3. */
function wants(run: Run, key: MemberKey, member: PlanMember): boolean {
  const state = own(run.members, key);
  if (!state || isSetAside(state) || isReached(state)) return false;
  return member.link === 'Linked' || run.plan.powerState === 'PoweredOn';
}

/** Starts what may start in a released stage, and takes its slots. */
function startMembers(
  decision: Decision,
  stage: Stage,
  slots: Slots,
  { now, sequence, uses }: { now: number; sequence: number; uses: Uses },
): void {
  const { run } = decision;
  if (run.paused) return;
  for (const { key, member, tier } of stageMembers(run, stage)) {
    const state = own(run.members, key);
    if (!state || state.operation || member.link !== 'Linked' || !wants(run, key, member)) continue;
    if (slots[member.kind] <= 0 || !mayStart(run, key, member, uses)) continue;
    if (member.kind === 'VirtualMachine' && state.drifted && !correct(run, key, state, now)) continue;
    slots[member.kind] -= 1;
    run.members[key] = openOperation(run, key, state, now, sequence);
    decision.start.push(memberStart(run, key, member, tier));
  }
}

/** Whether drift of a VM may be corrected once more. If not, it is left alone. */
function correct(run: Run, key: MemberKey, state: MemberState, now: number): boolean {
  const { action, maxCorrections, window } = run.plan.policy.drift;
  const actual = state.observed?.powerState ?? 'PoweredOff';
  const leave = (reason: 'Drifted' | 'DriftLimit', message: string): false => {
    run.members[key] = { ...state, leftAlone: { reason, message, at: now } };
    return false;
  };
  if (action === 'Report') {
    return leave(
      'Drifted',
      `${key} was changed to ${actual} outside of the group; policy says to report it only`,
    );
  }
  const recent = (own(run.corrections, key) ?? []).filter((at) => at > now - window);
  if (recent.length >= maxCorrections) {
    return leave(
      'DriftLimit',
      `${key} was changed to ${actual} outside of the group after ${recent.length} corrections within ${formatDuration(window)}; ` +
        `it is left alone until an operator retries it`,
    );
  }
  run.corrections = { ...run.corrections, [key]: [...recent, now] };
  return true;
}

function openOperation(
  run: Run,
  key: MemberKey,
  state: MemberState,
  now: number,
  sequence: number,
): MemberState {
  run.sequence = sequence;
  const powerState = powerStateOf(run.plan);
  const { verb } = VERBS[powerState];
  const next: MemberState = {
    ...state,
    operation: {
      activityId: nextId(run, `${verb}/${key}`),
      sequence,
      powerState,
      since: now,
      ...(state.uncertain && { fence: true as const }),
      ...(state.confirms && { confirms: true as const }),
      attempts: [],
    },
  };
  delete run.claims?.vms[key];
  delete next.reachedAt;
  delete next.confirms;
  return next;
}

/** An activity id that has not been used in this run: two open activities with one id would wedge the workflow. */
function nextId(run: Run, base: string): string {
  const used = (own(run.activityIds, base) ?? 0) + 1;
  run.activityIds[base] = used;
  return used === 1 ? base : `${base}/${used}`;
}

/** How each power state is spelled: in activity ids, in summaries, as activity type. */
const VERBS = {
  PoweredOn: { verb: 'power-on', words: 'power on', activity: 'powerOn' },
  PoweredOff: { verb: 'power-off', words: 'power off', activity: 'powerOff' },
  Suspended: { verb: 'suspend', words: 'suspend', activity: 'suspend' },
} as const satisfies Record<PowerState, { verb: string; words: string; activity: keyof Activities }>;

/** @throws TypeError for a run that leaves power alone: none of its members is ever started. */
export function powerStateOf({ namespace, name, powerState }: Plan): PowerState {
  if (powerState === 'Unchanged') throw new TypeError(`${namespace}/${name} leaves power alone`);
  return powerState;
}

function isDone(run: Run, stage: Stage): boolean {
  return stage.tiers.every((index) => {
    const tier = run.plan.tiers[index];
    return !tier || tierDone(run, tier);
  });
}

/** Whether a tier holds nothing up any more. */
function tierDone(run: Run, tier: PlanTier): boolean {
  const counted = tier.members.filter((member) => counts(run, tier, member));
  if (run.plan.powerState === 'PoweredOn' && tier.quorum !== undefined && counted.length >= tier.quorum)
    return true;
  return tier.members.every((member) => member.optional === true || counted.includes(member));
}

/** Whether a member counts towards its tier's being done. */
function counts(run: Run, tier: PlanTier, member: PlanMember): boolean {
  const state = own(run.members, memberKey(member));
  if (!state) return false;
  if (isReached(state) || state.word || state.leftAlone) return true;
  if (state.parked) return tier.whenParked === 'Continue';
  if (run.plan.powerState !== 'PoweredOn') return member.link !== 'Linked';
  return tier.gate === 'None' && state.operation !== undefined;
}

/** The moment at which a stage was done, from which the next delay is counted. */
function doneSince(run: Run, stage: Stage, previousDoneAt: number, now: number): number {
  let latest = -1;
  for (const { key, member } of stageMembers(run, stage)) {
    const state = own(run.members, key);
    if (member.optional) continue;
    if (!state || state.reachedAt === undefined || isSetAside(state)) return now;
    latest = Math.max(latest, state.reachedAt);
  }
  return latest < 0 ? (stage.dueAt ?? previousDoneAt) : latest;
}

function failIfAsked(run: Run): void {
  for (const { key, member, tier } of membersOf(run.plan)) {
    const state = own(run.members, key);
    if (!state?.parked || state.word || member.optional || tier.whenParked !== 'Fail') continue;
    run.ending = {
      outcome: 'Failed',
      message: `${key} is parked (${state.parked.message}) and policy says to fail`,
    };
    return;
  }
}

/** Brings each member's phase up to date. */
function settlePhases(run: Run, now: number): void {
  const released: Record<number, true> = {};
  for (const stage of run.stages) {
    if (stage.releasedAt !== undefined) for (const index of stage.tiers) released[index] = true;
  }
  for (const { key, member, index } of membersOf(run.plan)) {
    const state = own(run.members, key);
    if (!state) continue;
    const phase = phaseOf(state, member, released[index] === true);
    if (phase !== state.phase) run.members[key] = { ...state, phase, since: now };
  }
}

function phaseOf(state: MemberState, member: PlanMember, released: boolean): MemberState['phase'] {
  if (state.word) return state.word.verb === 'skipMember' ? 'Skipped' : 'Done';
  if (state.leftAlone) return 'LeftAlone';
  if (state.parked) return 'Parked';
  if (state.operation) return 'InProgress';
  if (member.link !== 'Linked') return 'Missing';
  if (isReached(state)) return 'Done';
  return released ? 'Queued' : 'Pending';
}

/** The outcome, once nothing is open and nothing is left to do; D4. */
function outcomeOf(run: Run, now: number): RunOutcome | undefined {
  const open =
    run.placement.activityId !== undefined ||
    run.claims?.release?.activityId !== undefined ||
    Object.values(run.members).some((state) => state.operation);
  if (open) return undefined;
  if (run.ending) return outcome(run, run.ending.outcome, `${run.ending.message}${releasedText(run)}`, now);
  if (!run.stages.every((stage) => stage.doneAt !== undefined)) return undefined;
  for (const { key, member } of membersOf(run.plan)) {
    if (member.link === 'Linked' && wants(run, key, member)) return undefined;
  }
  const exceptions = exceptionsOf(run);
  const total = Object.keys(run.members).length;
  const there = countText(run, total, total - exceptions.length);
  return exceptions.length === 0
    ? outcome(run, 'Converged', there, now)
    : outcome(run, 'ConvergedWithExceptions', `${there}; ${inWords(exceptions)}`, now);
}

/** How many members are where they should be. One that only its gate keeps is in its power state all the same. */
function countText(run: Run, total: number, through: number): string {
  const { powerState } = run.plan;
  const kept = membersOf(run.plan).filter(
    ({ key }) => own(run.members, key)?.parked?.class === 'GateTimeout',
  );
  const is = powerState === 'Unchanged' ? 'placed' : powerState;
  if (kept.length === 0) return `${through} of ${total} members ${is}`;
  const gate = kept.every(({ tier }) => tier.gate === 'Ready') ? 'ready' : 'through their gate';
  return `${through + kept.length} of ${total} members ${is}, ${through} of ${total} ${gate}`;
}

/** What became of the places that were asked for. */
function releasedText({ claims }: Run): string {
  const { free, failure } = claims?.release ?? {};
  if (failure !== undefined) {
    const names = listed(Object.keys(claims?.vms ?? {}));
    return `; whether places are still kept for ${names} is not known: ${failure}`;
  }
  return free && free.length > 0 ? `; no place is kept for ${listed(free)}` : '';
}

/** Most exceptions or names that an outcome's message spells out; all of them are in its lists. */
const SPELLED_OUT = 5;

function listed(names: string[]): string {
  const more = names.length > SPELLED_OUT ? ` and ${names.length - SPELLED_OUT} more` : '';
  return `${names.slice(0, SPELLED_OUT).join(', ')}${more}`;
}

function inWords(exceptions: RunOutcome['exceptions']): string {
  const texts = exceptions
    .slice(0, SPELLED_OUT)
    .map(({ member, reason, message }) => `${member} ${reason}: ${message}`);
  const more = exceptions.length > SPELLED_OUT ? `; and ${exceptions.length - SPELLED_OUT} more` : '';
  return `${texts.join('; ')}${more}`;
}

function exceptionsOf(run: Run): RunOutcome['exceptions'] {
  const exceptions: RunOutcome['exceptions'] = [];
  for (const { key, member } of membersOf(run.plan)) {
    const state = own(run.members, key);
    if (!state) continue;
    if (member.link === 'NotFound' && run.plan.powerState !== 'PoweredOn' && !isSetAside(state)) continue;
    const exception = exceptionOf(state, member);
    if (exception) exceptions.push({ member: key, ...exception });
  }
  return exceptions;
}

function outcome(run: Run, type: RunOutcome['outcome'], message: string, now: number): RunOutcome {
  const { plan } = run;
  const observed: RunOutcome['observed'] = {};
  for (const [key, state] of Object.entries(run.members)) {
    if (state.observed && !state.uncertain) observed[key] = state.observed;
  }
  const result: RunOutcome = {
    outcome: type,
    message,
    revision: plan.revision,
    generation: plan.generation,
    lineage: plan.lineage,
    powerState: plan.powerState,
    startedAt: run.startedAt,
    endedAt: now,
    operations: run.operations,
    exceptions: exceptionsOf(run),
    observed,
    placements: run.placements,
    corrections: stillCounting(run, now),
    words: run.words,
  };
  if (run.planDigest !== undefined) result.planDigest = run.planDigest;
  if (plan.forceSync !== undefined) result.forceSync = plan.forceSync;
  const free = run.claims?.release?.free ?? [];
  if (free.length > 0) result.released = free;
  return fitOutcome(result);
}

function stillCounting(run: Run, now: number): RunOutcome['corrections'] {
  const since = now - run.plan.policy.drift.window;
  const counting: RunOutcome['corrections'] = {};
  for (const [key, times] of Object.entries(run.corrections)) {
    const recent = times.filter((at) => at > since);
    if (recent.length > 0) counting[key] = recent;
  }
  return counting;
}

/** The activities of every open operation, to be scheduled again by an execution that continues the run. */
export function openStarts(run: Run, uses: Uses = usesAll): Start[] {
  const starts: Start[] = [];
  const { activityId: placing } = run.placement;
  if (placing !== undefined) starts.push(placeStart(run, placing, uses));
  const release = run.claims?.release?.activityId;
  if (release !== undefined) starts.push(releaseStart(run, release));
  const search = run.endSearch?.activityId;
  if (search !== undefined) starts.push(endSearchStart(run, search));
  for (const { key, member, tier } of membersOf(run.plan)) {
    const operation = own(run.members, key)?.operation;
    if (operation && !operation.waiting) starts.push(memberStart(run, key, member, tier));
  }
  return starts;
}

function placeStart(run: Run, activityId: string, uses: Uses): Start {
  const { plan } = run;
  const requests = unplaced(run, plan, uses).map(({ member, plan: { namespace } }): PlacementRequest => {
    const { cpus = 0, memory = 0, ...rest } = member.requests ?? {};
    const vm = { namespace, name: member.name, uid: member.uid ?? '' };
    return { vm, cpus, memory, ...rest, ...(member.optional && { optional: true as const }) };
  });
  const beside = besideOf(run, requests);
  const { attempts, confirms } = run.placement;
  const input: PlaceInput = {
    operation: `${activityId}@${run.claims?.sequence ?? 0}`,
    requests,
    retry: plan.policy.retry,
    caller: workflowId(plan.namespace, plan.name),
    ...(run.claims && { sequence: run.claims.sequence }),
    ...(plan.placesAhead && plan.powerState !== 'Unchanged' && { hold: true as const }),
    ...(beside.length > 0 && { beside }),
    ...(attempts.length > 0 && { earlier: attempts }),
  };
  const start = {
    activityId,
    activity: 'place' as const,
    summary: `place ${requests.length} VM${requests.length === 1 ? '' : 's'}`,
    input,
  };
  return confirms ? confirming(start) : start;
}

/** The same activity, for a worker that says whose result it is. */
function confirming({ activityId, summary, ...rest }: Start & ConfirmInput): Start {
  return { activityId, activity: 'confirm', summary: shorten(`confirm: ${summary}`), input: rest };
}

/** Attempts to give places back: an operator waits for the end of the run. Milliseconds. */
const RELEASE_RETRY = { maximumAttempts: 4, initialInterval: 500, maximumInterval: 2_000 };

function releaseStart(run: Run, activityId: string): Start {
  const { plan, claims } = run;
  const vms = claimed(run);
  return {
    activity: 'release',
    activityId,
    summary: `give back the places of ${vms.length} VM${vms.length === 1 ? '' : 's'}`,
    input: {
      operation: activityId,
      vms,
      caller: workflowId(plan.namespace, plan.name),
      sequence: claims?.sequence ?? 0,
      retry: RELEASE_RETRY,
    },
  };
}

/** The other VMs that rules are about: those of the tree that are not placed now, and those that the plan names. */
function besideOf({ plan }: Run, requests: PlacementRequest[]): Neighbour[] {
  if (!plan.beside) return [];
  const { namespace } = plan;
  const placing: Record<string, true> = {};
  for (const { vm } of requests) placing[vm.name] = true;
  return [
    ...plan.beside.map(({ name, uid, ...seen }): Neighbour => ({ vm: { namespace, name, uid }, ...seen })),
    ...machinesOf(plan).flatMap(({ name, uid, requests: { labels, affinity } = {} }): Neighbour[] => {
      if (uid === undefined || own(placing, name) || (!labels && !affinity)) return [];
      return [{ vm: { namespace, name, uid }, ...(labels && { labels }), ...(affinity && { affinity }) }];
    }),
  ];
}

function memberStart(run: Run, key: MemberKey, member: PlanMember, tier: PlanTier): Start {
  const { plan } = run;
  const operation = own(run.members, key)?.operation;
  if (!operation) throw new TypeError(`${key} has no open operation`);
  const { activityId, sequence, attempts, fence, confirms, runId } = operation;
  const { words, activity } = VERBS[powerStateOf(plan)];
  const id = `${activityId}@${sequence}`;
  const caller = workflowId(plan.namespace, plan.name);
  if (member.plan) {
    const input: PowerGroupInput = {
      operation: id,
      sequence,
      plan: withRoomless(run, member.plan),
      retry: plan.policy.retry,
      earlier: attempts,
      caller,
      member: key,
      ...(runId !== undefined && { runId }),
    };
    if (runId !== undefined)
      return { activityId, activity: 'awaitGroup', summary: shorten(`await group ${member.name}`), input };
    const start = {
      activityId,
      activity: 'powerGroup' as const,
      summary: shorten(`${words} group ${member.name}`),
      input,
    };
    return confirms ? confirming(start) : start;
  }
  const input: PowerInput = {
    vm: { namespace: plan.namespace, name: member.name, uid: member.uid ?? '' },
    operation: { id, sequence },
    powerState: powerStateOf(plan),
    ...operationSettings(plan, tier, member),
    earlier: attempts,
    caller,
    ...(fence && { fence }),
  };
  const start = { activityId, activity, summary: shorten(`${words} ${member.name}`), input };
  return confirms ? confirming(start) : start;
}

/** A nested group's plan that says for which optional VMs there is no room. */
function withRoomless(run: Run, plan: Plan): Plan {
  if (!run.roomless) return plan;
  const tiers = plan.tiers.map((tier) => ({
    ...tier,
    members: tier.members.map((member): PlanMember => {
      if (member.plan) return { ...member, plan: withRoomless(run, member.plan) };
      const message = member.kind === 'VirtualMachine' ? own(run.roomless, member.name) : undefined;
      return message === undefined ? member : { ...member, setAside: { reason: 'NoRoom', message } };
    }),
  }));
  return { ...plan, tiers };
}

function delaySummary(run: Run, stage: Stage, index: number): string {
  const names = stageMembers(run, stage)
    .map(({ member }) => member.name)
    .join(', ');
  const tier = stage.tiers.length === 1 ? (stage.tiers[0] ?? index) + 1 : index + 1;
  return shorten(
    `tier ${tier} of ${run.plan.tiers.length}: wait ${formatDuration(stage.delay)} before ${names}`,
  );
}

function shorten(text: string): string {
  return fitText(text, LONGEST_SUMMARY);
}

/** Whether a delay of this run is under way. */
export function delayRuns(run: Run): boolean {
  return run.stages.some(inDelay);
}
