/**
 * Runs that are paused in Temporal, on a server that allows it: they are open, and every list of open runs has them.
 *
 * Guarantees: G7, G8.
 */
import { execFileSync } from 'node:child_process';
import { checkRuns } from '../../../cli/doctor/runs';
import { listRuns } from '../../../cli/runs';
import { findTemporalCli } from '../../../cli/temporal-server';
import { searchAttributeKeys } from '../../../contract';
import { temporalHistories } from '../../../record/recorder';
import { startTemporal, type TestTemporal } from '../../support/temporal';
import { until } from '../../support/until';

let temporal: TestTemporal;
beforeAll(async () => {
  temporal = await startTemporal({ args: ['--dynamic-config-value', 'frontend.WorkflowPauseEnabled=true'] });
  const { path: cli } = await findTemporalCli();
  for (const name of ['paused', 'open']) {
    const workflowId = `vmgroup/test/${name}`;
    await temporal.client.workflow.start('virtualMachineGroup', {
      workflowId,
      taskQueue: 'nobody',
      args: [{ namespace: 'test', name }],
      typedSearchAttributes: [{ key: searchAttributeKeys.parked, value: ['db'] }],
    });
    if (name === 'open') continue;
    const args = ['workflow', 'pause', '-w', workflowId, '--reason', 'look', '--address', temporal.address];
    execFileSync(cli, args, { stdio: 'pipe' });
  }
});
afterAll(() => temporal?.stop());

async function groupsIn(filter: Parameters<typeof listRuns>[1]): Promise<string[]> {
  return (await listRuns(temporal.client, filter, 10)).map(({ group, phase }) => `${group} ${phase}`).sort();
}

test('get runs lists them as paused, also those that are stuck and those since a time', async () => {
  const all = ['open RUNNING', 'paused PAUSED'];
  await until(async () => (await groupsIn({})).join() === all.join(), 'both runs, one of them paused');
  expect(await groupsIn({ since: Date.now() - 1_000 })).toEqual(all);
  expect(await groupsIn({ stuck: true })).toEqual(all);
});

test('doctor names them, with who paused them and why', async () => {
  const found = await checkRuns(temporal.client, '');
  expect(found).toContainEqual(
    expect.objectContaining({
      check: 'run test/paused',
      result: 'note',
      message: expect.stringMatching(/^the run is paused in Temporal by .+: look$/) as unknown,
    }),
  );
});

test('the recorder sees them as open', async () => {
  const open: string[] = [];
  for await (const { workflowId } of temporalHistories(temporal.client).open()) open.push(workflowId);
  expect(open.sort()).toEqual(['vmgroup/test/open', 'vmgroup/test/paused']);
});
