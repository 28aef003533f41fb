/** What is known of the last run of a group. */
import type { MemberKey, Progress, RunOutcome } from '../../contract';
import type { RunHealth } from '../../insight';
import type { HeardMember } from './heard-members';

/** What is known of an open run besides its id. */
export interface FollowedRun {
  startedAt: number;
  /** The last answer of the run. */
  progress?: Progress;
  /** Since when the bridge knows what `progress` says of each member. */
  heard?: ReadonlyMap<MemberKey, HeardMember>;
  /** A message was sent since the run was asked for `progress`. */
  unheard?: true;
  health?: RunHealth;
}

/** How an execution ended that left no outcome. */
export interface RunEnding {
  /** Identity of the client that terminated it, as the client named itself; absent: it was not terminated. */
  by?: string;
  reason?: string;
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
      /** The bridge followed it to its end. */
      witnessed?: true;
      /** Absent if the run was ended from outside, or failed without a result. */
      outcome?: RunOutcome;
      /** Temporal's status: `COMPLETED`, `TERMINATED`, ... */
      closedAs: string;
      /** It only cleared up after a run that was ended from outside. */
      isCleanUp?: true;
      /** Absent if there is an outcome, or if Temporal no longer knows. */
      ended?: RunEnding;
    };

/** How a run without an outcome ended, in words: `TERMINATED by anna@host: wrong button`. */
export function endText({ closedAs = 'unknown', ended }: { closedAs?: string; ended?: RunEnding }): string {
  const by = ended?.by === undefined ? '' : ` by ${ended.by}`;
  const why = ended?.reason === undefined ? '' : `: ${ended.reason}`;
  return `${closedAs}${by}${why}`;
}
