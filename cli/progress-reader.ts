/** Where open runs stand, asked of Temporal: the status on a cluster has the outcome of a run, not each of its steps. */
import type { GroupView } from '../bridge';
import type { TemporalClient } from '../worker';
import type { Progress } from '../workflows/messages';
import { messageOf } from './errors';
import * as heavy from './heavy';
import type { SourceOptions } from './cluster';
import { findTarget, type ReachOptions } from './reach';

/** Asks Temporal, as often as it is asked to. Never rejects: without Temporal there is no progress. */
export interface ProgressReader {
  /** The progress of the open runs of views, by the id of the run. */
  read(views: GroupView[]): Promise<ReadonlyMap<string, Progress>>;
  close(): Promise<void>;
}

/** Longest wait for a connection, and for the answer of a run, milliseconds. */
const CONNECT_PATIENCE = 3_000;
const QUERY_PATIENCE = 3_000;
/** Milliseconds after which a server that did not answer is tried again. */
const RETRY = 10_000;
/** Runs that are asked at the same time. */
const AT_ONCE = 20;

/** Makes a reader; `note` is told once why there is no progress. Nothing is connected before there is an open run. */
export function progressReader(
  options: ReachOptions & SourceOptions,
  note: (message: string) => void,
): ProgressReader {
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
      temporal = await heavy.worker().connectClient(findTarget(options), CONNECT_PATIENCE);
    } catch (error: unknown) {
      notBefore = Date.now() + RETRY;
      missing(messageOf(error));
    }
    return temporal;
  }

  async function query({ client }: TemporalClient, { metadata }: GroupView): Promise<Progress | undefined> {
    const { progress, workflowId } = heavy.messages();
    const handle = client.workflow.getHandle(workflowId(metadata.namespace, metadata.name));
    try {
      return await client.withDeadline(Date.now() + QUERY_PATIENCE, () => handle.query(progress));
    } catch (error: unknown) {
      missing(`the run of ${metadata.namespace}/${metadata.name} does not answer (${messageOf(error)})`);
      return undefined;
    }
  }

  return {
    read: async (views) => {
      const found = new Map<string, Progress>();
      const open = views.filter(({ run }) => run && run.endedAt === undefined);
      const server = open.length > 0 ? await connected() : undefined;
      if (!server) return found;
      for (let at = 0; at < open.length; at += AT_ONCE) {
        const some = open.slice(at, at + AT_ONCE);
        const answers = await Promise.all(some.map((view) => query(server, view)));
        answers.forEach((progress, index) => {
          const view = some[index];
          if (view?.run && progress && isOf(view, progress)) found.set(view.run.runId, progress);
        });
      }
      return found;
    },
    close: async () => temporal?.close(),
  };
}

/** Not that of a group of the same name elsewhere, nor of a run that has ended and whose status is about to say so. */
function isOf({ metadata }: GroupView, { lineage, outcome }: Progress): boolean {
  return lineage.split('/').at(-1) === metadata.uid && !outcome;
}

/** A view with the progress of its open run, where it is known. */
export function withProgress(view: GroupView, progress: ReadonlyMap<string, Progress>): GroupView {
  const { run } = view;
  const known = run && run.endedAt === undefined ? progress.get(run.runId) : undefined;
  if (!run || !known) return view;
  const { phase, message } = known;
  return { ...view, phase, message, run: { ...run, progress: known } };
}
