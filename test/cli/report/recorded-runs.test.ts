/** Which runs of a long record a report reads: those that it shows or compares with, and no others. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { addTo, recordedRuns, wantedRuns, type RunHeader } from '../../../cli/report/recorded-runs';
import { openFileStore } from '../../../record';
import { planOf, RunScript } from '../../board/report-fixtures';

const DAY = 86_400;
const GROUP = 'vmgroup/prod/site';

/** Runs of a site and of a group below it, one a day; every tenth is a rehearsal, apart from the last 30. */
function headers(days: number): RunHeader[] {
  const found = new Map<string, RunHeader>();
  for (let day = 0; day < days; day += 1) {
    const test = day % 10 === 0 && day < days - 30 ? { test: true as const } : {};
    for (const name of ['site', 'shop'])
      new RunScript(name, day * DAY, { root: 'site' })
        .begin(planOf(name, [['a']], test))
        .end(100)
        .events.forEach((event) => addTo(found, event));
  }
  return [...found.values()];
}

const days = (ids: ReadonlySet<string>, name: string): number[] =>
  [...ids].filter((id) => id.startsWith(name)).map((id) => Number(id.split('-run-')[1]) / DAY);

test('the last run, those before it, and older rehearsals, with the runs below them', () => {
  const wanted = wantedRuns(headers(400), { workflowId: GROUP });
  const expected = [340, 350, 360, ...Array.from({ length: 16 }, (_, index) => 384 + index)];
  expect(days(wanted, 'site')).toEqual(expected);
  expect(days(wanted, 'shop')).toEqual(expected);
});

test('an earlier run is shown without those after it', () => {
  const wanted = wantedRuns(headers(40), { workflowId: GROUP, runId: `site-run-${5 * DAY}` });
  expect(days(wanted, 'site')).toEqual([0, 1, 2, 3, 4, 5]);
});

test('runs of other groups at other times are not read, open ones are', () => {
  const found = new Map<string, RunHeader>();
  new RunScript('site', 0).begin(planOf('site', [['a']])).events.forEach((event) => addTo(found, event));
  new RunScript('shop', 10).begin(planOf('shop', [['b']])).events.forEach((event) => addTo(found, event));
  new RunScript('shop', -DAY)
    .begin(planOf('shop', [['b']]))
    .end(9)
    .events.forEach((event) => addTo(found, event));
  expect([...wantedRuns([...found.values()], { workflowId: GROUP })]).toEqual(['site-run-0', 'shop-run-10']);
});

test('a run is found in the tree that it ran in, also after its group has moved to another one', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'vmgroup-runs-'));
  try {
    const store = await openFileStore(folder);
    const old = new RunScript('app', 0).begin(planOf('app', [['a']]));
    const reset = new RunScript('app', 0)
      .execution('app-reset')
      .at(50, { kind: 'ExecutionReset', from: 'app-run-0', upTo: 3, reason: 'once more' })
      .end(100);
    const moved = new RunScript('app', DAY, { root: 'site' }).begin(planOf('app', [['a']])).end(100);
    for (const { events } of [old, reset, moved]) await store.append(events, 0);
    const found = async (runId?: string): Promise<string[]> => [
      ...(await recordedRuns(store, { workflowId: 'vmgroup/prod/app', ...(runId && { runId }) })).keys(),
    ];
    expect(await found()).toEqual([`app-run-${DAY}`]);
    expect(await found(`app-run-${DAY}`)).toEqual([`app-run-${DAY}`]);
    expect(await found('app-run-0')).toEqual(['app-run-0']);
    expect(await found('app-reset')).toEqual(['app-run-0']);
    await store.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
