/**
 * The shared watch: one open watch of a platform for the whole process, whatever the number of waiters.
 *
 * OBSERVER-1: a watch that ends, throws or breaks is opened again, for as long as the observer is not closed.
 * OBSERVER-2: a VM that the new watch no longer lists counts as deleted.
 * OBSERVER-4: a VM that was not reported is known not to exist once a watch has reported all VMs, unless the platform may have it all the same.
 */
import type { Capabilities } from './capabilities';
import {
  PlatformError,
  virtualMachineKey,
  type Platform,
  type VirtualMachineState,
  type WatchSink,
} from './platform';
import type { VirtualMachineRef } from '../contract';
import { sleep } from './sleep';
import { Waiters } from './waiters';

/** One change, as listeners get it. */
export type VirtualMachineEvent =
  | { type: 'changed'; vm: VirtualMachineRef; state: VirtualMachineState }
  /** `state`: the last one seen. */
  | { type: 'deleted'; vm: VirtualMachineRef; state: VirtualMachineState };

/** Options of an {@link Observer}. */
export interface ObserverOptions {
  /** Told of each broken watch, and of the milliseconds until the next one is opened. */
  onBroken?: (error: unknown, retryIn: number) => void;
  /** Milliseconds in which all VMs are to be reported for the first time; absent: {@link FIRST_LOOK}. */
  firstLook?: number;
  /** Told when a listener threw. */
  onListenerError?: (error: unknown) => void;
}

/** Milliseconds after which a platform that has not reported its VMs is not waited for: it may be away for hours. */
const FIRST_LOOK = 20_000;
/** Milliseconds before the first try to open a broken watch again; doubles with each further one, with jitter. */
const FIRST_PAUSE = 100;
/** Milliseconds; short enough that a platform that comes back is seen within seconds. */
const LONGEST_PAUSE = 5_000;

/** Keeps one watch of a platform open and knows the last state of each VM. Starts at once. */
export class Observer {
  readonly #platform: Platform;
  readonly #options: ObserverOptions;
  readonly #states = new Map<string, VirtualMachineState>();
  readonly #waiters = new Waiters();
  readonly #listeners = new Set<(event: VirtualMachineEvent) => void>();
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #markSynced: () => void = () => undefined;
  readonly #synced = new Promise<void>((resolve) => (this.#markSynced = resolve));
  readonly #tried: Promise<void>;
  #isRead = false;
  #live = false;
  #watch = 0;
  #lastEventAt: number | undefined;

  constructor(platform: Platform, options: ObserverOptions = {}) {
    this.#platform = platform;
    this.#options = options;
    this.#tried = Promise.race([this.#synced, sleep(options.firstLook ?? FIRST_LOOK, this.#closing.signal)]);
    this.#running = this.#run();
  }

  /** Whether the watch is open and has reported every VM: only then is the cache up to date. */
  get live(): boolean {
    return this.#live;
  }

  /** What the platform can do. */
  get capabilities(): Capabilities {
    return this.#platform.capabilities;
  }

  /** Whether the platform must be told which VMs are meant. */
  get tracks(): boolean {
    return this.#platform.track !== undefined;
  }

  /** See {@link Platform.track}. These are all VMs that manifests mean. */
  track(vms: readonly VirtualMachineRef[]): void {
    this.#platform.track?.(vms, true);
  }

  /** When the last event came, milliseconds since the epoch; undefined before the first. */
  get lastEventAt(): number | undefined {
    return this.#lastEventAt;
  }

  /** The last state seen of a VM; undefined where none was, or where it is another VM of the same name (`uid`, where given). */
  get(vm: { namespace: string; name: string; uid?: string }): VirtualMachineState | undefined {
    const state = this.#states.get(virtualMachineKey(vm));
    return vm.uid === undefined || state?.vm.uid === vm.uid ? state : undefined;
  }

  /** The last state seen of every VM. */
  list(): VirtualMachineState[] {
    return [...this.#states.values()];
  }

  /** Calls `listener` with every change from now on; returns the function that ends that. */
  onChange(listener: (event: VirtualMachineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Resolves once every VM of the platform has been reported for the first time; at `close()` too. */
  synced(): Promise<void> {
    return this.#synced;
  }

  /** Resolves once every VM has been reported, or that has taken {@link FIRST_LOOK}; at `close()` too. */
  tried(): Promise<void> {
    return this.#tried;
  }

  /** Whether a VM that {@link get} does not find does not exist. Not before every VM was reported, nor while the platform cannot tell. */
  isKnown(vm: VirtualMachineRef): boolean {
    return this.get(vm) !== undefined || (this.#isRead && this.#platform.mayHave?.(vm) !== true);
  }

  /**
   * Waits until a state of `vm` satisfies `predicate`; the last state seen counts too.
   *
   * @throws DeletedMeanwhileError where the VM is deleted meanwhile.
   * @throws the reason of `signal` once it aborts; whatever `predicate` throws.
   */
  until(
    vm: VirtualMachineRef,
    predicate: (state: VirtualMachineState) => boolean,
    signal: AbortSignal,
  ): Promise<VirtualMachineState> {
    return this.#waiters.until(vm, predicate, { seen: this.get(vm), signal });
  }

  /** Ends the watch. Waiters stay until their own signal aborts. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    let pause = FIRST_PAUSE;
    while (!this.#closing.signal.aborted) {
      let reason: unknown;
      try {
        await this.#platform.watch(
          this.#sink(() => (pause = FIRST_PAUSE)),
          this.#closing.signal,
        );
        reason = new PlatformError('Transient', `the watch of ${this.#platform.name} ended`);
      } catch (error: unknown) {
        reason = error;
      }
      this.#live = false;
      this.#watch++;
      if (this.#closing.signal.aborted) break;
      const retryIn = Math.round(pause * (0.5 + Math.random() / 2));
      pause = Math.min(pause * 2, LONGEST_PAUSE);
      this.#guard(() => this.#options.onBroken?.(reason, retryIn));
      await sleep(retryIn, this.#closing.signal);
    }
    this.#markSynced();
  }

  #sink(onSynced: () => void): WatchSink {
    const listed = new Set<string>();
    let syncing = true;
    // A watch that was given up may still deliver; only the newest one counts.
    const mine = ++this.#watch;
    const current = (): boolean => mine === this.#watch && !this.#closing.signal.aborted;
    return {
      changed: (state) => {
        if (!current()) return;
        if (syncing) listed.add(virtualMachineKey(state.vm));
        this.#changed(state);
      },
      deleted: (vm) => {
        if (current()) this.#deleted(vm);
      },
      synced: () => {
        if (!current()) return;
        syncing = false;
        for (const [key, state] of this.#states) if (!listed.has(key)) this.#deleted(state.vm);
        listed.clear();
        this.#live = true;
        this.#isRead = true;
        this.#lastEventAt = Date.now();
        onSynced();
        this.#markSynced();
      },
    };
  }

  #changed(state: VirtualMachineState): void {
    const key = virtualMachineKey(state.vm);
    const previous = this.#states.get(key);
    if (previous && previous.vm.uid !== state.vm.uid) this.#deleted(previous.vm);
    this.#lastEventAt = Date.now();
    this.#states.set(key, state);
    this.#waiters.changed(state);
    this.#tell({ type: 'changed', vm: state.vm, state });
  }

  #deleted(vm: VirtualMachineRef): void {
    const key = virtualMachineKey(vm);
    const state = this.#states.get(key);
    this.#lastEventAt = Date.now();
    if (state?.vm.uid !== vm.uid) return;
    this.#states.delete(key);
    this.#waiters.deleted(vm);
    this.#tell({ type: 'deleted', vm, state });
  }

  #tell(event: VirtualMachineEvent): void {
    for (const listener of this.#listeners) this.#guard(() => listener(event));
  }

  /** Runs foreign code whose failure must not end the watch. */
  #guard(call: () => void): void {
    try {
      call();
    } catch (error: unknown) {
      try {
        this.#options.onListenerError?.(error);
      } catch {
        // The last resort failed too; the watch continues.
      }
    }
  }
}
