/**
 * The recorder: compares what Temporal has with what the record has, and records what is missing.
 *
 * RECORDER-1: level-triggered. Any closed execution that Temporal lists and the record lacks is recorded, whatever ended it and however long the
 *     recorder was away.
 * RECORDER-2: each event is on record once, however often the recorder is killed and however many recorders there are: the store takes the
 *     events of an execution only if it knows no more of it than the recorder thought (RECORD-7).
 * RECORDER-3: what is lost is on record. An execution that was seen or is referred to, and is gone, leaves a gap in its run. If no pass was complete
 *     for longer than Temporal keeps histories, because the recorder was away or its passes failed, the next complete pass leaves one gap in the
 *     installation. A crash at the end of that pass, or a second recorder at the same moment, may repeat it.
 * RECORDER-4: a pass has bounds: {@link MOST_EXECUTIONS} are recorded, one after the other. The next pass takes the rest.
 * RECORDER-5: a history that cannot be decoded, because a key is missing or a payload is forged, holds up its own run alone. It leaves no gap, since
 *     the key may be added: the pass records the others, rejects, and is tried again. A closed execution that fails otherwise ends the pass,
 *     as the server or the store may be away; in the next pass it comes after all others.
 * RECORDER-6: a clock that is set back hides no execution: the next pass looks at everything.
 */
import { ClosedExecutions, type RecordResult } from './closed-executions';
import type { ExecutionName } from '../derive';
import { OpenExecutions } from './open-executions';
import type { RecorderContext } from './context';
import { UndecodedHistoryError } from './temporal-histories';

/** Executions that one pass records. */
const MOST_EXECUTIONS = 1_000;
/** Visibility may list an execution that much later than it was closed, milliseconds. */
const LATE = 10 * 60_000;
/** Milliseconds between two comparisons with everything that Temporal lists. */
const FULL_LOOK = 60 * 60_000;

/** What {@link Recorder} works with; `now` is the clock unless it is given. */
export type RecorderOptions = Omit<RecorderContext, 'now'> & Partial<Pick<RecorderContext, 'now'>>;

/** What one pass has done. */
export interface PassReport {
  recorded: number;
  gaps: number;
  /** There is more to record. */
  more: boolean;
}

/** An execution that the record may lack. */
interface Missing {
  execution: ExecutionName;
  record: () => Promise<RecordResult>;
}

/** See the head of this file. */
export class Recorder {
  readonly #context: RecorderContext;
  readonly #open: OpenExecutions;
  readonly #closed: ClosedExecutions;
  /** Undefined: everything is to be compared. */
  #lookedAt: { full: number; last: number } | undefined;
  /** Run ids of the executions that have ended a pass (RECORDER-5). */
  readonly #failed = new Set<string>();

  constructor({ now = Date.now, ...context }: RecorderOptions) {
    this.#context = { ...context, now };
    this.#open = new OpenExecutions(this.#context);
    this.#closed = new ClosedExecutions(this.#context);
  }

  /**
   * Records what is missing. Rejects if Temporal or the store does not answer, and at its end if an open execution cannot be noted or a history
   * cannot be decoded; what was recorded until then stays.
   */
  async pass(signal?: AbortSignal): Promise<PassReport> {
    const began = this.#context.now();
    const report: PassReport = { recorded: 0, gaps: 0, more: false };
    const undecoded: UndecodedHistoryError[] = [];
    const { open, failure } = await this.#open.note();
    const isFull = this.#needsFullLook(began);
    const since = isFull ? undefined : (this.#lookedAt?.last ?? began) - LATE;
    for (const { execution, record } of await this.#missing(since, open)) {
      if (signal?.aborted || report.recorded + report.gaps >= MOST_EXECUTIONS)
        return { ...report, more: true };
      this.#failed.add(execution.runId);
      this.#count(report, await orUndecoded(record(), undecoded));
      this.#failed.delete(execution.runId);
    }
    if (failure) throw failure;
    if (undecoded[0]) throw undecoded[0];
    report.gaps += await this.#noteAbsence(began);
    this.#lookedAt = { full: isFull ? began : (this.#lookedAt?.full ?? began), last: began };
    await this.#context.store.setCompleteAt(began);
    return report;
  }

  /** RECORDER-6. */
  #needsFullLook(now: number): boolean {
    const looked = this.#lookedAt;
    return !looked || now < looked.last || now - looked.full >= FULL_LOOK;
  }

  /** What is to be recorded: closed executions that Temporal lists, and those that were seen and are not listed as open. */
  async #missing(since: number | undefined, open: ReadonlySet<string>): Promise<Missing[]> {
    const closed = await this.#closed.missing(since);
    const listed = new Set([...open, ...closed.map(({ runId }) => runId)]);
    const seen = (await this.#context.store.seen()).filter(({ runId }) => !listed.has(runId));
    const missing = [
      ...closed.map((execution) => ({ execution, record: () => this.#closed.record(execution) })),
      ...seen.map((execution) => ({ execution, record: () => this.#closed.recordIfClosed(execution) })),
    ];
    const hasFailed = ({ execution }: Missing): number => Number(this.#failed.has(execution.runId));
    return missing.sort((a, b) => hasFailed(a) - hasFailed(b));
  }

  #count(report: PassReport, result: RecordResult | 'Undecoded'): void {
    if (result === 'Recorded') report.recorded += 1;
    if (result === 'Gap') report.gaps += 1;
  }

  /** RECORDER-3, of the installation, in a pass that is complete but for this. Returns the number of gaps. */
  async #noteAbsence(now: number): Promise<number> {
    const last = await this.#context.store.completeAt();
    // Temporal accepts no shorter retention than an hour, so there is no need to ask for it after each pass.
    if (last === undefined || now - last < FULL_LOOK) return 0;
    const retention = await this.#context.temporal.retention();
    if (now - last <= retention) return 0;
    const iso = (at: number): string => new Date(at).toISOString();
    await this.#context.store.appendGap({
      kind: 'RecorderGap',
      time: iso(now),
      source: { from: 'Recorder' },
      since: iso(last),
      until: iso(now - retention),
      reason:
        'runs that ended in this time may be missing: the record was not completed for longer than Temporal keeps histories',
    });
    this.#context.logger.warn(
      { since: iso(last), until: iso(now - retention) },
      'runs may be missing in the record',
    );
    return 1;
  }
}

/** How an execution was handled; an error of a history that cannot be decoded is added to `undecoded` (RECORDER-5). */
async function orUndecoded(
  recording: Promise<RecordResult>,
  undecoded: UndecodedHistoryError[],
): Promise<RecordResult | 'Undecoded'> {
  try {
    return await recording;
  } catch (error: unknown) {
    if (!(error instanceof UndecodedHistoryError)) throw error;
    undecoded.push(error);
    return 'Undecoded';
  }
}
