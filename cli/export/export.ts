/** `vmgroup export`: one file with the history of a run, in the format of Temporal's own tools, and its record. */
import type { Client } from '@temporalio/client';
import { withTemporalClient } from '../connections';
import { CliError } from '../errors';
import * as lazy from '../lazy';
import type { TemporalOptions } from '../options';
import { jsonText, printNote, printText, table } from '../output';
import { reporting } from '../report';
import { decodePayloads, historyAsJson, type History } from './history';
import { parseRunName, type RunName } from './run-name';
import { runRecord, type RecordLine } from './run-record';
import { exportTarget } from './target';
import { writeOutput } from './write-output';

/** Options of `export`. */
export interface ExportOptions extends TemporalOptions {
  /** A format, or the path of a file. */
  output?: string;
}

/**
 * Writes a run to a file or to standard output.
 *
 * @throws CliError if there is no such run, or the file cannot be written.
 */
export async function exportRun(name: string, options: ExportOptions): Promise<void> {
  const { format, file } = exportTarget(options.output);
  if (format === 'html') {
    const { gatherRuns, reportText } = reporting();
    const run = parseRunName(name);
    return writeOutput(file, reportText(await gatherRuns(run, options), run));
  }
  const { history, execution } = await withTemporalClient(options, (client) => fetchRun(client, name));
  const { events } = historyAsJson(history);
  if (format === 'csv') return writeOutput(file, await csvOf(execution, events));
  const record = runRecord(history.events ?? [], decodePayloads);
  writeOutput(file, `${jsonText({ ...execution, record, events }, 2)}\n`);
  if (file === undefined) return;
  printText(recordTable(record));
  printNote(`${file}: ${events.length} events; replay them with vmgroup replay ${file}`);
}

/** The events of the record that the history gives. */
async function csvOf({ workflowId, runId }: Required<RunName>, events: unknown[]): Promise<string> {
  const { eventsAsCsv, unrecordedRun } = lazy.record();
  const { entries } = await unrecordedRun([{ execution: runId, workflowId, history: { events } }], false);
  return eventsAsCsv(entries);
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
      { head: 'DETAIL', prose: true, of: ({ detail }) => detail },
    ],
    record,
  );
}
