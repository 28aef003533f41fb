/** Reads the last run of a group from Temporal. */
import type { ObjectName } from '../../api';
import type { Reachability } from './reachability';
import type { RunState } from './run-state';
import type { DescribedRun, TemporalRuns } from './temporal-runs';

/** Each method rejects if the server does not answer. */
export class RunReader {
  readonly #temporal: TemporalRuns;
  readonly #server: Reachability;
  readonly #remembered: (group: ObjectName) => RunState;

  /** `remembered`: the last run of a group as its view remembers it. */
  constructor(temporal: TemporalRuns, server: Reachability, remembered: (group: ObjectName) => RunState) {
    this.#temporal = temporal;
    this.#server = server;
    this.#remembered = remembered;
  }

  describe(group: ObjectName): Promise<DescribedRun | undefined> {
    return this.#server.call(() => this.#temporal.describe(group));
  }

  /**
   * The state of a described run that is closed.
   *
   * @param found Undefined: the server knows of no run.
   * @param known What was known of the group's last run.
   * @param witnessed The group was followed before.
   */
  async closedState(
    group: ObjectName,
    found: DescribedRun | undefined,
    known: RunState | undefined,
    witnessed: boolean,
  ): Promise<RunState> {
    if (!found) return this.#remembered(group);
    const { runId, startedAt, closedAt, status, isCleanUp } = found;
    if (known?.phase === 'Closed' && known.runId === runId) return known;
    const outcome =
      status === 'COMPLETED'
        ? await this.#server.call(() => this.#temporal.outcome(group, runId))
        : undefined;
    const ended = outcome ? undefined : await this.#server.call(() => this.#temporal.ending(group, runId));
    return {
      phase: 'Closed',
      runId,
      startedAt: outcome?.startedAt ?? startedAt,
      endedAt: outcome?.endedAt ?? closedAt ?? Date.now(),
      learnedAt: performance.now(),
      ...(witnessed && { witnessed: true as const }),
      closedAs: status,
      ...(isCleanUp && { isCleanUp }),
      ...(outcome && { outcome }),
      ...(ended && { ended }),
    };
  }
}
