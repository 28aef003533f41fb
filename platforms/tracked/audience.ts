/** Who is notified of changes of VMs: sinks of watches, and those that wait for one VM. */
import type { VirtualMachineRef } from '../../contract';
import { virtualMachineKey, type VirtualMachineState, type WatchSink } from '../platform';
import { Bindings, type Findable, type FoundVm } from './bindings';
import type { Relayed } from './relay';

/** What an audience works with. */
export interface AudienceOptions<T extends FoundVm> {
  inventory: Findable<T>;
  /** What is known of a VM now; undefined: it is gone. */
  get(vm: string): T | undefined;
  /** The state of a VM; undefined: it is not known. */
  stateOf(ref: VirtualMachineRef, vm: T): VirtualMachineState | undefined;
}

/** The audience of one platform. */
export class Audience<T extends FoundVm> implements Relayed {
  readonly bindings: Bindings<T>;
  readonly #options: AudienceOptions<T>;
  readonly #sinks = new Set<WatchSink>();
  readonly #waiters = new Map<string, Set<() => void>>();
  /** What was reported last of each VM, without its time. */
  readonly #reported = new Map<string, string>();
  readonly #liveListeners = new Set<(broken?: { reason: unknown }) => void>();
  readonly #bound = new Map<string, { vm: string; ref: VirtualMachineRef }>();

  constructor(options: AudienceOptions<T>) {
    this.#options = options;
    this.bindings = new Bindings(options.inventory);
  }

  /** Ids of the VMs that manifests mean. */
  vms(): string[] {
    return [...this.#bound.values()].map(({ vm }) => vm);
  }

  // ---- Sinks ------------------------------------------------------------------------------------------------------------------------

  /** Calls `listener` when changes arrive, and with the reason each time they stop arriving. Returns the function that ends that. */
  onLive(listener: (broken?: { reason: unknown }) => void): () => void {
    this.#liveListeners.add(listener);
    return () => void this.#liveListeners.delete(listener);
  }

  /** Changes arrive, or, with a reason, have stopped arriving. */
  live(broken?: { reason: unknown }): void {
    for (const listener of [...this.#liveListeners]) listener(broken);
  }

  /** Reports all VMs, then each change. Returns the function that ends that. */
  addSink(sink: WatchSink): () => void {
    for (const { vm, ref } of this.#bound.values()) {
      const state = this.#state(ref, vm);
      if (state) sink.changed(state);
    }
    sink.synced();
    this.#sinks.add(sink);
    return () => void this.#sinks.delete(sink);
  }

  /** Reports a VM, if it has changed since it was last reported. */
  tell(vm: string): void {
    const ref = this.bindings.holder(vm);
    const state = ref && this.#state(ref, vm);
    if (!state) return;
    const { at: _, ...status } = state.status;
    const text = JSON.stringify({ ...state, status });
    if (this.#reported.get(vm) === text) return;
    this.#reported.set(vm, text);
    for (const sink of [...this.#sinks]) sink.changed(state);
  }

  // ---- Waiting ----------------------------------------------------------------------------------------------------------------------

  /** Resolves once the VM satisfies `met`; undefined once it is gone. @throws the reason of `signal` */
  until(vm: string, met: (vm: T) => boolean, signal: AbortSignal): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(vm) ?? new Set();
      const end = (settle: () => void): void => {
        waiters.delete(look);
        if (waiters.size === 0 && this.#waiters.get(vm) === waiters) this.#waiters.delete(vm);
        signal.removeEventListener('abort', abort);
        settle();
      };
      const abort = (): void => end(() => reject(signal.reason as Error));
      const look = (): void => {
        const now = this.#options.get(vm);
        if (!now || met(now)) end(() => resolve(now));
      };
      if (signal.aborted) return reject(signal.reason as Error);
      signal.addEventListener('abort', abort, { once: true });
      this.#waiters.set(vm, waiters.add(look));
      look();
    });
  }

  /** Something is known of a VM: those that wait for it look, and it is reported. */
  noticed(vm: string): void {
    this.#wake(vm);
    this.tell(vm);
  }

  /** The VM is gone from the platform. */
  gone(vm: string): void {
    this.#reported.delete(vm);
    this.#wake(vm);
  }

  // ---- Manifests --------------------------------------------------------------------------------------------------------------------

  /** Adds manifests; `all`: there are no others. They are bound by the next {@link rebind}. */
  track(refs: readonly VirtualMachineRef[], all = false): void {
    for (const ref of this.bindings.track(refs, all)) {
      const bound = this.#bound.get(virtualMachineKey(ref));
      if (bound) this.#unbind(virtualMachineKey(ref), bound);
    }
  }

  /** Binds all manifests again, and reports what that changes. */
  rebind(): void {
    this.bindings.rebind();
    const bound = this.bindings.bound();
    for (const [key, before] of [...this.#bound])
      if (bound.get(key)?.vm !== before.vm) this.#unbind(key, before);
    for (const [key, now] of bound) {
      const isNew = !this.#bound.has(key);
      this.#bound.set(key, now);
      if (isNew) this.tell(now.vm);
    }
  }

  #state(ref: VirtualMachineRef, vm: string): VirtualMachineState | undefined {
    const now = this.#options.get(vm);
    return now && this.#options.stateOf(ref, now);
  }

  #wake(vm: string): void {
    for (const look of [...(this.#waiters.get(vm) ?? [])]) look();
  }

  #unbind(key: string, { vm, ref }: { vm: string; ref: VirtualMachineRef }): void {
    this.#bound.delete(key);
    this.#reported.delete(vm);
    for (const sink of [...this.#sinks]) sink.deleted(ref);
  }
}
