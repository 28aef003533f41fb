/**
 * Where the record is kept.
 *
 * RECORD-6: append-only. Nothing that was appended is changed or removed.
 * RECORD-7: the chain has no fork, however many processes append: what is appended for an execution is refused if the record knows more of it
 *     than the caller thought, and a process whose folder another one has taken over writes nothing more.
 * RECORD-8: what an `append` has resolved for survives a crash of the process and of the machine; of one that was cut off, all is on record or
 *     nothing.
 */
import type { Head, RecordEntry } from '../chain';
import type { EventKind, RecordEvent, RecorderGap, RunEvent } from '../events';

/** Bytes that a history may take once it is unpacked. */
export const HISTORY_BYTES = 2 ** 29 - 1;

/** What the record knows of one execution. */
export interface KnownExecution {
  /** Entries about it. */
  entries: number;
  /** `Seen`: its end is not on record. `Recorded`: all of it. `Gap`: it is known to be lost. */
  state: 'Seen' | 'Recorded' | 'Gap';
  workflowId: string;
}

/** Which entries are read. All conditions hold together. */
export interface EntryFilter {
  /** Run id of the first execution of a run. */
  runId?: string;
  workflowId?: string;
  /** Namespace and name of the group that drives a tree. */
  root?: { namespace: string; name: string };
  kinds?: readonly EventKind[];
  /** ISO 8601: entries of runs of which an event is not older. */
  since?: string;
}

/** Reads the record. Each method rejects if it cannot be read. */
export interface RecordReader {
  /** Id of the installation, which is that of its record. */
  installation(): Promise<string>;
  /** In the order of the installation's chain. */
  entries(filter?: EntryFilter): AsyncIterable<RecordEntry>;
  /** The history of an execution as JSON text; undefined: the record has none. */
  history(execution: string): Promise<string | undefined>;
  close(): Promise<void>;
}

/** Reads and appends. */
export interface RecordStore extends RecordReader {
  head(): Promise<Head>;
  /** Undefined: the record does not know the execution. */
  execution(runId: string): Promise<KnownExecution | undefined>;
  /** Run ids of the executions in state `Seen`, with their workflow ids. */
  seen(): Promise<{ runId: string; workflowId: string }[]>;
  /** Keeps the history of an execution. The first one that is given stays. */
  keepHistory(execution: string, json: string): Promise<void>;
  /**
   * Appends events of one execution, in order.
   *
   * @param known entries that the caller knows of the execution.
   * @returns the new entries; undefined: the record knows more, and nothing was appended.
   */
  append(events: readonly RunEvent[], known: number): Promise<RecordEntry[] | undefined>;
  /** Notes that the recorder was away. */
  appendGap(event: RecorderGap): Promise<RecordEntry>;
  /** When the recorder last knew of every run, milliseconds since the epoch; undefined: never. It is in no chain. */
  completeAt(): Promise<number | undefined>;
  setCompleteAt(at: number): Promise<void>;
}

/** Thrown if a record is damaged, in use, taken over, or cannot be opened. */
export class RecordError extends Error {
  override readonly name = 'RecordError';
}

/** The state of an execution after an event. Once its end is on record, or lost, that stays. */
export function stateAfter(
  { kind }: RecordEvent,
  before: KnownExecution['state'] = 'Seen',
): KnownExecution['state'] {
  if (kind === 'ExecutionRecorded') return 'Recorded';
  return kind === 'RunGap' ? 'Gap' : before;
}

/** Whether an entry is one of a filter, apart from `since`. */
export function isWanted({ event }: RecordEntry, filter: EntryFilter): boolean {
  const { runId, workflowId, root, kinds } = filter;
  if (kinds && !kinds.includes(event.kind)) return false;
  const run = 'run' in event ? event.run : undefined;
  if (workflowId !== undefined && run?.workflowId !== workflowId) return false;
  if (root && (run?.namespace !== root.namespace || run.root !== root.name)) return false;
  return runId === undefined || run?.runId === runId;
}
