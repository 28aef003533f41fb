/**
 * Billable actions of one power-on of 3 tiers with 6 VMs and 2 delays, on the whole product, by the rules of Temporal Cloud's price list:
 * counted from the history. What no history shows (heartbeats that reach the server, queries) is counted by the server and only reported.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../test/support/ports';
import { groupWithVms } from '../test/support/manifests';
import { startSystem } from '../test/support/system';
import { startTemporal } from '../test/support/temporal';
import { workflowId } from '../contract';
import { report, run } from './figures';
import { historiesOf, type HistoryEvent } from './history';
import { callsOf } from './server-calls';

const TIERS = [
  { members: ['db-1', 'db-2'], delay: '2s' },
  { members: ['app-1', 'app-2'], delay: '2s' },
  { members: ['web-1', 'web-2'] },
];

/** What the events of one execution cost, by kind. */
function actionsOf(history: readonly HistoryEvent[]): [string, number][] {
  const count = (is: (event: HistoryEvent) => unknown): number => history.filter((event) => is(event)).length;
  const signals = count((event) => event.workflowExecutionSignaledEventAttributes);
  const retries = history.reduce(
    (sum, { activityTaskStartedEventAttributes: started }) => sum + Math.max(0, (started?.attempt ?? 1) - 1),
    0,
  );
  return [
    // The signal that came with the start is part of it.
    ['start with its signal', 1],
    ['further signals', Math.max(0, signals - 1)],
    ['activities', count((event) => event.activityTaskScheduledEventAttributes)],
    ['further attempts', retries],
    ['timers', count((event) => event.timerStartedEventAttributes)],
    ['search attribute upserts', count((event) => event.upsertWorkflowSearchAttributesEventAttributes)],
    ['updates', count((event) => event.workflowExecutionUpdateAcceptedEventAttributes)],
    [
      'signals to other runs',
      count((event) => event.signalExternalWorkflowExecutionInitiatedEventAttributes),
    ],
    ['children, two each', 2 * count((event) => event.startChildWorkflowExecutionInitiatedEventAttributes)],
    ['local activities and other markers', count((event) => event.markerRecordedEventAttributes)],
  ];
}

async function main(): Promise<void> {
  const metricsPort = await freePort();
  const temporal = await startTemporal({ args: ['--metrics-port', String(metricsPort)] });
  const shape = { namespace: 'bench', name: 'shop', powerState: 'PoweredOn', tiers: TIERS };
  const system = await startSystem(temporal, { 'shop.yaml': groupWithVms(shape) });
  try {
    const { outcome, startedAt, endedAt } = await system.outcome('bench', 'shop');
    const histories = await historiesOf(temporal.client, workflowId('bench', 'shop'));
    // The server publishes its counts once a second.
    await sleep(2_000);
    const actions = histories.flatMap(actionsOf).filter(([, count]) => count > 0);
    report(
      `Billable actions: 3 tiers, 6 VMs, 2 delays; ${outcome} in ${((endedAt - startedAt) / 1000).toFixed(1)} s`,
      [
        ...actions.map(([name, value]) => ({ name, value })),
        { name: 'total', value: actions.reduce((sum, [, count]) => sum + count, 0), bound: 14 },
        {
          name: 'in no history: heartbeats at the server',
          value: await callsOf(metricsPort, 'RecordActivityTaskHeartbeat'),
        },
        { name: 'in no history: queries', value: await callsOf(metricsPort, 'QueryWorkflow') },
      ],
    );
  } finally {
    await system.stop();
    await temporal.stop();
  }
}

run(main);
