/** A Temporal server in a test's hands: what the bridge asks of it, answered from a table. */
import type { ObjectName } from '../../../api';
import type { RunHealth } from '../../../bridge';
import type { DescribedRun, RunEvents, TemporalRuns } from '../../../bridge/runs/temporal-runs';
import type { CleanUp, GroupEnded, PauseReport, PlanMessage, Progress, RunOutcome } from '../../../contract';

export interface FakeRun {
  runId: string;
  firstRunId?: string;
  status?: string;
  isCleanUp?: true;
  outcome?: RunOutcome;
  progress?: Progress;
  /** No worker answers for it. */
  silent?: boolean;
  health?: RunHealth;
  /** Who terminated it, and why. */
  ended?: { by: string; reason: string };
  pendingActivities?: number;
}

export class FakeTemporal implements TemporalRuns {
  /** The executions of the one group, the latest last. */
  runs: FakeRun[] = [];
  /** Every call, by name. */
  readonly calls: string[] = [];
  readonly sent: PlanMessage[] = [];
  readonly withdrawn: string[] = [];
  readonly pauses: PauseReport[] = [];
  readonly ends: GroupEnded[] = [];
  down = false;
  /** Called in each call before it answers. */
  before: (call: string) => Promise<void> = async () => undefined;
  readonly #waiting = new Map<string, ((events: RunEvents) => void)[]>();
  readonly #missed = new Map<string, RunEvents>();

  count(call: string): number {
    return this.calls.filter((each) => each === call).length;
  }

  /** Events of the latest execution. */
  tell(events: Partial<RunEvents>, runId = this.runs.at(-1)?.runId ?? ''): void {
    const all: RunEvents = { count: 1, changed: false, troubled: false, ...events };
    const [first, ...rest] = this.#waiting.get(runId) ?? [];
    if (first) {
      this.#waiting.set(runId, rest);
      first(all);
      return;
    }
    const missed = this.#missed.get(runId);
    this.#missed.set(runId, {
      ...missed,
      ...all,
      changed: all.changed || missed?.changed === true,
      troubled: all.troubled || missed?.troubled === true,
    });
  }

  /** Ends the latest execution. */
  close(status: string, outcome?: RunOutcome): void {
    const run = this.runs.at(-1);
    if (!run) throw new Error('no run');
    Object.assign(run, { status, ...(outcome && { outcome }) });
    this.tell({ changed: true, closed: {} });
  }

  async #call<T>(name: string, answer: () => T): Promise<T> {
    this.calls.push(name);
    const is = answer();
    await this.before(name);
    if (this.down) throw new Error('connection refused');
    return is;
  }

  /** Not among the calls: it comes all the time. */
  async ping(): Promise<void> {
    if (this.down) throw new Error('connection refused');
  }

  describe(_group: ObjectName): Promise<DescribedRun | undefined> {
    return this.#call('describe', () => {
      const run = this.runs.at(-1);
      if (!run) return undefined;
      const {
        runId,
        firstRunId = runId,
        status = 'RUNNING',
        isCleanUp,
        health = { paused: [] },
        pendingActivities = 0,
      } = run;
      return {
        runId,
        firstRunId,
        open: status === 'RUNNING',
        status,
        startedAt: 10,
        pendingActivities,
        health,
        ...(isCleanUp && { isCleanUp }),
      };
    });
  }

  outcome(_group: ObjectName, runId: string): Promise<RunOutcome | undefined> {
    return this.#call('outcome', () => this.runs.find((run) => run.runId === runId)?.outcome);
  }

  async events(
    _group: ObjectName,
    runId: string,
    _from: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<RunEvents | undefined> {
    await this.#call('events', () => undefined);
    const missed = this.#missed.get(runId);
    this.#missed.delete(runId);
    if (missed) return missed;
    return new Promise((resolve, reject) => {
      this.#waiting.set(runId, [...(this.#waiting.get(runId) ?? []), resolve]);
      signal.addEventListener('abort', () => reject(new Error('aborted')));
    });
  }

  progress(_group: ObjectName): Promise<Progress> {
    return this.#call('progress', () => {
      const run = this.runs.at(-1);
      if (!run?.progress || run.silent) throw new Error('no poller seen for task queue recently');
      return run.progress;
    });
  }

  probe(_group: ObjectName): Promise<void> {
    return this.#call('probe', () => {
      if (this.runs.at(-1)?.silent) throw new Error('no poller seen for task queue recently');
    });
  }

  send(message: PlanMessage): Promise<string> {
    return this.#call('send', () => {
      this.sent.push(message);
      const last = this.runs.at(-1);
      if (last && (last.status ?? 'RUNNING') === 'RUNNING') return last.runId;
      const runId = `run-${this.runs.length + 1}`;
      this.runs.push({ runId });
      return runId;
    });
  }

  cleanUp({ runId: ended }: CleanUp): Promise<string | undefined> {
    return this.#call('cleanUp', () => {
      const last = this.runs.at(-1);
      if (last && (last.status ?? 'RUNNING') === 'RUNNING') return undefined;
      const runId = `${ended}-cleaned`;
      this.runs.push({ runId, isCleanUp: true });
      return runId;
    });
  }

  reportPause(_group: ObjectName, report: PauseReport): Promise<void> {
    return this.#call('reportPause', () => void this.pauses.push(report));
  }

  ending(_group: ObjectName, runId: string): Promise<FakeRun['ended']> {
    return this.#call('ending', () => this.runs.find((run) => run.runId === runId)?.ended);
  }

  reportEnd(_group: ObjectName, end: GroupEnded): Promise<void> {
    return this.#call('reportEnd', () => void this.ends.push(end));
  }

  withdraw(_group: ObjectName, reason: string): Promise<void> {
    return this.#call('withdraw', () => void this.withdrawn.push(reason));
  }
}
