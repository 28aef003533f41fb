/** When open runs are expected to end, as metrics. */
import { Registry } from 'prom-client';
import type { GroupView } from '../../bridge';
import { estimate, openProgress, type Estimate, type PastRun } from '../../insight';
import { MOST_ESTIMATED, showExpectedEnds } from '../../worker';
import { knownGroup } from '../insight/known';
import { MINUTE, plan, SECOND, seen, tier } from '../workflows/plans';
import { World } from '../workflows/world';

const RUN = 'vmgroup_run_expected_end_timestamp_seconds';
const TIER = 'vmgroup_tier_expected_end_timestamp_seconds';
const off = (name: string) => seen(name, 'PoweredOff');
const PLAN = plan([tier([off('a')]), tier([off('b')], { powerOnDelay: MINUTE })]);

/** A past of ten runs, of which nine took `a` 10 s, and one 40 s. */
const PAST: PastRun[] = Array.from({ length: 10 }, (_, at) => ({
  runId: `${at}`,
  powerState: 'PoweredOn',
  startedAt: 0,
  endedAt: 2 * MINUTE,
  spans: { a: [0, (at < 8 ? 10 : 40) * SECOND], b: [0, 5 * SECOND] },
}));

let views: GroupView[] = [];
let past: PastRun[] = PAST;
let now = 0;

function estimateOf(view: GroupView): Estimate | undefined {
  const progress = openProgress(view);
  return progress && estimate(past, progress, now);
}

function view(world: World, over: Partial<GroupView> = {}): GroupView {
  now = world.now;
  return { ...(knownGroup(world) as unknown as GroupView), ...over };
}

async function scraped(metric: string): Promise<string[]> {
  const registry = new Registry();
  showExpectedEnds(registry, () => views, estimateOf);
  return lines(registry, metric);
}

async function lines(registry: Registry, metric: string): Promise<string[]> {
  const text = await registry.getSingleMetricAsString(metric);
  return text.split('\n').filter((line) => line.startsWith(`${metric}{`));
}

const series = (metric: string, quantile: string, seconds: number) =>
  `${metric}{namespace="prod",group="shop",quantile="${quantile}"} ${now / SECOND + seconds}`;

const named = { metadata: { namespace: 'prod', name: 'shop', uid: 'u', generation: 1 } };

beforeEach(() => (past = PAST));

test('the end of the run and of its tier, by median and 90th percentile', async () => {
  views = [view(new World(() => ({ takes: Infinity })).send(PLAN), named)];
  expect(await scraped(RUN)).toEqual([series(RUN, '0.5', 75), series(RUN, '0.9', 105)]);
  expect(await scraped(TIER)).toEqual([series(TIER, '0.5', 10), series(TIER, '0.9', 40)]);
});

test('during a delay the tier is the one that is waited for', async () => {
  const world = new World(() => ({ takes: 10 * SECOND })).send(PLAN);
  views = [view(world.pass(world.now + 15 * SECOND), named)];
  expect(await scraped(TIER)).toEqual([series(TIER, '0.5', 60), series(TIER, '0.9', 60)]);
});

test('METRICS-4: nothing without a past, while an operator is waited for, and once the run has ended', async () => {
  const registry = new Registry();
  showExpectedEnds(registry, () => views, estimateOf);
  const open = view(new World(() => ({ takes: Infinity })).send(PLAN), named);
  views = [open];
  expect(await lines(registry, RUN)).toHaveLength(2);
  past = [];
  expect(await lines(registry, RUN)).toEqual([]);
  past = PAST;
  const parked = new World(() => ({ failsAfter: SECOND, class: 'Permanent' })).send(PLAN);
  views = [view(parked.pass(parked.now + MINUTE), named)];
  expect(await lines(registry, RUN)).toEqual([]);
  views = [open];
  expect(await lines(registry, RUN)).toHaveLength(2);
  views = [{ ...open, run: { ...(open.run as NonNullable<GroupView['run']>), endedAt: now } }];
  expect([await lines(registry, RUN), await lines(registry, TIER)]).toEqual([[], []]);
});

test('METRICS-4: at most so many runs, those of topmost groups first', async () => {
  const open = view(new World(() => ({ takes: Infinity })).send(PLAN), named);
  const child = (at: number): GroupView => ({
    ...open,
    metadata: { ...named.metadata, name: `child-${at}` },
    spec: { ...open.spec, groupName: 'shop' },
  });
  views = [...Array.from({ length: 2 * MOST_ESTIMATED }, (_, at) => child(at)), open];
  const shown = await scraped(RUN);
  expect(shown).toHaveLength(2 * MOST_ESTIMATED);
  expect(shown[0]).toContain('group="shop"');
});
