/**
 * What one run did and when, from its events on record. Pure.
 *
 * TIMELINE-1: each time is that of an event, or one that the event names; nothing is estimated. Times of other clocks (attempts, the platform's)
 *     are kept within the operation that they belong to.
 */
import { memberKey, type DesiredPowerState, type MemberKey } from '../../contract';
import type {
  Actor,
  RecordedObservation,
  RecordedOutcome,
  RecordedPlan,
  RunEvent,
  RunRef,
} from '../../record';
import { OperationLog, type Operation } from './operations';

/** One delay between tiers. */
export interface Delay {
  /** Index of the tier that it is before. */
  tier: number;
  from: number;
  /** Absent: it has not ended. */
  to?: number;
}

/** How an execution ended without an outcome. */
export interface HardEnd {
  kind: 'RunTerminated' | 'RunFailed' | 'RunCancelled' | 'RunTimedOut';
  actor?: Actor;
  reason?: string;
}

/** A run. Times are milliseconds since the epoch. */
export interface RunTimeline {
  run: RunRef;
  /** The last plan; absent: the record lacks it. */
  plan?: RecordedPlan;
  startedAt: number;
  /** Absent: it is open. */
  endedAt?: number;
  outcome?: RecordedOutcome;
  hardEnd?: HardEnd;
  /** Executions of which nothing is known but that they were: what they did, and when, is missing. */
  missing: readonly string[];
  /** It is not open: the execution that ended it is missing. */
  endIsMissing?: true;
  /** It only cleared up after a run that was ended from outside. */
  clearsUp?: true;
  /** Tier of each member that any plan of the run had. */
  tiers: ReadonlyMap<MemberKey, number>;
  operations: ReadonlyMap<MemberKey, readonly Operation[]>;
  /** What was seen of each VM last. */
  observed: ReadonlyMap<MemberKey, RecordedObservation>;
  delays: readonly Delay[];
  events: readonly RunEvent[];
}

/** The desired power state of a run. */
export function desiredOf({ plan, outcome }: RunTimeline): DesiredPowerState {
  return outcome?.powerState ?? plan?.powerState ?? 'PoweredOn';
}

/** Makes the timeline of a run from its events as they are on record. Throws TypeError if there is none. */
export function timelineOf(recorded: readonly RunEvent[]): RunTimeline {
  const events = inOrder(recorded);
  const first = events.find(({ source }) => source.from === 'History') ?? events[0];
  if (!first) throw new TypeError('a run has at least one event');
  const builder = new TimelineBuilder();
  for (const event of events) builder.take(event, Date.parse(event.time));
  return builder.timeline(first, events);
}

/** Executions one after the other: the record has them in the order in which they were recorded. */
function inOrder(events: readonly RunEvent[]): RunEvent[] {
  const executions = new Map<string, RunEvent[]>();
  for (const event of events) {
    const known = executions.get(event.execution);
    if (known) known.push(event);
    else executions.set(event.execution, [event]);
  }
  const beginOf = (own: readonly RunEvent[]): number =>
    Date.parse((own.find(({ source }) => source.from === 'History') ?? own[0])?.time ?? '');
  return [...executions.values()].sort((a, b) => beginOf(a) - beginOf(b)).flat();
}

class TimelineBuilder {
  readonly #operations = new OperationLog();
  readonly #tiers = new Map<MemberKey, number>();
  readonly #observed = new Map<MemberKey, RecordedObservation>();
  readonly #delays = new DelayLog();
  #plan: RecordedPlan | undefined;
  #outcome: RecordedOutcome | undefined;
  #hardEnd: HardEnd | undefined;
  #endedAt: number | undefined;
  #clearsUp = false;

  take(event: RunEvent, at: number): void {
    this.#operations.take(event, at);
    this.#delays.take(event, at);
    switch (event.kind) {
      case 'ExecutionStarted':
      case 'ExecutionReset':
        // A further execution continues the run.
        [this.#endedAt, this.#outcome, this.#hardEnd] = [undefined, undefined, undefined];
        if (event.kind === 'ExecutionStarted' && event.cleansUp) this.#clearsUp = true;
        return;
      case 'PlanReceived':
      case 'PlanAmended':
        return this.#takePlan(event.plan);
      case 'MemberObserved':
        this.#observed.set(event.member, event.observed);
        return;
      case 'ActivityCompleted':
        if (event.result.type === 'Power' && event.member !== undefined)
          this.#observed.set(event.member, event.result.observed);
        return;
      case 'RunCompleted':
        [this.#endedAt, this.#outcome] = [at, event.outcome];
        return;
      case 'RunTerminated':
      case 'RunFailed':
      case 'RunCancelled':
      case 'RunTimedOut':
        [this.#endedAt, this.#hardEnd] = [at, hardEndOf(event)];
        return;
      default:
        return;
    }
  }

  timeline(first: RunEvent, events: readonly RunEvent[]): RunTimeline {
    const endedAt = this.#endedAt;
    const missing = missingExecutions(events);
    for (const [member, observed] of Object.entries(this.#outcome?.observed ?? {}))
      this.#observed.set(member, observed);
    return {
      run: first.run,
      ...(this.#plan && { plan: this.#plan }),
      // A run that continues has its begin in its outcome too.
      startedAt: Math.min(Date.parse(first.time), this.#outcome?.startedAt ?? Infinity),
      missing,
      ...(endedAt === undefined && missing.length > 0 && isOver(events) && { endIsMissing: true as const }),
      ...(endedAt !== undefined && { endedAt }),
      ...(this.#outcome && { outcome: this.#outcome }),
      ...(this.#hardEnd && { hardEnd: this.#hardEnd }),
      ...(this.#clearsUp && { clearsUp: true as const }),
      tiers: this.#tiers,
      operations: this.#operations.closed(endedAt),
      observed: this.#observed,
      delays: this.#delays.all,
      events,
    };
  }

  #takePlan(plan: RecordedPlan | undefined): void {
    if (!plan) return;
    this.#plan = plan;
    for (const [tier, { members }] of plan.tiers.entries())
      for (const member of members) this.#tiers.set(memberKey(member), tier);
  }
}

/** Executions that are lost or were not read, those before the first one that was read included. */
function missingExecutions(events: readonly RunEvent[]): string[] {
  const known = new Set(
    events.flatMap(({ source, execution }) => (source.from === 'History' ? [execution] : [])),
  );
  const named = events.flatMap((event) => {
    if (event.kind === 'RunGap') return [event.execution];
    return event.kind === 'ExecutionStarted' && event.continuedFrom !== undefined
      ? [event.continuedFrom]
      : [];
  });
  return [...new Set(named)].filter((execution) => !known.has(execution));
}

/** Whether no execution is open: each one that the record names has ended, or is lost. */
function isOver(events: readonly RunEvent[]): boolean {
  const ended = new Set(
    events.flatMap(({ kind, execution }) =>
      kind === 'RunGap' || kind === 'ExecutionRecorded' ? [execution] : [],
    ),
  );
  return events.every(
    (event) => ended.has(event.execution) && (event.kind !== 'ContinuedAsNew' || ended.has(event.next)),
  );
}

function hardEndOf({ kind, actor, reason }: HardEnd): HardEnd {
  return { kind, ...(actor && { actor }), ...(reason !== undefined && { reason }) };
}

/** Which tier a delay is before, as its summary says: other timers of runs have none. */
const DELAY = /^tier (\d+) of \d+: wait /;

/** The delays of a run. One that continues in a further execution is one delay. */
class DelayLog {
  readonly all: Delay[] = [];
  readonly #byTimer = new Map<string, Delay>();

  take(event: RunEvent, at: number): void {
    if (event.kind === 'DelayStarted')
      return this.#start(`${event.execution} ${event.timerId}`, event.summary, at);
    if (event.kind !== 'DelayEnded' && event.kind !== 'DelayCancelled') return;
    const delay = this.#byTimer.get(`${event.execution} ${event.timerId}`);
    if (delay) delay.to = at;
  }

  #start(timer: string, summary: string | undefined, at: number): void {
    const number = Number(DELAY.exec(summary ?? '')?.[1]);
    if (!Number.isSafeInteger(number) || number < 1) return;
    const open = this.all.findLast(({ tier, to }) => tier === number - 1 && to === undefined);
    const delay = open ?? { tier: number - 1, from: at };
    if (!open) this.all.push(delay);
    this.#byTimer.set(timer, delay);
  }
}
