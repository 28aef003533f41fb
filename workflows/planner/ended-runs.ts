/** The activities that look after nested runs which are waited for without an activity. Pure. */
import { own } from '../../api/own';
import { awaitedGroups, END_SEARCH_INTERVAL, endSearchInput } from '../nested-runs';
import { membersOf, type Run } from '../state';
import { memberStart } from './member-operations';
import { nextId, VERBS, type NextSteps, type Start } from './steps';

/** Schedules the activities that read the outcomes of nested runs that have ended. */
export function awaitEnded({ run, start }: NextSteps): void {
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
export function searchForEnds(steps: NextSteps, now: number): void {
  const { run, start, cancel } = steps;
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
    steps.search = { at: dueAt, summary: 'search for nested runs that have ended' };
    return;
  }
  const activityId = nextId(run, `ended-groups/${run.plan.name}`);
  run.endSearch = { dueAt, activityId };
  start.push(endSearchStart(run, activityId));
}

export function endSearchStart(run: Run, activityId: string): Start {
  const input = endSearchInput(run, activityId);
  const count = input.groups.length;
  return {
    activityId,
    activity: 'findEndedGroups',
    summary: `search for the end of ${count} nested run${count === 1 ? '' : 's'}`,
    input,
  };
}
