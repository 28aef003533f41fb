/**
 * The board of a bridge and `vmgroup board`, as processes on real parts: what they show, and what it costs.
 *
 * Guarantees: G8.
 */
import { get } from 'node:http';
import { callsOf } from '../../bench/server-calls';
import { freePort } from '../support/ports';
import { groupWithVms } from '../support/manifests';
import { startCommand, startInstallation, type Command, type Installation } from '../support/processes';
import { until } from '../support/until';

jest.setTimeout(240_000);

const NS = 'prod';
let installation: Installation;
let url = '';
let metricsPort = 0;
const boards: Command[] = [];

/** With a delay the run stays open for that long, and nothing happens. */
const manifest = (powerState: string, delay = '0s'): string =>
  groupWithVms({
    namespace: NS,
    name: 'app',
    powerState,
    more: { powerOffMode: 'Hard' },
    tiers: [{ members: ['db'], delay }, { members: ['web'] }],
  });

beforeAll(async () => {
  metricsPort = await freePort();
  installation = await startInstallation(
    { powerOnTime: '200ms', readyTime: '100ms', powerOffTime: '100ms' },
    {},
    { bridgeArgs: ['--board-port', '0'], temporalArgs: ['--metrics-port', String(metricsPort)] },
  );
  url = /"url":"([^"]+)"[^\n]*"board started"/.exec(installation.bridge.output())?.[1] ?? '';
});
afterAll(async () => {
  await Promise.all(boards.map((board) => board.stop()));
  await installation?.stop();
});

const page = async (from = url): Promise<string> => (await fetch(from)).text();

/** A viewer; `heard` is what it was sent. */
function viewer(): { heard: () => string; leave: () => void } {
  let text = '';
  const sent = get(new URL('/events', url), (response) => {
    response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    response.on('error', () => undefined);
  });
  sent.on('error', () => undefined);
  return { heard: () => text, leave: () => sent.destroy() };
}

/** All calls that the server has answered, apart from the long polls of workers. */
async function calls(): Promise<Record<string, number>> {
  const operations = [
    'QueryWorkflow',
    'DescribeWorkflowExecution',
    'ListWorkflowExecutions',
    'GetWorkflowExecutionHistory',
  ];
  const counted = await Promise.all(operations.map((operation) => callsOf(metricsPort, operation)));
  return Object.fromEntries(operations.map((operation, index) => [operation, counted[index] ?? 0]));
}

/** Calls of each kind within some seconds. */
async function callsWithin(seconds: number): Promise<Record<string, number>> {
  const before = await calls();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  const after = await calls();
  return Object.fromEntries(
    Object.entries(after).map(([operation, count]) => [operation, count - (before[operation] ?? 0)]),
  );
}

test('without a past the board of the bridge says so; with one, it says when the run will end', async () => {
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  installation.write('app.yaml', manifest('PoweredOn', '5s'));
  await until(async () => /1 of 2 VMs are up\..*no past runs/s.test(await page()));
  await installation.outcome(NS, 'app', 'PoweredOn');
  await until(async () => (await page()).includes('All 2 VMs are up.'));

  installation.write('app.yaml', manifest('PoweredOff'));
  await installation.outcome(NS, 'app', 'PoweredOff');
  installation.write('app.yaml', manifest('PoweredOn', '45s'));
  await until(async () => /Expected end.*from 1 past run/s.test(await page()));
});

test('twenty viewers during a run cost no calls of Temporal, and see what changes', async () => {
  const alone = await callsWithin(10);
  const viewers = Array.from({ length: 20 }, viewer);
  await until(() => viewers.every(({ heard }) => heard().includes('event: main')));
  const watched = await callsWithin(10);
  for (const [operation, count] of Object.entries(watched))
    // Whatever the bridge does by itself varies by a call or two; one call a viewer would be twenty.
    expect([operation, count - (alone[operation] ?? 0) <= 3]).toEqual([operation, true]);
  await until(() => viewers.every(({ heard }) => heard().includes('All 2 VMs are up.')));
  viewers.forEach(({ leave }) => leave());
});

test('vmgroup board shows the same alongside a bridge, with the estimate', async () => {
  const { dir, temporal } = installation;
  const board = await startCommand(
    ['board', `${NS}/app`, '--port', '0', '--data', 'bridge', '--temporal', temporal.address],
    dir,
    /^http:.*\n/m,
  );
  boards.push(board);
  const own = board.output().split('\n')[0] ?? '';
  expect(await page(own)).toContain('All 2 VMs are up.');
  installation.write('app.yaml', manifest('PoweredOff'));
  await installation.outcome(NS, 'app', 'PoweredOff');
  installation.write('app.yaml', manifest('PoweredOn', '10s'));
  await until(async () => /Expected end.*from 2 past runs/s.test(await page(own)));
});

test('the metrics of the bridge say when the run will end, until it has ended', async () => {
  const address = /"address":"([^"]+)"[^\n]*"starting"/.exec(installation.bridge.output())?.[1];
  const metric = 'vmgroup_run_expected_end_timestamp_seconds';
  const shown = async (): Promise<number[]> => {
    const text = await (await fetch(`http://${address}/metrics`)).text();
    const lines = text
      .split('\n')
      .filter((line) => line.startsWith(`${metric}{namespace="${NS}",group="app"`));
    return lines.map((line) => Number(line.split(' ')[1]));
  };
  await installation.outcome(NS, 'app', 'PoweredOn');
  installation.write('app.yaml', manifest('PoweredOff'));
  await installation.outcome(NS, 'app', 'PoweredOff');
  expect(await shown()).toEqual([]);
  const before = Date.now();
  installation.write('app.yaml', manifest('PoweredOn', '10s'));
  await until(async () => {
    const ends = await shown();
    // The delay counts; the run before has none.
    return ends.length === 2 && ends.every((end) => end * 1_000 - before > 10_000);
  }, 'the metric');
  await until(async () => (await shown()).length === 0, 'the metric to go');
});
