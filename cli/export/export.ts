/** `vmgroup export`: one file with the history of a run, in the format of Temporal's own tools, and its record. */
import type { Client } from '@temporalio/client';
import { withTemporalClient } from '../connections';
import { CliError } from '../errors';
import * as lazy from '../lazy';
import type { TemporalOptions } from '../options';
import { table } from '../output';
import { decodePayloads, historyAsJson, type History } from './history';
import { parseRunName, type RunName } from './run-name';
import { runRecord, type RecordLine } from './run-record';
import { writeOutput } from './write-output';

/** Options of `export`. */
export interface ExportOptions extends TemporalOptions {
  /** Path of the file. */
  output?: string;
}

/**
 * Writes a run to a file or to standard output.
 *
 * @throws CliError if there is no such run, or the file cannot be written.
 */
export async function exportRun(name: string, options: ExportOptions): Promise<void> {
  const { history, execution } = await withTemporalClient(options, (client) => fetchRun(client, name));
  const record = runRecord(history.events ?? [], decodePayloads);
  const { events } = historyAsJson(history);
  const text = JSON.stringify({ ...execution, record, events }, undefined, 2) + '\n';
  writeOutput(options.output, text);
  if (options.output === undefined) return;
  process.stdout.write(recordTable(record));
  process.stderr.write(
    `${options.output}: ${events.length} events; replay them with vmgroup replay ${options.output}\n`,
  );
}

async function fetchRun(
  client: Client,
  name: string,
): Promise<{ history: History; execution: Required<RunName> }> {
  const { workflowId, runId } = parseRunName(name);
  try {
    const described = await client.workflow.getHandle(workflowId, runId).describe();
    const handle = client.workflow.getHandle(workflowId, described.runId);
    const history = await lazy.encryption().configuredDecoder()(await handle.fetchHistory());
    return { history, execution: { workflowId, runId: described.runId } };
  } catch (error: unknown) {
    if (!(error instanceof lazy.temporalClient().WorkflowNotFoundError)) throw error;
    throw new CliError(`Temporal has no run ${name}`, ['list the runs: vmgroup get runs'], { cause: error });
  }
}

function recordTable(record: RecordLine[]): string {
  return table<RecordLine>(
    [
      { head: 'TIME', of: ({ time }) => time },
      { head: 'WHO', of: ({ who }) => who },
      { head: 'WHAT', of: ({ what }) => what },
      { head: 'DETAIL', of: ({ detail }) => detail },
    ],
    record,
  );
}
