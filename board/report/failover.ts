/** Failovers: the run of a topmost group with those of the groups below it. Pure. */
import type { RecordedMember } from '../../record';
import { desiredOf, type RunTimeline } from './timeline';

/** A run with its place in the tree. */
export interface PlacedRun {
  timeline: RunTimeline;
  /** 0 for the topmost one. */
  depth: number;
}

/** A failover: its topmost run first, each followed by the runs of the groups below it. */
export interface Failover {
  top: RunTimeline;
  runs: readonly PlacedRun[];
}

/**
 * The failover that a run is the top of.
 *
 * @param others runs of the groups below it, among others.
 */
export function failoverOf(top: RunTimeline, others: readonly RunTimeline[]): Failover {
  const seen = new Set<string>();
  const walk = (timeline: RunTimeline, depth: number): PlacedRun[] => {
    if (seen.has(timeline.run.runId)) return [];
    seen.add(timeline.run.runId);
    const below = nestedGroups(timeline).flatMap(({ name }) =>
      others.filter((other) => other.run.group === name && isDuring(other, timeline)),
    );
    return [{ timeline, depth }, ...below.flatMap((each) => walk(each, depth + 1))];
  };
  return { top, runs: walk(top, 0) };
}

/** The nested groups of a run's plan, tier by tier. */
function nestedGroups({ plan }: RunTimeline): RecordedMember[] {
  return (plan?.tiers ?? []).flatMap(({ members }) =>
    members.filter(({ kind, link }) => kind === 'VirtualMachineGroup' && link === 'Linked'),
  );
}

/** A nested run that a parent waits for may have begun before it. */
function isDuring(nested: RunTimeline, parent: RunTimeline): boolean {
  if (nested.run.namespace !== parent.run.namespace || nested.clearsUp) return false;
  const [from, to] = [nested.startedAt, nested.endedAt ?? Infinity];
  return from <= (parent.endedAt ?? Infinity) && to >= parent.startedAt;
}

/**
 * The run that a report is about: that of a run id, otherwise the last one of a group.
 *
 * @param runId of any of its executions.
 */
export function chosenRun(
  timelines: readonly RunTimeline[],
  workflowId: string,
  runId?: string,
): RunTimeline | undefined {
  const own = timelines
    .filter(({ run }) => run.workflowId === workflowId)
    .sort((a, b) => a.startedAt - b.startedAt);
  if (runId === undefined) return own.findLast(({ clearsUp }) => !clearsUp) ?? own.at(-1);
  return own.find(
    ({ run, events }) => run.runId === runId || events.some(({ execution }) => execution === runId),
  );
}

/** The runs that a failover is compared with: the last one and the last rehearsal before it that wanted the same, had something to do and is known whole. */
export function runsBefore(
  top: RunTimeline,
  timelines: readonly RunTimeline[],
): { lastRun?: RunTimeline; lastTest?: RunTimeline } {
  const before = timelines
    .filter(
      (other) =>
        other.run.workflowId === top.run.workflowId &&
        other.run.runId !== top.run.runId &&
        other.startedAt < top.startedAt &&
        !other.clearsUp &&
        other.missing.length === 0 &&
        desiredOf(other) === desiredOf(top) &&
        other.operations.size > 0,
    )
    .sort((a, b) => a.startedAt - b.startedAt);
  const lastRun = before.at(-1);
  const lastTest = before.findLast(({ plan }) => plan?.test);
  return { ...(lastRun && { lastRun }), ...(lastTest && lastTest !== lastRun && { lastTest }) };
}
