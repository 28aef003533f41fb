/** Operators' requests for runs that were not sent yet. */
import type { ObjectKey } from '../manifests';
import type { Asker } from './sync-asker';

interface Waiter {
  sent: () => void;
  failed: (error: Error) => void;
}

interface PendingRequest {
  asker: Asker;
  waiting: Waiter[];
}

/** By the key of the driver. A later request replaces an earlier one; both are settled once it was sent. */
export class PendingRequests {
  readonly #requests = new Map<ObjectKey, PendingRequest>();

  /** Resolves once the request was sent; rejects with the reason if it is dropped before. */
  add(key: ObjectKey, { actor, reason, known }: Asker): Promise<void> {
    return new Promise((sent, failed) => {
      const waiting = [...(this.#requests.get(key)?.waiting ?? []), { sent, failed }];
      this.#requests.set(key, { asker: { actor, reason, ...(known && { known }) }, waiting });
    });
  }

  of(key: ObjectKey): Asker | undefined {
    return this.#requests.get(key)?.asker;
  }

  /** This request was sent; a later one was not. */
  sent(key: ObjectKey, asker: Asker): void {
    const request = this.#requests.get(key);
    if (request?.asker !== asker) return;
    this.#requests.delete(key);
    for (const { sent } of request.waiting) sent();
  }

  /** The request will not be sent. */
  drop(key: ObjectKey, why: string): void {
    const request = this.#requests.get(key);
    this.#requests.delete(key);
    for (const { failed } of request?.waiting ?? []) failed(new Error(why));
  }

  dropAll(why: string): void {
    for (const key of [...this.#requests.keys()]) this.drop(key, why);
  }
}
