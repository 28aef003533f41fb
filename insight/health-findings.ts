/** What keeps a run from making progress, in words, with the commands that help. Pure. */
import type { ObjectName } from '../api';
import type {
  FailingWorkflowTask,
  PausedActivity,
  PausedRun,
  RunHealth,
  UnservedPlatform,
} from './run-health';

/** One finding about a run. */
export interface HealthFinding {
  kind: 'WorkflowTaskFailing' | 'ActivityPaused' | 'RunPaused' | 'NoPlatformWorker';
  /** Of a paused activity: its id, such as `power-on/db`. */
  activityId?: string;
  /** Of a platform without a worker: its name. */
  platform?: string;
  message: string;
  /** Commands of `temporal` and `vmgroup`, in order. */
  cure: string[];
}

/** The findings about the run of a group. */
export function healthFindings(
  group: ObjectName,
  workflowId: string,
  { workflowTask, paused, pausedRun, unserved = [], temporalFlags = '' }: RunHealth,
): HealthFinding[] {
  const run = `-w ${workflowId}${temporalFlags}`;
  return [
    ...(workflowTask ? [failing(group, run, workflowTask)] : []),
    ...(pausedRun ? [pausedWhole(run, pausedRun)] : []),
    ...paused.map((activity) => pausedOne(run, activity)),
    ...unserved.map(withoutWorker),
  ];
}

/** The commands of a finding, in one text. */
export function cureText({ cure }: HealthFinding): string {
  return cure.join(', then ');
}

function failing(
  { namespace, name }: ObjectName,
  run: string,
  { attempt, since, failure }: FailingWorkflowTask,
): HealthFinding {
  const why = failure ? `${failure.cause}: ${failure.message}` : 'it times out; see the logs of the workers';
  const hint =
    failure?.cause === 'NON_DETERMINISTIC_ERROR'
      ? '. The build of the worker does not fit the history of the run: start the build that began the run, or end the run'
      : '';
  return {
    kind: 'WorkflowTaskFailing',
    message: `the workflow task of the run has been failing since ${iso(since)} (attempt ${attempt}), so the run makes no progress: ${why}${hint}`,
    cure: [
      `temporal workflow terminate ${run} --reason TEXT`,
      `vmgroup retry ${namespace}/${name} --reason TEXT`,
    ],
  };
}

function pausedOne(run: string, activity: PausedActivity): HealthFinding {
  const { activityId } = activity;
  return {
    kind: 'ActivityPaused',
    activityId,
    message: `activity ${activityId} is paused in Temporal${pauseText(activity)}`,
    cure: [`temporal activity unpause ${run} --activity-id ${activityId}`],
  };
}

function pausedWhole(run: string, pause: PausedRun): HealthFinding {
  return {
    kind: 'RunPaused',
    message: `the run is paused in Temporal${pauseText(pause)}`,
    cure: [`temporal workflow unpause ${run}`],
  };
}

function withoutWorker({ platform, taskQueue }: UnservedPlatform): HealthFinding {
  return {
    kind: 'NoPlatformWorker',
    platform,
    message: `no worker polls the task queue ${taskQueue}, so nothing is done on platform ${platform}`,
    cure: [`vmgroup worker --platforms FILE --at ${platform}`],
  };
}

function pauseText({ at, by, reason }: PausedRun): string {
  const who = by === '' ? '' : ` by ${by}`;
  const since = at === 0 ? '' : ` since ${iso(at)}`;
  return `${who}${since}${reason === '' ? '' : `: ${reason}`}`;
}

/** In whole seconds, as in the status. */
function iso(time: number): string {
  return new Date(time).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
