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
import { own } from '../../api/own';
import { CHANGES, usesAll, type Uses } from '../changes';
import { owesRelease } from '../placing';
import { membersOf, type Run } from '../state';
import { awaitEnded, endSearchStart, searchForEnds } from './ended-runs';
import { memberStart } from './member-operations';
import { failIfPolicySays, outcomeOf } from './outcome';
import { updatePhases } from './phases';
import { askForPlaces, giveBack, placeStart, releaseStart } from './places';
import { walkStages } from './stages';
import type { NextSteps, Start } from './steps';

/** Decides what a run does next. `now` is milliseconds since the Unix epoch. */
export function nextSteps(before: Run, now: number, uses: Uses = usesAll): NextSteps {
  const run: Run = {
    ...before,
    members: { ...before.members },
    activityIds: { ...before.activityIds },
    ...(before.claims && { claims: { ...before.claims, vms: { ...before.claims.vms } } }),
    dropped: [],
  };
  const steps: NextSteps = { run, cancel: before.dropped, start: [] };
  if (!run.ending) {
    askForPlaces(steps, now, uses);
    walkStages(steps, now, Math.max(before.sequence + 1, now), uses);
    failIfPolicySays(run);
  } else if (owesRelease(run)) {
    if (uses(CHANGES.givesBack)) giveBack(steps, now);
    else delete run.claims;
  }
  awaitEnded(steps);
  searchForEnds(steps, now);
  updatePhases(run, now);
  const outcome = outcomeOf(run, now);
  if (outcome) steps.outcome = outcome;
  return steps;
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
