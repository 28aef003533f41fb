/** Recovery times of VMs, and how they differ between failovers. Pure. */
import type { Comparison, RecoveryRow, Target } from '../page/page';
import { targetOf } from '../page/targets';
import { durationText } from '../page/duration-text';
import type { Failover } from './failover';
import { membersOf, type ReportedMember } from './members';
import { desiredOf, type RunTimeline } from './timeline';

/** One VM of a failover. */
export interface ReportedVm {
  /** `group/name`. */
  key: string;
  timeline: RunTimeline;
  member: ReportedMember;
}

/** The VMs of a failover; of one in several runs of its group the last one counts. */
function vmsOf({ runs }: Failover): ReportedVm[] {
  const vms = new Map<string, ReportedVm>();
  for (const { timeline } of runs)
    for (const member of membersOf(timeline)) {
      const key = `${timeline.run.group}/${member.item.name}`;
      if (!member.item.isGroup) vms.set(key, { key, timeline, member });
    }
  return [...vms.values()];
}

/** Milliseconds until every VM was where it should be; undefined: not every one is, the failover did not end so, or a part of it is missing. */
export function tookOf(failover: Failover): number | undefined {
  const { top, runs } = failover;
  if (top.outcome?.outcome !== 'Converged') return undefined;
  if (runs.some(({ timeline }) => timeline.missing.length > 0)) return undefined;
  const vms = vmsOf(failover);
  if (vms.some(({ member }) => member.item.mark !== 'Done')) return undefined;
  return Math.max(0, ...vms.map(({ member }) => (member.reached ?? top.startedAt) - top.startedAt));
}

/** Times from the start of the failover until each VM was where it should be. */
function reachedTimes(failover: Failover): ReadonlyMap<string, number> {
  const start = failover.top.startedAt;
  return new Map(
    vmsOf(failover).flatMap(({ key, member }) =>
      member.reached === undefined ? [] : [[key, member.reached - start] as const],
    ),
  );
}

/** A row for each VM. `now`: of a run that is open. */
export function recoveryRows(
  failover: Failover,
  now: number,
  { lastRun, lastTest }: { lastRun?: Failover; lastTest?: Failover },
): RecoveryRow[] {
  const start = failover.top.startedAt;
  const [before, test] = [lastRun && reachedTimes(lastRun), lastTest && reachedTimes(lastTest)];
  return vmsOf(failover).map(({ key, timeline, member }) => {
    const { item, asked, powered, reached, gate, failures, tier } = member;
    const target = vmTarget(failover, timeline, member, now);
    return {
      group: `${timeline.run.namespace}/${timeline.run.group}`,
      name: item.name,
      tier,
      mark: item.mark,
      word: item.word,
      gate,
      failures,
      ...(asked !== undefined && { asked: asked - start }),
      ...(powered !== undefined && { powered: powered - start }),
      ...(reached !== undefined && { reached: reached - start }),
      ...(target && { target }),
      ...optional('lastRun', before?.get(key)),
      ...optional('lastTest', test?.get(key)),
    };
  });
}

function optional<K extends string>(key: K, value: number | undefined): Partial<Record<K, number>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, number>);
}

/** The target of the VM's tier, otherwise of its run, otherwise of the failover. Each counts from the start of the run that has it. */
function vmTarget(
  { top }: Failover,
  timeline: RunTimeline,
  { item, tier, reached }: ReportedMember,
  now: number,
): Target | undefined {
  if (desiredOf(timeline) !== 'PoweredOn') return undefined;
  const { plan } = timeline;
  const own = plan?.tiers[tier]?.targets?.rto ?? plan?.policy.targets?.rto;
  const rto = own ?? top.plan?.policy.targets?.rto;
  if (rto === undefined) return undefined;
  const { startedAt, endedAt } = own === undefined ? top : timeline;
  if (reached === undefined && (top.missing.length > 0 || timeline.missing.length > 0)) return undefined;
  const took = item.mark === 'Done' ? (reached ?? startedAt) - startedAt : undefined;
  return targetOf(rto, { took, elapsed: endedAt === undefined ? now - startedAt : undefined });
}

/** VMs that a comparison names. */
const MOST_MOVERS = 10;
/** Differences below are noise, milliseconds. */
const NOISE = 50;

/** How a failover differs from an earlier one. */
export function comparison(failover: Failover, other: Failover, name: string): Comparison {
  const [took, before] = [tookOf(failover), tookOf(other)];
  const [now, then] = [reachedTimes(failover), reachedTimes(other)];
  const [keys, others] = [failover, other].map((each) => new Set(vmsOf(each).map(({ key }) => key))) as [
    Set<string>,
    Set<string>,
  ];
  const movers = [...now].flatMap(([key, at]) => {
    const was = then.get(key);
    return was === undefined || Math.abs(at - was) < NOISE ? [] : [{ name: key, took: at, before: was }];
  });
  return {
    with: name,
    runId: other.top.run.runId,
    startedAt: other.top.startedAt,
    outcome: endWord(other.top),
    ...(before !== undefined && { took: before }),
    ...(took !== undefined && before !== undefined && { difference: took - before }),
    movers: movers
      .sort((a, b) => Math.abs(b.took - b.before) - Math.abs(a.took - a.before))
      .slice(0, MOST_MOVERS),
    added: [...keys].filter((key) => !others.has(key)),
    removed: [...others].filter((key) => !keys.has(key)),
  };
}

/** How a run ended, in the words of the product. */
export function endWord({ outcome, hardEnd, endedAt, endIsMissing }: RunTimeline): string {
  if (endIsMissing) return 'its end is missing';
  if (outcome) return outcome.outcome;
  if (hardEnd) return hardEnd.kind.replace(/^Run/, '');
  return endedAt === undefined ? 'open' : 'ended without a readable outcome';
}

/** In words: within a target, or not. */
export function targetText({ rto, verdict }: Target): string {
  const goal = `the target of ${durationText(rto)}`;
  if (verdict === 'Met') return `within ${goal}`;
  return verdict === 'Missed' ? `${goal} was missed` : `${goal} is not over`;
}
