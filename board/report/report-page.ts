/**
 * The page of a report: what one failover did, from its events on record. Pure.
 *
 * REPORT-1: recovery counts until each VM has met its gate, not until it was powered on; a failover in which one has not is not recovered.
 * REPORT-2: the report states what is not known: executions that are missing, runs without an outcome, runs that are open.
 *     No time is given that what is missing could change.
 */
import { countsOf } from '../page/counts';
import type { GroupItem, Mark, Page, ReportPart, Target, TreeItem } from '../page/page';
import { targetOf } from '../page/targets';
import { actionsIn, exceptionRows } from './deeds';
import type { Failover, PlacedRun } from './failover';
import { membersOf, type ReportedMember } from './members';
import { comparison, endWord, recoveryRows, tookOf } from './recovery';
import { reportSentence } from './sentence';
import { reportTiers, type ChartFrame } from './tiers';
import { desiredOf, type RunTimeline } from './timeline';

/** What a report is made from. */
export interface ReportInput {
  failover: Failover;
  /** Earlier ones that it is compared with. */
  lastRun?: Failover;
  lastTest?: Failover;
  /** Milliseconds since the epoch. */
  now: number;
  /** Where the events of a run come from: `the record`, `Temporal`. */
  sourceOf: (runId: string) => string;
}

/** Makes the page. */
export function reportPage(input: ReportInput): Page {
  const { failover, lastRun, lastTest, now } = input;
  const { top } = failover;
  const runs = failover.runs.map((run) => ({ ...run, members: membersOf(run.timeline) }));
  const tree = treeItem(input, runs);
  const earlier = { ...(lastRun && { lastRun }), ...(lastTest && { lastTest }) };
  const report: ReportPart = {
    exceptions: exceptionRows(runs),
    comparisons: [
      ...(lastRun
        ? [
            comparison(
              failover,
              lastRun,
              lastRun.top.plan?.test ? 'the last run, a rehearsal' : 'the last run',
            ),
          ]
        : []),
      ...(lastTest ? [comparison(failover, lastTest, 'the last rehearsal')] : []),
    ],
    recovery: recoveryRows(failover, top.endedAt ?? now, earlier),
    sources: failover.runs.map(({ timeline: { run } }) => ({
      group: `${run.namespace}/${run.group}`,
      runId: run.runId,
      from: input.sourceOf(run.runId),
    })),
    gaps: gapsIn(failover),
  };
  return {
    kind: 'Report',
    title: `${tree.name}: report of ${new Date(top.startedAt).toISOString().slice(0, 10)}`,
    at: now,
    freshness: { state: 'Live' },
    trees: [tree],
    attention: [],
    actions: actionsIn(failover),
    report,
  };
}

type MemberedRun = PlacedRun & { members: readonly ReportedMember[] };

function treeItem({ failover, now }: ReportInput, runs: readonly MemberedRun[]): TreeItem {
  const { top } = failover;
  const frame = frameOf(failover, now);
  const groups = runs.map((run) => groupItem(run, frame));
  const counts = countsOf(groups);
  const took = tookOf(failover);
  const target = runTarget(top, took, now);
  return {
    name: `${top.run.namespace}/${top.run.group}`,
    mark: endMark(top),
    sentence: reportSentence(top, counts, { took, target, now }),
    ...(top.plan?.test && { isTest: true as const }),
    counts,
    ...(!top.endIsMissing && { startedAt: top.startedAt }),
    ...(top.endedAt !== undefined && { endedAt: top.endedAt }),
    ...(target && { target }),
    groups,
  };
}

/** From the start of the failover to the end of its last run. */
function frameOf({ top, runs }: Failover, now: number): ChartFrame {
  const ends = runs.map(
    ({ timeline }) => timeline.endedAt ?? (timeline.endIsMissing ? lastTime(timeline) : now),
  );
  return {
    from: Math.min(...runs.map(({ timeline }) => timeline.startedAt), top.startedAt),
    to: Math.max(...ends),
  };
}

/** When the last event came that the history of a run has. */
function lastTime({ startedAt, events }: RunTimeline): number {
  const times = events.flatMap(({ source, time }) => (source.from === 'History' ? [Date.parse(time)] : []));
  return times.reduce((last, time) => Math.max(last, time), startedAt);
}

function groupItem({ timeline, depth, members }: MemberedRun, frame: ChartFrame): GroupItem {
  const { run, startedAt, endedAt, endIsMissing, outcome, plan } = timeline;
  return {
    name: `${run.namespace}/${run.group}`,
    depth,
    mark: endMark(timeline),
    phase: endWord(timeline),
    message: outcome?.message ?? timeline.hardEnd?.reason ?? '',
    ...(!endIsMissing && { startedAt }),
    ...(endedAt !== undefined && { endedAt }),
    warnings: plan ? [] : ['The record lacks the plan of this run: its tiers are not known.'],
    tiers: reportTiers(timeline, members, frame),
  };
}

function endMark({ outcome, endedAt, endIsMissing }: RunTimeline): Mark {
  if (endIsMissing) return 'Missing';
  if (endedAt === undefined) return 'Working';
  if (outcome?.outcome === 'Converged') return 'Done';
  return outcome?.outcome === 'ConvergedWithExceptions' || outcome?.outcome === 'Superseded'
    ? 'SetAside'
    : 'Parked';
}

/** REPORT-1. */
function runTarget(top: RunTimeline, took: number | undefined, now: number): Target | undefined {
  const rto = top.plan?.policy.targets?.rto;
  if (rto === undefined || desiredOf(top) !== 'PoweredOn') return undefined;
  if (took === undefined && top.missing.length > 0) return undefined;
  return targetOf(rto, { took, elapsed: top.endedAt === undefined ? now - top.startedAt : undefined });
}

/** REPORT-2. */
function gapsIn({ runs }: Failover): string[] {
  return runs.flatMap(({ timeline: { run, events, endedAt, endIsMissing, missing, outcome } }) => {
    const group = `${run.namespace}/${run.group}`;
    const reasons = new Map(
      events.flatMap((event) => (event.kind === 'RunGap' ? [[event.execution, event.reason] as const] : [])),
    );
    const gaps = missing.map((execution) => {
      const reason = reasons.get(execution);
      return reason === undefined
        ? `${group}: ${execution}, the execution of the run before those in here, is missing.`
        : `${group}: the record lacks ${execution}: ${reason}`;
    });
    if (endedAt === undefined && !endIsMissing)
      return [`${group}: the run is open, so its end is not in here.`];
    if (endedAt !== undefined && !outcome) gaps.push(`${group}: the run has no outcome.`);
    return gaps;
  });
}
