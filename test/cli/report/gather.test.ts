/** Where the runs of a report are read. Guarantees: G8. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gatherRuns } from '../../../cli/report/gather';
import { openFileStore } from '../../../record/store';
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
