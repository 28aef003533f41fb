/**
 * The stream of a server, for as long as the process runs: opened again whenever it breaks, with all that was followed.
 *
 * VSPHERE-4: nothing is polled. One call waits for changes, whatever the number of VMs, tasks and waiters.
 */
import { Collector, type ObjectUpdate } from './collector';
import { taskOf, type TaskFacts } from './facts';
import {
  isNotAuthenticated,
  localizedFault,
  orAborted,
  VimFault,
  type ManagedObject,
  type SoapClient,
} from './soap';
import { sleep } from '../sleep';

/** What a {@link Stream} tells. */
export interface StreamListener {
  /** A change of an object that is no task. */
  updated(update: ObjectUpdate): void;
  /** All objects have been told since the stream was opened; those of before that were not are gone. */
  listed(ids: ReadonlySet<string>): void;
  /** All changes of one answer have been told. */
  settled(): void;
  broken(error: unknown, retryIn: number): void;
}

/** How a task ended; undefined: the server does not have it any more. */
export type TaskEnd = TaskFacts | undefined;

/** Milliseconds before the first try to open a broken stream again; doubles with each further one. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;

interface Followed {
  task: ManagedObject;
  seen: TaskFacts | undefined;
  /** Called with each change, and undefined once the server does not have the task any more. */
  watchers: Set<(task: TaskFacts | undefined) => void>;
}

/** One stream. Starts at once. */
export class Stream {
  readonly #client: SoapClient;
  readonly #listener: StreamListener;
  readonly #prepare: () => Promise<void>;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  readonly #followed = new Map<string, Followed>();
  #add = new Map<string, ManagedObject>();
  /** Still on the stream, and no longer followed. */
  #remove = new Map<string, Followed>();
  /** Being taken off the stream by us: that one leaves it does not mean that the server forgets it. */
  readonly #leaving = new Set<string>();
  #flushed = Promise.resolve();
  #flushing = false;
  #collector: Collector | undefined;
  #live = false;

  /** @param prepare called before each opening. */
  constructor(client: SoapClient, listener: StreamListener, prepare: () => Promise<void>) {
    this.#client = client;
    this.#prepare = prepare;
    this.#listener = listener;
    this.#running = this.#run();
  }

  /** Whether all objects have been told, and changes arrive. */
  get live(): boolean {
    return this.#live;
  }

  /** What is known of a followed task. */
  task(id: string): TaskFacts | undefined {
    return this.#followed.get(id)?.seen;
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

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let pause = FIRST_PAUSE;
    while (!signal.aborted) {
      const began = Date.now();
      const error: unknown = await this.#life(signal).catch((reason: unknown) => reason);
      if (this.#live || Date.now() - began > LONGEST_PAUSE) pause = FIRST_PAUSE;
      this.#live = false;
      if (signal.aborted) break;
      // A session that has ended is nothing to wait for.
      const retryIn = isNotAuthenticated(error) && pause === FIRST_PAUSE ? 0 : jitter(pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE);
      this.#listener.broken(error, retryIn);
      await sleep(retryIn, signal);
    }
  }

  /** From opening to breaking. Rejects with what broke it. */
  async #life(signal: AbortSignal): Promise<never> {
    await orAborted(this.#prepare(), signal);
    const collector = await Collector.open(this.#client, signal);
    try {
      const listed = await this.#list(collector, signal);
      this.#collector = collector;
      this.#add = new Map([...this.#followed.values()].map(({ task }) => [task.id, task]));
      this.#remove.clear();
      this.#leaving.clear();
      this.#live = true;
      this.#listener.listed(listed);
      this.#flushSoon();
      for (;;) {
        const { updates } = await collector.next(signal);
        for (const update of updates) this.#deliver(update);
        this.#listener.settled();
      }
    } finally {
      this.#collector = undefined;
      void collector.close();
    }
  }

  async #list(collector: Collector, signal: AbortSignal): Promise<Set<string>> {
    const listed = new Set<string>();
    for (let more = true; more;) {
      const next = await collector.next(signal);
      for (const update of next.updates) {
        listed.add(update.object.id);
        this.#deliver(update);
      }
      more = next.more;
    }
    return listed;
  }

  #deliver(update: ObjectUpdate): void {
    if (update.object.type !== 'Task') return this.#listener.updated(update);
    const { id } = update.object;
    // It leaves the view because we took it off, or because the server forgets it.
    if (update.kind === 'leave') return this.#leaving.delete(id) ? undefined : this.#forgotten(id);
    const facts = taskOf(update.changes.get('info'));
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
      const gone = await collector.follow([...add.values()], removed, this.#closing.signal);
      for (const { id } of gone) this.#forgotten(id);
    } catch {
      // The stream is about to break too, if it has not yet, and the next one follows all tasks again.
      if (this.#collector === collector) for (const [id, task] of add) this.#retryFollow(id, task);
    }
  }

  /** A call was lost while the stream lives on. */
  #retryFollow(id: string, task: ManagedObject): void {
    if (!this.#followed.has(id) || this.#closing.signal.aborted) return;
    this.#add.set(id, task);
    setTimeout(() => this.#flushSoon(), FIRST_PAUSE).unref();
  }
}

function jitter(pause: number): number {
  return Math.round(pause * (0.5 + Math.random() / 2));
}
