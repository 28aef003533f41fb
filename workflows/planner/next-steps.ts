/**
 * The planner: what a run does next, given its state and the time. The workflow drives it, `vmgroup plan` forecasts with it, and the property
 * tests check it. Pure.
 *
 * PLANNER-1: no member of a later tier is started before every earlier tier is done.
 * PLANNER-2: a delay is cut short only by an operator, and never starts over: it counts from the moment at which the tier before was done.
 * PLANNER-3: a member that is in its desired state is not operated, except once for a force sync.
 * PLANNER-4: a run ends, or names the member or the operator that it waits for.
 * PLANNER-5: a member has at most one open operation, and a run has at most as many open operations of VMs as its policy allows.
 * PLANNER-6: no VM is powered on without a place, and all VMs that need one are placed together. A VM that has its place does not wait for the
 *     places of others.
 * PLANNER-7: if power is left alone, VMs are placed and nothing else happens. No run ends as converged while a VM that needs a place has none.
 * PLANNER-8: a run that is ended from outside first gives back every place that it has asked for and not used, including those for which no
 *     answer came.
 * PLANNER-9: no more operations are open than one workflow task and the server can hold.
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
  } else {
    const platform = owesRelease(run);
    if (platform !== undefined && uses(CHANGES.givesBack)) giveBack(steps, platform, now);
    else if (platform !== undefined) delete run.claims;
  }
  awaitEnded(steps);
  searchForEnds(steps, now);
  updatePhases(run, now);
  const outcome = outcomeOf(run, now, uses);
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
