/** Estimates of open runs for a page that does not wait for them: the past is read beside it, one group after the other. */
import { estimate, openProgress, type Estimate, type KnownGroup, type PastRun } from '../../insight';
import { PastRuns, type PastOptions } from './past-runs';

/** Runs of which the past is kept. */
const MOST_KNOWN = 10_000;

/** Estimates open runs. */
export class Estimates {
  readonly #past: PastRuns;
  /** By run id; undefined: it is being read. */
  readonly #known = new Map<string, readonly PastRun[] | undefined>();
  #reading: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: PastOptions) {
    this.#past = new PastRuns(options);
  }

  /** The estimate of a group's open run; undefined: none is open, or its past is not read yet. */
  of(group: KnownGroup): Estimate | undefined {
    const progress = openProgress(group);
    if (!progress || !group.run) return undefined;
    const { runId } = group.run;
    if (!this.#known.has(runId)) this.#read(group, runId);
    const past = this.#known.get(runId);
    return past && estimate(past, progress, Date.now());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#reading;
    await this.#past.close();
  }

  #read(group: KnownGroup, runId: string): void {
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(runId, undefined);
    this.#reading = this.#reading.then(async () => {
      const past = this.#isClosed ? undefined : await this.#past.of(group);
      if (past) this.#known.set(runId, past);
      // Asked again with the next look: by then the server may answer.
      else this.#known.delete(runId);
    });
  }
}
