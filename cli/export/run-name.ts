/** How runs are named on the command line. */
import { CliError } from '../errors';
import * as lazy from '../lazy';

/** One run, or the last of a workflow. */
export interface RunName {
  workflowId: string;
  runId?: string;
}

/**
 * `NAMESPACE/NAME`, or `WORKFLOW-ID[/RUN-ID]` where the workflow id is `vmgroup/NAMESPACE/NAME`.
 *
 * @throws CliError when the text is neither.
 */
export function parseRunName(text: string): RunName {
  const parts = text.split('/');
  const { workflowId } = lazy.messages();
  const [first = '', second = '', third = '', runId] = parts;
  if (parts.length === 2 && first && second) return { workflowId: workflowId(first, second) };
  if (parts.length === 1 && first) return { workflowId: workflowId('default', first) };
  if (first === 'vmgroup' && second && third && parts.length <= 4)
    return { workflowId: workflowId(second, third), ...(runId && { runId }) };
  throw new CliError(`${text} names no run`, [
    'name one as NAMESPACE/NAME, vmgroup/NAMESPACE/NAME or vmgroup/NAMESPACE/NAME/RUN-ID',
    'vmgroup get runs lists them',
  ]);
}
