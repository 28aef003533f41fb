/**
 * Gathers changes for an open run that follow each other quickly: a thousand VMs that are created one by one are not a thousand plans in its
 * history. A run that is not open is started at once.
 */
import type { ObjectKey } from '../manifests';

/** Milliseconds between two plans for the same open run: doubles with each plan. */
const FIRST_GAP = 100;
const LONGEST_GAP = 2_000;

/** When the next plan may be sent, by group. */
export class SendPace {
  readonly #last = new Map<ObjectKey, { at: number; gap: number }>();

  /** Milliseconds until the next plan; 0 or less: now. */
  wait(key: ObjectKey, open: boolean): number {
    const before = this.#last.get(key);
    return before && open ? before.at + before.gap - performance.now() : 0;
  }

  sent(key: ObjectKey): void {
    const before = this.#last.get(key);
    const now = performance.now();
    const quiet = !before || now - before.at > 2 * LONGEST_GAP;
    this.#last.set(key, { at: now, gap: quiet ? FIRST_GAP : Math.min(before.gap * 2, LONGEST_GAP) });
  }

  forget(key: ObjectKey): void {
    this.#last.delete(key);
  }
}
