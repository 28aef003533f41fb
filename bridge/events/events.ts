/** What happened to groups, as events: found by comparing what was with what is. Pure. */
import { formatProblem, type Group, type ObjectName, type Problem } from '../../api';
import type { MemberProgress, Progress, TierProgress } from '../../contract';
import { splitKey, type ObjectKey } from '../manifests';
import { healthFindings, type HealthFinding, type RunHealth } from '../runs';
import type { GroupView, RunView } from '../status';

/** What an event is about. */
export interface EventObject extends ObjectName {
  kind: string;
}

/** Kinds of events. */
export type EventReason =
  | 'GroupAdded'
  | 'GroupChanged'
  | 'GroupDeleted'
  | 'InvalidManifest'
  /** The manifest has a problem that does not keep it from being used. */
  | 'ManifestWarning'
  /** A plan was sent to the group's run; the message says why. */
  | 'PlanSent'
  | 'DriftSeen'
  | 'RunStarted'
  | 'RunEnded'
  | 'DelayStarted'
  | 'TierDone'
  | 'MemberStarted'
  | 'MemberMissing'
  /** An attempt failed and another one follows. */
  | 'AttemptFailed'
  | 'MemberDone'
  | 'MemberParked'
  /** An activity, or the run, was paused in Temporal; nothing goes on there until it is unpaused. */
  | 'RunPaused'
  | 'RunUnpaused'
  /** The workflow task of the run fails again and again: the run takes no step. */
  | 'RunFailing'
  | 'RunRecovered'
  /** Another controller writes the status of the group too. */
  | 'StatusContested'
  /** Somebody else keeps setting the power state of a nested group. */
  | 'PowerStateContested'
  | 'TemporalUnreachable'
  | 'TemporalReachable'
  | 'RequestRefused'
  | 'SourceWarning';

/** One event. */
export interface BridgeEvent {
  /** Milliseconds since the epoch. */
  time: number;
  type: 'Normal' | 'Warning';
  reason: EventReason;
  object: EventObject;
  message: string;
  /** The member that it is about. Events with the same object, reason and subject are repetitions; absent: with the same message. */
  subject?: string;
}

/** An event before its time. */
export type Happening = Omit<BridgeEvent, 'time'>;

/** The event object of a group. */
export function groupObject(group: ObjectName): EventObject {
  return { kind: 'VirtualMachineGroup', namespace: group.namespace, name: group.name };
}

/** Revision of each group that was known, by key; undefined where only the group is remembered. */
export type KnownGroups = ReadonlyMap<ObjectKey, string | undefined>;

/** What changed between the groups that were known and those that are, among `keys` (left out: all). */
export function manifestEvents(
  known: KnownGroups,
  groups: ReadonlyMap<ObjectKey, Group>,
  keys: Iterable<ObjectKey> = new Set([...groups.keys(), ...known.keys()]),
): Happening[] {
  return [...keys].flatMap((key) => manifestEvent(key, known, groups.get(key)) ?? []);
}

function manifestEvent(key: ObjectKey, known: KnownGroups, group: Group | undefined): Happening | undefined {
  if (!group) {
    if (!known.has(key)) return undefined;
    const message = 'the group was deleted; the power of its members is left as it is';
    return { type: 'Normal', reason: 'GroupDeleted', object: groupObject(splitKey(key)), message };
  }
  const object = groupObject(group);
  const message = describeGroup(group.powerState);
  if (!known.has(key)) return { type: 'Normal', reason: 'GroupAdded', object, message };
  const revision = known.get(key);
  if (revision === undefined || revision === group.revision) return undefined;
  return { type: 'Normal', reason: 'GroupChanged', object, message };
}

function describeGroup(powerState: string | undefined): string {
  return powerState === undefined ? 'no power state' : `power state ${powerState}`;
}

/** Problems that were not there before. */
export function problemEvents(before: readonly Problem[], after: readonly Problem[]): Happening[] {
  const known = new Set(before.map(problemId));
  return after
    .filter((problem) => !known.has(problemId(problem)))
    .map((problem) => ({
      type: 'Warning',
      reason: problem.severity === 'Error' ? 'InvalidManifest' : 'ManifestWarning',
      object: problem.object
        ? { kind: problem.object.kind, namespace: problem.object.namespace, name: problem.object.name }
        : { kind: 'File', namespace: '', name: problem.file },
      message: formatProblem(problem),
    }));
}

/** A problem without its place, which moves when lines are added above it. */
function problemId(problem: Problem): string {
  return JSON.stringify([problem.severity, problem.file, problem.path, problem.message, problem.object]);
}

/** What changed between two views of one group. */
export function viewEvents(before: GroupView | undefined, after: GroupView): Happening[] {
  const object = groupObject(after.metadata);
  const { run } = after;
  if (!run) return [];
  const old = before?.run?.runId === run.runId ? before.run : undefined;
  const events: Happening[] = [];
  if (!old && run.endedAt === undefined) {
    events.push({ type: 'Normal', reason: 'RunStarted', object, message: `run ${run.runId} is open` });
  }
  if (run.progress) events.push(...progressEvents(object, old?.progress, run.progress));
  if (run.endedAt === undefined) events.push(...healthEvents(after.metadata, run, old?.health));
  // A quick run is seen when it has ended; which run there was before the first look is no news.
  const wasOver = old ? old.endedAt !== undefined : before === undefined;
  if (run.endedAt !== undefined && !wasOver) events.push(ended(object, after));
  return events;
}

/** What {@link healthFindings} began or ceased to say of an open run. */
function healthEvents(
  group: ObjectName,
  { workflowId, health = HEALTHY }: RunView,
  old: RunHealth = HEALTHY,
): Happening[] {
  const object = groupObject(group);
  const before = healthFindings(group, workflowId, old);
  const now = healthFindings(group, workflowId, health);
  const begun = now.filter((finding) => !before.some((each) => isSameFinding(each, finding)));
  const over = before.filter((finding) => !now.some((each) => isSameFinding(each, finding)));
  return [
    ...begun.map(({ kind, message, cure }): Happening => ({
      type: 'Warning',
      reason: kind === 'WorkflowTaskFailing' ? 'RunFailing' : 'RunPaused',
      object,
      message: `${message}. Way out: ${cure.join(', then ')}`,
    })),
    ...over.map(({ kind, activityId }): Happening =>
      kind === 'WorkflowTaskFailing'
        ? { type: 'Normal', reason: 'RunRecovered', object, message: 'the run takes its steps again' }
        : {
            type: 'Normal',
            reason: 'RunUnpaused',
            object,
            message: `${activityId === undefined ? 'the run' : `activity ${activityId}`} is not paused any more`,
          },
    ),
  ];
}

const HEALTHY: RunHealth = { paused: [] };

/** The attempt of a failing workflow task changes all the time. */
function isSameFinding(one: HealthFinding, other: HealthFinding): boolean {
  return one.kind === other.kind && one.activityId === other.activityId;
}

function ended(object: EventObject, view: GroupView): Happening {
  const outcome = view.run?.outcome;
  const fine = outcome?.outcome === 'Converged' || outcome?.outcome === 'Superseded';
  const message = outcome
    ? `${outcome.outcome}: ${outcome.message}`
    : `ended from outside: ${view.run?.closedAs ?? 'unknown'}`;
  return { type: fine ? 'Normal' : 'Warning', reason: 'RunEnded', object, message };
}

function progressEvents(object: EventObject, before: Progress | undefined, after: Progress): Happening[] {
  const old = new Map(before?.members.map((member) => [member.member, member]));
  const members = after.members.flatMap((member) =>
    memberEvents(object, old.get(member.member), member, !before),
  );
  const tiers = after.tiers.flatMap((tier) => {
    const was = before?.tiers.find((candidate) => candidate.tier === tier.tier);
    return tierEvent(object, was, tier, after.tiers.length) ?? [];
  });
  return [...members, ...tiers];
}

function tierEvent(
  object: EventObject,
  before: TierProgress | undefined,
  { tier, phase, until }: TierProgress,
  tiers: number,
): Happening | undefined {
  const name = `tier ${tier + 1} of ${tiers}`;
  if (phase === 'Delay' && until !== undefined && (before?.phase !== 'Delay' || before.until !== until)) {
    const message = `${name} waits until ${new Date(until).toISOString()}`;
    return { type: 'Normal', reason: 'DelayStarted', object, message };
  }
  if (before && phase === 'Done' && before.phase !== 'Done') {
    return { type: 'Normal', reason: 'TierDone', object, message: `${name} is done` };
  }
  return undefined;
}

/** Of a run seen for the first time, what is done already is no news. */
function memberEvents(
  object: EventObject,
  before: MemberProgress | undefined,
  after: MemberProgress,
  first: boolean,
): Happening[] {
  const events: Happening[] = [];
  const changed = before?.phase !== after.phase && !(first && after.phase === 'Done');
  const event = changed ? memberEvent(object, after) : undefined;
  if (event) events.push({ ...event, subject: after.member });
  const { phase, lastError, attempt } = after;
  if (phase === 'InProgress' && lastError && lastError.at !== before?.lastError?.at) {
    const message = `${after.member}: attempt ${(attempt ?? 2) - 1}: ${lastError.class}: ${lastError.message}`;
    events.push({ type: 'Warning', reason: 'AttemptFailed', object, message, subject: after.member });
  }
  return events;
}

function memberEvent(object: EventObject, member: MemberProgress): Happening | undefined {
  switch (member.phase) {
    case 'InProgress':
      return { type: 'Normal', reason: 'MemberStarted', object, message: member.member };
    case 'Done':
      return { type: 'Normal', reason: 'MemberDone', object, message: member.member };
    case 'Parked': {
      const why = member.lastError ? `${member.lastError.class}: ${member.lastError.message}` : 'parked';
      return { type: 'Warning', reason: 'MemberParked', object, message: `${member.member}: ${why}` };
    }
    case 'Missing': {
      const message = `${member.member} waits for ${member.waitsFor ?? 'its object'}`;
      return { type: 'Warning', reason: 'MemberMissing', object, message };
    }
    case 'Pending':
    case 'Queued':
    case 'Skipped':
    case 'LeftAlone':
      return undefined;
  }
}
