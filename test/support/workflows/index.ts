/** The workflow of a group, and one that continues as it: with a state that no test could wait for. */
import { makeContinueAsNewFunc } from '@temporalio/workflow';
import { WORKFLOW_TYPE, type RunStart } from '../../../contract';

export { virtualMachineGroup } from '../../../workflows';

/** Hands `start` over to a run of a group, as the execution before it would. */
export async function handOver(start: RunStart): Promise<void> {
  await makeContinueAsNewFunc<(start: RunStart) => Promise<void>>({ workflowType: WORKFLOW_TYPE })(start);
}
