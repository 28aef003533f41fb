/** The timer of the delay that is running: one at most, left alone while its end stays the same. */
import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';

/** A delay's end, in milliseconds since the epoch, and what the timeline calls it. */
export interface Wake {
  at: number;
  summary: string;
}

/** Calls `over` at the end of the delay that was set last. */
export class DelayTimer {
  readonly #over: () => void;
  #armed: { at: number; scope: CancellationScope } | undefined;

  constructor(over: () => void) {
    this.#over = over;
  }

  /** Arms the timer, or disarms it if nothing is to be waited for. */
  set(wake: Wake | undefined): void {
    if (this.#armed?.at === wake?.at) return;
    this.#armed?.scope.cancel();
    this.#armed = undefined;
    if (!wake) return;
    const scope = new CancellationScope();
    const armed = { at: wake.at, scope };
    this.#armed = armed;
    scope
      .run(() => sleep(Math.max(1, wake.at - Date.now()), { summary: wake.summary }))
      .then(() => {
        if (this.#armed === armed) this.#armed = undefined;
        this.#over();
      })
      .catch((error: unknown) => {
        if (!isCancellation(error)) throw error;
      });
  }
}
