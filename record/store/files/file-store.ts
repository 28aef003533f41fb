/**
 * The record in a folder: files of entries, a folder of histories, and a lock, so that one process appends at a time. Others may read.
 *
 * A process that has lost the lock writes nothing more: before each write it checks that it holds the lock (RECORD-7, LOCK-3). This does not help a
 * process that is paused between the check and the write.
 *
 * What is known of runs and executions is read once and kept in memory: some 300 bytes an execution.
 */
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdir, open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';
import { LockedError, takeLock, type Lock } from '../../../files';
import { readIfThere, writeAtomically } from '../../../files/atomic-file';
import { EMPTY, link, type Head, type RecordEntry, type Signer } from '../../chain';
import type { RecorderGap, RunEvent } from '../../events';
import {
  HISTORY_BYTES,
  isWanted,
  RecordError,
  stateAfter,
  type EntryFilter,
  type KnownExecution,
  type RecordReader,
  type RecordStore,
} from '../store';
import { appendEntries, endOfEntries, readEntries, repair } from './entry-files';

/**
 * Opens a record to read it.
 *
 * @throws RecordError if there is none.
 */
export async function openFileReader(folder: string): Promise<RecordReader> {
  const reader = new FileReader(folder);
  if ((await readIfThere(reader.nameFile)) === undefined)
    throw new RecordError(`${folder} has no record: none was written yet`);
  return reader;
}

/**
 * Opens a record to append to it; creates it.
 *
 * @param onLost called if another process has taken the record over: every write rejects from then on.
 * @throws RecordError if another process appends to it, or it is damaged.
 */
export async function openFileStore(
  folder: string,
  { signer, onLost = () => undefined }: { signer?: Signer; onLost?: () => void } = {},
): Promise<RecordStore> {
  await mkdir(path.join(folder, 'histories'), { recursive: true, mode: 0o700 });
  const lock = await lockOf(folder, onLost);
  try {
    const store = new FileStore(folder, lock, signer);
    await store.open();
    return store;
  } catch (error: unknown) {
    await lock.release();
    throw error;
  }
}

async function lockOf(folder: string, onLost: () => void): Promise<Lock> {
  try {
    return await takeLock(path.join(folder, 'record.lock'), { note: { command: 'record' }, onLost });
  } catch (error: unknown) {
    if (error instanceof LockedError)
      throw new RecordError(`process ${error.pid} appends to the record in ${folder} already`, {
        cause: error,
      });
    throw error;
  }
}

class FileReader implements RecordReader {
  readonly nameFile: string;
  protected readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    this.nameFile = path.join(folder, 'installation');
  }

  async installation(): Promise<string> {
    return (await readFile(this.nameFile, 'utf8')).trim();
  }

  async *entries(filter: EntryFilter = {}): AsyncIterable<RecordEntry> {
    const wanted = filter.since === undefined ? undefined : await this.#runsSince(filter.since);
    for await (const entry of readEntries(this.folder)) {
      const { event } = entry;
      const isRecent =
        !wanted || ('run' in event ? wanted.has(event.run.runId) : event.time >= (filter.since ?? ''));
      if (isRecent && isWanted(entry, filter)) yield entry;
    }
  }

  async history(execution: string): Promise<string | undefined> {
    const file = this.historyFile(execution);
    const isThere = await access(file).then(
      () => true,
      () => false,
    );
    if (!isThere) return undefined;
    return gunzipSync(await buffer(createReadStream(file)), { maxOutputLength: HISTORY_BYTES }).toString();
  }

  async close(): Promise<void> {
    // Nothing is open between two calls.
  }

  protected historyFile(execution: string): string {
    if (!/^[\w-]{1,100}$/.test(execution)) throw new RecordError(`${execution} is no run id of Temporal`);
    return path.join(this.folder, 'histories', `${execution}.json.gz`);
  }

  async #runsSince(since: string): Promise<Set<string>> {
    const runs = new Set<string>();
    for await (const { event } of readEntries(this.folder))
      if ('run' in event && event.time >= since) runs.add(event.run.runId);
    return runs;
  }
}

class FileStore extends FileReader implements RecordStore {
  readonly #lock: Lock;
  readonly #signer: Signer | undefined;
  readonly #executions = new Map<string, KnownExecution>();
  readonly #runs = new Map<string, Head>();
  #head = EMPTY;
  #installation = '';
  /** Where the files ended after the last read or append (FILES-2). */
  #end = '';
  /** One write at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  /** An append has failed: what is on disk is read again before the next one. */
  #isUnsure = false;

  constructor(folder: string, lock: Lock, signer: Signer | undefined) {
    super(folder);
    this.#lock = lock;
    this.#signer = signer;
  }

  async open(): Promise<void> {
    const known = await readIfThere(this.nameFile);
    if (known === undefined) await writeAtomically(this.nameFile, `${randomUUID()}\n`);
    this.#installation = await this.installation();
    await this.#load();
  }

  async head(): Promise<Head> {
    return this.#head;
  }

  async execution(runId: string): Promise<KnownExecution | undefined> {
    return this.#executions.get(runId);
  }

  async seen(): Promise<{ runId: string; workflowId: string }[]> {
    return [...this.#executions].flatMap(([runId, { state, workflowId }]) =>
      state === 'Seen' ? [{ runId, workflowId }] : [],
    );
  }

  keepHistory(execution: string, json: string): Promise<void> {
    return this.#inTurn(() => this.#writeHistory(execution, json));
  }

  append(events: readonly RunEvent[], known: number): Promise<RecordEntry[] | undefined> {
    return this.#inTurn(async () => {
      const [first] = events;
      if (!first) return [];
      if ((this.#executions.get(first.execution)?.entries ?? 0) !== known) return undefined;
      const runHead = this.#runs.get(first.run.runId) ?? EMPTY;
      return this.#write(
        await link(events, { installation: this.#installation, head: this.#head, runHead }, this.#signer),
      );
    });
  }

  appendGap(event: RecorderGap): Promise<RecordEntry> {
    return this.#inTurn(async () => {
      const ends = { installation: this.#installation, head: this.#head };
      const [entry] = await this.#write(await link([event], ends, this.#signer));
      return entry as RecordEntry;
    });
  }

  async completeAt(): Promise<number | undefined> {
    const text = await readIfThere(path.join(this.folder, 'complete-at'));
    const at = Number(text);
    return text === undefined || !Number.isFinite(at) ? undefined : at;
  }

  setCompleteAt(at: number): Promise<void> {
    return this.#inTurn(() => writeAtomically(path.join(this.folder, 'complete-at'), `${at}\n`));
  }

  override async close(): Promise<void> {
    await this.#turn.catch(() => undefined);
    await this.#lock.release();
  }

  async #writeHistory(execution: string, json: string): Promise<void> {
    const target = this.historyFile(execution);
    if ((await this.history(execution)) !== undefined) return;
    const draft = `${target}.${process.pid}.tmp`;
    const file = await open(draft, 'w', 0o600);
    try {
      await file.writeFile(gzipSync(json));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, target);
  }

  async #write(entries: RecordEntry[]): Promise<RecordEntry[]> {
    this.#isUnsure = true;
    await appendEntries(this.folder, entries);
    this.#end = await endOfEntries(this.folder);
    this.#isUnsure = false;
    for (const entry of entries) this.#note(entry);
    return entries;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn
      .catch(() => undefined)
      .then(async () => {
        if (!(await this.#lock.isHeld()))
          throw new RecordError(`another process has taken over the record in ${this.folder}`);
        if (this.#isUnsure || (await endOfEntries(this.folder)) !== this.#end) await this.#load();
        return work();
      });
    this.#turn = next;
    return next;
  }

  async #load(): Promise<void> {
    await repair(this.folder);
    this.#executions.clear();
    this.#runs.clear();
    this.#head = EMPTY;
    for await (const entry of readEntries(this.folder)) this.#note(entry);
    this.#end = await endOfEntries(this.folder);
    this.#isUnsure = false;
  }

  #note({ event, chain, runChain, hash }: RecordEntry): void {
    this.#head = { number: chain.number, hash };
    if (!('run' in event) || !runChain) return;
    this.#runs.set(event.run.runId, { number: runChain.number, hash });
    const before = this.#executions.get(event.execution);
    this.#executions.set(event.execution, {
      entries: (before?.entries ?? 0) + 1,
      state: stateAfter(event, before?.state),
      workflowId: event.run.workflowId,
    });
  }
}
