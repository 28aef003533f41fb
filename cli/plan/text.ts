/** Plans as tables and as flow charts. Pure. */
import { formatDuration, type PowerState } from '../../api';
import { listed } from '../../api/text';
import type { Plan } from '../../contract';
import type { Forecast, ForecastStep } from '../../workflows';
import { counted, elapsed, table, type Column } from '../output';
import { placesText } from './placement-text';
import type { ExpectedRun, ExpectedTier, PastTimes } from './expected';
import type { PlannedPlaces } from './preview';

/** What a run of one group would do. Without what past runs say, that is not known. */
export interface GroupPlan extends PlannedPlaces, Partial<ExpectedRun> {
  /** `namespace/name`. */
  group: string;
  powerState: Plan['powerState'];
  /** The assumed state of the VMs before the run; on a cluster it is observed. */
  from: PowerState | 'Observed';
  forecast: Omit<Forecast, 'places' | 'givenUp'>;
}

/** The plan as a table of steps, then the placement. */
export function planTable({
  group,
  powerState,
  from,
  forecast,
  past,
  tiers = [],
  ...places
}: GroupPlan): string {
  const steps = table<ForecastStep>(
    [
      { head: 'AT LEAST', of: ({ at }) => `+${formatDuration(at)}` },
      { head: 'GROUP', of: (step) => step.group },
      { head: 'TIER', of: ({ tier }) => (tier < 0 ? undefined : tier + 1) },
      { head: 'STEP', of: ({ action }) => action },
      { head: 'MEMBER', of: ({ member }) => member },
      { head: 'WHY', prose: true, of: ({ why }) => why },
    ],
    forecast.steps,
  );
  const waits = forecast.waits.map((wait) => `  waits: ${wait}\n`).join('');
  const before = from === 'Observed' ? 'as observed' : from;
  const after = powerState === 'Unchanged' ? 'power unchanged' : powerState;
  const isDone = forecast.steps.length === 0;
  const head = `${group}: ${before} → ${after}, at least ${formatDuration(forecast.end)} and the time that the VMs take${isDone ? '' : pastText(past)}\n\n`;
  return `${head}${isDone ? '  nothing to do\n' : steps}${waits}${isDone || !past?.runs ? '' : expectedTable(tiers)}${placesText(places)}`;
}

/** When each tier would be done. */
function expectedTable(tiers: readonly ExpectedTier[]): string {
  const uncounted = tiers.some((tier) => tier.uncounted.length > 0);
  const done = table<ExpectedTier>(
    [
      { head: 'TIER', of: ({ tier }) => tier + 1 },
      { head: 'DONE ABOUT', of: ({ end, why }) => (end ? `+${elapsed(end.median)}` : why) },
      { head: 'IN 9 OF 10 BY', of: ({ end }) => end && `+${elapsed(end.p90)}` },
      ...(uncounted ? [UNCOUNTED] : []),
    ],
    [...tiers],
  );
  return `\n${done}`;
}

/** Most members that one row names. */
const MOST_NAMES = 5;

const UNCOUNTED: Column<ExpectedTier> = {
  head: 'NOT COUNTED: IN NO PAST RUN',
  of: (tier) => listed(tier.uncounted, MOST_NAMES),
};

function pastText(past: PastTimes | undefined): string {
  if (!past) return '';
  if (!('median' in past)) return '\n  no past runs to estimate from';
  const { runs, median, p90 } = past;
  return `\n  past runs took ${elapsed(median)}, 9 of 10 at most ${elapsed(p90)} (${counted(runs, 'run')})`;
}

/** The plan as a Mermaid flow chart: a box for each moment with its operations, and the waits on the arrows between them. */
export function planChart({ group, powerState, forecast }: GroupPlan): string {
  const moments = momentsOf(forecast.steps);
  const boxes = moments.flatMap(({ steps }, at) => [
    `  subgraph s${at}["${momentTitle(steps[0])}"]`,
    ...steps.map(
      ({ action, member }, index) =>
        `    s${at}m${index}["${action}${member === undefined ? '' : ` ${member}`}"]`,
    ),
    '  end',
  ]);
  const arrows = moments
    .slice(1)
    .map(({ wait }, at) => `  s${at} -->${wait === '' ? '' : `|"${wait.replaceAll('"', "'")}"|`} s${at + 1}`);
  return (
    [`---`, `title: ${group} to ${powerState}`, `---`, 'flowchart LR', ...boxes, ...arrows].join('\n') + '\n'
  );
}

/** Steps that begin at the same time, and the wait before them. */
interface Moment {
  steps: ForecastStep[];
  wait: string;
}

function momentsOf(steps: readonly ForecastStep[]): Moment[] {
  const moments: Moment[] = [];
  let wait = '';
  for (const step of steps) {
    if (step.action === 'Wait') {
      wait = step.why;
      continue;
    }
    const last = moments.at(-1);
    if (last && wait === '' && isSameMoment(last, step)) last.steps.push(step);
    else moments.push({ steps: [step], wait });
    wait = '';
  }
  return moments;
}

function isSameMoment({ steps: [first] }: Moment, { at, tier, group }: ForecastStep): boolean {
  return first?.at === at && first.tier === tier && first.group === group;
}

function momentTitle(step: ForecastStep | undefined): string {
  if (!step) return '';
  const tier = step.tier < 0 ? 'placement' : `tier ${step.tier + 1}`;
  return `${step.group}, ${tier}, +${formatDuration(step.at)}`;
}
