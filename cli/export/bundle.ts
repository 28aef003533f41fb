/** `vmgroup export --record`: one file that proves runs. */
import type { ObjectName } from '../../api';
import { CliError } from '../errors';
import * as lazy from '../lazy';
import type { RecordOptions } from '../options';
import { counted } from '../output';
import { openReader, signerFrom } from '../record';
import { parseRunName } from './run-name';
import { writeOutput } from './write-output';

/** Options of an export from the record. */
export interface BundleOptions extends RecordOptions {
  root?: ObjectName;
  /** Milliseconds since the epoch. */
  since?: number;
  /** Path of the file. */
  output?: string;
}

/**
 * Writes the bundle of the runs that are named.
 *
 * @throws CliError if the record has no such run, or it or the file cannot be used.
 */
export async function exportBundle(run: string | undefined, options: BundleOptions): Promise<void> {
  const { root, since, output } = options;
  const { makeBundle, recordedRuns } = lazy.record();
  const reader = await openReader(options);
  try {
    const runs = await recordedRuns(reader, {
      ...(run !== undefined && parseRunName(run)),
      ...(root && { root }),
      ...(since !== undefined && { since: new Date(since).toISOString() }),
    });
    if (runs.length === 0)
      throw new CliError('the record has no such run', ['list what it has: vmgroup record --record WHERE']);
    const bundle = await makeBundle(runs, new Date().toISOString(), signerFrom(options));
    writeOutput(output, `${JSON.stringify(bundle, undefined, 2)}\n`);
    if (output !== undefined)
      process.stderr.write(
        `${output}: ${counted(runs.length, 'run')}; verify it with vmgroup verify ${output}\n`,
      );
  } finally {
    await reader.close();
  }
}
