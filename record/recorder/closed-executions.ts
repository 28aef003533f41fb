/** The part of the recorder that records closed executions, or the gap that they leave (RECORDER-2, RECORDER-3). */
import { historyMark } from '../chain';
import { deriveEvents, type ExecutionName } from '../derive';
import type { RunRef } from '../events';
import { recorderEvent, tryDeriveEvents, type RecorderContext } from './context';
import type { ListedExecution } from './temporal-histories';

/** Executions of one run, one after the other, that are followed back. */
const LONGEST_CHAIN = 1_000;

/** How an execution was handled; `Known`: it was on record, or is still open. */
export type RecordResult = 'Recorded' | 'Gap' | 'Known';

/** The closed executions that Temporal lists or that were seen. */
export class ClosedExecutions {
  readonly #context: RecorderContext;

  constructor(context: RecorderContext) {
    this.#context = context;
  }

  /** The closed executions that are missing, the oldest first. */
  async missing(since: number | undefined): Promise<ListedExecution[]> {
    const missing: ListedExecution[] = [];
    for await (const execution of this.#context.temporal.closedSince(since)) {
      // Temporal lists a paused execution as not running, but it is open.
      if (execution.closedAt === undefined) continue;
      const known = await this.#context.store.execution(execution.runId);
      if (known === undefined || known.state === 'Seen') missing.push(execution);
    }
    return missing.sort((a, b) => (a.closedAt ?? 0) - (b.closedAt ?? 0));
  }

  async recordIfClosed(execution: ExecutionName): Promise<RecordResult> {
    const found = await this.#context.temporal.describe(execution);
    if (found?.status === 'RUNNING' || found?.status === 'PAUSED') return 'Known';
    return this.record(execution);
  }

  /** Records a closed execution, and before it those that it continues. `run`: the run, as named by an execution that continues it. */
  async record(execution: ExecutionName, run?: RunRef, depth = 0): Promise<RecordResult> {
    const known = await this.#context.store.execution(execution.runId);
    if (known && known.state !== 'Seen') return 'Known';
    // Kept by a recorder that was killed before it had appended the events: Temporal may have deleted it since.
    const kept = await this.#context.store.history(execution.runId);
    const json = kept ?? (await this.#context.temporal.history(execution));
    const first = json === undefined ? undefined : tryDeriveEvents(this.#context, json, execution);
    if (json === undefined || !first) return this.#recordGap(execution, json === undefined, run);
    if (first.before !== undefined && depth < LONGEST_CHAIN)
      await this.record({ workflowId: execution.workflowId, runId: first.before }, first.run, depth + 1);
    const before = first.before === undefined ? undefined : await this.#context.store.execution(first.before);
    // Recording the one before has noted this one.
    const noted = await this.#context.store.execution(execution.runId);
    if (noted && noted.state !== 'Seen') return 'Known';
    const history: unknown = JSON.parse(json);
    const derived = deriveEvents(history, execution, { inherits: before?.state === 'Recorded' });
    const found = await this.#context.temporal.describe(execution);
    await this.#context.store.keepHistory(execution.runId, json);
    const recorded = recorderEvent(this.#context, derived.run, execution, {
      kind: 'ExecutionRecorded',
      status: found?.status ?? 'UNKNOWN',
      history: historyMark(history),
    });
    if (derived.next !== undefined) await this.#noteNext(execution, derived.next, derived.run);
    const appended = await this.#context.store.append([...derived.events, recorded], noted?.entries ?? 0);
    if (!appended) return 'Known';
    this.#context.logger.info({ ...execution, entries: appended.length }, 'recorded an execution');
    return 'Recorded';
  }

  /** Notes the execution that continues a run, unless it is known, so that it is missed if Temporal never lists it (RECORDER-3). */
  async #noteNext({ workflowId }: ExecutionName, runId: string, run: RunRef): Promise<void> {
    if (await this.#context.store.execution(runId)) return;
    const seen = recorderEvent(this.#context, run, { workflowId, runId }, { kind: 'ExecutionSeen' });
    await this.#context.store.append([seen], 0);
  }

  /** RECORDER-3, of one run. */
  async #recordGap(execution: ExecutionName, isGone: boolean, named?: RunRef): Promise<'Gap' | 'Known'> {
    const known = await this.#context.store.execution(execution.runId);
    const run = (await this.#knownRun(execution)) ?? named ?? runWithout(execution);
    const reason = isGone
      ? 'Temporal no longer has its history: it was deleted, or its retention is over'
      : 'its history cannot be read';
    const gap = recorderEvent(this.#context, run, execution, { kind: 'RunGap', reason });
    if (!(await this.#context.store.append([gap], known?.entries ?? 0))) return 'Known';
    this.#context.logger.warn({ ...execution, reason }, 'a run has a gap in the record');
    return 'Gap';
  }

  /** The run of an execution that was seen. */
  async #knownRun({ workflowId, runId }: ExecutionName): Promise<RunRef | undefined> {
    for await (const { event } of this.#context.store.entries({ workflowId, kinds: ['ExecutionSeen'] }))
      if ('run' in event && event.execution === runId) return event.run;
    return undefined;
  }
}

/** The run of an execution of which only its name is known. */
function runWithout({ workflowId, runId }: ExecutionName): RunRef {
  const [, namespace = '', group = workflowId] = /^vmgroup\/([^/]+)\/([^/]+)$/.exec(workflowId) ?? [];
  return { namespace, group, workflowId, runId, root: group };
}
