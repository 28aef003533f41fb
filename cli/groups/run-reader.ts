/** The last runs of groups, asked of Temporal by workflow id: the status on a cluster has the outcome of a run at most. */
import type { WorkflowExecutionDescription, WorkflowHandle } from '@temporalio/client';
import type { GroupPhase, GroupView } from '../../bridge';
import type { TemporalClient } from '../../worker';
import type { Progress, RunOutcome } from '../../contract';
import type { SourceOptions } from '../connections/cluster';
import { messageOf } from '../errors';
import { groupName } from './group-text';
import * as lazy from '../lazy';
import {
  isWorthAsking,
  statusText,
  withRun,
  type KnownRun,
  type LastRun,
  type StoredGroup,
} from './last-run';
import { findTarget, type ReachOptions } from '../connections/temporal';

/** Reads runs from Temporal. Never rejects: without Temporal the views stay as they are. */
export interface RunReader {
  /** Asks for the runs of groups of which Temporal may know more. */
  ask(groups: readonly StoredGroup[]): Promise<void>;
  /** The view of a group, with what was read of its run. */
  show(group: StoredGroup): GroupView;
  close(): Promise<void>;
}

/** Longest wait for a connection, and for one answer, milliseconds. */
const CONNECT_PATIENCE = 3_000;
const CALL_PATIENCE = 3_000;
/** Milliseconds after which a server that did not answer is tried again. */
const RETRY = 10_000;
/** Runs that are asked at the same time. */
const AT_ONCE = 20;

/** Makes a reader; `note` is told once what is missing and why. Nothing is connected before a run has to be asked for. */
export function runReader(options: ReachOptions & SourceOptions, note: (message: string) => void): RunReader {
  const known = new Map<string, KnownRun>();
  let temporal: TemporalClient | undefined;
  let notBefore = 0;
  let isNoted = false;

  function missing(why: string): void {
    if (!isNoted) note(`${why}, so of open runs only what stands in the status is shown`);
    isNoted = true;
  }

  async function connected(): Promise<TemporalClient | undefined> {
    if (temporal || Date.now() < notBefore) return temporal;
    try {
      temporal = await lazy.worker().connectClient(findTarget(options), CONNECT_PATIENCE);
    } catch (error: unknown) {
      notBefore = Date.now() + RETRY;
      missing(messageOf(error));
    }
    return temporal;
  }

  async function askOne({ client }: TemporalClient, { view }: StoredGroup): Promise<void> {
    try {
      const run = await readRun(client, view);
      known.set(groupName(view), { status: statusText(view), ...(run && { run }) });
    } catch (error: unknown) {
      missing(`Temporal does not answer about the run of ${groupName(view)} (${messageOf(error)})`);
    }
  }

  async function readRun(client: TemporalClient['client'], view: GroupView): Promise<LastRun | undefined> {
    const { workflowId } = lazy.messages();
    const handle = client.workflow.getHandle(workflowId(view.metadata.namespace, view.metadata.name));
    const call = <T>(make: () => Promise<T>) => client.withDeadline(Date.now() + CALL_PATIENCE, make);
    let described: WorkflowExecutionDescription;
    try {
      described = await call(() => handle.describe());
    } catch (error: unknown) {
      if (error instanceof lazy.temporalClient().WorkflowNotFoundError) return undefined;
      throw error;
    }
    const base = {
      workflowId: handle.workflowId,
      runId: described.runId,
      startedAt: described.startTime.getTime(),
    };
    if (described.closeTime) {
      const closed = { ...base, endedAt: described.closeTime.getTime() };
      if (described.status.name !== 'COMPLETED') return { ...closed, closedAs: described.status.name };
      const outcome = (await call(() =>
        client.workflow.getHandle(base.workflowId, base.runId).result(),
      )) as RunOutcome;
      return { ...closed, startedAt: outcome.startedAt, endedAt: outcome.endedAt, outcome };
    }
    const health = await call(() => lazy.bridge().readRunHealth(client, described));
    const phase = described.typedSearchAttributes.get(lazy.messages().searchAttributeKeys.phase);
    // A run whose workflow task fails does not answer queries.
    const progress = health.workflowTask ? undefined : await call(() => queryProgress(handle, view));
    return {
      ...base,
      ...(progress && { startedAt: progress.startedAt, progress }),
      ...(phase !== undefined && { phase: phase as GroupPhase }),
      health,
    };
  }

  async function queryProgress(handle: WorkflowHandle, view: GroupView): Promise<Progress | undefined> {
    try {
      return await handle.query(lazy.messages().progress);
    } catch (error: unknown) {
      missing(`the run of ${groupName(view)} does not answer (${messageOf(error)})`);
      return undefined;
    }
  }

  return {
    ask: async (groups) => {
      const worth = groups.filter((group) => isWorthAsking(group, known.get(groupName(group.view))));
      const server = worth.length > 0 ? await connected() : undefined;
      for (let at = 0; server && at < worth.length; at += AT_ONCE) {
        await Promise.all(worth.slice(at, at + AT_ONCE).map((group) => askOne(server, group)));
      }
    },
    show: (group) => withRun(group, known.get(groupName(group.view))?.run),
    close: async () => temporal?.close(),
  };
}
