/**
 * The checks of open runs, on a server that answers about some of them only.
 *
 * Guarantees: G8.
 */
import type { Client } from '@temporalio/client';
import { checkRuns } from '../../../cli/doctor/runs';

/** A client of a server with runs of these names. */
function clientOf(names: readonly string[], describe: (name: string) => Promise<unknown>): Client {
  const handle = (workflowId: string): unknown => ({
    describe: () => describe(workflowId.split('/')[2] ?? ''),
  });
  return {
    options: { namespace: 'default' },
    withDeadline: (_until: number, call: () => Promise<unknown>) => call(),
    workflow: {
      getHandle: handle,
      list: async function* () {
        for (const name of names) yield { workflowId: `vmgroup/prod/${name}` };
      },
    },
    workflowService: { getWorkflowExecutionHistoryReverse: async () => ({ history: { events: [] } }) },
  } as unknown as Client;
}

const healthy = { raw: {}, workflowId: '', runId: '' };
const failing = { raw: { pendingWorkflowTask: { attempt: 5 } }, workflowId: '', runId: '' };

test('RUNCHECK-1: a run that cannot be checked does not hide that another one makes no progress', async () => {
  const client = clientOf(['a', 'slow', 'wedged', 'b'], async (name) => {
    if (name === 'slow') throw new Error('4 DEADLINE_EXCEEDED');
    return name === 'wedged' ? failing : healthy;
  });
  expect(await checkRuns(client, '')).toEqual([
    expect.objectContaining({ check: 'run prod/wedged', result: 'problem' }),
    {
      check: 'runs',
      result: 'problem',
      message: '4 open; 1 with a failing workflow task; 1 could not be checked: 4 DEADLINE_EXCEEDED',
      facts: { open: 4, failing: 1, paused: 0, waiting: 0, unknown: 1 },
    },
  ]);
});

test('RUNCHECK-1: of a server that is away not every run is asked about', async () => {
  let asked = 0;
  const names = Array.from({ length: 300 }, (_, index) => `group-${index}`);
  const client = clientOf(names, async () => {
    asked += 1;
    throw new Error('14 UNAVAILABLE');
  });
  expect(await checkRuns(client, '')).toEqual([
    expect.objectContaining({
      result: 'note',
      message: '300 open; 300 could not be checked: 14 UNAVAILABLE',
    }),
  ]);
  expect(asked).toBeLessThan(60);
});
