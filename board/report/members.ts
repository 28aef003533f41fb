/** What became of each member of a run: its mark, its bars, its times. Pure. */
import { own } from '../../api';
import {
  gateCondition,
  memberKey,
  type DesiredPowerState,
  type MemberKey,
  type RunException,
} from '../../contract';
import { shortName } from '../../insight';
import type { RecordedMember, RecordedTier } from '../../record';
import { exceptionMark, nameOf, stateWord } from '../page/members';
import type { ChartRow, ChartSpan, MemberItem } from '../page/page';
import type { Operation } from './operations';
import { desiredOf, type RunTimeline } from './timeline';

/** One member of a run. Times are milliseconds since the epoch. */
export interface ReportedMember {
  member: MemberKey;
  /** From 0. */
  tier: number;
  item: MemberItem;
  row: ChartRow;
  gate: string;
  failures: number;
  /** Of the operation that brought it to its gate, or that was the last one. */
  asked?: number;
  powered?: number;
  /** When its gate was met; absent: it is not, or was before the run. */
  reached?: number;
}

/** The members of a run, in the order of its plan, and those that have left the plan after an operation. */
export function membersOf(timeline: RunTimeline): ReportedMember[] {
  const exceptions = new Map((timeline.outcome?.exceptions ?? []).map((each) => [each.member, each]));
  const planned = (timeline.plan?.tiers ?? []).flatMap((tier, index) =>
    tier.members.map((member) => reported(timeline, { member, tier, index }, exceptions)),
  );
  const known = new Set(planned.map(({ member }) => member));
  const left = [...timeline.operations.keys()]
    .filter((member) => !known.has(member))
    .map((member) => leftMember(timeline, member));
  return [...planned, ...left];
}

interface Place {
  member: RecordedMember;
  tier: RecordedTier;
  index: number;
}

function reported(
  timeline: RunTimeline,
  { member, tier, index }: Place,
  exceptions: ReadonlyMap<string, Pick<RunException, 'reason' | 'message'>>,
): ReportedMember {
  const key = memberKey(member);
  const operations = timeline.operations.get(key) ?? [];
  const desired = desiredOf(timeline);
  const shown = standOf(timeline, member, operations, exceptions.get(key));
  const last = operations.findLast(({ powerState }) => powerState === desired);
  const gate = member.kind === 'VirtualMachine' ? (last?.gate ?? member.gate ?? tier.gate) : 'its members';
  return {
    member: key,
    tier: index,
    item: { ...nameOf(key), ...shown },
    row: rowOf(timeline, key, shown, operations, gate),
    gate: gateWord(gate, desired),
    failures: operations.reduce((sum, { failures }) => sum + failures.length, 0),
    ...(last && timesOf(last, shown.mark === 'Done')),
  };
}

function leftMember(timeline: RunTimeline, member: MemberKey): ReportedMember {
  const operations = timeline.operations.get(member) ?? [];
  const shown = { mark: 'SetAside', word: 'left the group' } as const;
  return {
    member,
    tier: timeline.tiers.get(member) ?? 0,
    item: { ...nameOf(member), ...shown },
    row: rowOf(timeline, member, shown, operations),
    gate: '',
    failures: operations.reduce((sum, { failures }) => sum + failures.length, 0),
  };
}

type Stand = Pick<MemberItem, 'mark' | 'word' | 'detail' | 'error'>;

function standOf(
  timeline: RunTimeline,
  member: RecordedMember,
  operations: readonly Operation[],
  exception: Pick<RunException, 'reason' | 'message'> | undefined,
): Stand {
  if (exception) return { ...exceptionMark(exception), detail: exception.message };
  if (member.link !== 'Linked') return { mark: 'Missing', word: 'missing' };
  const desired = desiredOf(timeline);
  const last = operations.at(-1);
  if (last?.end === 'Done' && last.powerState === desired) return { mark: 'Done', word: stateWord(desired) };
  if (last?.end === 'GaveUp')
    return { mark: 'Parked', word: 'parked', ...(last.why !== undefined && { error: last.why }) };
  if (timeline.endIsMissing)
    return { mark: 'Missing', word: 'not known', detail: 'the record lacks the end of the run' };
  if (last?.end === 'Open') return { mark: 'Working', word: 'in progress' };
  return standWithoutOperation(timeline, member, last);
}

/** Where a member stands that the run has brought nowhere. */
function standWithoutOperation(
  timeline: RunTimeline,
  { kind, name }: RecordedMember,
  last: Operation | undefined,
): Stand {
  const desired = desiredOf(timeline);
  const isDone = { mark: 'Done', word: stateWord(desired) } as const;
  if (timeline.outcome?.outcome === 'Converged') return isDone;
  const observed = kind === 'VirtualMachine' ? timeline.observed.get(name)?.powerState : undefined;
  if (observed !== undefined && observed === desired) return isDone;
  if (last?.end === 'Dropped') return { mark: 'SetAside', word: 'in progress when the run ended' };
  return { mark: 'Waiting', word: timeline.endedAt === undefined ? 'waiting' : 'not started' };
}

function timesOf(
  { askedAt, poweredAt, endedAt, end, untouched }: Operation,
  isDone: boolean,
): Pick<ReportedMember, 'asked' | 'powered' | 'reached'> {
  return {
    asked: askedAt,
    ...(poweredAt !== undefined && { powered: poweredAt }),
    ...(isDone && end === 'Done' && endedAt !== undefined && !untouched && { reached: endedAt }),
  };
}

function rowOf(
  { endedAt, missing }: RunTimeline,
  member: MemberKey,
  { mark, word, detail, error }: Stand,
  operations: readonly Operation[],
  gate?: string,
): ChartRow {
  const isKnown = missing.length === 0 || operations.length > 0;
  const done = isKnown ? untouchedText(operations) : 'not on record';
  const note = mark === 'Done' ? done : [word, error ?? detail].filter(Boolean).join(': ');
  return {
    name: shortName(member),
    ...(shortName(member) !== member && { isGroup: true as const }),
    mark,
    spans: operations.map((operation) => spanOf(operation, endedAt)),
    failures: operations.flatMap(({ failures }) =>
      failures.map(({ at, class: type, message }) => ({ at, text: `${type}: ${message}` })),
    ),
    ...(gate !== undefined && waitsBeyondPower(gate) && { gate }),
    ...(note !== undefined && { note }),
  };
}

function untouchedText(operations: readonly Operation[]): string | undefined {
  return operations.every(({ untouched }) => untouched) ? 'was there before the run' : undefined;
}

/** `to` of an open operation is the end of the chart: infinity. */
function spanOf({ askedAt, poweredAt, endedAt, end }: Operation, runEndedAt: number | undefined): ChartSpan {
  return {
    from: askedAt,
    ...(poweredAt !== undefined && { powered: poweredAt }),
    to: endedAt ?? runEndedAt ?? Infinity,
    end,
  };
}

function waitsBeyondPower(gate: string): boolean {
  return gate === 'Ready' || gate === 'Probe' || gateCondition(gate as `Condition/${string}`) !== undefined;
}

const GATE_WORDS: Readonly<Record<string, string>> = {
  None: 'none',
  Ready: 'ready',
  Probe: 'its probe answers',
};

/** A gate in words. Only a VM that is powered on has more than its power state to reach. */
function gateWord(gate: string, desired: DesiredPowerState): string {
  if (gate === 'its members') return gate;
  if (desired !== 'PoweredOn' || gate === 'PoweredOn') return stateWord(desired);
  return own(GATE_WORDS, gate) ?? gate;
}
