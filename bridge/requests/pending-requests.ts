/** Operators' requests for runs that have not been sent yet, by the driver's group. */
import type { ObjectKey } from '../manifests';
import type { Asker } from './sync-asker';

interface Waiter {
  sent: () => void;
  failed: (error: Error) => void;
}

interface Ask {
  asker: Asker;
  waiting: Waiter[];
}

/** A later request of a group replaces the earlier one; both are answered once it was sent. */
export class PendingRequests {
  readonly #asks = new Map<ObjectKey, Ask>();

  /** Resolves once the request was sent; rejects if the group goes or the bridge stops before that. */
  add(key: ObjectKey, { actor, reason }: Asker): Promise<void> {
    return new Promise((sent, failed) => {
      const waiting = [...(this.#asks.get(key)?.waiting ?? []), { sent, failed }];
      this.#asks.set(key, { asker: { actor, reason }, waiting });
    });
  }

  of(key: ObjectKey): Asker | undefined {
    return this.#asks.get(key)?.asker;
  }

  /** This request was sent; one that came meanwhile was not. */
  sent(key: ObjectKey, asker: Asker): void {
    const ask = this.#asks.get(key);
    if (ask?.asker !== asker) return;
    this.#asks.delete(key);
    for (const { sent } of ask.waiting) sent();
  }

  /** Nothing will be sent. */
  drop(key: ObjectKey, why: string): void {
    const ask = this.#asks.get(key);
    this.#asks.delete(key);
    for (const { failed } of ask?.waiting ?? []) failed(new Error(why));
  }

  dropAll(why: string): void {
    for (const key of [...this.#asks.keys()]) this.drop(key, why);
  }
}
