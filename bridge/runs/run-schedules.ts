/** When an open run is queried and described next, by the process's own clock. Pure but for that clock. */

/** Milliseconds between two queries of a run, at least and at most; in between a multiple of the duration of the last query. */
const QUERY_GAP = 200;
const LONGEST_QUERY_GAP = 1_000;
const QUERY_SHARE = 4;
/** Milliseconds until a run that did not answer is probed again; doubles. */
const FIRST_PROBE = 1_000;
const LONGEST_PROBE = 30_000;

/** When the run is queried. */
export class QuerySchedule {
  #at = now();
  #querying = false;
  /** A query was wanted while one was under way. */
  #wantedAgain = false;
  #last = { end: -Infinity, gap: QUERY_GAP };
  #begun = 0;
  /** Milliseconds until the next probe; undefined: the run answered the last query. */
  #probe: number | undefined;

  /** When the next query is due. */
  get at(): number {
    return this.#at;
  }

  /** Whether the run did not answer the last query, so that it has to be probed without cost before it is queried. */
  get isSilent(): boolean {
    return this.#probe !== undefined;
  }

  /** What the run answers may have changed. A silent run is queried at its next probe. */
  want(): void {
    if (this.#querying) this.#wantedAgain = true;
    else if (!this.isSilent) this.#at = Math.min(this.#at, Math.max(now(), this.#last.end + this.#last.gap));
  }

  /** The server is back: a silent run is probed at once. */
  probeSoon(): void {
    if (!this.isSilent) return;
    this.#probe = FIRST_PROBE;
    this.#at = now();
  }

  begin(): void {
    this.#begun = now();
    this.#querying = true;
    this.#wantedAgain = false;
    this.#at = Infinity;
  }

  end(answered: boolean): void {
    this.#querying = false;
    this.#probe = answered ? undefined : Math.min((this.#probe ?? FIRST_PROBE / 2) * 2, LONGEST_PROBE);
    // A run with many members answers slowly: its worker should spend its time on the members.
    const gap = Math.min(Math.max(QUERY_GAP, QUERY_SHARE * (now() - this.#begun)), LONGEST_QUERY_GAP);
    this.#last = { end: now(), gap };
    if (this.#probe !== undefined) this.#at = now() + this.#probe;
    else if (this.#wantedAgain) this.#at = now() + gap;
  }
}

/** Milliseconds between two descriptions of a run: doubles while they say the same. Only they tell of paused activities. */
const FIRST_DESCRIPTION = 1_000;
const LONGEST_DESCRIPTION = 60_000;
const LONGEST_DESCRIPTION_BUSY = 20_000;

/** When the run is described. */
export class DescriptionSchedule {
  #at = now() + FIRST_DESCRIPTION;
  #pause = FIRST_DESCRIPTION;

  /** When the next description is due. */
  get at(): number {
    return this.#at;
  }

  /** The run may be in trouble, or out of it. */
  soon(): void {
    this.#pause = FIRST_DESCRIPTION;
    this.#at = Math.min(this.#at, now() + FIRST_DESCRIPTION);
  }

  /** An activity may have been started, which may be paused. */
  whileBusy(): void {
    this.#at = Math.min(this.#at, now() + LONGEST_DESCRIPTION_BUSY);
  }

  begin(): void {
    this.#at = Infinity;
  }

  /** `isSame`: it says the same as the last one. `isBusy`: activities are pending. */
  end(isSame: boolean, isBusy: boolean): void {
    const longest = isBusy ? LONGEST_DESCRIPTION_BUSY : LONGEST_DESCRIPTION;
    this.#pause = isSame ? Math.min(this.#pause * 2, longest) : FIRST_DESCRIPTION;
    this.#at = Math.min(this.#at, now() + this.#pause);
  }
}

/** Milliseconds of the process's own clock, which is never set. */
export function now(): number {
  return performance.now();
}
