/**
 * Who waits for which VM.
 *
 * OBSERVER-3: an event wakes the waiters for that VM, and no others.
 */
import { asError } from '../api/unknown';
import type { VirtualMachineRef } from '../contract';
import { PlatformError, virtualMachineKey, type VirtualMachineState } from './platform';

/** Ends the wait for a VM that is gone. */
export class DeletedMeanwhileError extends PlatformError {
  constructor(vm: VirtualMachineRef) {
    super(
      'Permanent',
      `VM ${virtualMachineKey(vm)} was deleted on the platform while an operation waited for it; create it again or take it out of the group`,
    );
  }
}

interface Waiter {
  uid: string;
  changed(state: VirtualMachineState): void;
  deleted(): void;
}

/** The waiters of an observer. */
export class Waiters {
  readonly #waiters = new Map<string, Set<Waiter>>();

  /** As `until` of the observer. `seen`: the last state seen, if there is one. */
  until(
    vm: VirtualMachineRef,
    predicate: (state: VirtualMachineState) => boolean,
    { seen, signal }: { seen: VirtualMachineState | undefined; signal: AbortSignal },
  ): Promise<VirtualMachineState> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(asError(signal.reason));
      const key = virtualMachineKey(vm);
      const finish = (settle: () => void): void => {
        this.#forget(key, waiter);
        signal.removeEventListener('abort', onAbort);
        settle();
      };
      const onAbort = (): void => finish(() => reject(asError(signal.reason)));
      const waiter: Waiter = {
        uid: vm.uid,
        changed: (state) => {
          try {
            if (predicate(state)) finish(() => resolve(state));
          } catch (error: unknown) {
            finish(() => reject(asError(error)));
          }
        },
        deleted: () => finish(() => reject(new DeletedMeanwhileError(vm))),
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const waiters = this.#waiters.get(key) ?? new Set();
      this.#waiters.set(key, waiters.add(waiter));
      if (seen) waiter.changed(seen);
    });
  }

  /** Wakes those who wait for this VM. */
  changed(state: VirtualMachineState): void {
    for (const waiter of this.#for(state.vm)) waiter.changed(state);
  }

  /** Ends the waits for this VM, which is gone. */
  deleted(vm: VirtualMachineRef): void {
    for (const waiter of this.#for(vm)) waiter.deleted();
  }

  #for(vm: VirtualMachineRef): Waiter[] {
    return [...(this.#waiters.get(virtualMachineKey(vm)) ?? [])].filter(({ uid }) => uid === vm.uid);
  }

  #forget(key: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(key);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiters.delete(key);
  }
}
