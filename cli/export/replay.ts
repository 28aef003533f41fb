/** `vmgroup replay`: whether this build takes the same steps as recorded runs. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { RecordedHistory } from '../../worker';
import { CliError, EXIT } from '../errors';
import * as lazy from '../lazy';
import { printLine } from '../output';

/**
 * Replays each file, and prints a line for it.
 *
 * @throws CliError if a file is not a history; with exit code 1 if a run takes other steps, or a history cannot be replayed.
 */
export async function replayFiles(files: string[]): Promise<void> {
  const histories = files.map(readHistory);
  const results = await lazy.worker().replayHistories(histories);
  for (const { name, difference, fault } of results)
    if (fault !== undefined) printLine(`${name}: NOT REPLAYED: ${fault}`);
    else printLine(difference === undefined ? `${name}: same` : `${name}: DIFFERENT: ${difference}`);
  const different = results.filter(({ difference }) => difference !== undefined).length;
  if (different > 0)
    throw new CliError(
      `${different} of ${results.length} recorded runs take other steps in this build`,
      ['open runs of the old build would stop: put the change behind patched(), or let them end first'],
      { exitCode: EXIT.failed },
    );
  const broken = results.filter(({ fault }) => fault !== undefined).length;
  if (broken > 0)
    throw new CliError(`${broken} of ${results.length} files are no whole history`, [EXPORT], {
      exitCode: EXIT.failed,
    });
}

/** Where the files come from. */
const EXPORT = 'create one: vmgroup export RUN -o FILE';

function readHistory(file: string): RecordedHistory {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error: unknown) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw isMissing
      ? new CliError(`${file} does not exist`, [EXPORT])
      : new CliError(`failed to read ${file} as JSON`, [], { cause: error });
  }
  const { events, workflowId } = parsed as { events?: unknown; workflowId?: unknown };
  if (!Array.isArray(events))
    throw new CliError(`${file} is not a history: it has no list of events`, [EXPORT]);
  return {
    name: file,
    // Files of the UI and other tools have no workflow id; the run does not depend on it.
    workflowId: typeof workflowId === 'string' ? workflowId : path.basename(file, '.json'),
    history: { events },
  };
}
