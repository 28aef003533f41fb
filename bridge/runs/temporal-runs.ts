/**
 * The calls to Temporal about the runs of groups, so that their callers can be tested without a server.
 *
 * A call that finds nothing resolves to `undefined` or does nothing; it rejects only if the server does not answer or refuses.
 */
import type { ObjectName } from '../../api';
import type { CleanUp, GroupEnded, PauseReport, PlanMessage, Progress, RunOutcome } from '../../contract';
import type { RunHealth } from '../../insight';
import type { RunEnding } from './run-state';
import type { Waits } from './waits';

/** The latest execution of a group's workflow, as `DescribeWorkflowExecution` has it: no billable action. Times in milliseconds. */
export interface DescribedRun {
  runId: string;
  /** The same for all executions that continued as new from one another. */
  firstRunId: string;
  open: boolean;
  /** Temporal's status: `RUNNING`, `COMPLETED`, `TERMINATED`, ... */
  status: string;
  startedAt: number;
  closedAt?: number;
  /** It only clears up after a run that was ended from outside. */
  isCleanUp?: true;
  pendingActivities: number;
  /** What is wrong with an open run that it cannot report itself. */
  health: RunHealth;
  /** What the attempts of its activities wait for. */
  waits?: Waits;
}

/** New events of one execution. */
export interface RunEvents {
  count: number;
  /** The token to go on with; absent after the last event, and if everything has to be read again. */
  next?: Uint8Array;
  /** A workflow task was completed: what the run answers may have changed. */
  changed: boolean;
  /** A workflow task failed or timed out, and none was completed after it. */
  troubled: boolean;
  /** The execution is over; `continuedAs` is the one that continues the run. */
  closed?: { continuedAs?: string };
}

/** The calls. */
export interface TemporalRuns {
  /** Resolves if the server answers; no billable action. */
  ping(): Promise<void>;
  /** The latest execution of the group's workflow; undefined: the server knows of none. */
  describe(group: ObjectName): Promise<DescribedRun | undefined>;
  /** The outcome of a completed execution; undefined: it has none. */
  outcome(group: ObjectName, runId: string): Promise<RunOutcome | undefined>;
  /** Who ended an execution that left no outcome, and why; undefined: its history does not say, or is gone. */
  ending(group: ObjectName, runId: string): Promise<RunEnding | undefined>;
  /** Waits for events after `from` (left out: from the first one), for as long as the server likes; undefined: there is no such execution. */
  events(
    group: ObjectName,
    runId: string,
    from: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<RunEvents | undefined>;
  /** Queries the progress of the open run: a billable action. Rejects too if no worker answers. */
  progress(group: ObjectName, signal: AbortSignal): Promise<Progress>;
  /** Resolves if a worker answers for the run; no billable action. */
  probe(group: ObjectName, signal: AbortSignal): Promise<void>;
  /** Starts or signals the run of the plan's group; resolves to the id of the execution that has the message. */
  send(message: PlanMessage): Promise<string>;
  /** Starts a run that clears up after one that was ended; resolves to its id, or to undefined if a run is open. */
  cleanUp(input: CleanUp): Promise<string | undefined>;
  /** Tells the open run that its group was deleted or no longer has a power state. */
  withdraw(group: ObjectName, reason: string): Promise<void>;
  /** Tells the open run that one of its activities was paused or unpaused. */
  reportPause(group: ObjectName, report: PauseReport): Promise<void>;
  /** Tells the open run that the run of a nested group has ended. */
  reportEnd(group: ObjectName, end: GroupEnded): Promise<void>;
}
