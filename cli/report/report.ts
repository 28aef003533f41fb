/** `vmgroup report`: the page of one failover in one file. */
import type { ObjectName } from '../../api';
import { parseRunName, type RunName } from '../export/run-name';
import { writeOutput } from '../export/write-output';
import { CliError } from '../errors';
import * as lazy from '../lazy';
import type { RecordOptions, TemporalOptions } from '../options';
import { printNote } from '../output';
import { gatherBundle, gatherRuns, type GatheredRuns } from './gather';

export { gatheredOf, gatherRuns } from './gather';

/** Options of `report`. */
export interface ReportOptions extends TemporalOptions, RecordOptions {
  root?: ObjectName;
  /** Path of a bundle. */
  bundle?: string;
  /** Path of the page. */
  output?: string;
}

/**
 * Writes the page.
 *
 * @throws CliError if no run is named, there is none, or a source cannot be read.
 */
export async function writeReport(run: string | undefined, options: ReportOptions): Promise<void> {
  const { bundle, output } = options;
  const name = nameOf(run, options);
  const gathered = bundle === undefined ? await gatherRuns(name as RunName, options) : gatherBundle(bundle);
  writeOutput(output, reportText(gathered, name));
  if (output !== undefined) printNote(`${output}: open it in a browser, or print it`);
}

/** The page of a run, or of the last topmost one. Throws CliError if it is not among the runs. */
export function reportText(gathered: GatheredRuns, name: RunName | undefined): string {
  const { chosenRun, failoverOf, reportDocument, reportPage, runsBefore } = lazy.board();
  const { timelines, sourceOf } = gathered;
  const found = name ?? lastTopmost(gathered);
  const top = found && chosenRun(timelines, found.workflowId, found.runId);
  if (!top)
    throw new CliError(
      `there is no run ${found ? [found.workflowId, found.runId].filter(Boolean).join('/') : ''}`.trim(),
      ['list the runs: vmgroup get runs', 'runs that Temporal has deleted are in the record: --record WHERE'],
    );
  const { lastRun, lastTest } = runsBefore(top, timelines);
  const page = reportPage({
    failover: failoverOf(top, timelines),
    ...(lastRun && { lastRun: failoverOf(lastRun, timelines) }),
    ...(lastTest && { lastTest: failoverOf(lastTest, timelines) }),
    now: Date.now(),
    sourceOf,
  });
  return reportDocument(page);
}

function nameOf(run: string | undefined, { root, bundle }: ReportOptions): RunName | undefined {
  if (run !== undefined && root) throw new CliError('name a run or --root, not both');
  if (root) return { workflowId: lazy.contract().workflowId(root.namespace, root.name) };
  if (run !== undefined) return parseRunName(run);
  if (bundle !== undefined) return undefined;
  throw new CliError('no run is named', [
    'name one: vmgroup report NAMESPACE/NAME',
    'or a bundle: --bundle FILE',
  ]);
}

/** The last run that drives its tree. */
function lastTopmost({ timelines }: GatheredRuns): RunName | undefined {
  const top = timelines
    .filter(({ run, clearsUp }) => run.group === run.root && !clearsUp)
    .sort((a, b) => a.startedAt - b.startedAt)
    .at(-1);
  return top && { workflowId: top.run.workflowId, runId: top.run.runId };
}
