/** The workflow code of the source as workers run it. To bundle it takes seconds, so the global set-up does it once for all test files. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundle } from '@temporalio/worker';

/** Names the file of the bundle to the processes that run the tests. */
const VARIABLE = 'VMGROUP_TEST_WORKFLOW_BUNDLE';

let bundled: Promise<WorkflowBundle> | undefined;

/** The bundle of this test run; a test file that runs without the global set-up bundles once by itself. */
export async function workflowBundle(): Promise<{ workflowBundle: { codePath: string } | WorkflowBundle }> {
  const codePath = process.env[VARIABLE];
  if (codePath !== undefined) return { workflowBundle: { codePath } };
  return { workflowBundle: await (bundled ??= bundleWorkflows(require.resolve('../../workflows'))) };
}

/** Bundles the workflows that a file exports. */
export function bundleWorkflows(workflowsPath: string): Promise<WorkflowBundle> {
  return bundleWorkflowCode({
    workflowsPath,
    workflowInterceptorModules: [require.resolve('../../workflows/interceptors')],
    payloadConverterPath: require.resolve('../../workflows/payload-converter'),
    logger: new DefaultLogger('WARN'),
  });
}

/** Bundles, once, for all processes that this one starts from now on; the bundle is removed when this one ends. */
export async function shareWorkflowBundle(): Promise<void> {
  if (process.env[VARIABLE] !== undefined) return;
  const { code } = await bundleWorkflows(require.resolve('../../workflows'));
  const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-workflows-'));
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  const codePath = path.join(dir, 'workflow-bundle.js');
  writeFileSync(codePath, code);
  process.env[VARIABLE] = codePath;
}
