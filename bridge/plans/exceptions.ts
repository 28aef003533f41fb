/** How the last run of a desired state left the members that it did not bring there. Pure. */
import {
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

/** Exceptions that stay until the desired state changes or an operator acts. A record, so that the compiler asks for each. */
const SET_ASIDE: Record<SetAsideReason, true> = {
  Parked: true,
  Skipped: true,
  MarkedReady: true,
  Drifted: true,
  DriftLimit: true,
  NoRoom: true,
};
const LASTING: ReadonlySet<string> = new Set(Object.keys(SET_ASIDE));
/** Exceptions that stay if the run had nothing to do at all: one more run would end the same way. */
const UNSTARTED: ReadonlySet<ExceptionReason> = new Set(['NotStarted', 'InProgress']);

/** Exceptions of the last run that still hold under the plan: a run of the same desired state left those members as they are. */
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
