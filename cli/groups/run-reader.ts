/** The last runs of groups, read from Temporal: the status on a cluster holds at most the outcome of a run. */
import type { WorkflowExecutionDescription } from '@temporalio/client';
import pMap from 'p-map';
import type { GroupPhase, GroupView, TaskQueuePollers } from '../../bridge';
import type { Progress, RunOutcome } from '../../contract';
import type { TemporalClient } from '../../worker';
import { findTarget } from '../connections';
import { messageOf } from '../errors';
import * as lazy from '../lazy';
import type { GroupOptions } from '../options';
import { mayBeOutdated, statusText, withRun, type KnownRun, type LastRun } from './last-run';
import type { StoredGroup } from './stored-group';
import { groupName } from './view';

type Client = TemporalClient['client'];

/** Longest wait for a connection, and for an answer, milliseconds. */
const CONNECT_TIMEOUT = 3_000;
const CALL_TIMEOUT = 3_000;
/** Milliseconds after which a server that did not answer is tried again. */
const RECONNECT_AFTER = 10_000;
/** Runs that are read at the same time. */
const CONCURRENCY = 20;

/** Reads runs from Temporal, and completes views with them. Never rejects: without Temporal the views stay as they are. */
export class RunReader {
  readonly #options: GroupOptions;
  readonly #note: (message: string) => void;
  readonly #known = new Map<string, KnownRun>();
  #temporal: TemporalClient | undefined;
  #pollers: TaskQueuePollers | undefined;
  #temporalFlags = '';
  #notBefore = 0;
  #hasNoted = false;

  /** Connects to nothing yet. `note` is called once, with what is missing and why. */
  constructor(options: GroupOptions, note: (message: string) => void) {
    this.#options = options;
    this.#note = note;
  }

  /** Reads the runs of the groups of which Temporal may know more than was last read. */
  async read(groups: readonly StoredGroup[]): Promise<void> {
    const outdated = groups.filter((group) => mayBeOutdated(group, this.#known.get(groupName(group.view))));
    const temporal = outdated.length > 0 ? await this.#connect() : undefined;
    if (!temporal) return;
    await pMap(outdated, ({ view }) => this.#readOne(temporal.client, view), { concurrency: CONCURRENCY });
  }

  /** The view of a group, completed by its run as it was last read. */
  complete(group: StoredGroup): GroupView {
    return withRun(group, this.#known.get(groupName(group.view))?.run);
  }

  async close(): Promise<void> {
    await this.#temporal?.close();
  }

  async #connect(): Promise<TemporalClient | undefined> {
    if (this.#temporal || Date.now() < this.#notBefore) return this.#temporal;
    try {
      const target = findTarget(this.#options);
      this.#temporalFlags = lazy.worker().temporalFlags(target);
      this.#temporal = await lazy.worker().connectClient(target, CONNECT_TIMEOUT);
      this.#pollers = new (lazy.bridge().TaskQueuePollers)(this.#temporal.client);
    } catch (error: unknown) {
      this.#notBefore = Date.now() + RECONNECT_AFTER;
      this.#noteOnce(messageOf(error));
    }
    return this.#temporal;
  }

  async #readOne(client: Client, view: GroupView): Promise<void> {
    const noAnswer = (error: unknown): undefined => {
      this.#noteOnce(`the run of ${groupName(view)} does not answer (${messageOf(error)})`);
    };
    try {
      const run = await readRun(client, view, {
        noAnswer,
        pollers: this.#pollers,
        temporalFlags: this.#temporalFlags,
      });
      this.#known.set(groupName(view), { status: statusText(view), ...(run && { run }) });
    } catch (error: unknown) {
      this.#noteOnce(`Temporal does not answer for the run of ${groupName(view)} (${messageOf(error)})`);
    }
  }

  #noteOnce(reason: string): void {
    if (!this.#hasNoted) this.#note(`${reason}; open runs are shown from the status alone`);
    this.#hasNoted = true;
  }
}

/** How a run is read. */
interface ReadOptions {
  /** Called if an open run does not answer the query. */
  noAnswer: (error: unknown) => undefined;
  pollers: TaskQueuePollers | undefined;
  /** See `RunHealth`. */
  temporalFlags: string;
}

/** The last run of a group; undefined if there is none. */
async function readRun(
  client: Client,
  { metadata }: GroupView,
  options: ReadOptions,
): Promise<LastRun | undefined> {
  const workflowId = lazy.contract().workflowId(metadata.namespace, metadata.name);
  try {
    const described = await call(client, () => client.workflow.getHandle(workflowId).describe());
    return described.closeTime
      ? await closedRun(client, described, described.closeTime)
      : await openRun(client, described, options);
  } catch (error: unknown) {
    if (error instanceof lazy.temporalClient().WorkflowNotFoundError) return undefined;
    throw error;
  }
}

async function closedRun(
  client: Client,
  described: WorkflowExecutionDescription,
  closeTime: Date,
): Promise<LastRun> {
  const { workflowId, runId, status } = described;
  const closed = { ...runOf(described), endedAt: closeTime.getTime() };
  if (status.name !== 'COMPLETED') {
    const ended = await call(client, () => lazy.bridge().readRunEnding(client, workflowId, runId));
    return { ...closed, closedAs: status.name, ...(ended && { ended }) };
  }
  const handle = client.workflow.getHandle(workflowId, runId);
  const outcome = (await call(client, () => handle.result())) as RunOutcome;
  return { ...closed, startedAt: outcome.startedAt, endedAt: outcome.endedAt, outcome };
}

async function openRun(
  client: Client,
  described: WorkflowExecutionDescription,
  { noAnswer, pollers = new (lazy.bridge().TaskQueuePollers)(client), temporalFlags }: ReadOptions,
): Promise<LastRun> {
  const { searchAttributeKeys } = lazy.contract();
  const { readRunHealth, readWaits, withWaits } = lazy.bridge();
  const health = await call(client, () => readRunHealth(client, described, pollers));
  const phase = described.typedSearchAttributes.get(searchAttributeKeys.phase);
  // A run whose workflow task fails does not answer queries.
  const progress = health.workflowTask
    ? undefined
    : await queryProgress(client, described.workflowId).catch(noAnswer);
  return {
    ...runOf(described),
    ...(progress && {
      startedAt: progress.startedAt,
      progress: withWaits(progress, await readWaits(client, described.raw)),
    }),
    ...(phase !== undefined && { phase: phase as GroupPhase }),
    health: { ...health, temporalFlags },
  };
}

function runOf({ workflowId, runId, startTime }: WorkflowExecutionDescription): LastRun {
  return { workflowId, runId, startedAt: startTime.getTime() };
}

function queryProgress(client: Client, workflowId: string): Promise<Progress> {
  const handle = client.workflow.getHandle(workflowId);
  return call(client, () => handle.query(lazy.contract().progress));
}

function call<T>(client: Client, make: () => Promise<T>): Promise<T> {
  return client.withDeadline(Date.now() + CALL_TIMEOUT, make);
}
