/** The record of a run: who did what and when, read from nothing but its history. Pure. */
import type { temporal } from '@temporalio/proto';
import { own } from '../../api/own';
import { elapsed } from '../output';

/** One line of the record. */
export interface RecordLine {
  /** ISO 8601, UTC. */
  time: string;
  /** An operator, `vmgroup` (the run itself), or the sender of the plan. */
  who: string;
  what: string;
  detail?: string;
}

type Event = temporal.api.history.v1.IHistoryEvent;
type Decode = (payloads: temporal.api.common.v1.IPayloads | null | undefined) => unknown[];
type Line = Omit<RecordLine, 'time'>;

/** Reads the record from the events of a history. `decode` returns the values of payloads. */
export function runRecord(events: Event[], decode: Decode): RecordLine[] {
  const byId = new Map(events.map((event) => [String(event.eventId), event]));
  return events.flatMap((event) => {
    const line =
      readRequest(event, decode) ??
      readActivity(event, byId) ??
      readTimer(event, byId, decode) ??
      readEnd(event, decode);
    return line ? [{ time: timeOf(event), ...line }] : [];
  });
}

/** A request to the run, with who made it. */
function readRequest(event: Event, decode: Decode): Line | undefined {
  if (event.workflowExecutionSignaledEventAttributes) {
    const { signalName, input } = event.workflowExecutionSignaledEventAttributes;
    return signalLine(signalName ?? '', decode(input)[0]);
  }
  if (event.workflowExecutionUpdateAcceptedEventAttributes) {
    const { acceptedRequest } = event.workflowExecutionUpdateAcceptedEventAttributes;
    return commandLine(acceptedRequest?.input?.name ?? '', decode(acceptedRequest?.input?.args)[0]);
  }
  if (event.workflowExecutionCancelRequestedEventAttributes) {
    const { identity, cause } = event.workflowExecutionCancelRequestedEventAttributes;
    return { who: identity || 'Temporal', what: 'asked the run to cancel', ...detail(cause) };
  }
  return undefined;
}

function readActivity(event: Event, byId: Map<string, Event>): Line | undefined {
  const who = 'vmgroup';
  const scheduled = (id: unknown): string => activityName(byId.get(String(id)));
  if (event.activityTaskScheduledEventAttributes) return { who, what: `asked: ${activityName(event)}` };
  if (event.activityTaskCompletedEventAttributes) {
    const { scheduledEventId } = event.activityTaskCompletedEventAttributes;
    return { who, what: `done: ${scheduled(scheduledEventId)}` };
  }
  if (event.activityTaskFailedEventAttributes) {
    const { scheduledEventId, failure } = event.activityTaskFailedEventAttributes;
    return { who, what: `gave up: ${scheduled(scheduledEventId)}`, ...detail(failure?.message) };
  }
  if (event.activityTaskCanceledEventAttributes) {
    const { scheduledEventId } = event.activityTaskCanceledEventAttributes;
    return { who, what: `dropped: ${scheduled(scheduledEventId)}` };
  }
  return undefined;
}

function readTimer(event: Event, byId: Map<string, Event>, decode: Decode): Line | undefined {
  const who = 'vmgroup';
  const summary = (id: unknown): { detail?: string } => {
    const started = byId.get(String(id));
    return detail(started && summaryOf(started, decode));
  };
  if (event.timerStartedEventAttributes) {
    const { startToFireTimeout } = event.timerStartedEventAttributes;
    const time = elapsed(Number(startToFireTimeout?.seconds ?? 0) * 1000);
    return { who, what: `delay of ${time} began`, ...detail(summaryOf(event, decode)) };
  }
  if (event.timerFiredEventAttributes)
    return { who, what: 'delay ended', ...summary(event.timerFiredEventAttributes.startedEventId) };
  if (event.timerCanceledEventAttributes)
    return { who, what: 'delay dropped', ...summary(event.timerCanceledEventAttributes.startedEventId) };
  return undefined;
}

function readEnd(event: Event, decode: Decode): Line | undefined {
  if (event.workflowExecutionCompletedEventAttributes) {
    const outcome = field(decode(event.workflowExecutionCompletedEventAttributes.result)[0]);
    return { who: 'vmgroup', what: `ended: ${outcome('outcome') ?? 'done'}`, ...detail(outcome('message')) };
  }
  if (event.workflowExecutionTerminatedEventAttributes) {
    const { identity, reason } = event.workflowExecutionTerminatedEventAttributes;
    return { who: identity || 'Temporal', what: 'terminated', ...detail(reason) };
  }
  return undefined;
}

function signalLine(name: string, argument: unknown): Line {
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
  if (name === 'relay') return commandLine(of('verb') ?? name, argument);
  return { who: 'bridge', what: name, ...detail(of('reason')) };
}

function commandLine(verb: string, command: unknown): Line {
  const of = field(command);
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

/** Reads text and numbers from a value of unknown shape. */
function field(value: unknown): (name: string) => string | undefined {
  return (name) => {
    const found = own((value ?? {}) as Record<string, unknown>, name);
    return typeof found === 'string' || typeof found === 'number' ? String(found) : undefined;
  };
}
