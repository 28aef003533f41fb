/** The record of a run: who did what and when, read from its history alone. Pure. */
import type { temporal } from '@temporalio/proto';
import { own } from '../../api/own';
import { elapsed } from '../output/output';

/** One line of the record. */
export interface RecordEntry {
  /** ISO 8601, UTC. */
  time: string;
  /** An operator, `vmgroup` (the run itself), or who sent the plan. */
  who: string;
  what: string;
  detail?: string;
}

type Event = temporal.api.history.v1.IHistoryEvent;
type Decode = (payloads: temporal.api.common.v1.IPayloads | null | undefined) => unknown[];

/** Reads the record from the events of a history. `decode` turns payloads into values. */
export function runRecord(events: Event[], decode: Decode): RecordEntry[] {
  const byId = new Map(events.map((event) => [String(event.eventId), event]));
  return events.flatMap((event) => {
    const entry = readEvent(event, byId, decode);
    return entry ? [{ time: timeOf(event), ...entry }] : [];
  });
}

type Entry = Omit<RecordEntry, 'time'>;

function readEvent(event: Event, byId: Map<string, Event>, decode: Decode): Entry | undefined {
  const scheduled = (id: unknown) => activityName(byId.get(String(id)));
  if (event.workflowExecutionSignaledEventAttributes) {
    const { signalName, input } = event.workflowExecutionSignaledEventAttributes;
    return signalEntry(signalName ?? '', decode(input)[0]);
  }
  if (event.workflowExecutionUpdateAcceptedEventAttributes) {
    const { acceptedRequest } = event.workflowExecutionUpdateAcceptedEventAttributes;
    return wordEntry(acceptedRequest?.input?.name ?? '', decode(acceptedRequest?.input?.args)[0]);
  }
  if (event.activityTaskScheduledEventAttributes)
    return { who: 'vmgroup', what: `asked: ${activityName(event)}` };
  if (event.activityTaskCompletedEventAttributes) {
    const { scheduledEventId } = event.activityTaskCompletedEventAttributes;
    return { who: 'vmgroup', what: `done: ${scheduled(scheduledEventId)}` };
  }
  if (event.activityTaskFailedEventAttributes) {
    const { scheduledEventId, failure } = event.activityTaskFailedEventAttributes;
    return { who: 'vmgroup', what: `gave up: ${scheduled(scheduledEventId)}`, ...detail(failure?.message) };
  }
  if (event.activityTaskCanceledEventAttributes) {
    const { scheduledEventId } = event.activityTaskCanceledEventAttributes;
    return { who: 'vmgroup', what: `dropped: ${scheduled(scheduledEventId)}` };
  }
  return timerOrEnd(event, byId, decode);
}

function timerOrEnd(event: Event, byId: Map<string, Event>, decode: Decode): Entry | undefined {
  if (event.timerStartedEventAttributes) {
    const { startToFireTimeout } = event.timerStartedEventAttributes;
    const time = elapsed(Number(startToFireTimeout?.seconds ?? 0) * 1000);
    return { who: 'vmgroup', what: `delay of ${time} began`, ...detail(summaryOf(event, decode)) };
  }
  if (event.timerFiredEventAttributes) {
    const started = byId.get(String(event.timerFiredEventAttributes.startedEventId));
    return { who: 'vmgroup', what: 'delay ended', ...detail(started && summaryOf(started, decode)) };
  }
  if (event.timerCanceledEventAttributes) {
    const started = byId.get(String(event.timerCanceledEventAttributes.startedEventId));
    return { who: 'vmgroup', what: 'delay dropped', ...detail(started && summaryOf(started, decode)) };
  }
  if (event.workflowExecutionCompletedEventAttributes) {
    const outcome = field(decode(event.workflowExecutionCompletedEventAttributes.result)[0]);
    return { who: 'vmgroup', what: `ended: ${outcome('outcome') ?? 'done'}`, ...detail(outcome('message')) };
  }
  if (event.workflowExecutionTerminatedEventAttributes) {
    const { identity, reason } = event.workflowExecutionTerminatedEventAttributes;
    return { who: identity || 'Temporal', what: 'terminated', ...detail(reason) };
  }
  if (event.workflowExecutionCancelRequestedEventAttributes) {
    const { identity, cause } = event.workflowExecutionCancelRequestedEventAttributes;
    return { who: identity || 'Temporal', what: 'asked the run to cancel', ...detail(cause) };
  }
  return undefined;
}

function signalEntry(name: string, argument: unknown): Entry {
  const of = field(argument);
  if (name === 'applyPlan') {
    const plan = field((argument as { plan?: unknown } | undefined)?.plan);
    const what = `plan: ${plan('powerState')}, revision ${String(plan('revision')).slice(0, 12)} (${of('cause')})`;
    return { who: of('actor') ?? 'bridge', what, ...detail(of('reason')) };
  }
  if (name === 'attemptFailed') {
    const attempt = field((argument as { attempt?: unknown } | undefined)?.attempt);
    const what = `attempt ${attempt('attempt')} failed: ${of('activityId')}`;
    return { who: 'vmgroup', what, ...detail(`${attempt('class')}: ${attempt('message')}`) };
  }
  if (name === 'relay') return wordEntry(of('verb') ?? name, argument);
  return { who: 'bridge', what: name, ...detail(of('reason')) };
}

function wordEntry(verb: string, word: unknown): Entry {
  const of = field(word);
  const member = of('member');
  return { who: of('actor') ?? '?', what: member ? `${verb} ${member}` : verb, ...detail(of('reason')) };
}

function activityName(event: Event | undefined): string {
  return event?.activityTaskScheduledEventAttributes?.activityId ?? 'an activity';
}

function summaryOf(event: Event, decode: Decode): string | undefined {
  const summary = event.userMetadata?.summary;
  const value = summary ? decode({ payloads: [summary] })[0] : undefined;
  return typeof value === 'string' ? value : undefined;
}

function timeOf(event: Event): string {
  const { seconds, nanos } = event.eventTime ?? {};
  return new Date(Number(seconds ?? 0) * 1000 + Math.floor((nanos ?? 0) / 1e6)).toISOString();
}

function detail(text: string | null | undefined): { detail?: string } {
  return text ? { detail: text } : {};
}

/** Reads text and numbers out of a value of unknown shape. */
function field(value: unknown): (name: string) => string | undefined {
  return (name) => {
    const found = own((value ?? {}) as Record<string, unknown>, name);
    return typeof found === 'string' || typeof found === 'number' ? String(found) : undefined;
  };
}
