/**
 * What a followed run is notified of besides its plans, each thing once.
 *
 * RUNS-3: a run is withdrawn once: the server keeps the signal until a worker takes it.
 * RUNS-4: a run is notified of paused activities once it has answered everything that it was sent, and of each change once.
 * RUNS-6: an open run is notified once of each nested run that ended without notifying it.
 */
import type { ObjectName } from '../../api';
import type { GroupEnded, MemberKey, PausedBy } from '../../contract';
import { pauseReports } from './pauses';
import type { Reachability } from './reachability';
import type { FollowedRun } from './run-state';
import type { TemporalRuns } from './temporal-runs';

/** A nested run that has ended without notifying the run that waits for it. */
export interface MissedEnd extends GroupEnded {
  /** The last run of the nested group, which is closed; empty: the server knows of none. */
  endedRunId: string;
}

/** The notices to one run. Each call rejects if the server does not answer. */
export class RunNotices {
  readonly #temporal: TemporalRuns;
  readonly #server: Reachability;
  readonly #group: ObjectName;
  /** The pauses and ends of pauses that were reported to the run, by activity id. */
  readonly #pauses = new Map<string, PausedBy | null>();
  /** The last end of each nested run that was reported to it, by its member. */
  readonly #ends = new Map<MemberKey, string>();
  #isWithdrawn = false;

  constructor(temporal: TemporalRuns, server: Reachability, group: ObjectName) {
    this.#temporal = temporal;
    this.#server = server;
    this.#group = group;
  }

  /** A plan revokes a withdrawal. */
  planSent(): void {
    this.#isWithdrawn = false;
  }

  async withdraw(reason: string): Promise<void> {
    if (this.#isWithdrawn) return;
    await this.#server.call(() => this.#temporal.withdraw(this.#group, reason));
    this.#isWithdrawn = true;
  }

  async reportPauses({ progress, unheard, health }: FollowedRun): Promise<void> {
    if (!progress || unheard) return;
    for (const report of pauseReports(health, progress, this.#pauses)) {
      await this.#server.call(() => this.#temporal.reportPause(this.#group, report));
      this.#pauses.set(report.activityId, report.paused);
    }
  }

  async reportEnd({ member, runId, endedRunId }: MissedEnd): Promise<void> {
    const end = `${runId} ${endedRunId}`;
    if (this.#ends.get(member) === end) return;
    await this.#server.call(() => this.#temporal.reportEnd(this.#group, { member, runId }));
    this.#ends.set(member, end);
  }
}
