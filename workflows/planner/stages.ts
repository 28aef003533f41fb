/** The walk through the tiers: which stage is released, which waits for its delay, and which is done. Pure. */
import { formatDuration } from '../../api/duration';
import { own } from '../../api/own';
import { gateOf, memberKey, type PlanMember, type PlanTier } from '../../contract';
import type { Uses } from '../changes';
import type { Run, Stage } from '../state';
import { freeSlots, startMembers } from './member-operations';
import { isReached, isSetAside, needsOperation, stageMembers } from './members';
import { shorten, type NextSteps } from './steps';

/**
 * Walks the stages: PLANNER-1, PLANNER-2. A stage that was released stays so, and those of its members that join late or fall back are started at once;
 * a stage that was not waits for every stage before it.
 */
export function walkStages(steps: NextSteps, now: number, sequence: number, uses: Uses): void {
  const { run } = steps;
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
      if (!tryRelease(steps, stage, index, previousDoneAt, now)) return;
    }
    startMembers(steps, stage, slots, { now, sequence, uses });
    if (isDone(run, stage)) {
      stage.doneAt ??= doneSince(run, stage, previousDoneAt ?? now, now);
    } else {
      delete stage.doneAt;
      allDone = false;
    }
    previousDoneAt = stage.doneAt;
  }
}

/** Whether a stage is released; begins or continues its delay. */
function tryRelease(
  steps: NextSteps,
  stage: Stage,
  index: number,
  previousDoneAt: number,
  now: number,
): boolean {
  const { run } = steps;
  // Where nothing is left to start, here and later, there is nothing to wait for.
  const idle = !run.stages
    .slice(index)
    .some((later) => stageMembers(run, later).some(({ key, member }) => needsOperation(run, key, member)));
  if (stage.delay > 0 && !idle) {
    stage.dueAt ??= previousDoneAt + stage.delay;
    // The server's clock went back.
    if (stage.dueAt - now > stage.delay) stage.dueAt = now + stage.delay;
    if (stage.dueAt > now) {
      steps.wake = { at: stage.dueAt, summary: delaySummary(run, stage, index) };
      return false;
    }
  }
  if (run.paused) return false;
  stage.releasedAt = now;
  return true;
}

function isDone(run: Run, stage: Stage): boolean {
  return stage.tiers.every((index) => {
    const tier = run.plan.tiers[index];
    return !tier || tierDone(run, tier);
  });
}

/** Whether a tier no longer holds anything up. */
function tierDone(run: Run, tier: PlanTier): boolean {
  const counted = tier.members.filter((member) => countsAsDone(run, tier, member));
  if (run.plan.powerState === 'PoweredOn' && tier.quorum !== undefined && counted.length >= tier.quorum)
    return true;
  return tier.members.every((member) => member.optional === true || counted.includes(member));
}

/** Whether a member counts towards its tier's being done. */
function countsAsDone(run: Run, tier: PlanTier, member: PlanMember): boolean {
  const state = own(run.members, memberKey(member));
  if (!state) return false;
  if (isReached(state) || state.word || state.leftAlone) return true;
  if (state.parked) return tier.whenParked === 'Continue';
  if (run.plan.powerState !== 'PoweredOn') return member.link !== 'Linked';
  return gateOf(tier, member) === 'None' && state.operation !== undefined;
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

function delaySummary(run: Run, stage: Stage, index: number): string {
  const names = stageMembers(run, stage)
    .map(({ member }) => member.name)
    .join(', ');
  const tier = stage.tiers.length === 1 ? (stage.tiers[0] ?? index) + 1 : index + 1;
  return shorten(
    `tier ${tier} of ${run.plan.tiers.length}: wait ${formatDuration(stage.delay)} before ${names}`,
  );
}
