/**
 * The status of every group, computed from the group, what was observed of its members, and its run. Pure.
 *
 * STATUS-1: a condition says only what was observed: an operator command lets a tier go on, it does not make a VM count as powered on.
 * STATUS-2: status is right whether a run is open, has ended or never was.
 * STATUS-3: `lastTransitionTime` moves only when a condition's status moves.
 * STATUS-4: a group becomes ready when its run has ended, so that phase and `Ready` change together. A ready group stays ready while a run is
 *     open that has nothing to do.
 * STATUS-5: what stops a run and the run cannot report itself (a failing workflow task, a pause, a plan that it refuses) is shown with the
 *     commands that help.
 */
import type { ObjectName, Problem } from '../../api';
import { condition, problemsText, stamped } from './conditions';
import { factsOf, type StatusInput } from './facts';
import { groupConditions } from './group-conditions';
import { lastUpdated, viewOfRun } from './last-run';
import { assessMember } from './member-status';
import { groupPhase } from './phase';
import { VIEW_API_VERSION, type GroupStatus, type GroupView } from './view';

/** Computes the view of one group. The views of nested groups must be computed before. */
export function groupView(input: StatusInput): GroupView {
  const facts = factsOf(input);
  const { group, plan, run, previous, problems, sent } = facts;
  const members = facts.tiers.flatMap((tier) => tier.members.map((member) => assessMember(facts, member)));
  const unready = members.flatMap((member) => (member.unready === undefined ? [] : [member.unready]));
  const updated = lastUpdated(run, plan) ?? previous?.status.lastUpdatedPowerStateTime;
  const status: GroupStatus = {
    observedGeneration: group.generation,
    members: members.map((member) => member.status),
    ...(updated !== undefined && { lastUpdatedPowerStateTime: updated }),
    conditions: groupConditions(facts, unready, members.length),
  };
  const runView = viewOfRun(group, run);
  const { namespace, name, uid, generation, powerState, groupName } = group;
  return {
    apiVersion: VIEW_API_VERSION,
    kind: 'VirtualMachineGroup',
    metadata: { namespace, name, uid, generation },
    spec: { ...(powerState && { powerState }), ...(groupName !== undefined && { groupName }) },
    status,
    ...groupPhase(facts, unready, members.length),
    ...(runView && { run: runView }),
    ...(problems.length > 0 && { problems }),
    ...(sent && { sent }),
  };
}

/** What {@link unusableView} is computed from. */
export interface UnusableInput {
  group: ObjectName & { uid: string; generation: number };
  problems: Problem[];
  previous?: GroupView;
  /** Milliseconds since the epoch. */
  now: number;
}

/** The view of a group without a valid form: what was observed of its members before stays, and `Ready` says what is wrong. */
export function unusableView({ group, problems, previous, now }: UnusableInput): GroupView {
  const before = previous?.metadata.uid === group.uid ? previous : undefined;
  const message = problemsText(problems);
  const ready = condition('Ready', 'False', 'Invalid', message);
  const { namespace, name, uid, generation } = group;
  return {
    apiVersion: VIEW_API_VERSION,
    kind: 'VirtualMachineGroup',
    metadata: { namespace, name, uid, generation },
    spec: before?.spec ?? {},
    status: {
      ...(before?.status ?? { members: [] }),
      observedGeneration: generation,
      conditions: stamped([ready], before?.status.conditions, { group, now }),
    },
    phase: 'Invalid',
    message,
    ...(before?.run && { run: before.run }),
    problems,
    ...(before?.sent && { sent: before.sent }),
  };
}
