/** Whether a run is over, and its outcome in words. Pure. */
import { own } from '../../api/own';
import { firstFew, listed } from '../../api/text';
import { gateOf, type OutcomeType, type RunOutcome } from '../../contract';
import type { Uses } from '../changes';
import { fitOutcome } from '../size';
import { exceptionOf, membersOf, type Run } from '../state';
import { isSetAside, needsOperation } from './members';
import { placesLater } from './places';

/** Ends the run as failed if a member is parked whose tier says `Fail`. */
export function failIfPolicySays(run: Run): void {
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

/** The outcome, once nothing is open and nothing is left to do; PLANNER-4. */
export function outcomeOf(run: Run, now: number, uses: Uses): RunOutcome | undefined {
  const open =
    run.placement.activityId !== undefined ||
    run.claims?.release?.activityId !== undefined ||
    Object.values(run.members).some((state) => state.operation);
  if (open) return undefined;
  if (run.ending)
    return makeOutcome(run, run.ending.outcome, `${run.ending.message}${releasedText(run)}`, now);
  if (!run.stages.every((stage) => stage.doneAt !== undefined)) return undefined;
  for (const { key, member } of membersOf(run.plan)) {
    if (member.link === 'Linked' && needsOperation(run, key, member)) return undefined;
  }
  if (placesLater(run, uses)) return undefined;
  const exceptions = exceptionsOf(run);
  const total = Object.keys(run.members).length;
  const there = countText(run, total, total - exceptions.length);
  return exceptions.length === 0
    ? makeOutcome(run, 'Converged', there, now)
    : makeOutcome(run, 'ConvergedWithExceptions', `${there}; ${exceptionsText(exceptions)}`, now);
}

/** How many members are where they should be. One that only its gate keeps is in its power state all the same. */
function countText(run: Run, total: number, through: number): string {
  const { powerState } = run.plan;
  const kept = membersOf(run.plan).filter(
    ({ key }) => own(run.members, key)?.parked?.class === 'GateTimeout',
  );
  const is = powerState === 'Unchanged' ? 'placed' : powerState;
  if (kept.length === 0) return `${through} of ${total} members ${is}`;
  const gate = kept.every(({ tier, member }) => gateOf(tier, member) === 'Ready')
    ? 'ready'
    : 'through their gate';
  return `${through + kept.length} of ${total} members ${is}, ${through} of ${total} ${gate}`;
}

/** What became of the places that were asked for. */
function releasedText({ claims }: Run): string {
  const { free, failure } = claims?.release ?? {};
  if (failure !== undefined) {
    const names = listed(Object.keys(claims?.vms ?? {}), SPELLED_OUT);
    return `; whether places are still kept for ${names} is not known: ${failure}`;
  }
  return free && free.length > 0 ? `; no place is kept for ${listed(free, SPELLED_OUT)}` : '';
}

/** Most exceptions or names that an outcome's message spells out; all of them are in its lists. */
const SPELLED_OUT = 5;

function exceptionsText(exceptions: RunOutcome['exceptions']): string {
  const texts = exceptions.map(({ member, reason, message }) => `${member} ${reason}: ${message}`);
  return firstFew(texts, SPELLED_OUT).join('; ');
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

function makeOutcome(run: Run, type: RunOutcome['outcome'], message: string, now: number): RunOutcome {
  const { plan } = run;
  const free = run.claims?.release?.free ?? [];
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
    observed: observedBy(run, free),
    placements: run.placements,
    spans: spansOf(run),
    corrections: stillCounting(run, now),
    words: run.words,
  };
  if (run.planDigest !== undefined) result.planDigest = run.planDigest;
  if (plan.forceSync !== undefined) result.forceSync = plan.forceSync;
  if (free.length > 0) result.released = free;
  return fitOutcome(result);
}

/** What the run saw of its VMs last; of those that no longer have a place it says nothing. */
function observedBy({ plan, members }: Run, free: readonly string[]): RunOutcome['observed'] {
  const observed: RunOutcome['observed'] = {};
  for (const { key, member } of membersOf(plan)) {
    const state = own(members, key);
    if (!state?.observed || state.uncertain || free.includes(key)) continue;
    observed[key] = { ...state.observed, ...(member.uid !== undefined && { uid: member.uid }) };
  }
  return observed;
}

/** When each member that is where it should be was brought there. */
function spansOf({ members }: Run): NonNullable<RunOutcome['spans']> {
  const spans: NonNullable<RunOutcome['spans']> = {};
  for (const [key, { span, reachedAt }] of Object.entries(members)) {
    if (span && reachedAt !== undefined) spans[key] = span;
  }
  return spans;
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

/** The outcome of a run that never had a plan. */
export function outcomeWithoutPlan(
  outcome: OutcomeType,
  message: string,
  startedAt: number,
  endedAt: number,
): RunOutcome {
  return {
    outcome,
    message: `${message}; the run never received a plan`,
    revision: '',
    generation: 0,
    lineage: '',
    powerState: 'Unchanged',
    startedAt,
    endedAt,
    operations: 0,
    exceptions: [],
    observed: {},
    placements: {},
    corrections: {},
    words: [],
  };
}
