/** The tasks that callers wait for, on the stream that is open at the time. */
import type { Collector, ObjectUpdate } from './collector';
import { taskOf, type TaskFacts } from '../facts';
import { localizedFault, VimFault, type ManagedObject } from '../soap';

/** How a task ended; undefined: the server no longer has it. */
export type TaskEnd = TaskFacts | undefined;

/** Milliseconds until a call that was lost is made again. */
const PAUSE = 100;

interface Followed {
  task: ManagedObject;
  seen: TaskFacts | undefined;
  /** Called with each change, and undefined once the server no longer has the task. */
  watchers: Set<(task: TaskFacts | undefined) => void>;
}

/** Follows tasks: those that are followed in the same moment go on the stream in one call. */
export class FollowedTasks {
  readonly #closing: AbortSignal;
  readonly #followed = new Map<string, Followed>();
  #add = new Map<string, ManagedObject>();
  /** Still on the stream, and no longer followed. */
  #remove = new Map<string, Followed>();
  /** Being taken off the stream by us: that one leaves it does not mean that the server forgets it. */
  readonly #leaving = new Set<string>();
  #flushed = Promise.resolve();
  #flushing = false;
  /** Of the stream, while it is open. */
  #collector: Collector | undefined;

  /** @param closing aborts when no further stream will be opened. */
  constructor(closing: AbortSignal) {
    this.#closing = closing;
  }

  /** Follows a task: `watcher` is called with each change of it, and with undefined once the server has forgotten it. Returns what ends that. */
  follow(task: ManagedObject, watcher: (task: TaskFacts | undefined) => void): () => void {
    const known = this.#followed.get(task.id);
    const followed = known ?? { task, seen: undefined, watchers: new Set() };
    followed.watchers.add(watcher);
    if (!known) {
      this.#followed.set(task.id, followed);
      const kept = this.#remove.get(task.id);
      // It is still on the stream, which says nothing of it until it changes.
      if (this.#remove.delete(task.id)) followed.seen = kept?.seen;
      else this.#add.set(task.id, task);
      this.#flushSoon();
    }
    if (followed.seen) watcher(followed.seen);
    return () => {
      followed.watchers.delete(watcher);
      if (followed.watchers.size > 0 || this.#followed.get(task.id) !== followed) return;
      this.#followed.delete(task.id);
      if (!this.#add.delete(task.id)) this.#remove.set(task.id, followed);
      // Not worth a call of its own: it goes with the next task that is followed.
    };
  }

  /** Resolves once a task has ended. @throws the reason of `signal` */
  ended(task: ManagedObject, signal: AbortSignal): Promise<TaskEnd> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      let stop = (): void => undefined;
      const settle = (done: () => void): void => {
        stop();
        signal.removeEventListener('abort', abort);
        done();
      };
      const abort = (): void => settle(() => reject(signal.reason as Error));
      signal.addEventListener('abort', abort, { once: true });
      let early: (() => void) | undefined;
      const seen = (facts: TaskFacts | undefined): void => {
        if (facts && facts.state !== 'success' && facts.state !== 'error') return;
        early = () => settle(() => resolve(facts));
        early();
      };
      const unfollow = this.follow(task, seen);
      stop = unfollow;
      // It had ended before.
      if (early) unfollow();
    });
  }

  /** The same for a task that is to succeed. @throws VimFault where it fails; the reason of `signal` */
  async succeeded(task: ManagedObject, signal: AbortSignal): Promise<TaskEnd> {
    const end = await this.ended(task, signal);
    if (end?.error) throw new VimFault(localizedFault(end.error), end.what);
    return end;
  }

  /** A stream is open, which knows of no task yet: all of them are followed on it. */
  opened(collector: Collector): void {
    this.#collector = collector;
    this.#add = new Map([...this.#followed.values()].map(({ task }) => [task.id, task]));
    this.#remove.clear();
    this.#leaving.clear();
    this.#flushSoon();
  }

  /** The stream broke. */
  closed(): void {
    this.#collector = undefined;
  }

  /** Takes a change of a task from the stream. */
  deliver({ object: { id }, kind, changes }: ObjectUpdate): void {
    // It leaves the view because we took it off, or because the server forgets it.
    if (kind === 'leave') return this.#leaving.delete(id) ? undefined : this.#forgotten(id);
    const facts = taskOf(changes.get('info'));
    const followed = this.#followed.get(id) ?? this.#remove.get(id);
    if (!facts || !followed) return;
    followed.seen = facts;
    for (const watcher of [...followed.watchers]) watcher(facts);
  }

  #forgotten(id: string): void {
    const followed = this.#followed.get(id);
    if (!followed) return;
    this.#followed.delete(id);
    for (const watcher of [...followed.watchers]) watcher(undefined);
  }

  /** Tasks that are followed in the same moment go in one call. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      void this.#flush();
    });
  }

  /** One call at a time: a task that is taken off and followed again must not be taken off last. */
  async #flush(): Promise<void> {
    const before = this.#flushed;
    let done = (): void => undefined;
    this.#flushed = new Promise((resolve) => (done = resolve));
    await before;
    await this.#flushNow();
    done();
  }

  async #flushNow(): Promise<void> {
    const collector = this.#collector;
    if (!collector || this.#add.size === 0) return;
    const [add, remove] = [this.#add, this.#remove];
    this.#add = new Map();
    this.#remove = new Map();
    for (const id of remove.keys()) this.#leaving.add(id);
    const removed = [...remove.values()].map(({ task }) => task);
    try {
      const gone = await collector.follow([...add.values()], removed, this.#closing);
      for (const { id } of gone) this.#forgotten(id);
    } catch {
      // The stream is about to break too, if it has not yet, and the next one follows all tasks again.
      if (this.#collector === collector) for (const [id, task] of add) this.#retryFollow(id, task);
    }
  }

  /** A call was lost while the stream lives on. */
  #retryFollow(id: string, task: ManagedObject): void {
    if (!this.#followed.has(id) || this.#closing.aborted) return;
    this.#add.set(id, task);
    setTimeout(() => this.#flushSoon(), PAUSE).unref();
  }
}
