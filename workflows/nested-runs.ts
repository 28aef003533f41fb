/**
 * How a run waits for the runs of its nested groups. Pure.
 *
 * An activity waits for the first minute. If the nested run takes longer, it notifies this run of its end, and the operation stays open
 * without an activity, which would cost a heartbeat every two seconds.
 *
 * NESTED-1: nested runs that wait for an operator cost their parent's run two actions every half hour, however many there are, and up to two
 *     queries of the bridge, which queries a run after each workflow task.
 * NESTED-2: a nested run that ends without notifying its parent is found within that time. The bridge reports one that was terminated at once.
 * NESTED-3: a notification only makes the run read the outcome. What counts is what Temporal has recorded for the run that was asked.
 * NESTED-4: a notification may come before the result of the activity that has subscribed to it, and counts then too.
 */
import { own } from '../api/own';
import {
  workflowId,
  type Attempt,
  type AwaitedGroup,
  type EndSubscription,
  type FindEndedGroupsInput,
  type GroupEnded,
  type MemberKey,
} from '../contract';
import { CHANGES, type Uses } from './changes';
import { keptAttempts, membersOf, type MemberState, type OpenOperation, type Run } from './state';

/** Milliseconds between two searches for nested runs that have ended without notifying this one. */
export const END_SEARCH_INTERVAL = 30 * 60_000;

/** The operation once its activity has answered that the nested run takes longer; NESTED-4. */
export function waitingFor(
  { paused: _paused, confirms: _confirms, endedRun, ...operation }: OpenOperation,
  { runId, failures }: { runId: string; failures: readonly Attempt[] },
  uses: Uses,
): OpenOperation {
  const attempts = failures.reduce<Attempt[]>(keptAttempts, []);
  const hasEnded = endedRun === runId && uses(CHANGES.endsKept);
  return { ...operation, runId, waiting: hasEnded ? 'Ended' : 'ForEnd', attempts };
}

/** The run after a nested run has notified it of its end; NESTED-3, NESTED-4. */
export function groupHasEnded(run: Run, { member, runId }: GroupEnded): Run {
  const state = own(run.members, member);
  const operation = state?.operation;
  if (!operation || operation.waiting === 'Ended' || !isGroup(run, member)) return run;
  if (operation.waiting === undefined)
    return withMember(run, member, { ...state, operation: { ...operation, endedRun: runId } });
  return operation.runId === runId ? withMember(run, member, ended(state, operation)) : run;
}

function isGroup({ plan }: Run, key: MemberKey): boolean {
  return membersOf(plan).some(({ key: each, member }) => each === key && member.plan !== undefined);
}

function withMember(run: Run, key: MemberKey, state: MemberState): Run {
  return { ...run, members: { ...run.members, [key]: state } };
}

function ended(state: MemberState, operation: OpenOperation): MemberState {
  return { ...state, operation: { ...operation, waiting: 'Ended' } };
}

/** The run after a search for nested runs that have ended. A search that failed has found none. */
export function endsFound(run: Run, activityId: string, found: readonly MemberKey[], now: number): Run {
  if (run.endSearch?.activityId !== activityId) return run;
  const next: Run = {
    ...run,
    members: { ...run.members },
    endSearch: { dueAt: now + END_SEARCH_INTERVAL },
  };
  for (const key of found) {
    const state = own(run.members, key);
    if (state?.operation?.waiting === 'ForEnd') next.members[key] = ended(state, state.operation);
  }
  return next;
}

/** The run with a parent's run to notify of its end. */
export function notifying(run: Run, subscription: EndSubscription): Run {
  const { workflowId: parent, member, runId } = subscription;
  return { ...run, notify: { workflowId: parent, member, runId } };
}

/** The nested runs that are waited for without an activity. */
export function awaitedGroups(run: Run): AwaitedGroup[] {
  const { namespace } = run.plan;
  return membersOf(run.plan).flatMap(({ key, member }) => {
    const operation = own(run.members, key)?.operation;
    if (operation?.waiting !== 'ForEnd' || operation.runId === undefined) return [];
    return [{ member: key, workflowId: workflowId(namespace, member.name), runId: operation.runId }];
  });
}

/** Input of the open search for nested runs that have ended. */
export function endSearchInput(run: Run, activityId: string): FindEndedGroupsInput {
  return { operation: activityId, groups: awaitedGroups(run) };
}
