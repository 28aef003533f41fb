/**
 * The recorder: compares what Temporal has with what the record has, and records what is missing.
 *
 * RECORDER-1: level-triggered. Any closed execution that Temporal lists and the record lacks is recorded, whatever ended it and however long the
 *     recorder was away.
 * RECORDER-2: each event is on record once, however often the recorder is killed and however many recorders there are: the store takes the
 *     events of an execution only if it knows no more of it than the recorder thought (STORE-2).
 * RECORDER-3: what is lost is on record. An execution that was seen or is referred to, and is gone, leaves a gap in its run; a recorder that
 *     was away for longer than Temporal keeps histories leaves one in the installation.
 * RECORDER-4: a pass has bounds: {@link MOST_EXECUTIONS} are recorded, one after the other. The next pass takes the rest.
 */
import { historyMark } from '../chain';
import { deriveEvents, HistoryError, type Derived, type ExecutionName } from '../derive';
import type { RecorderFact, RunEvent, RunRef } from '../events';
import type { RecordStore } from '../store';
import { changedOptions, type ActivityOptions } from './server-facts';
import type { ListedExecution, TemporalHistories } from './temporal-histories';

/** Executions that one pass records, notes as seen, and looks at while they are open. */
const MOST_EXECUTIONS = 1_000;
const MOST_SEEN = 1_000;
const MOST_WATCHED = 200;
/** Executions of one run, one after the other, that are followed back. */
const LONGEST_CHAIN = 1_000;
/** Visibility may list an execution that much later than it was closed, milliseconds. */
const LATE = 10 * 60_000;
/** Milliseconds between two looks at everything that Temporal lists. */
const FULL_LOOK = 60 * 60_000;

/** Where the recorder logs. */
export interface RecorderLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

/** What {@link Recorder} works with. */
export interface RecorderOptions {
  store: RecordStore;
  temporal: TemporalHistories;
  logger: RecorderLogger;
  /** Milliseconds since the epoch. */
  now?: () => number;
}

/** What one pass has done. */
export interface PassReport {
  recorded: number;
  gaps: number;
  /** There is more to record. */
  more: boolean;
}

/** See the head of this file. */
export class Recorder {
  readonly #store: RecordStore;
  readonly #temporal: TemporalHistories;
  readonly #logger: RecorderLogger;
  readonly #now: () => number;
  /** Undefined: everything is to be looked at. */
  #lookedAt: { full: number; last: number } | undefined;
  readonly #options = new Map<string, ActivityOptions>();

  constructor({ store, temporal, logger, now = Date.now }: RecorderOptions) {
    this.#store = store;
    this.#temporal = temporal;
    this.#logger = logger;
    this.#now = now;
  }

  /** Records what is missing. Rejects if Temporal or the store does not answer; what was recorded until then stays. */
  async pass(signal?: AbortSignal): Promise<PassReport> {
    const began = this.#now();
    const report: PassReport = { recorded: 0, gaps: await this.#noteAbsence(began), more: false };
    const open = await this.#open();
    const isFull = !this.#lookedAt || began - this.#lookedAt.full >= FULL_LOOK;
    const since = isFull ? undefined : (this.#lookedAt?.last ?? began) - LATE;
    for (const execution of await this.#missing(since)) {
      if (signal?.aborted || report.recorded + report.gaps >= MOST_EXECUTIONS) {
        report.more = true;
        return report;
      }
      this.#count(report, await this.#record(execution, 0));
    }
    for (const execution of await this.#store.seen()) {
      if (open.has(execution.runId)) continue;
      if (signal?.aborted) return { ...report, more: true };
      this.#count(report, await this.#recordIfClosed(execution));
    }
    this.#lookedAt = { full: isFull ? began : (this.#lookedAt?.full ?? began), last: began };
    await this.#store.setCompleteAt(began);
    return report;
  }

  #count(report: PassReport, result: 'Recorded' | 'Gap' | 'Known'): void {
    if (result === 'Recorded') report.recorded += 1;
    if (result === 'Gap') report.gaps += 1;
  }

  /** RECORDER-3, of the installation. Returns the number of gaps. */
  async #noteAbsence(now: number): Promise<number> {
    if (this.#lookedAt) return 0;
    const last = await this.#store.completeAt();
    if (last === undefined) return 0;
    const retention = await this.#temporal.retention();
    if (now - last <= retention) return 0;
    const iso = (at: number): string => new Date(at).toISOString();
    await this.#store.appendGap({
      kind: 'RecorderGap',
      time: iso(now),
      source: { from: 'Recorder' },
      since: iso(last),
      until: iso(now - retention),
      reason:
        'runs that ended in this time may be missing: the recorder was away for longer than Temporal keeps histories',
    });
    // A crash from here on must not note the same gap again.
    await this.#store.setCompleteAt(now - retention);
    this.#logger.warn({ since: iso(last), until: iso(now - retention) }, 'runs may be missing in the record');
    return 1;
  }

  /** Notes the open executions that are new, and changes of options of those that are known. Returns the run ids of all. */
  async #open(): Promise<Set<string>> {
    const open = new Set<string>();
    let [seen, watched] = [0, 0];
    for await (const execution of this.#temporal.open()) {
      open.add(execution.runId);
      const known = await this.#store.execution(execution.runId);
      if (!known && seen < MOST_SEEN) {
        seen += 1;
        await this.#see(execution);
      } else if (known?.state === 'Seen' && watched < MOST_WATCHED) {
        watched += 1;
        await this.#watch(execution, known.entries);
      }
    }
    for (const runId of this.#options.keys()) if (!open.has(runId)) this.#options.delete(runId);
    return open;
  }

  async #see(execution: ListedExecution): Promise<void> {
    const derived = await this.#derive(execution);
    if (!derived) return;
    await this.#store.append([this.#noted(derived.run, execution, { kind: 'ExecutionSeen' })], 0);
  }

  async #watch(execution: ListedExecution, known: number): Promise<void> {
    const found = await this.#temporal.describe(execution);
    if (!found) return;
    const facts = changedOptions(this.#options.get(execution.runId) ?? new Map(), found.options);
    this.#options.set(execution.runId, found.options);
    if (facts.length === 0) return;
    const derived = await this.#derive(execution);
    if (!derived) return;
    const time = new Date(this.#now()).toISOString();
    const of = { run: derived.run, execution: execution.runId, time, source: { from: 'Server' } } as const;
    await this.#store.append(
      facts.map((fact) => ({ ...fact, ...of })),
      known,
    );
  }

  /** The closed executions that are missing, the oldest first. */
  async #missing(since: number | undefined): Promise<ListedExecution[]> {
    const missing: ListedExecution[] = [];
    for await (const execution of this.#temporal.closedSince(since)) {
      const known = await this.#store.execution(execution.runId);
      if (known === undefined || known.state === 'Seen') missing.push(execution);
    }
    return missing.sort((a, b) => (a.closedAt ?? 0) - (b.closedAt ?? 0));
  }

  async #recordIfClosed(execution: ExecutionName): Promise<'Recorded' | 'Gap' | 'Known'> {
    const found = await this.#temporal.describe(execution);
    if (found?.status === 'RUNNING' || found?.status === 'PAUSED') return 'Known';
    return this.#record(execution, 0);
  }

  /** Records a closed execution, and before it those that it continues. `run`: what an execution that goes on with it says of its run. */
  async #record(
    execution: ExecutionName,
    depth: number,
    run?: RunRef,
  ): Promise<'Recorded' | 'Gap' | 'Known'> {
    const known = await this.#store.execution(execution.runId);
    if (known && known.state !== 'Seen') return 'Known';
    const json = await this.#temporal.history(execution);
    const first = json === undefined ? undefined : this.#read(json, execution);
    if (json === undefined || !first) return this.#recordGap(execution, json === undefined, run);
    if (first.before !== undefined && depth < LONGEST_CHAIN)
      await this.#record({ workflowId: execution.workflowId, runId: first.before }, depth + 1, first.run);
    const before = first.before === undefined ? undefined : await this.#store.execution(first.before);
    const derived = deriveEvents(JSON.parse(json), execution, { inherits: before?.state === 'Recorded' });
    const found = await this.#temporal.describe(execution);
    await this.#store.keepHistory(execution.runId, json);
    const recorded = this.#noted(derived.run, execution, {
      kind: 'ExecutionRecorded',
      status: found?.status ?? 'UNKNOWN',
      history: historyMark(JSON.parse(json)),
    });
    const appended = await this.#store.append([...derived.events, recorded], known?.entries ?? 0);
    if (!appended) return 'Known';
    this.#logger.info({ ...execution, entries: appended.length }, 'recorded an execution');
    return 'Recorded';
  }

  /** RECORDER-3, of one run. */
  async #recordGap(execution: ExecutionName, isGone: boolean, named?: RunRef): Promise<'Gap' | 'Known'> {
    const known = await this.#store.execution(execution.runId);
    const run = (await this.#knownRun(execution)) ?? named ?? runWithout(execution);
    const reason = isGone
      ? 'Temporal does not have its history any more: it was deleted, or its retention is over'
      : 'its history cannot be read';
    const gap = this.#noted(run, execution, { kind: 'RunGap', reason });
    if (!(await this.#store.append([gap], known?.entries ?? 0))) return 'Known';
    this.#logger.warn({ ...execution, reason }, 'a run has a gap in the record');
    return 'Gap';
  }

  /** The run of an execution that was seen. */
  async #knownRun({ workflowId, runId }: ExecutionName): Promise<RunRef | undefined> {
    for await (const { event } of this.#store.entries({ workflowId, kinds: ['ExecutionSeen'] }))
      if ('run' in event && event.execution === runId) return event.run;
    return undefined;
  }

  async #derive(execution: ExecutionName): Promise<Derived | undefined> {
    const json = await this.#temporal.history(execution);
    return json === undefined ? undefined : this.#read(json, execution);
  }

  #read(json: string, execution: ExecutionName): Derived | undefined {
    try {
      return deriveEvents(JSON.parse(json), execution);
    } catch (error: unknown) {
      if (!(error instanceof HistoryError)) throw error;
      this.#logger.warn({ ...execution, err: error }, 'failed to read a history');
      return undefined;
    }
  }

  #noted(run: RunRef, { runId }: ExecutionName, fact: RecorderFact): RunEvent {
    const time = new Date(this.#now()).toISOString();
    return { ...fact, run, execution: runId, time, source: { from: 'Recorder' } };
  }
}

/** The run of an execution of which only its name is known. */
function runWithout({ workflowId, runId }: ExecutionName): RunRef {
  const [, namespace = '', group = workflowId] = /^vmgroup\/([^/]+)\/([^/]+)$/.exec(workflowId) ?? [];
  return { namespace, group, workflowId, runId, root: group };
}
