/** The workflow code of this build. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { WorkerOptions } from '@temporalio/worker';

/** What a worker runs: a bundle, or a file that exports workflows. */
export type WorkflowSource = Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath' | 'interceptors'>;

/** The bundle of the build; if run from source, the code, which the SDK bundles at start. */
export function workflowSource(): WorkflowSource {
  const codePath = path.join(__dirname, '../workflow-bundle.js');
  if (existsSync(codePath)) return { workflowBundle: { codePath } };
  return {
    workflowsPath: require.resolve('../workflows'),
    interceptors: { workflowModules: [require.resolve('../workflows/interceptors')] },
  };
}
