/** Estimates of open runs, for callers that do not wait for them: the past is read in the background, one group after the other. */
import { estimate, nameOf, openProgress, type Estimate, type KnownGroup, type PastRun } from '../../insight';
import type { PastRuns } from './past-runs';

/** Groups of which the past is kept. */
const MOST_KNOWN = 10_000;

/** The past of one open run. */
interface Known {
  runId: string;
  powerState: PastRun['powerState'];
  /** Absent: it is being read. */
  past?: readonly PastRun[];
}

/** Estimates open runs. */
export class Estimates {
  readonly #past: Pick<PastRuns, 'of' | 'close'>;
  /** By group: its open run. */
  readonly #known = new Map<string, Known>();
  #reading: Promise<void> = Promise.resolve();
  #isClosed = false;

  /** @param past where the past is read; closed with the estimates. */
  constructor(past: Pick<PastRuns, 'of' | 'close'>) {
    this.#past = past;
  }

  /** The estimate of a group's open run; undefined: none is open, or its past is not read yet. */
  of(group: KnownGroup): Estimate | undefined {
    const progress = openProgress(group);
    if (!progress || !group.run) return undefined;
    const { runId } = group.run;
    const { powerState } = progress;
    const known = this.#known.get(nameOf(group));
    if (known?.runId !== runId || known.powerState !== powerState) {
      this.#read(group, { runId, powerState });
      return undefined;
    }
    return known.past && estimate(known.past, progress, Date.now());
  }

  /** Forgets what is known of runs that are not open runs of these groups. */
  keepOnly(groups: readonly KnownGroup[]): void {
    const open = new Set(groups.filter((group) => openProgress(group)).map(nameOf));
    for (const name of this.#known.keys()) if (!open.has(name)) this.#known.delete(name);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#reading;
    await this.#past.close();
  }

  #read(group: KnownGroup, known: Known): void {
    const name = nameOf(group);
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(name, known);
    const isWanted = (): boolean => !this.#isClosed && this.#known.get(name) === known;
    this.#reading = this.#reading.then(async () => {
      const past = isWanted() ? await this.#past.of(group) : undefined;
      if (past) known.past = past;
      // Asked again with the next look: by then the server may answer.
      else if (isWanted()) this.#known.delete(name);
    });
  }
}
