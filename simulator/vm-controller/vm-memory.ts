/** What the controller remembers of one VM between two reactions. */
import { doublingPause, isOlder, type VirtualMachineObject } from '../../kubernetes';
import type { Failure } from './facts';

/** Milliseconds before the first retry, doubling to the longest: the rate limiter of controller-runtime. */
const FIRST_RETRY = 5;
const LONGEST_RETRY = 1_000_000;
/** Milliseconds after a write of our own in which an older version of the object counts as overtaken by it. */
const OVERTAKEN = 2_000;

/** One VM. */
export class VmMemory {
  /** Why the platform refused to create it, the last time. */
  refused: string | undefined;
  /** The status to be written and the one that was there, when that was last tried. */
  statusAttempt: string | undefined;
  #object: VirtualMachineObject;
  #reported: string | undefined;
  #retryAt: number | undefined;
  #failures = 0;
  #writtenAt = 0;

  constructor(object: VirtualMachineObject) {
    this.#object = object;
  }

  /** The newest version seen, of the cache or of an answer to our own write. */
  get object(): VirtualMachineObject {
    return this.#object;
  }

  /** Id of the failed operation that was reported. */
  get reported(): string | undefined {
    return this.#reported;
  }

  /** When what failed is tried again, milliseconds since the epoch; undefined: nothing failed. */
  get retryAt(): number | undefined {
    return this.#retryAt;
  }

  /** Whether what failed must not be tried yet. */
  get isBackingOff(): boolean {
    return this.#retryAt !== undefined && this.#retryAt > Date.now();
  }

  /** Takes a version from the cache. A change of anything but the status ends the back-off, as each event does in VM Operator. */
  observed(object: VirtualMachineObject): void {
    if (isOlder(object, this.#object) && Date.now() - this.#writtenAt < OVERTAKEN) return;
    if (desiredPart(object) !== desiredPart(this.#object)) this.endBackOff();
    this.#object = object;
  }

  /** Takes the answer to a write of our own. */
  wrote(object: VirtualMachineObject): void {
    if (isOlder(object, this.#object)) return;
    this.#object = object;
    this.#writtenAt = Date.now();
  }

  /** Puts off the next try, for at least `retryAfter` milliseconds. */
  failed({ id }: Failure, retryAfter = 0): void {
    this.#failures += 1;
    const pause = doublingPause(this.#failures, FIRST_RETRY, LONGEST_RETRY);
    this.#retryAt = Date.now() + Math.max(pause, retryAfter);
    if (id !== undefined) this.#reported = id;
  }

  /** Tries again at the next opportunity. */
  endBackOff(): void {
    this.#retryAt = undefined;
  }

  /** Forgets earlier failures. */
  settled(): void {
    this.#failures = 0;
    this.#reported = undefined;
    this.endBackOff();
  }
}

/** The part of an object that says what is wanted of the VM. */
function desiredPart({ metadata, spec }: VirtualMachineObject): string {
  const { labels, annotations, deletionTimestamp } = metadata;
  return JSON.stringify([spec, labels, annotations, deletionTimestamp]);
}
