/** What the last runs of groups took, for estimates. */
import type { GroupView } from '../../bridge';
import type { PastRun } from '../../insight';
import type { TemporalClient } from '../../worker';
import { findTarget } from '../connections';
import * as lazy from '../lazy';
import type { GroupOptions } from '../options';
import { groupName } from './view';

/** Longest wait for a connection, milliseconds. */
const CONNECT_TIMEOUT = 3_000;
/** Milliseconds after which a server that did not answer is tried again. */
const RETRY_AFTER = 30_000;

/** Reads the past of groups, once for each of their runs. Never rejects: without Temporal nothing is known. */
export class PastRuns {
  readonly #options: GroupOptions;
  /** By group: the run that the past was read for. */
  readonly #known = new Map<string, { runId: string; past: PastRun[] }>();
  #temporal: TemporalClient | undefined;
  #notBefore = 0;

  constructor(options: GroupOptions) {
    this.#options = options;
  }

  /** The past of a group with an open run; undefined: no run is open, or Temporal does not answer. */
  async of(view: GroupView): Promise<readonly PastRun[] | undefined> {
    const { run } = view;
    if (!run?.progress || run.endedAt !== undefined) return undefined;
    const name = groupName(view);
    const known = this.#known.get(name);
    if (known?.runId === run.runId) return known.past;
    if (Date.now() < this.#notBefore) return undefined;
    try {
      this.#temporal ??= await lazy.worker().connectClient(findTarget(this.#options), CONNECT_TIMEOUT);
      const { client } = this.#temporal;
      const past = await lazy.bridge().readPastRuns(client, view.metadata, run.progress.powerState);
      this.#known.set(name, { runId: run.runId, past });
      return past;
    } catch {
      this.#notBefore = Date.now() + RETRY_AFTER;
      return undefined;
    }
  }

  async close(): Promise<void> {
    await this.#temporal?.close();
  }
}
