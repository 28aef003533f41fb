/** Names of runs on the command line. */
import { CliError } from '../errors';
import * as lazy from '../lazy';

/** One run, or the last run of a workflow. */
export interface RunName {
  workflowId: string;
  /** Absent: the last run. */
  runId?: string;
}

/**
 * Reads `NAMESPACE/NAME`, or `WORKFLOW-ID[/RUN-ID]` with a workflow id `vmgroup/NAMESPACE/NAME`.
 *
 * @throws CliError if the text is neither.
 */
export function parseRunName(text: string): RunName {
  const words = text.split('/');
  const { workflowId } = lazy.contract();
  const [first = '', second = '', third = '', runId] = words;
  if (words.length === 2 && first && second) return { workflowId: workflowId(first, second) };
  if (words.length === 1 && first) return { workflowId: workflowId('default', first) };
  if (first === 'vmgroup' && second && third && words.length <= 4)
    return { workflowId: workflowId(second, third), ...(runId && { runId }) };
  throw new CliError(`${text} is not the name of a run`, [
    'write NAMESPACE/NAME, vmgroup/NAMESPACE/NAME or vmgroup/NAMESPACE/NAME/RUN-ID',
    'list the runs: vmgroup get runs',
  ]);
}
