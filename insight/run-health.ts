/** What Temporal knows of an open run that the run itself cannot report. The bridge and commands read it. */

/** A workflow task that failed more than once: the run makes no progress and answers neither queries nor Updates. */
export interface FailingWorkflowTask {
  /** The attempt that is pending or under way. */
  attempt: number;
  /** First failure, if the history was read, else when this attempt was scheduled; milliseconds since the epoch, the server's clock. */
  since: number;
  /** The last failure in the history. Absent without history, and for tasks that timed out. */
  failure?: TaskFailure;
}

/** The failure of a workflow task. */
export interface TaskFailure {
  /** Temporal's cause, such as `NON_DETERMINISTIC_ERROR`: the worker's code does not fit the history. */
  cause: string;
  message: string;
}

/** An activity that was paused with `temporal activity pause` or the button of the Temporal UI. */
export interface PausedActivity {
  activityId: string;
  activityType: string;
  /** Milliseconds since the epoch, the server's clock. */
  at: number;
  /** Identity of the client that asked, or the rule. */
  by: string;
  reason: string;
}

/** A pause of the whole run (`temporal workflow pause`). */
export type PausedRun = Pick<PausedActivity, 'at' | 'by' | 'reason'>;

/** A platform on which an operation of a run waits for a worker, while no worker polls its task queue. */
export interface UnservedPlatform {
  platform: string;
  taskQueue: string;
}

/** The findings about one run; empty for a healthy one. */
export interface RunHealth {
  workflowTask?: FailingWorkflowTask;
  /** In the order of the activity ids. */
  paused: PausedActivity[];
  pausedRun?: PausedRun;
  /** In the order of their names. */
  unserved?: UnservedPlatform[];
  /** Flags, each after a space, that commands of `temporal` need to reach the server from where this is read; absent: not known, or none. */
  temporalFlags?: string;
}
