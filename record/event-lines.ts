/** Events in words: who, what and why, for tables and CSV. Pure. */
import type { RecordEntry } from './chain';
import type { RecordEvent } from './events';
import type { ActivityTask, Actor } from './facts';

/** One line of a table of events. */
export interface EventLine {
  /** ISO 8601, UTC. */
  time: string;
  /** An operator, a client of Temporal, `vmgroup` (the run itself), or `recorder`. */
  who: string;
  what: string;
  detail?: string;
}

/** An event in words. */
export function eventLine(event: RecordEvent): EventLine {
  const { who, what, detail } = words(event);
  return { time: event.time, who: who ?? 'vmgroup', what, ...(detail ? { detail } : {}) };
}

interface Words {
  who?: string | undefined;
  what: string;
  detail?: string | undefined;
}

function words(event: RecordEvent): Words {
  return requestWords(event) ?? activityWords(event) ?? runWords(event) ?? otherWords(event);
}

function requestWords(event: RecordEvent): Words | undefined {
  switch (event.kind) {
    case 'PlanReceived':
    case 'PlanAmended':
      return {
        who: nameOf(event.actor ?? (event.cause === 'SpecChanged' ? event.changedBy : undefined)) ?? 'bridge',
        what: `plan: ${event.powerState}, revision ${event.revision.slice(0, 12)} (${event.cause})`,
        detail: [event.reason, ...(event.changes ?? [])].filter(Boolean).join('; '),
      };
    case 'CommandReceived':
      return {
        who: nameOf(event.actor),
        what: [event.verb, event.member, event.choice].filter(Boolean).join(' '),
        detail: event.reason,
      };
    case 'CommandAnswered':
      return { what: event.failed ? 'refused' : 'answered', detail: event.message };
    case 'SignalReceived':
      return { who: event.identity, what: `signal ${event.name}`, detail: event.ignored };
    case 'SignalSent':
    case 'SignalDelivered':
    case 'SignalFailed':
      return { what: `${spaced(event.kind)}: ${event.name} to ${event.to}`, detail: event.reason };
    default:
      return undefined;
  }
}

function activityWords(event: RecordEvent): Words | undefined {
  switch (event.kind) {
    case 'ActivityScheduled':
      return { what: `asked: ${event.activityId}`, detail: taskText(event.task) };
    case 'AttemptStarted':
      return { what: `attempt began: ${event.activityId}`, detail: `by ${event.worker}` };
    case 'AttemptFailed':
      return {
        what: `attempt ${event.attempt} failed: ${event.activityId}`,
        detail: `${event.class}: ${event.message}`,
      };
    case 'ActivityCompleted': {
      const untouched = event.result.type === 'Power' && !event.result.acted;
      return {
        what: `done: ${event.activityId}`,
        ...(untouched && { detail: 'it was in its state already' }),
      };
    }
    case 'ActivityFailed':
      return { what: `gave up: ${event.activityId}`, detail: event.message };
    case 'ActivityCancelRequested':
      return { what: `dropped: ${event.activityId}` };
    case 'ActivityPaused':
      return { who: nameOf(event.actor), what: `paused ${event.activityId}`, detail: event.reason };
    default:
      return undefined;
  }
}

function runWords(event: RecordEvent): Words | undefined {
  switch (event.kind) {
    case 'DelayStarted':
      return { what: `delay of ${event.duration / 1000}s began`, detail: event.summary };
    case 'DelayEnded':
      return { what: 'delay ended', detail: event.summary };
    case 'DelayCancelled':
      return { what: 'delay dropped', detail: event.summary };
    case 'MemberObserved':
      return {
        what: `observed: ${event.member} is ${event.observed.powerState}`,
        ...(event.drifted && { detail: 'without the group' }),
      };
    case 'PhaseChanged':
      return {
        what: `phase: ${event.phase}`,
        ...(event.parked.length > 0 && { detail: `parked: ${event.parked.join(', ')}` }),
      };
    case 'RunCompleted':
      return {
        what: `ended: ${event.outcome?.outcome ?? 'without a readable outcome'}`,
        detail: event.outcome?.message,
      };
    case 'ContinuedAsNew':
      return { what: 'continued as new', detail: event.next };
    case 'ExecutionReset':
      return {
        who: event.identity,
        what: `reset to event ${event.upTo} of ${event.from}`,
        detail: event.reason,
      };
    default:
      return undefined;
  }
}

function otherWords(event: RecordEvent): Words {
  const actor = 'actor' in event ? nameOf(event.actor) : undefined;
  const identity = 'identity' in event ? event.identity : undefined;
  const who = event.source.from === 'Recorder' ? 'recorder' : (actor ?? identity);
  const activity = 'activityId' in event ? `: ${event.activityId}` : '';
  return {
    who,
    what: `${spaced(event.kind)}${activity}`,
    ...('reason' in event && { detail: event.reason }),
  };
}

function taskText(task: ActivityTask): string | undefined {
  if (task.type === 'Place') return `${task.vms.length + task.optional.length} VMs`;
  return task.type === 'Power' && task.confirms ? 'to confirm a claimed result' : undefined;
}

function nameOf(actor: Actor | undefined): string | undefined {
  return actor && (actor.known ? `${actor.name} (known)` : actor.name);
}

/** `RunTerminated` as `run terminated`. */
function spaced(kind: string): string {
  return kind.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
}

const COLUMNS = ['number', 'time', 'namespace', 'group', 'run', 'kind', 'member', 'who', 'what', 'detail'];

/** Entries as CSV (RFC 4180), with a heading unless they follow others. */
export function eventsAsCsv(entries: readonly RecordEntry[], { follows = false } = {}): string {
  const rows = entries.map(({ chain, event }) => {
    const run = 'run' in event ? event.run : undefined;
    const member = 'member' in event ? event.member : undefined;
    const { time, who, what, detail } = eventLine(event);
    return [
      chain.number,
      time,
      run?.namespace,
      run?.group,
      run?.runId,
      event.kind,
      member,
      who,
      what,
      detail,
    ];
  });
  return [...(follows ? [] : [COLUMNS]), ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

/** A cell. One that a spreadsheet would take for a formula is marked as text. */
function cell(value: string | number | undefined): string {
  const text = String(value ?? '');
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
