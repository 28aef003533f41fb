/** The engine's state with its journal: entries are applied, written, and only then reported. */
import { asError } from '../../api/unknown';
import type { VirtualMachineRef } from '../../contract';
import { SteadyClock } from '../../kubernetes';
import { PlatformError, type VirtualMachineState } from '../../platforms';
import type { JournalEntry, JournalLine } from '../../platforms/simulated';
import { apply, emptyState, keyOf, reportState, type EngineState, type VmRecord } from '../engine';
import { openJournal, type Journal } from './journal';

/** Receives changes that are on disk. */
export interface Watcher {
  changed(state: VirtualMachineState): void;
  deleted(vm: VirtualMachineRef): void;
  /** Hosts, datastores or behaviour were replaced. */
  inventoryChanged?(): void;
}

/** Why calls fail once the simulator stops. */
export const SHUTTING_DOWN = 'the simulated platform is shutting down';

/** A change that is reported once it is on disk. */
type News = { record: VmRecord } | { deleted: VirtualMachineRef };

/** The state of the platform, in memory and on disk. */
export class JournaledState {
  readonly #journal: Journal;
  readonly #state: EngineState;
  /** The VMs as they are on disk; `#state` may be one write ahead. */
  readonly #published: Map<string, VmRecord>;
  readonly #watchers = new Set<Watcher>();
  readonly #clock: SteadyClock;
  readonly #onBroken: (error: Error) => void;
  #onChanged: (record: VmRecord) => void = () => undefined;
  #closed = false;

  private constructor(journal: Journal, state: EngineState, onBroken: (error: Error) => void) {
    this.#journal = journal;
    this.#state = state;
    this.#published = new Map(state.vms);
    this.#clock = new SteadyClock(state.lastAt);
    this.#onBroken = onBroken;
  }

  /**
   * Opens the state whose journal is at `path`. `onBroken` is called when the journal can no longer be written.
   *
   * @throws Error when the journal is damaged.
   */
  static async open(path: string, onBroken: (error: Error) => void): Promise<JournaledState> {
    const state = emptyState();
    const journal = await openJournal(path, (line) => void apply(state, line));
    return new JournaledState(journal, state, onBroken);
  }

  /** The newest state, which may not be on disk yet. Only this class changes it. */
  get newest(): EngineState {
    return this.#state;
  }

  /** Milliseconds since the epoch. Never before the last entry, and it goes on, whatever the clock does. */
  now(): number {
    return this.#clock.now();
  }

  /** Calls `listener` with each VM that an entry changes, as soon as the entry is applied. */
  onChanged(listener: (record: VmRecord) => void): void {
    this.#onChanged = listener;
  }

  /** The VM of a name as it is on disk, whatever its uid. */
  named(vm: { namespace: string; name: string }): VmRecord | undefined {
    return this.#published.get(keyOf(vm));
  }

  /** All VMs as they are on disk. */
  list(): VmRecord[] {
    return [...this.#published.values()];
  }

  /** Calls `watcher` with every change that is on disk from now on; returns the function that ends that. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /**
   * Applies entries, writes them, and reports what they changed; MACHINE-1.
   *
   * @throws PlatformError `Transient` after `close`.
   * @throws Error when the journal cannot be written.
   */
  async commit(entries: readonly JournalEntry[]): Promise<void> {
    if (this.#closed) throw new PlatformError('Transient', SHUTTING_DOWN);
    const news: News[] = [];
    const written: Promise<void>[] = [];
    for (const entry of entries) {
      news.push(...this.#apply(entry));
      written.push(this.#journal.append(entry));
    }
    try {
      await Promise.all(written);
    } catch (error: unknown) {
      this.#onBroken(asError(error));
      throw error;
    }
    if (entries.some(({ type }) => type === 'inventory'))
      for (const watcher of this.#watchers) watcher.inventoryChanged?.();
    const now = this.now();
    for (const each of news) this.#publish(each, now);
  }

  /** Reads up to `limit` lines of the journal after number `since`. */
  readJournal(since: number, limit: number): AsyncGenerator<JournalLine> {
    return this.#journal.read(since, limit);
  }

  /** Refuses further entries, and those that are not written yet. */
  fail(error: Error): void {
    this.#journal.fail(error);
    this.#onBroken(error);
  }

  /** Refuses further entries, and waits for those being written. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#journal.close();
  }

  #apply(entry: JournalEntry): News[] {
    const { changed, deleted } = apply(this.#state, entry);
    const records = changed.flatMap((key) => this.#state.vms.get(key) ?? []);
    for (const record of records) this.#onChanged(record);
    return [...deleted.map((vm) => ({ deleted: vm })), ...records.map((record) => ({ record }))];
  }

  #publish(news: News, now: number): void {
    if ('deleted' in news) {
      this.#published.delete(keyOf(news.deleted));
      for (const watcher of this.#watchers) watcher.deleted(news.deleted);
      return;
    }
    this.#published.set(keyOf(news.record.vm), news.record);
    const state = reportState(news.record, now);
    for (const watcher of this.#watchers) watcher.changed(state);
  }
}
