/** Where the runs of a report are read. Guarantees: G8. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gathered, gatherRuns } from '../../../cli/report/gather';
import { openFileStore } from '../../../record/store';
import { planOf, RunScript } from '../../board/report-fixtures';
import { eventsOf } from '../../record/record-fixtures';

test('G8: without Temporal the record is read, and a note says that the last run may be missing', async () => {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-gather-'));
  const store = await openFileStore(dir);
  await store.append(eventsOf('shop'), 0);
  await store.close();
  const noted = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  const { timelines } = await gatherRuns(
    { workflowId: 'vmgroup/prod/shop' },
    { data: 'none', record: dir, temporal: '127.0.0.1:1' },
  );
  expect(timelines.map(({ run }) => run.group)).toEqual(['shop']);
  expect(noted.mock.calls.join('')).toMatch(
    /^note: runs that are not on record are missing, since Temporal cannot be read: no Temporal server answers at 127\.0\.0\.1:1[^\n]*\n$/,
  );
  noted.mockRestore();
  rmSync(dir, { recursive: true, force: true });
});

test('G8: of an open run the record has what Temporal has deleted, and Temporal has the rest', () => {
  const first = new RunScript('shop').begin(planOf('shop', [['a', 'b']])).power('a', 1, 5, 10);
  first.at(20, { kind: 'ContinuedAsNew', next: 'shop-2' });
  const last = first.events.length;
  first
    .execution('shop-2')
    .at(20, { kind: 'ExecutionStarted', workflow: '', continuedFrom: first.run.runId });
  first.power('b', 30, 40, 50);
  const { runId } = first.run;
  const { timelines, sourceOf } = gathered([
    ['the record', new Map([[runId, first.events.slice(0, last)]])],
    ['Temporal', new Map([[runId, first.events.slice(last)]])],
  ]);
  expect(timelines.map(({ operations, missing }) => [[...operations.keys()], missing])).toEqual([
    [['a', 'b'], []],
  ]);
  expect(sourceOf(runId)).toBe('the record and Temporal');
});
