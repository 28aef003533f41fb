/** What happened to a group, found by comparing two of its views. Pure. */
import type { ObjectName } from '../../api';
import { cureText, healthFindings, type HealthFinding, type RunHealth } from '../../insight';
import { endText } from '../runs';
import type { GroupView, RunView } from '../status';
import { groupObject, type EventObject, type Happening } from './event';
import { progressEvents } from './progress-events';

/** What changed between two views of one group. */
export function viewEvents(before: GroupView | undefined, after: GroupView): Happening[] {
  const object = groupObject(after.metadata);
  const { run } = after;
  const events: Happening[] = contestEvents(object, before, after);
  if (!run) return events;
  const old = before?.run?.runId === run.runId ? before.run : undefined;
  if (!old && run.endedAt === undefined) {
    events.push({ type: 'Normal', reason: 'RunStarted', object, message: `run ${run.runId} is open` });
  }
  if (run.progress) events.push(...progressEvents(object, old?.progress, run.progress));
  if (run.endedAt === undefined) events.push(...healthEvents(after.metadata, run, old?.health));
  // A short run is first seen when it has ended; a run that had ended before the first look is not reported.
  const wasOver = old ? old.endedAt !== undefined : before === undefined;
  if (run.endedAt !== undefined && !wasOver) events.push(ended(object, after));
  return events;
}

/** Another controller powers the members, or no longer does. */
function contestEvents(object: EventObject, before: GroupView | undefined, after: GroupView): Happening[] {
  const [was, is] = [before?.phase === 'Contested', after.phase === 'Contested'];
  if (was === is) return [];
  return is
    ? [{ type: 'Warning', reason: 'PowerStateContested', object, message: after.message }]
    : [{ type: 'Normal', reason: 'ContestEnded', object, message: 'no other controller powers the members' }];
}

/** Findings about an open run that are new or gone. */
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
    ...begun.map((finding) => findingBegan(object, finding)),
    ...over.map((finding) => findingEnded(object, finding)),
  ];
}

const BEGAN = {
  WorkflowTaskFailing: 'RunFailing',
  RunPaused: 'RunPaused',
  ActivityPaused: 'RunPaused',
  NoPlatformWorker: 'NoPlatformWorker',
} as const satisfies Record<HealthFinding['kind'], Happening['reason']>;

function findingBegan(object: EventObject, finding: HealthFinding): Happening {
  const reason = BEGAN[finding.kind];
  const message = `${finding.message}. Way out: ${cureText(finding)}`;
  return { type: 'Warning', reason, object, message };
}

function findingEnded(object: EventObject, { kind, activityId, platform }: HealthFinding): Happening {
  if (kind === 'WorkflowTaskFailing') {
    const message = 'the workflow task of the run succeeds again';
    return { type: 'Normal', reason: 'RunRecovered', object, message };
  }
  if (platform !== undefined) {
    const message = `platform ${platform} has a worker, or nothing waits for it`;
    return { type: 'Normal', reason: 'PlatformWorkerFound', object, message };
  }
  const paused = activityId === undefined ? 'the run' : `activity ${activityId}`;
  return { type: 'Normal', reason: 'RunUnpaused', object, message: `${paused} was unpaused` };
}

const HEALTHY: RunHealth = { paused: [] };

/** The attempt of a failing workflow task changes all the time. */
function isSameFinding(one: HealthFinding, other: HealthFinding): boolean {
  return one.kind === other.kind && one.activityId === other.activityId && one.platform === other.platform;
}

function ended(object: EventObject, view: GroupView): Happening {
  const outcome = view.run?.outcome;
  const fine = outcome?.outcome === 'Converged' || outcome?.outcome === 'Superseded';
  const message = outcome
    ? `${outcome.outcome}: ${outcome.message}`
    : `ended from outside: ${endText(view.run ?? {})}`;
  return { type: fine ? 'Normal' : 'Warning', reason: 'RunEnded', object, message };
}
