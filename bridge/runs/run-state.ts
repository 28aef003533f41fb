/** What is known of the last run of a group. */
import type { Progress, RunOutcome } from '../../contract';
import type { RunHealth } from './run-health';

/** What is known of an open run besides its id. */
export interface FollowedRun {
  startedAt: number;
  /** The last answer of the run. */
  progress?: Progress;
  /** A message was sent since the run was asked for `progress`. */
  unheard?: true;
  health?: RunHealth;
}

/** What is known of the last run of a group. */
export type RunState =
  | { phase: 'None' }
  | ({ phase: 'Open'; runId: string } & FollowedRun)
  | {
      phase: 'Closed';
      runId: string;
      startedAt: number;
      endedAt: number;
      /** When the bridge learned of its end, by the process's own clock; absent: before it was started. */
      learnedAt?: number;
      /** The bridge has followed it to its end. */
      witnessed?: true;
      /** Absent where the run was ended from outside, or failed without a result. */
      outcome?: RunOutcome;
      /** Temporal's word for how it closed: `COMPLETED`, `TERMINATED`, ... */
      closedAs: string;
    };
