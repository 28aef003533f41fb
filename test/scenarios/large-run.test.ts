/**
 * G2 on a real server: a run of 2,000 parked VMs with the longest names continues as new, answers, and ends with an outcome that is read.
 *
 * Guarantees: G2.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { Observer } from '../../platforms';
import { SimulatedPlatform } from '../../platforms/simulated';
import { startSimulator, type Simulator } from '../../simulator';
import { startWorker, type RunningWorker } from '../../worker';
import { operatorUpdates, progress, startOptions, type RunOutcome } from '../../contract';
import { carried } from '../../workflows/carried-run';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';
import { troubled, VMS } from '../workflows/troubled';

jest.setTimeout(240_000);

const TASK_QUEUE = 'large';
const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-large-'));
let temporal: TestTemporal;
let simulator: Simulator;
let platform: SimulatedPlatform;
let observer: Observer;
let worker: RunningWorker;

beforeAll(async () => {
  // The server suggests it after 30 events instead of 4,096.
  temporal = await startTemporal({
    args: ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=30'],
  });
  simulator = await startSimulator({ dataDir: dir });
  platform = new SimulatedPlatform(simulator.address);
  observer = new Observer(platform);
  const { address, client } = temporal;
  worker = await startWorker({
    target: { address, namespace: 'default', connectionOptions: { address } },
    taskQueue: TASK_QUEUE,
    platform,
    observer,
    client,
    logger: pino({ level: 'silent' }),
    workflows: { workflowsPath: require.resolve('../support/workflows') },
  });
});
afterAll(async () => {
  await worker?.shutdown();
  await observer?.close();
  await platform?.close();
  await simulator?.close();
  await temporal?.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('continues as new, answers commands and queries, and ends', async () => {
  const state = troubled(['parked']);
  const { plan } = state;
  const run = carried(state);
  if (!run) throw new Error('the state does not fit');
  const { workflowId } = startOptions(plan, TASK_QUEUE);
  const handed = await temporal.client.workflow.start('handOver', {
    ...startOptions(plan, TASK_QUEUE),
    args: [{ namespace: plan.namespace, name: plan.name, run }],
  });
  const handle = temporal.client.workflow.getHandle(workflowId);
  await until(async () => {
    const { runId } = await handle.describe();
    return runId !== handed.firstExecutionRunId || undefined;
  }, 'the run to take the state over');
  const word = { actor: 'alice', reason: 'r'.repeat(900) };
  let { runId } = await handle.describe();
  const first = runId;
  for (let round = 0; round < 20 && runId === first; round += 1) {
    const verb = round % 2 === 0 ? 'pause' : 'resume';
    await handle.executeUpdate(operatorUpdates[verb], { args: [word] });
    ({ runId } = await handle.describe());
  }
  expect(runId).not.toBe(first);

  const answer = await handle.query(progress);
  expect(answer.members).toHaveLength(VMS);
  expect(answer.members.filter(({ phase }) => phase === 'Parked').length).toBeGreaterThan(VMS / 2);
  await handle.executeUpdate(operatorUpdates.abort, { args: [word] });
  const outcome = (await handle.result()) as RunOutcome;
  expect(outcome.outcome).toBe('Cancelled');
  expect(outcome.exceptions).toHaveLength(VMS);
  const { events = [] } = await handle.fetchHistory();
  expect((events ?? []).filter((event) => event.workflowTaskFailedEventAttributes)).toEqual([]);
});
