/** The tiers of a run with their charts and targets. Pure. */
import { stateWord } from '../page/members';
import type { ChartRow, Mark, Target, TierChart, TierItem } from '../page/page';
import { targetOf } from '../page/targets';
import type { ReportedMember } from './members';
import { desiredOf, type RunTimeline } from './timeline';

/** The span of a chart, milliseconds since the epoch. */
export interface ChartFrame {
  from: number;
  to: number;
}

/** The tiers of a run, each with its chart. */
export function reportTiers(
  timeline: RunTimeline,
  members: readonly ReportedMember[],
  frame: ChartFrame,
): TierItem[] {
  const indexes = [...new Set(members.map(({ tier }) => tier))].sort((a, b) => a - b);
  return indexes.map((index) => {
    const own = members.filter(({ tier }) => tier === index);
    const items = own.map(({ item }) => item);
    const done = items.filter(({ mark }) => mark === 'Done').length;
    const { took } = timesFor(timeline, own, frame.to);
    const target = tierTarget(timeline, index, own, frame.to);
    return {
      ...(timeline.plan && { index }),
      ...tierStand(timeline, own),
      done,
      total: own.length,
      ...(target && { target }),
      ...(took !== undefined && took > 0 && { took }),
      members: items,
      chart: chartOf(timeline, index, own, target, frame),
    };
  });
}

function tierStand(timeline: RunTimeline, members: readonly ReportedMember[]): { mark: Mark; word: string } {
  const marks = new Set(members.map(({ item }) => item.mark));
  if (marks.size === 1 && marks.has('Done')) return { mark: 'Done', word: stateWord(desiredOf(timeline)) };
  const worst = (['Parked', 'Working', 'Missing', 'Queued', 'Waiting', 'SetAside'] as const).find((mark) =>
    marks.has(mark),
  );
  return {
    mark: worst ?? 'Waiting',
    word: worst === 'Waiting' && marks.size === 1 ? 'not started' : 'not all of it',
  };
}

/** A target is met when every member of the tier has reached its gate in time. Only runs that power on have one. */
function tierTarget(
  timeline: RunTimeline,
  index: number,
  members: readonly ReportedMember[],
  now: number,
): Target | undefined {
  const rto = timeline.plan?.tiers[index]?.targets?.rto;
  if (rto === undefined || desiredOf(timeline) !== 'PoweredOn') return undefined;
  const times = timesFor(timeline, members, now);
  return times.took === undefined && timeline.missing.length > 0 ? undefined : targetOf(rto, times);
}

/** How long it took until all of these members were where they should be, and since when they are waited for. */
function timesFor(
  { startedAt, endedAt, missing }: RunTimeline,
  members: readonly ReportedMember[],
  now: number,
): { took: number | undefined; elapsed: number | undefined } {
  const isKnown = (member: ReportedMember): boolean => missing.length === 0 || member.reached !== undefined;
  const isUp = members.every((member) => member.item.mark === 'Done' && isKnown(member));
  const reached = members.map((member) => (member.reached ?? startedAt) - startedAt);
  return {
    took: isUp ? Math.max(0, ...reached) : undefined,
    elapsed: endedAt === undefined ? now - startedAt : undefined,
  };
}

function chartOf(
  { delays, startedAt }: RunTimeline,
  index: number,
  members: readonly ReportedMember[],
  target: Target | undefined,
  { from, to }: ChartFrame,
): TierChart {
  const due = target && startedAt + target.rto;
  return {
    from,
    to,
    delays: delays
      .filter(({ tier }) => tier === index)
      .map((delay) => ({ from: delay.from, to: Math.min(to, delay.to ?? to) })),
    ...(due !== undefined && { due }),
    rows: members.map(({ row }) => clipped(row, to)),
  };
}

/** What is open extends to the end of the chart. */
function clipped(row: ChartRow, to: number): ChartRow {
  return { ...row, spans: row.spans.map((span) => ({ ...span, to: Math.min(span.to, to) })) };
}
