/**
 * How plans change a run. Pure: plain JSON, no clock, no randomness, no Temporal.
 *
 * PLANS-1: the same plan received twice changes nothing. A plan that is older than the one in force is refused, unless it names that one as
 *     replaced or comes with a later operation of the parent's run.
 * PLANS-4: places that a parent's run has settled count only while there is a parent.
 * PLANS-5: a plan of another group has no effect.
 */
import { own } from '../../api/own';
import { fitText } from '../../api/text';
import {
  applyPlan,
  memberKey,
  standOf,
  workflowId,
  type MemberKey,
  type Plan,
  type PlanMessage,
  UNNAMED_ACTOR,
  type RecordedCommand,
} from '../../contract';
import { CHANGES, usesAll, type Uses } from '../changes';
import { claimAgain, placeAgain } from '../placing';
import { ignoring, MESSAGE_BYTES, remember, stagesOf, type Run, type Stage } from '../state';
import { sameDesire, withMembers } from './members';

/** Whether `plan` is older than the plan in force. */
function isStale(plan: Plan, inForce: Plan): boolean {
  return plan.lineage === inForce.lineage && plan.generation < inForce.generation;
}

/** Why a plan is not one for the run with this workflow id; undefined if it is. */
export function whyForeign({ namespace, name }: Plan, id: string): string | undefined {
  return workflowId(namespace, name) === id ? undefined : `it is a plan of ${namespace}/${name}`;
}

/** A run that begins with this message. */
export function begin(message: PlanMessage, now: number, uses: Uses = usesAll): Run {
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
  if (isAsked(message, forced)) run.words = [askedCommand(message, now)];
  return withMembers(run, plan, now, { fresh: true, forgive: forced, forced, uses });
}

/** The run after a plan message; PLANS-1, PLANS-5. */
export function receivePlan(run: Run, message: PlanMessage, now: number, uses: Uses = usesAll): Run {
  const { plan } = message;
  const foreign = whyForeign(plan, workflowId(run.plan.namespace, run.plan.name));
  if (foreign !== undefined) return ignoring(run, { at: now, what: applyPlan.name, why: foreign });
  if (isStale(plan, run.plan) && !outranks(run, message, uses)) return refusing(run, message, now);
  const turned = plan.powerState !== run.plan.powerState;
  const edited = isEdited(plan, run.plan);
  const asked = message.cause === 'Asked';
  const forced = asksForSync(plan, run.plan.forceSync);
  const changed = edited || asked || forced || !sameDesire(plan, run.plan);

  const next = underPlan(run, message, uses);
  if (changed) {
    next.cause = message.cause;
    delete next.ending;
    if (next.claims?.release) claimAgain(next, next.claims);
  }
  if (turned) next.planAt = now;
  if (isAsked(message, forced)) next.words = remember(run.words, askedCommand(message, now));
  next.stages = turned ? stagesOf(plan) : keptStages(run, plan);
  if (plan.beside && standOf(plan) !== standOf(run.plan)) placeAgain(next);
  const forgive = edited || asked || forced;
  if (forgive) delete next.roomless;
  return withMembers(next, run.plan, now, { fresh: turned, forgive, forced, uses });
}

/** Whether the desired state of a group, or of an ancestor, was changed. */
function isEdited(plan: Plan, inForce: Plan): boolean {
  return (
    plan.powerState !== inForce.powerState ||
    plan.revision !== inForce.revision ||
    plan.lineage !== inForce.lineage
  );
}

/** The run with the plan of a message in force. */
function underPlan(run: Run, message: PlanMessage, uses: Uses): Run {
  const { plan, digest, sequence } = message;
  const next: Run = { ...run, plan, placedByParent: isPlacedByParent(run, message, uses) };
  delete next.refusedPlan;
  delete next.planDigest;
  if (digest !== undefined) next.planDigest = digest;
  delete next.parentSequence;
  if (sequence !== undefined) next.parentSequence = sequence;
  return next;
}

/** Whether a plan replaces the plan in force although its generation is smaller. */
function outranks(run: Run, message: PlanMessage, uses: Uses): boolean {
  const replaces = message.supersedes !== undefined && message.supersedes === run.planDigest;
  return replaces || isLaterOfParent(run, message, uses);
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

/** PLANS-4. */
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

/** Whether an operator asks. A force sync that was received before is not put on record again. */
function isAsked({ cause, actor }: PlanMessage, forced: boolean): boolean {
  return cause === 'Asked' || (forced && actor !== undefined);
}

function askedCommand(
  { actor = UNNAMED_ACTOR, reason = '', known }: PlanMessage,
  now: number,
): RecordedCommand {
  return {
    verb: 'retryMember',
    actor: fitText(actor, MESSAGE_BYTES),
    reason: fitText(reason, MESSAGE_BYTES),
    at: now,
    ...(known && { known }),
  };
}

/** The stages of the plan. They stay released and done if their delay, and those before them, are the same and members only joined or left. */
function keptStages(run: Run, plan: Plan): Stage[] {
  const stages = stagesOf(plan);
  for (const [index, stage] of stages.entries()) {
    const old = run.stages[index];
    if (!old || old.delay !== stage.delay || !isSubset(namesOf(run.plan, old), namesOf(plan, stage))) break;
    stages[index] = { ...old, ...stage };
  }
  return stages;
}

function namesOf(plan: Plan, stage: Stage): MemberKey[] {
  return stage.tiers.flatMap((index) => plan.tiers[index]?.members.map(memberKey) ?? []);
}

/** Whether one of two lists holds all of the other. */
function isSubset(one: MemberKey[], other: MemberKey[]): boolean {
  const [small, large] = one.length <= other.length ? [one, other] : [other, one];
  const names: Record<string, true> = {};
  for (const name of large) names[name] = true;
  return small.every((name) => own(names, name));
}
