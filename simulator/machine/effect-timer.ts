/** Commits effects when they come due. */
import { timerDelay } from '../../kubernetes';
import { dueAt, dueEffects, type VmRecord } from '../engine';
import type { JournaledState } from './journaled-state';

/** The timer of all effects of a platform. Runs until `stop`. */
export class EffectTimer {
  readonly #state: JournaledState;
  #timer: NodeJS.Timeout | undefined;
  #wakesAt = Infinity;
  #stopped = false;

  constructor(state: JournaledState) {
    this.#state = state;
    state.onChanged((record) => this.#wakeFor(record));
  }

  /** Commits all that is due now; MACHINE-2. */
  async settle(): Promise<void> {
    this.#wakesAt = Infinity;
    if (this.#stopped) return;
    const commits: Promise<void>[] = [];
    for (let due = this.#due(); due.length > 0; due = this.#due()) commits.push(this.#state.commit(due));
    for (const record of this.#state.newest.vms.values()) this.#wakeFor(record);
    await Promise.all(commits);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #due(): ReturnType<typeof dueEffects> {
    return dueEffects(this.#state.newest, this.#state.now());
  }

  #wakeFor(record: VmRecord): void {
    const time = dueAt(record);
    if (time === undefined || time >= this.#wakesAt || this.#stopped) return;
    clearTimeout(this.#timer);
    this.#wakesAt = time;
    const delay = timerDelay(time - this.#state.now());
    // The commit has reported a journal that cannot be written; the effect rightly does not happen.
    this.#timer = setTimeout(() => void this.settle().catch(() => undefined), delay);
  }
}
