/**
 * How an operation stands and waits, for all of its steps.
 *
 * VSPHERE-7: an operation that waits (for another task, for VMware Tools, for the guest) waits for the stream, within a limit. If another task
 *     lasts longer than that, the operation fails.
 */
import { limited } from '../../../limits';
import type { PowerRequest } from '../../platform';
import { TrackedOperation, type OperationRecord } from '../../tracked';
import type { VmFacts } from '../facts';
import type { Ground } from '../ground';
import type { ManagedObject } from '../soap';

/** Milliseconds in which the effect of a task that has succeeded shows. */
export const EFFECT = 30_000;
/** Milliseconds for which an operation waits for people: a day. */
export const PEOPLE = 86_400_000;

/** An operation that may have to wait. */
export class WaitingOperation extends TrackedOperation {
  readonly vm: ManagedObject;
  readonly ground: Ground;
  /** The stream has shown the record. */
  seen = false;
  /** Resolves once the server has accepted it, or there is something to wait for first. */
  protected readonly accepted: Promise<void>;
  #accept: () => void = () => undefined;

  /** @param vm the server's id of the VM. */
  constructor(ground: Ground, vm: string, request: PowerRequest, record: OperationRecord) {
    super(request, record);
    this.ground = ground;
    this.vm = { type: 'VirtualMachine', id: vm };
    this.accepted = new Promise((resolve) => (this.#accept = resolve));
  }

  /** The caller need not wait any longer. */
  accept(): void {
    this.#accept();
  }

  /** Makes a call, and takes the operation for accepted once it is answered. @throws what `call` throws; the reason of the signal */
  async call<T>(call: () => Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    const answer = await call();
    this.accept();
    return answer;
  }

  /** Shows what it waits for; undefined: no longer for anything. */
  wait(hold: string | undefined): void {
    if (hold === undefined) delete this.hold;
    else this.hold = hold;
    this.accept();
    this.ground.changed(this.vm.id);
  }

  /** What satisfies `met`; undefined after so many milliseconds, or once the VM is gone. @throws the reason of the signal */
  async within(milliseconds: number, met: (facts: VmFacts) => boolean): Promise<VmFacts | undefined> {
    const limit = limited(Math.max(0, Math.round(milliseconds)), this.signal);
    // What the stream says before it has shown the record is older than this operation.
    const now = (facts: VmFacts): boolean => this.seen && met(facts);
    try {
      return await this.ground.until(this.vm.id, now, limit);
    } catch (error: unknown) {
      this.signal.throwIfAborted();
      if (limit.aborted) return undefined;
      throw error;
    }
  }

  /** The VM once it is in the wanted state; after so many milliseconds, as it is. */
  async effect(limit: number): Promise<VmFacts | undefined> {
    const facts = await this.within(limit, ({ power }) => power === this.record.to);
    return facts ?? this.facts();
  }

  /** The VM as the stream shows it now; undefined once it is gone. */
  facts(): VmFacts | undefined {
    return this.ground.facts(this.vm.id);
  }
}
