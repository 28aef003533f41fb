/** Guarantees: G8. */
import type { Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { TaskQueuePollers } from '../../../bridge';

const { PENDING_ACTIVITY_STATE_SCHEDULED: SCHEDULED, PENDING_ACTIVITY_STATE_STARTED: STARTED } =
  temporal.api.enums.v1.PendingActivityState;

type Description = Parameters<TaskQueuePollers['unserved']>[0];

/** A run whose activities are in these states on these task queues. */
function run(...activities: [state: number, taskQueue: string, paused?: boolean][]): Description {
  return {
    executionConfig: { taskQueue: { name: 'q' } },
    pendingActivities: activities.map(([state, name, paused = false]) => ({
      state,
      paused,
      activityOptions: { taskQueue: { name } },
    })),
  };
}

/** A server on which these task queues were polled so many seconds ago; it keeps what it was asked. */
function pollers(polled: Record<string, number>): { pollers: TaskQueuePollers; asked: string[] } {
  const asked: string[] = [];
  const describeTaskQueue = async ({ taskQueue: { name } }: { taskQueue: { name: string } }) => {
    asked.push(name);
    const ago = new Map(Object.entries(polled)).get(name);
    return {
      pollers:
        ago === undefined ? [] : [{ lastAccessTime: { seconds: Math.floor(Date.now() / 1_000) - ago } }],
    };
  };
  const client = { options: { namespace: 'default' }, workflowService: { describeTaskQueue } };
  return { pollers: new TaskQueuePollers(client as unknown as Client), asked };
}

test('platforms without a worker are named, a worker that died long ago is none', async () => {
  const { pollers: known } = pollers({ 'q/east': 5, 'q/west': 200 });
  const waiting = run([SCHEDULED, 'q/west'], [SCHEDULED, 'q/south'], [SCHEDULED, 'q/east']);
  expect(await known.unserved(waiting)).toEqual([
    { platform: 'south', taskQueue: 'q/south' },
    { platform: 'west', taskQueue: 'q/west' },
  ]);
});

test('runs that wait for no worker cause no call, and many runs on a task queue cause one', async () => {
  const { pollers: known, asked } = pollers({});
  const idle = run(
    [STARTED, 'q/west'],
    [SCHEDULED, 'q'],
    [SCHEDULED, 'other/west'],
    [SCHEDULED, 'q/west', true],
  );
  expect(await known.unserved(idle)).toEqual([]);
  expect(asked).toEqual([]);
  const waiting = run([SCHEDULED, 'q/west'], [SCHEDULED, 'q/west']);
  const all = await Promise.all(Array.from({ length: 100 }, () => known.unserved(waiting)));
  expect(all).toEqual(Array(100).fill([{ platform: 'west', taskQueue: 'q/west' }]));
  expect(asked).toEqual(['q/west']);
});
