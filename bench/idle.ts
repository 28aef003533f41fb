/**
 * What a parked run costs while nothing happens: billable actions of a day, by the rules of Temporal Cloud's price list, extrapolated from
 * `MINUTES` (default 2). Counted by the server: queries, signals, heartbeats, Updates; and events that cost, from the history.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../test/support/ports';
import { groupManifest, groupWithVms, policyManifest } from '../test/support/manifests';
import { startSystem } from '../test/support/system';
import { startTemporal } from '../test/support/temporal';
import { workflowId } from '../contract';
import { END_SEARCH_INTERVAL } from '../workflows/nested-runs';
import { report, run } from './figures';
import { historiesOf } from './history';
import { callsOf } from './server-calls';

const MINUTES = Number(process.env['MINUTES'] ?? 2);
const A_DAY = 1440 / MINUTES;
/** Milliseconds that the activity of a parent waits for a nested run, less than a minute to save time. */
const GROUP_WAIT = 2_000;
/** Milliseconds after which a run that was parked is at rest. */
const SETTLE = 10_000;
/** A timer, an activity, and at most two queries of the bridge each, a day. The time that is measured is too short for one. */
const SEARCHES = (4 * 86_400_000) / END_SEARCH_INTERVAL;
/** Calls that are billed, and those that are not but load the server. */
const BILLED = [
  'QueryWorkflow',
  'SignalWorkflowExecution',
  'SignalWithStartWorkflowExecution',
  'UpdateWorkflowExecution',
];
const UNBILLED = ['DescribeWorkflowExecution', 'GetWorkflowExecutionHistory'];
const HEARTBEATS = 'RecordActivityTaskHeartbeat';
const CALLS = [...BILLED, ...UNBILLED, HEARTBEATS];

const NEVER_ON = {
  faults: [{ type: 'PermanentError' as const, operation: 'PoweredOn' as const, vm: 'bad' }],
};
const IMPATIENT = { retry: { maximumAttempts: 1 }, whenParked: 'Hold' };
const parked = (namespace: string, groupName?: string): string =>
  [
    policyManifest(namespace, 'default', IMPATIENT),
    groupWithVms({
      namespace,
      name: 'app',
      powerState: 'PoweredOn',
      tiers: [{ members: ['bad'] }],
      ...(groupName !== undefined && { groupName }),
    }),
  ].join('---\n');

/** Calls of each kind a day, once a run of `app` is parked. */
async function idleCost(namespace: string, text: string, runs: string[]): Promise<Map<string, number>> {
  const metricsPort = await freePort();
  const temporal = await startTemporal({ args: ['--metrics-port', String(metricsPort)] });
  const system = await startSystem(temporal, { 'app.yaml': text }, NEVER_ON, { groupWait: GROUP_WAIT });
  const count = async (): Promise<Map<string, number>> => {
    const histories = await Promise.all(
      runs.map((name) => historiesOf(temporal.client, workflowId(namespace, name))),
    );
    const calls = await Promise.all(
      CALLS.map(async (name) => [name, await callsOf(metricsPort, name)] as const),
    );
    return new Map([...calls, ['events', histories.flat(2).length]]);
  };
  try {
    await system.until(
      () => system.view(namespace, 'app')?.run?.progress?.members.find(({ phase }) => phase === 'Parked'),
      'the member to be parked',
    );
    await sleep(SETTLE);
    const before = await count();
    await sleep(MINUTES * 60_000);
    const after = await count();
    return new Map([...after].map(([name, value]) => [name, (value - (before.get(name) ?? 0)) * A_DAY]));
  } finally {
    await system.stop();
    await temporal.stop();
  }
}

const sum = (of: Map<string, number>, names: readonly string[]): number =>
  names.reduce((total, name) => total + (of.get(name) ?? 0), 0);

async function main(): Promise<void> {
  const alone = await idleCost('alone', parked('alone'), ['app']);
  const parent = groupManifest({
    namespace: 'nested',
    name: 'site',
    powerState: 'PoweredOn',
    tiers: [{ members: ['group:app'] }],
  });
  const nested = await idleCost('nested', `${parked('nested', 'site')}---\n${parent}`, ['app', 'site']);
  report(`Idle cost of a parked run, a day, from ${MINUTES} minutes`, [
    { name: 'billable actions', value: sum(alone, [...BILLED, HEARTBEATS]), bound: 200 },
    { name: '  of these queries', value: sum(alone, ['QueryWorkflow']) },
    { name: 'new events of the history', value: sum(alone, ['events']), bound: 0 },
    { name: 'calls that are not billed', value: sum(alone, UNBILLED) },
    {
      name: 'with a parent of a parked nested group: billable actions of both',
      value: sum(nested, [...BILLED, HEARTBEATS]) + SEARCHES,
      bound: 200,
    },
    { name: '  of these heartbeats of the parent', value: sum(nested, [HEARTBEATS]) },
    { name: '  of these searches for nested runs that have ended', value: SEARCHES },
  ]);
}

run(main);
