/** What the last runs of groups took, for estimates: from the record where there is one, and from Temporal. */
import type { Client } from '@temporalio/client';
import type { ObjectName } from '../../api';
import type { DesiredPowerState } from '../../contract';
import { nameOf, openProgress, type KnownGroup, type PastRun } from '../../insight';
import type { TemporalClient } from '../../worker';
import { findTarget } from '../connections';
import * as lazy from '../lazy';
import type { GroupOptions, RecordOptions } from '../options';
import { readRecordedPast } from '../record';

/** Longest wait for a connection, milliseconds. */
const CONNECT_TIMEOUT = 3_000;
/** Milliseconds after which a server that did not answer is tried again. */
const RETRY_AFTER = 30_000;
/** Past runs that count. */
const MOST_RUNS = 20;

/** Where the past is read. */
export type PastOptions = GroupOptions & RecordOptions;

/** Reads the past of groups, once for each of their runs. Never rejects: without Temporal and a record nothing is known. */
export class PastRuns {
  readonly #options: PastOptions;
  /** By group: the run that the past was read for. */
  readonly #known = new Map<string, { runId: string; powerState: DesiredPowerState; past: PastRun[] }>();
  #temporal: TemporalClient | undefined;
  #notBefore = 0;

  constructor(options: PastOptions) {
    this.#options = options;
  }

  /** The past of a group with an open run; undefined: no run is open, or nothing can be read. */
  async of(group: KnownGroup): Promise<readonly PastRun[] | undefined> {
    const progress = openProgress(group);
    const runId = group.run?.runId;
    if (!progress || runId === undefined) return undefined;
    const { powerState } = progress;
    const known = this.#known.get(nameOf(group));
    if (known?.runId === runId && known.powerState === powerState) return known.past;
    if (Date.now() < this.#notBefore) return undefined;
    const past = await this.#read(group.metadata, powerState);
    if (past) this.#known.set(nameOf(group), { runId, powerState, past });
    else this.#notBefore = Date.now() + RETRY_AFTER;
    return past;
  }

  /** Ends the connection; a later read makes another one. */
  async close(): Promise<void> {
    const temporal = this.#temporal;
    this.#temporal = undefined;
    await temporal?.close();
  }

  async #read(group: ObjectName, powerState: DesiredPowerState): Promise<PastRun[] | undefined> {
    return readPast(this.#options, group, powerState, async () => {
      this.#temporal ??= await lazy.worker().connectClient(findTarget(this.#options), CONNECT_TIMEOUT);
      return this.#temporal.client;
    });
  }
}

/**
 * The last runs of a group to a power state, at most 20, the newest first; undefined: neither the record nor Temporal can be read. Never
 * rejects.
 */
export async function readPast(
  options: RecordOptions,
  group: ObjectName,
  powerState: DesiredPowerState,
  connect: () => Promise<Client>,
): Promise<PastRun[] | undefined> {
  const recorded =
    options.record === undefined
      ? undefined
      : await readRecordedPast(options, group, powerState).catch(() => undefined);
  const listed = await connect()
    .then((client) => lazy.bridge().readPastRuns(client, group, powerState))
    .catch(() => undefined);
  if (!recorded && !listed) return undefined;
  // A run that is in both began at the same moment: its own clock says so.
  const runs = new Map([...(recorded ?? []), ...(listed ?? [])].map((run) => [run.startedAt, run]));
  return [...runs.values()].sort((a, b) => b.startedAt - a.startedAt).slice(0, MOST_RUNS);
}
