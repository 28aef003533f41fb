/** `vmgroup replay`: does this build still take the same steps as the recorded runs? */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { RecordedHistory } from '../../worker';
import { CliError, EXIT } from '../errors';
import * as lazy from '../lazy';

/**
 * Replays each file and prints one line for it; the exit code is 1 when one differs.
 *
 * @throws CliError when a file is no history.
 */
export async function replayFiles(files: string[]): Promise<void> {
  const histories = files.map(readHistory);
  const results = await lazy.worker().replayHistories(histories);
  for (const { name, difference } of results)
    process.stdout.write(
      difference === undefined ? `${name}: same\n` : `${name}: DIFFERENT: ${difference}\n`,
    );
  const different = results.filter(({ difference }) => difference !== undefined).length;
  if (different === 0) return;
  throw new CliError(
    `${different} of ${results.length} recorded runs would take other steps in this build`,
    [
      'runs of the old build that are still open would stop: put the change behind patched(), or let them end first',
    ],
    { exitCode: EXIT.failed },
  );
}

function readHistory(file: string): RecordedHistory {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error: unknown) {
    throw new CliError(`${file} cannot be read as JSON`, [], { cause: error });
  }
  const { events, workflowId } = parsed as { events?: unknown; workflowId?: unknown };
  if (!Array.isArray(events))
    throw new CliError(`${file} is no history: it has no list of events`, [
      'files come from vmgroup export RUN -o FILE',
    ]);
  return {
    name: file,
    // Only the UI and other tools leave it out; the run does not depend on it.
    workflowId: typeof workflowId === 'string' ? workflowId : path.basename(file, '.json'),
    history: { events },
  };
}
