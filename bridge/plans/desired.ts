/** When something counts as being in its desired state. Pure; shared by resolving, deciding and status. */
import { createHash } from 'node:crypto';
import {
  desireOf,
  type ExceptionReason,
  type MemberKey,
  type Plan,
  type PlanMember,
  type RunException,
  type RunOutcome,
  type SetAsideReason,
} from '../../contract';

/** Whether an outcome belongs to the desired state of the plan. */
export function isSameDesired(
  plan: Plan,
  other: Pick<RunOutcome, 'revision' | 'lineage' | 'powerState'>,
): boolean {
  return (
    plan.revision === other.revision && plan.lineage === other.lineage && plan.powerState === other.powerState
  );
}

/** Exceptions that stay until the desired state changes or a person acts. A record, so that none can be forgotten. */
const SET_ASIDE: Record<SetAsideReason, true> = {
  Parked: true,
  Skipped: true,
  MarkedReady: true,
  Drifted: true,
  DriftLimit: true,
  NoRoom: true,
};
const LASTING: ReadonlySet<string> = new Set(Object.keys(SET_ASIDE));
/** Exceptions that stay where the run had nothing to do at all: one more run would end the same way. */
const UNSTARTED: ReadonlySet<ExceptionReason> = new Set(['NotStarted', 'InProgress']);

/** Exceptions of the last run that hold for the plan: a run of the same desired state left those members as they are. */
export function standingExceptions(
  plan: Plan,
  outcome: RunOutcome | undefined,
): Map<MemberKey, RunException> {
  if (!outcome || outcome.outcome === 'Superseded' || !isSameDesired(plan, outcome)) return new Map();
  const stands = ({ reason }: RunException): boolean =>
    LASTING.has(reason) || (outcome.operations === 0 && UNSTARTED.has(reason));
  return new Map(outcome.exceptions.filter(stands).map((exception) => [exception.member, exception]));
}

/** What keeps a new run under the same desired state from touching a member that the last one left as it is. */
export function setAside(exception: RunException | undefined): PlanMember['setAside'] {
  if (!exception || !LASTING.has(exception.reason)) return undefined;
  return { reason: exception.reason as SetAsideReason, message: exception.message };
}

/** The members that the last run of the same desired state left as they are, and that no run is started for again. */
export function excusedMembers(plan: Plan, outcome: RunOutcome | undefined): Set<MemberKey> {
  return new Set(standingExceptions(plan, outcome).keys());
}

/** Tells one plan from another: a hash of everything that it says but for what was observed. Builds that know more say more. */
export function planDigest(plan: Plan): string {
  return hash(desireOf(plan));
}

/**
 * Tells one desired state and membership of a tree from another: a hash of its groups' revisions and power states, and of its members. The
 * same in every build, and whatever becomes of policies, classes, labels and VMs of others.
 */
export function wantsDigest(plan: Plan): string {
  return hash(JSON.stringify(wantsOf(plan)));
}

function wantsOf({ uid, revision, powerState, tiers }: Plan): unknown[] {
  const members = tiers.flatMap((tier) =>
    tier.members.map(({ kind, name, uid, link, plan }) => [kind, name, uid, link, plan && wantsOf(plan)]),
  );
  return [uid, revision, powerState, members];
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
