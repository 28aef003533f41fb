/**
 * The activities under a real Temporal server: what survives between attempts, resets, lost workers, nested groups.
 *
 * Guarantees: G1.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { NativeConnection, Worker, Runtime, DefaultLogger, type WorkflowBundle } from '@temporalio/worker';
import { createActivities } from '../../activities';
import { findEndedGroups } from '../../activities/ended-groups';
import { GROUP_WAIT, powerGroup } from '../../activities/power-group';
import { applyPlan, workflowId, type Plan } from '../../contract';
import { inventory, placement, withFaults } from '../simulator/fixtures';
import { startTcpProxy } from '../support/tcp-proxy';
import { until } from '../support/until';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { bundleWorkflows } from '../support/workflow-bundle';
import { bench, environmentOf, powerInput, story, type Bench } from './fixtures';
import type { finish as Finish, oneGroup, onePowerOn, Told } from './workflows';

Runtime.install({ logger: new DefaultLogger('ERROR') });

let temporal: TestTemporal;
let workflows: WorkflowBundle;
beforeAll(async () => {
  temporal = await startTemporal();
  workflows = await bundleWorkflows(require.resolve('./workflows'));
}, 180_000);
afterAll(() => temporal.stop());

let counter = 0;

async function withWorker(
  { platform, observer }: Pick<Bench, 'platform' | 'observer'>,
  taskQueue: string,
  use: (client: Client, worker: Worker) => Promise<void>,
  dependencies: { groupWait?: number } = {},
): Promise<void> {
  const connection = await NativeConnection.connect({ address: temporal.address });
  const worker = await Worker.create({
    connection,
    taskQueue,
    workflowBundle: workflows,
    activities: createActivities({ platform, observer, client: temporal.client, ...dependencies }),
    maxHeartbeatThrottleInterval: '1s',
    defaultHeartbeatThrottleInterval: '1s',
  });
  const running = worker.run();
  try {
    await use(temporal.client, worker);
  } finally {
    if (worker.getState() === 'RUNNING') worker.shutdown();
    await running;
    await connection.close();
  }
}

/** Starts the run of a group as its parent does. */
function startGroup(
  client: Client,
  taskQueue: string,
  name: string,
): ReturnType<Client['workflow']['signalWithStart']> {
  return client.workflow.signalWithStart('virtualMachineGroup', {
    taskQueue,
    workflowId: workflowId('prod', name),
    args: [{ namespace: 'prod', name }],
    signal: applyPlan,
    signalArgs: [{ plan: plan(name), cause: 'Parent' }],
  });
}

async function pendingAttempt(handle: WorkflowHandle): Promise<number> {
  const { raw } = await handle.describe();
  return raw.pendingActivities?.[0]?.attempt ?? 0;
}

test('ATTEMPT-3: each failed attempt is reported to the run with its class, and kept for the next one', () =>
  bench(withFaults({ type: 'Stuck', times: 2 }), async (parts) => {
    const taskQueue = `activities-${++counter}`;
    await parts.platform.place([placement('db')], { caller: 'test' });
    await withWorker(parts, taskQueue, async (client) => {
      const told = await client.workflow.execute<typeof onePowerOn>('onePowerOn', {
        taskQueue,
        workflowId: `power-${counter}`,
        args: [powerInput('db', { operationTimeout: 200 })],
      });
      expect(told.result).toMatchObject({
        acted: true,
        status: { powerState: 'PoweredOn' },
        failures: [
          { attempt: 1, class: 'OperationTimeout' },
          { attempt: 2, class: 'OperationTimeout' },
        ],
      });
      expect(
        told.reports.map(({ activityId, attempt }) => [activityId, attempt.attempt, attempt.class]),
      ).toEqual([
        ['power-on/db', 1, 'OperationTimeout'],
        ['power-on/db', 2, 'OperationTimeout'],
      ]);
      expect(told.reports.every(({ attempt }) => (attempt.retryAt ?? 0) > attempt.at)).toBe(true);
    });
    expect(story(await parts.desk.journal(), 'db').slice(0, 4)).toEqual([
      'run/db Accepted',
      'run/db~2 Accepted',
      'run/db~3 Accepted',
      'run/db~3 => PoweredOn',
    ]);
  }));

test('after the budget the run gets every attempt with its class', () =>
  bench(withFaults({ type: 'TransientError' }), async (parts) => {
    const taskQueue = `activities-${++counter}`;
    await parts.platform.place([placement('db')], { caller: 'test' });
    await withWorker(parts, taskQueue, async (client) => {
      const told = await client.workflow.execute<typeof onePowerOn>('onePowerOn', {
        taskQueue,
        workflowId: `power-${counter}`,
        args: [powerInput('db')],
      });
      expect(told.failure).toMatchObject({
        type: 'Transient',
        details: { failures: [{ attempt: 1 }, { attempt: 2 }, { attempt: 3 }] },
      });
      expect(told.failure?.message).toMatch(/^power on prod\/db: attempt 3 of 3: /);
      expect(told.reports).toHaveLength(2);
    });
  }));

test.each(['while it waits for its retry', 'while it runs'])(
  'ATTEMPT-2: the pending activity is reset %s',
  (when) =>
    bench(withFaults({ type: 'Stuck', times: 1 }), async (parts) => {
      const taskQueue = `activities-${++counter}`;
      await parts.platform.place([placement('db')], { caller: 'test' });
      const waits = when !== 'while it runs';
      await withWorker(parts, taskQueue, async (client) => {
        const handle = await client.workflow.start<typeof onePowerOn>('onePowerOn', {
          taskQueue,
          workflowId: `power-${counter}`,
          args: [
            powerInput('db', {
              operationTimeout: waits ? 100 : 3_600_000,
              retry: { maximumAttempts: 2, initialInterval: 3_600_000, maximumInterval: 3_600_000 },
            }),
          ],
        });
        await until(async () =>
          waits ? (await pendingAttempt(handle)) === 2 : story(await parts.desk.journal(), 'db').length > 0,
        );
        await client.workflowService.resetActivity({
          namespace: 'default',
          execution: { workflowId: handle.workflowId },
          id: 'power-on/db',
          identity: 'test',
        });
        const told = await handle.result();
        expect(told.result).toMatchObject({ acted: true, status: { powerState: 'PoweredOn' } });
      });
      expect(story(await parts.desk.journal(), 'db').slice(0, 3)).toEqual([
        'run/db Accepted',
        'run/db~2 Accepted',
        'run/db~2 => PoweredOn',
      ]);
    }),
);

test('POWER-2: a worker that goes away in the middle is followed by another one, without a second operation', () =>
  bench(inventory({ powerOnTime: 4_000 }), async (parts) => {
    const taskQueue = `activities-${++counter}`;
    await parts.platform.place([placement('db')], { caller: 'test' });
    let handle: WorkflowHandle | undefined;
    await withWorker(parts, taskQueue, async (client) => {
      handle = await client.workflow.start<typeof onePowerOn>('onePowerOn', {
        taskQueue,
        workflowId: `power-${counter}`,
        args: [powerInput('db')],
      });
      await until(async () => story(await parts.desk.journal(), 'db').length > 0);
    });
    await withWorker(parts, taskQueue, async () => {
      const told = (await handle?.result()) as Told;
      expect(told.result).toMatchObject({ acted: true, failures: [], status: { powerState: 'PoweredOn' } });
    });
    expect(story(await parts.desk.journal(), 'db').slice(0, 2)).toEqual([
      'run/db Accepted',
      'run/db => PoweredOn',
    ]);
  }));

test('ATTEMPT-4: a cancelled run ends the activity', () =>
  bench(withFaults({ type: 'Stuck' }), async (parts) => {
    const taskQueue = `activities-${++counter}`;
    await parts.platform.place([placement('db')], { caller: 'test' });
    await withWorker(parts, taskQueue, async (client) => {
      const handle = await client.workflow.start<typeof onePowerOn>('onePowerOn', {
        taskQueue,
        workflowId: `power-${counter}`,
        args: [powerInput('db')],
      });
      await until(async () => story(await parts.desk.journal(), 'db').length > 0);
      await handle.cancel();
      expect(await handle.result()).toMatchObject({ cancelled: true, reports: [] });
    });
  }));

function plan(name: string): Plan {
  return {
    namespace: 'prod',
    name,
    uid: `uid-${name}`,
    revision: '1',
    lineage: `uid-${name}`,
    generation: 1,
    root: 'parent',
    powerState: 'PoweredOn',
    tiers: [],
    policy: {
      operationTimeout: 1_000,
      retry: { maximumAttempts: 3, initialInterval: 100, maximumInterval: 100 },
      maxConcurrentOperations: 50,
      guestShutdownTimeout: 1_000,
      drift: { action: 'Enforce', maxCorrections: 3, window: 60_000 },
      deletion: 'Orphan',
    },
  };
}

function groupInput(name: string): Parameters<typeof oneGroup>[0] {
  const retry = { maximumAttempts: 2, initialInterval: 100, maximumInterval: 100 };
  return { plan: plan(name), retry, earlier: [], caller: 'vmgroup/prod/parent' };
}

const finish = 'finish' satisfies (typeof Finish)['name'];

/** Waits until the stand-in has continued as new. */
async function continued(client: Client, name: string): Promise<WorkflowHandle> {
  const handle = client.workflow.getHandle(workflowId('prod', name));
  await until(async () => {
    const events = (await handle.fetchHistory().catch(() => undefined))?.events ?? [];
    return (events[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId ?? '') !== '';
  });
  return handle;
}

test('POWER-GROUP-1: a nested group is asked once, followed over continue-as-new and a lost worker, and answers', () =>
  bench(inventory(), async (parts) => {
    const taskQueue = `activities-${++counter}`;
    const name = `child-${counter}`;
    let parent: WorkflowHandle | undefined;
    await withWorker(parts, taskQueue, async (client) => {
      parent = await client.workflow.start<typeof oneGroup>('oneGroup', {
        taskQueue,
        workflowId: `parent-${counter}`,
        args: [groupInput(name)],
      });
      await continued(client, name);
    });
    await withWorker(parts, taskQueue, async (client) => {
      const child = client.workflow.getHandle(workflowId('prod', name));
      await child.signal(finish, { outcome: 'Converged', message: 'done' });
      const told = (await parent?.result()) as Told;
      expect(told.result).toMatchObject({
        outcome: { outcome: 'Converged', plans: 1, namespace: 'prod', name },
      });
      const { typedSearchAttributes } = await child.describe();
      expect(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value])).toEqual(
        expect.arrayContaining([
          ['VmGroupRoot', 'parent'],
          ['VmGroup', name],
        ]),
      );
    });
  }));

/** The run of a parent that has asked for a nested group, and the nested run, which has continued as new. */
interface Nested {
  parent: WorkflowHandle<typeof oneGroup>;
  child: WorkflowHandle;
  /** The same once it has been asked again. */
  next: () => Promise<WorkflowHandle>;
}

/** Uses a nested group that a parent has asked for. */
function withNested(use: (nested: Nested) => Promise<void>): Promise<void> {
  return bench(inventory(), async (parts) => {
    const taskQueue = `activities-${++counter}`;
    const name = `child-${counter}`;
    await withWorker(parts, taskQueue, async (client) => {
      const parent = await client.workflow.start<typeof oneGroup>('oneGroup', {
        taskQueue,
        workflowId: `parent-${counter}`,
        args: [groupInput(name)],
      });
      const next = (): Promise<WorkflowHandle> => continued(client, name);
      await use({ parent, child: await next(), next });
    });
  });
}

test.each(['Failed', 'Cancelled', 'Superseded'])(
  'a nested group whose run ends as %s is a failure with its message',
  (outcome) =>
    withNested(async ({ parent, child }) => {
      await child.signal(finish, { outcome, message: 'db is parked' });
      const told = await parent.result();
      expect(told.failure).toMatchObject({
        type: `Group${outcome}`,
        message: `group prod/${child.workflowId.split('/').at(-1)}: db is parked`,
      });
      expect(told.reports).toEqual([]);
    }),
);

test.each([{ powerState: 'PoweredOff' as const }, { revision: 'another' }, { lineage: 'another' }])(
  'POWER-GROUP-2: a nested run that converged over another plan (%j) is asked again',
  (other) =>
    withNested(async ({ parent, child, next }) => {
      const { runId } = await child.describe();
      await child.signal(finish, { outcome: 'Converged', message: 'over another plan', ...other });
      await until(async () => (await child.describe()).runId !== runId);
      await (await next()).signal(finish, { outcome: 'Converged', message: 'done' });
      expect((await parent.result()).result).toMatchObject({
        outcome: { message: 'done', powerState: 'PoweredOn' },
        failures: [
          { attempt: 1, class: 'Transient', message: expect.stringContaining('another plan') as string },
        ],
      });
    }),
);

test('a nested run that is terminated is asked again', () =>
  withNested(async ({ parent, child, next }) => {
    await child.terminate('by mistake');
    await until(async () => (await child.describe()).status.name === 'RUNNING');
    await (await next()).signal(finish, { outcome: 'ConvergedWithExceptions', message: 'ok' });
    const told = await parent.result();
    expect(told.result).toMatchObject({
      outcome: { outcome: 'ConvergedWithExceptions' },
      failures: [{ attempt: 1, class: 'Transient' }],
    });
  }));

test('POWER-GROUP-3: a nested run that takes longer is subscribed to, and its outcome is read without asking again', () =>
  bench(inventory(), async (parts) => {
    const taskQueue = `activities-${++counter}`;
    const name = `child-${counter}`;
    const member = `VirtualMachineGroup/${name}`;
    const input = { ...groupInput(name), operation: 'op', sequence: 7, member };
    const ask = (client: Client, more: Partial<typeof input> & { runId?: string }): Promise<Told> =>
      client.workflow.execute<typeof oneGroup>('oneGroup', {
        taskQueue,
        workflowId: `parent-${counter}`,
        args: [{ ...input, ...more }],
      });
    const use = async (client: Client): Promise<void> => {
      const first = await ask(client, {});
      const { runId } = (first.result as { waiting: { runId: string } }).waiting;
      expect(first.result).toEqual({ operation: 'op', waiting: { runId }, failures: [] });
      expect((await ask(client, { runId, operation: 'op-2' })).result).toMatchObject({
        operation: 'op-2',
        waiting: { runId },
      });
      const child = client.workflow.getHandle(workflowId('prod', name));
      await child.signal(finish, { outcome: 'Converged', message: 'done' });
      await child.result();
      const subscription = { workflowId: input.caller, member, runId };
      expect((await ask(client, { runId })).result).toMatchObject({
        outcome: {
          outcome: 'Converged',
          plans: 1,
          subscribed: expect.arrayContaining([subscription]) as unknown,
        },
      });
    };
    await withWorker(parts, taskQueue, use, { groupWait: 300 });
  }));

test('POWER-GROUP-3: a run that ends before it is subscribed to is answered with its outcome', () =>
  bench(inventory(), async (parts) => {
    const taskQueue = `activities-${++counter}`;
    const name = `child-${counter}`;
    const use = async (client: Client): Promise<void> => {
      const run = await startGroup(client, taskQueue, name);
      await (await continued(client, name)).signal(finish, { outcome: 'Converged', message: 'done' });
      await client.workflow.getHandle(workflowId('prod', name)).result();
      const told = await client.workflow.execute<typeof oneGroup>('oneGroup', {
        taskQueue,
        workflowId: `parent-${counter}`,
        args: [{ ...groupInput(name), member: 'child', runId: run.signaledRunId }],
      });
      expect(told.result).toMatchObject({ outcome: { message: 'done' } });
    };
    await withWorker(parts, taskQueue, use, { groupWait: 0 });
  }));

test('POWER-GROUP-3: an attempt that follows on a lost one waits no longer than was left of the time', () =>
  bench(inventory(), async (parts) => {
    const taskQueue = `activities-${++counter}`;
    const name = `child-${counter}`;
    await withWorker(parts, taskQueue, async (client) => {
      const { signaledRunId: runId } = await startGroup(client, taskQueue, name);
      await continued(client, name);
      const progress = { runId, askedAt: Date.now() - GROUP_WAIT };
      const environment = environmentOf(2, { attempt: 1, failures: [], spent: 0, progress });
      const input = { ...groupInput(name), member: 'child' };
      const begin = Date.now();
      const found = await environment.run(() => powerGroup({ ...parts, client }, input));
      expect(found).toMatchObject({ waiting: { runId }, failures: [{ class: 'WorkerLost' }] });
      expect(Date.now() - begin).toBeLessThan(GROUP_WAIT / 2);
    });
  }));

test('POWER-GROUP-3: the wait ends on time where the connection breaks in the middle of it', () =>
  bench(inventory(), async (parts) => {
    const taskQueue = `activities-${++counter}`;
    const name = `child-${counter}`;
    const proxy = await startTcpProxy(temporal.address);
    const connection = await Connection.connect({ address: proxy.address });
    try {
      await withWorker(parts, taskQueue, async (direct) => {
        const { signaledRunId: runId } = await startGroup(direct, taskQueue, name);
        await continued(direct, name);
        const progress = { runId, askedAt: Date.now() - GROUP_WAIT + 3_000 };
        const environment = environmentOf(2, { attempt: 1, failures: [], spent: 0, progress });
        const input = { ...groupInput(name), member: 'child' };
        const client = new Client({ connection });
        const found = environment.run(() => powerGroup({ ...parts, client }, input));
        await sleep(1_000);
        // The client calls again, and that call is the one that has to end.
        proxy.cut();
        proxy.restore();
        expect(await found).toMatchObject({ waiting: { runId } });
        // A connection that is closed while the client is still calling throws out of a timer: the end of the run answers that call.
        await direct.workflow.getHandle(workflowId('prod', name)).terminate();
        await expect(client.workflow.getHandle(workflowId('prod', name)).result()).rejects.toThrow();
        await sleep(500);
      });
    } finally {
      await connection.close();
      await proxy.close();
    }
  }));

test('findEndedGroups tells runs that have ended from open ones, also from those that have continued as new', () =>
  bench(inventory(), async (parts) => {
    const taskQueue = `activities-${++counter}`;
    await withWorker(parts, taskQueue, async (client) => {
      const begin = async (name: string): Promise<{ member: string; workflowId: string; runId: string }> => {
        const started = await startGroup(client, taskQueue, name);
        await continued(client, name);
        return { member: name, workflowId: started.workflowId, runId: started.signaledRunId };
      };
      const open = await begin(`open-${counter}`);
      const terminated = await begin(`terminated-${counter}`);
      await client.workflow.getHandle(terminated.workflowId).terminate();
      const replaced = await begin(`replaced-${counter}`);
      await client.workflow.getHandle(replaced.workflowId).terminate();
      await begin(replaced.member);
      const unknown = { member: 'unknown', workflowId: 'vmgroup/prod/unknown', runId: open.runId };
      const groups = [open, terminated, replaced, unknown];
      expect(await findEndedGroups({ ...parts, client }, { operation: 'op', groups })).toEqual({
        operation: 'op',
        ended: [terminated.member, replaced.member, 'unknown'],
      });
    });
  }));
