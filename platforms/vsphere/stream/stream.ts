/**
 * The stream of a server, for as long as the process runs: opened again whenever it breaks, with all that was followed.
 *
 * VSPHERE-3: nothing is polled. One call waits for changes, whatever the number of VMs, tasks and waiters.
 */
import { Collector, type ObjectUpdate } from './collector';
import type { TaskFacts } from '../facts';
import { FollowedTasks, type TaskEnd } from './followed-tasks';
import { isNotAuthenticated, orAborted, type ManagedObject, type SoapClient } from '../soap';
import { sleep } from '../../sleep';

/** What a {@link Stream} reports. */
export interface StreamListener {
  /** A change of an object that is no task. */
  updated(update: ObjectUpdate): void;
  /** All objects have been reported since the stream was opened; those of before that were not are gone. */
  listed(ids: ReadonlySet<string>): void;
  /** All changes of one answer have been reported. */
  settled(): void;
  broken(error: unknown, retryIn: number): void;
}

/** Milliseconds before the first try to open a broken stream again; doubles with each further one. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;

/** One stream. Starts at once. */
export class Stream {
  readonly #client: SoapClient;
  readonly #listener: StreamListener;
  readonly #prepare: () => Promise<void>;
  readonly #closing = new AbortController();
  readonly #tasks: FollowedTasks;
  readonly #running: Promise<void>;
  /** All objects have been reported, and changes arrive. */
  #live = false;

  /** @param prepare called before each opening. */
  constructor(client: SoapClient, listener: StreamListener, prepare: () => Promise<void>) {
    this.#client = client;
    this.#prepare = prepare;
    this.#listener = listener;
    this.#tasks = new FollowedTasks(this.#closing.signal);
    this.#running = this.#run();
  }

  /** As `follow` of {@link FollowedTasks}. */
  follow(task: ManagedObject, watcher: (task: TaskFacts | undefined) => void): () => void {
    return this.#tasks.follow(task, watcher);
  }

  /** As `ended` of {@link FollowedTasks}. */
  ended(task: ManagedObject, signal: AbortSignal): Promise<TaskEnd> {
    return this.#tasks.ended(task, signal);
  }

  /** As `succeeded` of {@link FollowedTasks}. */
  succeeded(task: ManagedObject, signal: AbortSignal): Promise<TaskEnd> {
    return this.#tasks.succeeded(task, signal);
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
      this.#tasks.opened(collector);
      this.#live = true;
      this.#listener.listed(listed);
      for (;;) {
        const { updates } = await collector.next(signal);
        for (const update of updates) this.#deliver(update);
        this.#listener.settled();
      }
    } finally {
      this.#tasks.closed();
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
    if (update.object.type === 'Task') this.#tasks.deliver(update);
    else this.#listener.updated(update);
  }
}

function jitter(pause: number): number {
  return Math.round(pause * (0.5 + Math.random() / 2));
}
