/** `vmgroup export --record`: one file that proves runs. */
import type { ObjectName } from '../../api';
import type { Bundle } from '../../record';
import { CliError } from '../errors';
import * as lazy from '../lazy';
import type { RecordOptions } from '../options';
import { counted, jsonText, printNote } from '../output';
import { openReader, signerFrom } from '../record';
import { reporting } from '../report';
import { parseRunName } from './run-name';
import { exportTarget, type ExportFormat } from './target';
import { writeOutput } from './write-output';

/** Options of an export from the record. */
export interface BundleOptions extends RecordOptions {
  root?: ObjectName;
  /** Milliseconds since the epoch. */
  since?: number;
  /** A format, or the path of a file. */
  output?: string;
}

/**
 * Writes the bundle of the runs that are named.
 *
 * @throws CliError if the record has no such run, or it or the file cannot be used.
 */
export async function exportBundle(run: string | undefined, options: BundleOptions): Promise<void> {
  const { root, since } = options;
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
    const { format, file } = exportTarget(options.output);
    const exportedAt = new Date().toISOString();
    const bundle = await makeBundle(runs, exportedAt, signerFrom(options));
    writeOutput(file, textOf(bundle, format, run));
    if (file !== undefined && format === 'json')
      printNote(`${file}: ${counted(runs.length, 'run')}; verify it with vmgroup verify ${file}`);
  } finally {
    await reader.close();
  }
}

function textOf(bundle: Bundle, format: ExportFormat, run: string | undefined): string {
  const entries = bundle.runs.flatMap((each) => each.entries);
  switch (format) {
    case 'json':
      return `${jsonText(bundle, 2)}\n`;
    case 'csv':
      return lazy.record().eventsAsCsv(entries.sort((a, b) => a.chain.number - b.chain.number));
    case 'html': {
      const { gatheredOf, reportText } = reporting();
      return reportText(gatheredOf(bundle, 'the record'), run === undefined ? undefined : parseRunName(run));
    }
  }
}
