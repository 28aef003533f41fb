/**
 * What a report says, from events as they are on record: REPORT-1, REPORT-2, TIMELINE-1.
 *
 * Guarantees: G8.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import {
  chosenRun,
  failoverOf,
  reportDocument,
  reportPage,
  runsBefore,
  timelineOf,
  type RunTimeline,
} from '../../board';
import { unrecordedRun, type BundledHistory, type RunEvent } from '../../record';
import { largeRun, planOf, RunScript, smallRun, START } from './report-fixtures';

const DAY = 86_400;
const NOW = START + DAY * 1_000;

/** The report of the first of some runs, with all of them known. */
function report(...runs: RunEvent[][]): ReturnType<typeof reportPage> {
  const timelines = runs.map((events) => timelineOf(events));
  const [top] = timelines as [RunTimeline];
  const { lastRun, lastTest } = runsBefore(top, timelines);
  return reportPage({
    failover: failoverOf(top, timelines),
    ...(lastRun && { lastRun: failoverOf(lastRun, timelines) }),
    ...(lastTest && { lastTest: failoverOf(lastTest, timelines) }),
    now: NOW,
    sourceOf: () => 'the record',
  });
}

const part = (page: ReturnType<typeof reportPage>): NonNullable<typeof page.report> =>
  page.report as NonNullable<typeof page.report>;

/** The page of a history that a real server has kept. */
async function reportOfHistory(...files: string[]): Promise<ReturnType<typeof reportPage>> {
  const histories = files.map((file, index): BundledHistory => {
    const text = readFileSync(path.join(__dirname, '../histories', `${file}.json`), 'utf8');
    const history = JSON.parse(text) as BundledHistory['history'];
    return { execution: `run-${index + 1}`, workflowId: 'vmgroup/prod/app', history };
  });
  const { entries } = await unrecordedRun(histories, false);
  return report(entries.map(({ event }) => event as RunEvent));
}

describe('a failover that got there', () => {
  const page = report(smallRun());
  const [tree] = page.trees;

  test('the outcome in one sentence, against the target, up to ready (REPORT-1)', () => {
    expect(tree).toMatchObject({
      sentence: 'All 6 VMs were up after 5 min 53 s, within the target of 10 min.',
      target: { rto: 600_000, took: 352_500, verdict: 'Met' },
      mark: 'Done',
    });
  });

  test('the bars of a VM: asked for, in its power state, at its gate (TIMELINE-1)', () => {
    const [first, second] = tree?.groups[0]?.tiers ?? [];
    expect(first?.chart?.rows[1]).toMatchObject({
      name: 'db-replica',
      gate: 'Ready',
      spans: [{ from: START + 1_000, powered: START + 25_000, to: START + 61_000, end: 'Done' }],
    });
    expect([first?.took, second?.took]).toEqual([61_000, 300_000]);
    expect(second?.chart?.delays).toEqual([{ from: START + 61_000, to: START + 91_000 }]);
    expect(second?.chart?.rows[1]?.failures).toEqual([
      { at: START + 95_000, text: 'Transient: the host esx-07 is busy' },
    ]);
    expect(second?.chart?.rows[2]?.spans.map(({ end, to }) => [end, to])).toEqual([
      ['GaveUp', START + 200_000],
      ['Done', START + 300_000],
    ]);
  });

  test('recovery of each VM against the target of its tier, otherwise of the run', () => {
    const rows = part(page).recovery;
    expect(rows.map(({ name, reached, target }) => [name, reached, target?.rto, target?.verdict])).toEqual([
      ['db-primary', 40_000, 61_000, 'Met'],
      ['db-replica', 61_000, 61_000, 'Met'],
      ['app-1', 130_000, 600_000, 'Met'],
      ['app-2', 150_000, 600_000, 'Met'],
      ['app-3', 300_000, 600_000, 'Met'],
      ['load-balancer', 352_500, 600_000, 'Met'],
    ]);
    expect(report(smallRun(0, { slower: 1 })).trees[0]?.groups[0]?.tiers[0]?.target).toEqual({
      rto: 61_000,
      took: 62_000,
      verdict: 'Missed',
    });
  });

  test('exceptions and who did what', () => {
    expect(part(page).exceptions.map(({ member, what, message }) => [member, what, message])).toEqual([
      ['app-2', 'retried', '1 failed attempt, then up; last error: Transient: the host esx-07 is busy'],
      ['app-3', 'retried', 'parked once, then up'],
    ]);
    expect(page.actions.map(({ who, what, reason }) => [who, what, reason])).toEqual([
      ['anna', 'plan: PoweredOn, revision r (Asked)', 'site A is gone'],
      ['ben', 'retryMember app-3', 'host esx-07 is back'],
    ]);
  });
});

test('it is compared with the last run and with the last rehearsal before it, and with no later one', () => {
  const { comparisons, recovery } = part(
    report(smallRun(0, { slower: 12 }), smallRun(-DAY), smallRun(-7 * DAY, { test: true }), smallRun(DAY)),
  );
  expect(comparisons.map(({ with: other, difference }) => [other, difference])).toEqual([
    ['the last run', 12_000],
    ['the last rehearsal', 12_000],
  ]);
  expect(comparisons[0]?.movers[0]).toEqual({ name: 'shop/db-primary', took: 52_000, before: 40_000 });
  expect(recovery[0]).toMatchObject({ reached: 52_000, lastRun: 40_000, lastTest: 40_000 });
  const rehearsed = part(report(smallRun(), smallRun(-DAY, { test: true }))).comparisons;
  expect(rehearsed.map((each) => each.with)).toEqual(['the last run, a rehearsal']);
  expect(part(report(smallRun())).comparisons).toEqual([]);
  expect(reportDocument(report(smallRun()))).toContain('No earlier run is known to compare with.');
});

test('nested groups stand below their parent; a VM that stayed parked means that the target was missed (REPORT-1)', () => {
  const page = report(...largeRun(200, 6));
  const [tree] = page.trees;
  expect(tree?.groups.map(({ name, depth }) => [name, depth])).toEqual([
    ['prod/dr-site', 0],
    ['prod/erp', 1],
    ['prod/shop', 1],
  ]);
  expect(tree?.counts).toMatchObject({ Done: 194, Parked: 6 });
  expect(tree?.target).toEqual({ rto: 3_600_000, verdict: 'Missed' });
  expect(tree?.sentence).toMatch(
    /^194 of 200 VMs were up when the run ended with exceptions after .*; the target of 1 h was missed\.$/,
  );
  expect(part(page).exceptions.filter(({ what }) => what === 'parked')).toHaveLength(6);
  expect(part(page).recovery).toHaveLength(200);
  expect(part(page).sources).toHaveLength(3);
});

test('a run that an operator terminated has no outcome, and says by whom and why (REPORT-2)', () => {
  const script = new RunScript('shop').begin(planOf('shop', [['a', 'b']], { rto: 60_000 }));
  script
    .power('a', 1, 5, 10)
    .at(20, { kind: 'RunTerminated', actor: { name: 'root@host', known: false }, reason: 'by mistake' });
  const page = report(script.sorted());
  expect(page.trees[0]).toMatchObject({
    sentence:
      '1 of 2 VMs were up when the run was terminated by root@host (by mistake) after 20 s; the target of 1 min was missed.',
    target: { verdict: 'Missed' },
  });
  expect(part(page).gaps).toEqual(['prod/shop: the run has no outcome.']);
});

test('an open run says where it stands, and that its end is missing (REPORT-2)', () => {
  const script = new RunScript('shop').begin(planOf('shop', [['a'], ['b']])).power('a', 1, 5, 10);
  const page = report(script.sorted());
  expect(page.trees[0]?.sentence).toBe(
    '1 of 2 VMs are up so far, 24 h after the start.'.replace('24 h', '1 d'),
  );
  expect(part(page).gaps).toEqual(['prod/shop: the run is open, so its end is not in here.']);
  expect(page.trees[0]?.groups[0]?.tiers[1]?.members[0]).toMatchObject({ mark: 'Waiting', word: 'waiting' });
});

describe('a run with executions that are missing (REPORT-2)', () => {
  const begun = (): RunScript =>
    new RunScript('shop').begin(planOf('shop', [['a', 'b'], ['c']], { rto: 60_000 })).power('a', 1, 5, 10);
  const lost = 'Temporal does not have its history any more: it was deleted, or its retention is over';
  const recorder = (
    script: RunScript,
    second: number,
    ...facts: Parameters<RunScript['at']>[1][]
  ): RunScript => {
    script.at(second, ...facts);
    for (const event of script.events.slice(-facts.length)) event.source = { from: 'Recorder' };
    return script;
  };

  test('one that was seen and is lost is not open, and no time is given for it', () => {
    const script = recorder(new RunScript('shop'), DAY, { kind: 'ExecutionSeen' });
    const page = report(recorder(script, 9 * DAY, { kind: 'RunGap', reason: lost }).events);
    expect(page.trees[0]).toMatchObject({
      sentence: 'What became of the run is not known: the record lacks it.',
      mark: 'Missing',
    });
    expect(page.trees[0]).not.toHaveProperty('startedAt');
    expect(part(page).gaps).toEqual([`prod/shop: the record lacks shop-run-0: ${lost}`]);
    expect(part(page).exceptions).toEqual([
      { group: 'prod/shop', mark: 'Missing', what: 'not known', message: lost },
    ]);
    const shown = reportDocument(page);
    expect(shown).not.toMatch(/so far|Elapsed|nothing was parked/);
  });

  test('one whose last execution is lost says how far the record goes', () => {
    const script = begun().at(20, { kind: 'ContinuedAsNew', next: 'shop-2' });
    const recorded = {
      kind: 'ExecutionRecorded',
      status: 'CONTINUED_AS_NEW',
      history: { events: 9, sha256: '' },
    } as const;
    recorder(script, 30, recorded);
    const page = report(recorder(script.execution('shop-2'), DAY, { kind: 'RunGap', reason: lost }).events);
    expect(page.trees[0]?.sentence).toBe(
      '1 of 3 VMs were up as far as the record goes: how the run ended is not known.',
    );
    expect(page.trees[0]?.groups[0]?.tiers[0]?.members.map(({ mark }) => mark)).toEqual(['Done', 'Missing']);
    expect(page.trees[0]?.groups[0]?.tiers[0]?.chart?.to).toBe(START + 20_000);
    expect(page.trees[0]).not.toHaveProperty('target');
    expect(part(page).recovery.map(({ name, target }) => [name, target?.verdict])).toEqual([
      ['a', 'Met'],
      ['b', undefined],
      ['c', undefined],
    ]);
  });

  test('one whose first execution is missing counts from its begin, and gives no time that it may have to change', () => {
    const plan = planOf('shop', [['a', 'b']], { rto: 60_000 });
    const whole = new RunScript('shop').begin(plan).power('a', 1, 5, 10).power('b', 50, 80, 90).end(100);
    const rest = whole.sorted().filter(({ time }) => Date.parse(time) >= START + 50_000);
    const first = {
      ...(whole.events[0] as RunEvent),
      time: new Date(START + 40_000).toISOString(),
      continuedFrom: 'shop-0',
    } as RunEvent;
    const planned = { ...(whole.events[1] as RunEvent), time: first.time };
    const page = report([first, planned, ...rest], smallRun(-DAY));
    expect(page.trees[0]).toMatchObject({
      startedAt: START,
      sentence: 'All 2 VMs were up when the run converged after 1 min 40 s.',
    });
    expect(page.trees[0]).not.toHaveProperty('target');
    expect(part(page).gaps).toEqual([
      'prod/shop: shop-0, the execution of the run before those in here, is missing.',
    ]);
    expect(part(page).recovery.map(({ name, reached, target }) => [name, reached, target?.verdict])).toEqual([
      ['a', undefined, undefined],
      ['b', 90_000, 'Missed'],
    ]);
    expect(report(smallRun(), [first, planned, ...rest]).report?.comparisons).toEqual([]);
  });
});

test('an operation that continues in a further execution is one operation', () => {
  const script = new RunScript('shop').begin(planOf('shop', [['a']]));
  script.power('a', 1, 30, 40);
  const scheduled = script.events.find(({ kind }) => kind === 'ActivityScheduled') as RunEvent;
  const again = {
    ...scheduled,
    execution: 'shop-2',
    time: new Date(START + 20_000).toISOString(),
  };
  const begun = { ...script.events[0], execution: 'shop-2', time: again.time } as RunEvent;
  const done = script.events.map((event) =>
    event.kind === 'ActivityCompleted' ? { ...event, execution: 'shop-2' } : event,
  );
  script.end(41);
  const end = { ...(script.events.at(-1) as RunEvent), execution: 'shop-2' };
  const page = report([...done.slice(0, 3), begun, again, ...done.slice(3), end]);
  expect(page.trees[0]?.groups[0]?.tiers[0]?.chart?.rows[0]?.spans).toEqual([
    { from: START + 1_000, powered: START + 30_000, to: START + 40_000, end: 'Done' },
  ]);
});

test('the run of a run id, and the last run of a group but not the one that only cleared up', () => {
  const clearing = smallRun(DAY).map((event) =>
    event.kind === 'ExecutionStarted'
      ? { ...event, cleansUp: { runId: 'x', actor: { name: 'x', known: false }, reason: '', message: '' } }
      : event,
  );
  const timelines = [smallRun(), smallRun(-DAY), clearing].map((events) => timelineOf(events));
  expect(chosenRun(timelines, 'vmgroup/prod/shop')).toBe(timelines[0]);
  expect(chosenRun(timelines, 'vmgroup/prod/shop', `shop-run-${-DAY}`)).toBe(timelines[1]);
  expect(chosenRun(timelines, 'vmgroup/prod/other')).toBeUndefined();
});

test.each([
  ['power-on', 'All 4 VMs were up after 1.8 s.', []],
  [
    'parked-and-retried',
    'All 4 VMs were up after 3.9 s.',
    [
      'app-1 retried: 2 failed attempts, parked once, then up; last error: Transient: simulated fault: the host did not answer',
    ],
  ],
  ['words', 'All 3 VMs were up after 0.7 s.', ['the run delay cut short: by alice: test']],
  [
    'skipped-and-marked',
    '3 of 4 VMs were up when the run ended with exceptions after 3.6 s.',
    ['app-1 overridden: marked ready: marked ready by alice: test'],
  ],
  [
    'aborted',
    '2 of 4 VMs were up when the run was cancelled (Aborted by alice: test) after 0.4 s.',
    [
      'app-1 not started: its turn did not come',
      'web-1 not started: its turn did not come',
      'the run aborted: by alice: test',
    ],
  ],
  [
    'superseded',
    '2 of 3 VMs were up when the run was superseded (the group was deleted) after 1.4 s.',
    ['app-1 not started: its turn did not come'],
  ],
  ['turned-round', 'All 4 VMs were off after 0.7 s.', []],
])('the report of the recorded history %s', async (file, sentence, exceptions) => {
  const page = await reportOfHistory(file);
  const [tree] = page.trees;
  expect(tree?.sentence).toBe(sentence);
  expect(
    part(page).exceptions.map(({ member, what, message }) => `${member ?? 'the run'} ${what}: ${message}`),
  ).toEqual(exceptions);
  const rows = tree?.groups[0]?.tiers.flatMap(({ chart }) => chart?.rows ?? []) ?? [];
  expect(rows.length).toBeGreaterThan(0);
  for (const { spans } of rows)
    for (const { from, powered = from, to } of spans) {
      expect(from).toBeGreaterThanOrEqual(tree?.startedAt ?? Infinity);
      expect(powered).toBeGreaterThanOrEqual(from);
      expect(to).toBeGreaterThanOrEqual(powered);
      expect(to).toBeLessThanOrEqual(tree?.endedAt ?? 0);
    }
});

test('no text of a platform or operator becomes HTML', () => {
  const evil = `"><img src=x onerror=alert(1)></main>`;
  const script = new RunScript('shop').begin(planOf('shop', [[evil]])).failed(evil, 2, evil);
  script.power(evil, 1, 5, 10, { gaveUp: evil }).end(20, [{ member: evil, reason: 'Parked', message: evil }]);
  const text = reportDocument(report(script.sorted()));
  expect(text).not.toContain('<img');
  expect(text.match(/<\/main>/g)).toHaveLength(1);
  expect(text).not.toContain('<script');
});
