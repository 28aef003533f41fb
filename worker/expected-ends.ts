/**
 * Metrics of when open runs are expected to end.
 *
 * METRICS-4: the only labels with names are `namespace` and `group`, of open runs with a past, at most {@link MOST_ESTIMATED} of them. They go
 * with the run.
 */
import { Gauge, type Registry } from 'prom-client';
import type { GroupView } from '../bridge';
import { openProgress, type Estimate, type Expected } from '../insight';

/** Open runs that are shown, those of topmost groups first: a bound on the series, and on what is read of Temporal during a failover. */
export const MOST_ESTIMATED = 100;

type Labels = 'namespace' | 'group' | 'quantile';

/** Shows when open runs, and the tiers that they are at, are expected to be done; read at each scrape. */
export function showExpectedEnds(
  registry: Registry,
  views: () => readonly GroupView[],
  estimateOf: (group: GroupView) => Estimate | undefined,
): void {
  const gauge = (
    name: string,
    help: string,
    endOf: (estimate: Estimate, view: GroupView) => Expected | undefined,
  ) =>
    new Gauge<Labels>({
      name,
      help,
      labelNames: ['namespace', 'group', 'quantile'],
      registers: [registry],
      collect() {
        // METRICS-4.
        this.reset();
        for (const view of estimated(views())) {
          const found = estimateOf(view);
          const end = found && endOf(found, view);
          if (end) setEnd(this, view, end);
        }
      },
    });
  gauge(
    'vmgroup_run_expected_end_timestamp_seconds',
    'When an open run is expected to end, by what past runs of the group took.',
    (estimate) => estimate.end,
  );
  gauge(
    'vmgroup_tier_expected_end_timestamp_seconds',
    'When the tier that an open run is at is expected to be done, by what past runs of the group took.',
    tierEnd,
  );
}

function setEnd(gauge: Gauge<Labels>, { metadata }: GroupView, { median, p90 }: Expected): void {
  const { namespace, name: group } = metadata;
  gauge.set({ namespace, group, quantile: '0.5' }, median / 1_000);
  gauge.set({ namespace, group, quantile: '0.9' }, p90 / 1_000);
}

/** Groups with an open run, those without a parent first. */
function estimated(views: readonly GroupView[]): GroupView[] {
  const open = views.filter((view) => openProgress(view));
  const isTopmost = ({ spec }: GroupView): boolean => spec.groupName === undefined;
  return [...open.filter(isTopmost), ...open.filter((view) => !isTopmost(view))].slice(0, MOST_ESTIMATED);
}

/** The end of the last of the tiers that run or whose delay runs; undefined: there is none, or nothing is known of it. */
function tierEnd({ tiers }: Estimate, view: GroupView): Expected | undefined {
  const current = openProgress(view)?.tiers.filter(({ phase }) => phase === 'Running' || phase === 'Delay');
  const ends = tiers
    .filter(({ tier }) => current?.some((each) => each.tier === tier))
    .flatMap(({ end }) => end ?? []);
  if (ends.length === 0) return undefined;
  const latest = (part: keyof Expected): number => Math.max(...ends.map((end) => end[part]));
  return { median: latest('median'), p90: latest('p90') };
}
