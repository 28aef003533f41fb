/**
 * The wait for a nested run whose outcome cannot be read: POWER-GROUP-4.
 *
 * Guarantees: G8.
 */
import type { Context } from '@temporalio/activity';
import { powerGroup } from '../../activities/power-group';
import type { ActivityDependencies } from '../../activities';
import type { HeartbeatDetails, PowerGroupInput } from '../../contract';
import { plan } from '../workflows/plans';
import { until } from '../support/until';
import { environmentOf } from './fixtures';

/** A client to which every run has ended; what it reads of the outcome is that of `result`. */
function clientOf(result: () => Promise<unknown>): Context['client'] {
  return {
    options: { namespace: 'default' },
    withDeadline: (_deadline: number, call: () => unknown) => call(),
    withAbortSignal: (_signal: AbortSignal, call: () => unknown) => call(),
    workflowService: { getWorkflowExecutionHistory: async () => ({ history: { events: [{}] } }) },
    workflow: { getHandle: () => ({ result }) },
  } as unknown as Context['client'];
}

test('POWER-GROUP-4: an outcome that cannot be read is shown as what is waited for, until it can', async () => {
  const child = plan([]);
  const retry = { maximumAttempts: 2, initialInterval: 100, maximumInterval: 100 };
  const input: PowerGroupInput = {
    plan: child,
    retry,
    earlier: [],
    caller: 'vmgroup/prod/parent',
    runId: 'r',
  };
  const { powerState, lineage, revision } = child;
  let key = false;
  const client = clientOf(async () => {
    if (!key) throw new Error('there is no key k1');
    return { outcome: 'Converged', message: 'done', powerState, lineage, revision };
  });
  const environment = environmentOf();
  const waits: (string | undefined)[] = [];
  environment.on('heartbeat', ({ waitsFor }: HeartbeatDetails) => waits.push(waitsFor));
  const ended = environment.run(() => powerGroup({ client } as ActivityDependencies, input));
  await until(() => waits.includes('cannot read how its run stands, retrying: there is no key k1'));
  key = true;
  expect(await ended).toMatchObject({ outcome: { outcome: 'Converged' }, failures: [] });
});
