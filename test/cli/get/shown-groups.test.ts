/** What `watch` shows while the past of groups is being read. */
import type { GroupView } from '../../../bridge';
import { ShownGroups } from '../../../cli/get/shown-groups';
import type { Display } from '../../../cli/live-display';
import type { PastRun } from '../../../insight';

function view(name: string, runId = 'r1'): GroupView {
  return {
    apiVersion: 'vmoperator.vmware.com/v1alpha6',
    kind: 'VirtualMachineGroup',
    metadata: { namespace: 'prod', name, uid: name, generation: 1 },
    spec: { powerState: 'PoweredOn' },
    status: { observedGeneration: 1, members: [], conditions: [] },
    phase: 'PoweringOn',
    message: '',
    run: { workflowId: `vmgroup/prod/${name}`, runId, startedAt: 0 },
  };
}

function recorded(): { display: Display; said: string[] } {
  const said: string[] = [];
  const display: Display = {
    show: ({ metadata }, past) =>
      void said.push(`show ${metadata.name}${past ? ` after ${past.length} runs` : ''}`),
    forget: ({ name }) => void said.push(`forget ${name}`),
    event: ({ object, reason }) => void said.push(`${reason} ${object.name}`),
    notice: () => undefined,
    close: () => undefined,
  };
  return { display, said };
}

const PAST: PastRun[] = [{ runId: 'p', powerState: 'PoweredOn', startedAt: 0, endedAt: 1, spans: {} }];

test('groups and events do not wait for the past, which is shown once it is known', async () => {
  const { display, said } = recorded();
  const asked: ((past: PastRun[] | undefined) => void)[] = [];
  const shown = new ShownGroups(display, {
    of: () => new Promise<PastRun[] | undefined>((resolve) => asked.push(resolve)),
    close: async () => asked.splice(0).forEach((resolve) => resolve(undefined)),
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  shown.update([view('a'), view('b')]);
  expect(said.splice(0)).toEqual(['show a', 'RunStarted a', 'show b', 'RunStarted b']);
  await turn();
  expect(asked).toHaveLength(1);
  asked.shift()?.(PAST);
  await turn();
  expect(said.splice(0)).toEqual(['show a after 1 runs']);
  shown.update([view('a', 'r2')]);
  expect(said.splice(0)).toEqual(['show a after 1 runs', 'RunStarted a', 'forget b']);
  await shown.close();
  expect(said).toEqual([]);
});
