/** Calls for placement, one after another: MACHINE-3. */
import { asError } from '../../api/unknown';
import type { PlacementRequest } from '../../contract';
import type { Solve } from '../../placement';
import { PlatformError } from '../../platforms';
import type { PlaceCall } from '../../platforms/simulated';
import { answerPlace, type EnginePlaceOptions } from '../engine';
import { SHUTTING_DOWN, type JournaledState } from './journaled-state';

/** Times that places are found for one call while hosts or VMs change. */
const TRIES = 5;

/** Answers calls for placement, with the solver in a thread of its own. Runs until `stop`. */
export class PlacementQueue {
  readonly #state: JournaledState;
  readonly #solve: Solve;
  readonly #stopping = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  constructor(state: JournaledState, solve: Solve) {
    this.#state = state;
    this.#solve = solve;
  }

  /**
   * Answers a call after those that came before it, and commits the answer.
   *
   * @throws PlatformError `Transient` when hosts or VMs keep changing, or after `stop`.
   * @throws the reason of `signal` once it aborts.
   */
  place(
    requests: readonly PlacementRequest[],
    options: EnginePlaceOptions,
    signal?: AbortSignal,
  ): Promise<PlaceCall> {
    const mine = this.#last.then(async () => {
      const call = await this.#answer(requests, options, signal);
      await this.#state.commit([call]);
      return call;
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  stop(): void {
    this.#stopping.abort(new PlatformError('Transient', SHUTTING_DOWN));
  }

  async #answer(
    requests: readonly PlacementRequest[],
    options: EnginePlaceOptions,
    signal: AbortSignal | undefined,
  ): Promise<PlaceCall> {
    const stopping = this.#stopping.signal;
    const ended = signal ? AbortSignal.any([signal, stopping]) : stopping;
    const state = this.#state.newest;
    for (let tries = 0; tries < TRIES; tries += 1) {
      ended.throwIfAborted();
      const { placementVersion } = state;
      const reply = answerPlace(state, requests, options, this.#state.now());
      if (reply.type === 'Answered') return reply.call;
      const answer = await this.#solve(reply.problem, ended).catch((error: unknown) => {
        ended.throwIfAborted();
        return asError(error);
      });
      if (state.placementVersion === placementVersion) return reply.conclude(answer, this.#state.now());
    }
    throw new PlatformError(
      'Transient',
      `hosts or VMs changed each of the ${TRIES} times that places for ${requests.length} VMs were found; try again`,
    );
  }
}
