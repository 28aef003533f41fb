/** `vmgroup export`: one file with the history of a run, as Temporal's own tools read it, and its record beside it. */
import { writeFileSync } from 'node:fs';
import type { ExportOptions } from '.';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { table } from '../output/output';
import { withClient } from '../connections/temporal';
import { parseRunName } from './run-name';
import type { RecordEntry } from './run-record';
import { runRecord } from './run-record';

/**
 * Writes a run to a file or to standard output.
 *
 * @throws CliError when there is no such run, or the file cannot be written.
 */
export async function exportRun(name: string, options: ExportOptions): Promise<void> {
  const { workflowId, runId } = parseRunName(name);
  const { history, execution } = await withClient(options, async ({ client }) => {
    const handle = client.workflow.getHandle(workflowId, runId);
    try {
      const description = await handle.describe();
      const found = { workflowId, runId: description.runId };
      return {
        history: await client.workflow.getHandle(workflowId, found.runId).fetchHistory(),
        execution: found,
      };
    } catch (error: unknown) {
      if (!(error instanceof lazy.temporalClient().WorkflowNotFoundError)) throw error;
      throw new CliError(`Temporal knows no run ${name}`, ['vmgroup get runs lists them'], { cause: error });
    }
  });
  const { historyToJSON } = lazy.protoUtils();
  const record = runRecord(history.events ?? [], lazy.decodePayloads);
  const { events } = JSON.parse(historyToJSON(history)) as { events: unknown[] };
  const text = JSON.stringify({ ...execution, record, events }, undefined, 2) + '\n';
  if (options.output === undefined) {
    process.stdout.write(text);
    return;
  }
  try {
    writeFileSync(options.output, text);
  } catch (error: unknown) {
    throw new CliError(`${options.output} cannot be written: ${messageOf(error)}`, [], { cause: error });
  }
  process.stdout.write(recordTable(record));
  process.stderr.write(
    `${options.output}: ${events.length} events; replay them with vmgroup replay ${options.output}\n`,
  );
}

function recordTable(record: RecordEntry[]): string {
  return table<RecordEntry>(
    [
      { head: 'TIME', of: ({ time }) => time },
      { head: 'WHO', of: ({ who }) => who },
      { head: 'WHAT', of: ({ what }) => what },
      { head: 'DETAIL', of: ({ detail }) => detail },
    ],
    record,
  );
}
