/** Which parked members `retry --all` finds. */
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { parkedMembers } from '../../../cli/operator-commands/retry-all';

test('more runs than one command looks into are an error, and none of them is left out', async () => {
  const run = {
    workflowId: 'vmgroup/prod/app',
    runId: 'r',
    status: { name: 'RUNNING' },
    startTime: new Date(0),
    typedSearchAttributes: { get: () => undefined },
  } as unknown as WorkflowExecutionInfo;
  async function* list(): AsyncGenerator<WorkflowExecutionInfo> {
    for (let runs = 0; runs < 1_001; runs += 1) yield run;
  }
  const client = { workflow: { list } } as unknown as Client;
  await expect(parkedMembers(client, undefined)).rejects.toThrow('more than 1000 runs wait');
});
