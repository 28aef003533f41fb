/** An open run, as its progress shows it, for the dry run of a change: not the workflow's own state. Pure. */
import type { PowerState } from '../../api';
import { own } from '../../api/own';
import {
  UNNAMED_ACTOR,
  type MemberKey,
  type MemberProgress,
  type Plan,
  type Progress,
  type RecordedCommand,
} from '../../contract';
import { begin, receivePlan } from '../plans';
import { membersOf, type MemberState, type Run, type Stage } from '../state';

/** Names the plan in force, which an amended plan always replaces here. */
const IN_FORCE = 'in-force';

/**
 * The run of a group where its progress says it stands. `now`: milliseconds since the epoch.
 *
 * @param resolved The group's plan as it is resolved now. A run that has not received it yet still goes for the power state in its progress.
 */
export function seenRun(resolved: Plan, progress: Progress, now: number): Run {
  const plan = { ...resolved, powerState: progress.powerState };
  const run = begin({ plan, cause: 'SpecChanged', digest: IN_FORCE }, now);
  const { placement, placements, phase, startedAt } = progress;
  const members: Record<MemberKey, MemberState> = { ...run.members };
  for (const member of progress.members) {
    const state = own(members, member.member);
    if (state) members[member.member] = seenMember(plan, state, member, progress.words);
  }
  return {
    ...run,
    startedAt,
    planAt: startedAt,
    members,
    placements,
    paused: phase === 'Paused',
    stages: seenStages(run.stages, progress),
    placedByParent: plan.powerState === 'PoweredOn' && placement.phase === 'NotNeeded',
    placement: {
      attempts: [],
      done: placement.phase === 'Done',
      ...(placement.phase === 'InProgress' && { activityId: `place/${plan.name}`, since: now }),
    },
  };
}

/** The run once a plan of its group is in force. */
export function amended(run: Run, plan: Plan, now: number): Run {
  return receivePlan(run, { plan, cause: 'SpecChanged', supersedes: IN_FORCE }, now);
}

function seenMember(
  plan: Plan,
  before: MemberState,
  { member, phase, since, lastError, waitsFor = '', activityId = member }: MemberProgress,
  words: readonly RecordedCommand[],
): MemberState {
  const { reachedAt, ...rest } = before;
  const state: MemberState = { ...rest, phase, since };
  switch (phase) {
    case 'Done':
      return { ...state, reachedAt: reachedAt ?? since, ...markedReady(member, words) };
    case 'Skipped':
      return { ...state, word: { verb: 'skipMember', actor: UNNAMED_ACTOR, reason: '', at: since } };
    case 'Parked':
      return { ...state, parked: lastError ?? { class: 'Unknown', message: '', at: since } };
    case 'LeftAlone':
      return { ...state, leftAlone: { reason: 'Drifted', message: waitsFor, at: since } };
    case 'InProgress':
      if (plan.powerState === 'Unchanged') return before;
      return {
        ...state,
        operation: { activityId, sequence: 0, powerState: plan.powerState, since, attempts: [] },
      };
    default:
      return before;
  }
}

/** The command by which a member counts as ready; none if it got there by itself. */
function markedReady(member: MemberKey, words: readonly RecordedCommand[]): Pick<MemberState, 'word'> {
  const about = words.filter(
    (each) => each.member === member || (each.verb === 'retryMember' && !each.member),
  );
  const { verb, actor, reason, at } = about.at(-1) ?? {};
  if (verb !== 'markReady' || actor === undefined || reason === undefined || at === undefined) return {};
  return { word: { verb, actor, reason, at } };
}

/** A tier whose turn came is released; a running delay continues. */
function seenStages(stages: readonly Stage[], { tiers, startedAt }: Progress): Stage[] {
  let open = true;
  return stages.map((stage) => {
    const seen = tiers.filter(({ tier }) => stage.tiers.includes(tier));
    const isRunning = seen.some(({ phase }) => phase === 'Running');
    const isDone = seen.every(({ phase }) => phase === 'Done');
    const until = seen.find(({ phase }) => phase === 'Delay')?.until;
    const isReleased = isRunning || (open && isDone);
    open &&= isDone;
    return {
      ...stage,
      ...(isReleased && { releasedAt: startedAt }),
      ...(until !== undefined && { dueAt: until }),
    };
  });
}

/** The operations of members that a run gives up for another plan. */
export function givenUp(before: Run, { dropped }: Run): { member: string; powerState: PowerState }[] {
  return membersOf(before.plan).flatMap(({ key, member }) => {
    const operation = own(before.members, key)?.operation;
    return operation && dropped.includes(operation.activityId)
      ? [{ member: member.name, powerState: operation.powerState }]
      : [];
  });
}
