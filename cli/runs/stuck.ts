/** What keeps open runs from continuing, member by member. */
import type { Client } from '@temporalio/client';
import pMap from 'p-map';
import type { Progress } from '../../contract';
import { failureText, holdOf, type Hold } from '../../insight';
import { messageOf } from '../errors';
import * as lazy from '../lazy';
import type { RunRow } from './list';

/** A member that waits for an operator; or a whole run, if no member is named. */
export interface StuckMember {
  member?: string;
  kind: Hold['kind'] | 'NoAnswer';
  /** Class of the last failure. */
  class?: string;
  /** Failed attempts; absent in runs of older builds. */
  attempts?: number;
  message: string;
  /** ISO 8601. */
  since?: string;
  /** Commands that help, the best one first. */
  commands: string[];
}

/** A run with what it is stuck on. */
export interface StuckRun extends RunRow {
  stuck: StuckMember[];
}

/** Runs that are asked at the same time. */
const CONCURRENCY = 20;
/** Longest wait for an answer, milliseconds. */
const CALL_TIMEOUT = 5_000;

/** Kinds of holds that end only when an operator acts. */
const NEEDS_OPERATOR: ReadonlySet<Hold['kind']> = new Set(['Parked', 'Missing', 'Paused', 'ActivityPaused']);

/** Asks runs what they are stuck on. A run that does not answer is listed with the reason. */
export function stuckRuns(client: Client, rows: readonly RunRow[]): Promise<StuckRun[]> {
  return pMap(rows, async (row) => ({ ...row, stuck: await stuckMembers(client, row) }), {
    concurrency: CONCURRENCY,
  });
}

async function stuckMembers(client: Client, row: RunRow): Promise<StuckMember[]> {
  const handle = client.workflow.getHandle(row.workflowId, row.runId);
  try {
    const progress = await client.withDeadline(Date.now() + CALL_TIMEOUT, () =>
      handle.query(lazy.contract().progress),
    );
    return stuckOf(row, progress);
  } catch (error: unknown) {
    const commands = ['vmgroup doctor'];
    return [{ kind: 'NoAnswer', message: `the run does not answer: ${messageOf(error)}`, commands }];
  }
}

/** What an open run is stuck on, by its progress. */
function stuckOf({ namespace, group, workflowId, runId }: RunRow, progress: Progress): StuckMember[] {
  const { phase, message, startedAt } = progress;
  const known = {
    metadata: { namespace, name: group },
    spec: {},
    status: { members: [], conditions: [] },
    phase,
    message,
    run: { workflowId, runId, startedAt, progress },
  };
  const members = progress.members.flatMap((each): StuckMember[] => {
    const hold = holdOf(known, progress, each);
    return hold && NEEDS_OPERATOR.has(hold.kind) && hold.kind !== 'Paused' ? [stuckMember(hold)] : [];
  });
  if (members.length > 0 || phase !== 'Paused') return members;
  return [{ kind: 'Paused', message, commands: [`vmgroup resume ${namespace}/${group} --reason TEXT`] }];
}

function stuckMember({ member, kind, text, lastError, attempts, since, commands }: Hold): StuckMember {
  return {
    ...(member !== undefined && { member }),
    kind,
    ...(lastError && { class: lastError.class }),
    ...(attempts !== undefined && { attempts }),
    message: lastError ? failureText(lastError) : text,
    ...(since !== undefined && { since: new Date(since).toISOString() }),
    commands,
  };
}
