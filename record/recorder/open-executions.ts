/** The part of the recorder that looks at open executions: what is seen is missed when it is gone (RECORDER-3). */
import { asError } from '../../api/unknown';
import type { Derived, ExecutionName } from '../derive';
import { recorderEvent, tryDeriveEvents, type RecorderContext } from './context';
import { changedOptions, type ActivityOptions } from './server-facts';
import { UndecodedHistoryError, type ListedExecution } from './temporal-histories';

/** Executions that one pass notes as seen, and looks at while they are open (RECORDER-4). */
const MOST_SEEN = 1_000;
const MOST_WATCHED = 200;

/** The open executions, with the options of their activities as they were seen last. */
export class OpenExecutions {
  readonly #context: RecorderContext;
  readonly #options = new Map<string, ActivityOptions>();

  constructor(context: RecorderContext) {
    this.#context = context;
  }

  /**
   * Notes the open executions that are new, and changes of options of those that are known. Returns the run ids of all, and the error that
   * has kept it from noting the rest.
   */
  async note(): Promise<{ open: Set<string>; failure?: Error | undefined }> {
    const open = new Set<string>();
    const noted = { seen: 0, watched: 0 };
    let failure: Error | undefined;
    for await (const execution of this.#context.temporal.open()) {
      open.add(execution.runId);
      if (!failure) failure = await this.#noteOne(execution, noted).then(() => undefined, asError);
    }
    for (const runId of this.#options.keys()) if (!open.has(runId)) this.#options.delete(runId);
    return { open, failure };
  }

  async #noteOne(execution: ListedExecution, noted: { seen: number; watched: number }): Promise<void> {
    const known = await this.#context.store.execution(execution.runId);
    if (!known && noted.seen < MOST_SEEN) {
      noted.seen += 1;
      await this.#see(execution);
    } else if (known?.state === 'Seen' && noted.watched < MOST_WATCHED) {
      noted.watched += 1;
      await this.#watch(execution, known.entries);
    }
  }

  async #see(execution: ListedExecution): Promise<void> {
    const derived = await this.#derive(execution);
    if (!derived) return;
    const seen = recorderEvent(this.#context, derived.run, execution, { kind: 'ExecutionSeen' });
    await this.#context.store.append([seen], 0);
  }

  async #watch(execution: ListedExecution, known: number): Promise<void> {
    const found = await this.#context.temporal.describe(execution);
    if (!found) return;
    const facts = changedOptions(this.#options.get(execution.runId) ?? new Map(), found.options);
    this.#options.set(execution.runId, found.options);
    if (facts.length === 0) return;
    const derived = await this.#derive(execution);
    if (!derived) return;
    const time = new Date(this.#context.now()).toISOString();
    const of = { run: derived.run, execution: execution.runId, time, source: { from: 'Server' } } as const;
    await this.#context.store.append(
      facts.map((fact) => ({ ...fact, ...of })),
      known,
    );
  }

  /** Undefined, after a line in the log, if its history cannot be decoded or read: the next pass tries again (RECORDER-5). */
  async #derive(execution: ExecutionName): Promise<Derived | undefined> {
    const { temporal, logger } = this.#context;
    try {
      const json = await temporal.history(execution);
      return json === undefined ? undefined : tryDeriveEvents(this.#context, json, execution);
    } catch (error: unknown) {
      if (!(error instanceof UndecodedHistoryError)) throw error;
      logger.warn({ ...execution, err: error }, 'failed to decode a history');
      return undefined;
    }
  }
}
