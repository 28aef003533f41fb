/**
 * Recorded histories of every kind of run, closed ones and an open one, replay against this build: a run of an older build continues under
 * it. `npx tsx test/histories/record.ts` made them.
 *
 * Guarantees: G1.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { replayHistories, type RecordedHistory } from '../../worker';
import { workflowBundle } from '../support/workflow-bundle';

const FOLDER = path.join(__dirname, '../histories');
const files = readdirSync(FOLDER).filter((file) => file.endsWith('.json'));

interface Event {
  eventType: string;
  activityTaskScheduledEventAttributes?: { activityId: string };
}

function read(file: string): RecordedHistory & { history: { events: Event[] } } {
  const history = JSON.parse(readFileSync(path.join(FOLDER, file), 'utf8')) as { events: Event[] };
  return { name: file, workflowId: 'vmgroup/history/app', history };
}

it('there is a history of every kind of run', () => {
  expect(files.map((file) => path.basename(file, '.json'))).toEqual(
    expect.arrayContaining([
      'power-on',
      'power-off-at-once',
      'power-off-in-reverse',
      'suspend',
      'force-sync',
      'nested-parent',
      'nested-child',
      'nested-parent-waits',
      'nested-parent-told-early',
      'nested-child-notifies',
      'drift-corrected',
      'turned-round',
      'member-joins',
      'member-recreated',
      'member-returns',
      'unseen-vm',
      'drift-forced',
      'words',
      'aborted',
      'superseded',
      'aborted-places-given-back',
      'superseded-places-given-back',
      'cancelled-then-edited',
      'cancelled-then-aborted',
      'parked-and-retried',
      'parked-open',
      'parked-continue',
      'parked-fail',
      'skipped-and-marked',
      'continued-as-new-1',
      'continued-as-new-2',
    ]),
  );
});

it('all of them replay', async () => {
  const results = await replayHistories(files.map(read), await workflowBundle());
  expect(results).toEqual(files.map((name) => ({ name })));
});

it.each(['power-on.json', 'parked-open.json'])('a changed order of steps fails: %s', async (file) => {
  const recorded = read(file);
  const [first, second] = recorded.history.events.filter(
    ({ activityTaskScheduledEventAttributes: scheduled }) =>
      scheduled?.activityId === 'power-on/db-1' || scheduled?.activityId === 'power-on/db-2',
  );
  if (!first?.activityTaskScheduledEventAttributes || !second?.activityTaskScheduledEventAttributes) {
    throw new Error('the history has no power-on of db-1 and db-2');
  }
  first.activityTaskScheduledEventAttributes.activityId = 'power-on/db-2';
  second.activityTaskScheduledEventAttributes.activityId = 'power-on/db-1';
  const [result] = await replayHistories([recorded], await workflowBundle());
  expect(result?.difference).toMatch(/activity/i);
});
