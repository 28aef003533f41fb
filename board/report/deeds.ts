/** Who did what, and what did not go as planned. Pure. */
import { eventLine, type RunEvent } from '../../record';
import { exceptionMark } from '../page/members';
import type { ActionItem, ExceptionRow } from '../page/page';
import { shortName } from '../../insight';
import type { Failover, PlacedRun } from './failover';
import type { ReportedMember } from './members';
import type { RunTimeline } from './timeline';

/** Most actions that a report shows, the last ones. */
const MOST_ACTIONS = 500;

/** What people and clients did, in the order of time. */
export function actionsIn({ runs }: Failover): ActionItem[] {
  return runs
    .flatMap(({ timeline, depth }) => timeline.events.filter((event) => isDeed(event, depth)).map(actionOf))
    .sort((a, b) => a.at - b.at)
    .slice(-MOST_ACTIONS);
}

/** What a person or a client of Temporal did. What a parent's run sent to a nested one is on record at the parent. */
function isDeed(event: RunEvent, depth: number): boolean {
  switch (event.kind) {
    case 'PlanReceived':
      return depth === 0;
    case 'PlanAmended':
      return depth === 0 && (event.actor !== undefined || (event.changes ?? []).length > 0);
    case 'CommandReceived':
      return !event.relayed;
    case 'RunTerminated':
    case 'RunCancelled':
    case 'CancelRequested':
    case 'RunPaused':
    case 'RunUnpaused':
    case 'OptionsChanged':
    case 'ExecutionReset':
    case 'ActivityPaused':
    case 'ActivityUnpaused':
    case 'ActivityReset':
    case 'ActivityOptionsChanged':
    case 'Withdrawn':
      return true;
    default:
      return false;
  }
}

function actionOf(event: RunEvent): ActionItem {
  const { who, what, detail } = eventLine(event);
  return {
    at: Date.parse(event.time),
    who,
    group: `${event.run.namespace}/${event.run.group}`,
    what,
    ...(detail !== undefined && { reason: detail }),
  };
}

/** Parked, skipped, overridden and retried members, and delays that were cut short. */
export function exceptionRows(
  runs: readonly (PlacedRun & { members: readonly ReportedMember[] })[],
): ExceptionRow[] {
  return runs.flatMap(({ timeline, members }) => {
    const group = `${timeline.run.namespace}/${timeline.run.group}`;
    const outcome = outcomeRows(timeline, members);
    const named = new Set(outcome.map(({ member }) => member));
    const retried = members.filter(({ item }) => !named.has(item.name)).flatMap(retriedRow);
    return [...outcome, ...retried, ...overrides(timeline), ...gapRows(timeline)].map((row) => ({
      group,
      ...row,
    }));
  });
}

type Row = Omit<ExceptionRow, 'group'>;

/** Nested groups with exceptions are named by their own runs. A run without an outcome has none: its members say where they stand. */
function outcomeRows({ outcome }: RunTimeline, members: readonly ReportedMember[]): Row[] {
  if (outcome)
    return outcome.exceptions
      .filter(({ reason }) => reason !== 'GroupHasExceptions')
      .map(({ member, reason, message }) => ({
        member: shortName(member),
        mark: exceptionMark({ reason }).mark,
        what: OVERRIDDEN.has(reason)
          ? `overridden: ${exceptionMark({ reason }).word}`
          : exceptionMark({ reason }).word,
        message,
      }));
  return members
    .filter(({ item }) => item.mark === 'Parked' || item.mark === 'Missing')
    .map(({ item }) => ({
      member: item.name,
      mark: item.mark,
      what: item.word,
      message: item.error ?? item.detail ?? '',
    }));
}

const OVERRIDDEN: ReadonlySet<string> = new Set(['Skipped', 'MarkedReady']);

/** A member that got there after failed attempts, or after it was parked. */
function retriedRow({ item, failures, row }: ReportedMember): Row[] {
  const gaveUp = row.spans.filter(({ end }) => end === 'GaveUp').length;
  if (item.mark !== 'Done' || (failures === 0 && gaveUp === 0)) return [];
  const trouble = [
    ...(failures === 0 ? [] : [`${failures} failed attempt${failures === 1 ? '' : 's'}`]),
    ...(gaveUp === 0 ? [] : [`parked ${gaveUp === 1 ? 'once' : `${gaveUp} times`}`]),
  ].join(', ');
  const last = row.failures.at(-1)?.text;
  return [
    {
      member: item.name,
      mark: 'Done',
      what: 'retried',
      message: `${trouble}, then ${item.word}${last === undefined ? '' : `; last error: ${last}`}`,
    },
  ];
}

/** What the record lacks of a run may hold exceptions. */
function gapRows({ events }: RunTimeline): Row[] {
  return events.flatMap((event): Row[] =>
    event.kind === 'RunGap' ? [{ mark: 'Missing', what: 'not known', message: event.reason }] : [],
  );
}

/** Commands that changed what the run would have done of no single member. */
function overrides({ events }: RunTimeline): Row[] {
  return events.flatMap((event): Row[] => {
    if (event.kind !== 'CommandReceived' || event.relayed) return [];
    if (event.verb !== 'skipDelay' && event.verb !== 'abort') return [];
    const what = event.verb === 'abort' ? 'aborted' : 'delay cut short';
    return [{ mark: 'SetAside', what, message: `by ${event.actor.name}: ${event.reason}` }];
  });
}
