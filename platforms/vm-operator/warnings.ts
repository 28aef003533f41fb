/**
 * Why VM Operator does not get a VM to its power state. It retries without end, and reports the cause only in Warning events
 * (`UpdateFailure`, `CreateFailure`; pkg/record of VM Operator).
 */
import type { KubernetesObject } from '../../kubernetes';
import type { FailureClass } from '../platform';
import type { VirtualMachineRef } from '../../contract';

/** Selects the Warning events of VirtualMachines. */
export const WARNINGS_OF_MACHINES = 'type=Warning,regarding.kind=VirtualMachine';

/** What is kept of a Warning event. Times are milliseconds since the epoch, by the clock of VM Operator; {@link notAhead} bounds them. */
export interface Warning {
  vm: VirtualMachineRef;
  /** When it was first seen. */
  first: number;
  /** When it was last seen. */
  last: number;
  message: string;
}

/** The fields read from an event of events.k8s.io/v1; an event written through the older API has the `deprecated` times. */
interface WrittenEvent extends KubernetesObject {
  regarding?: { namespace?: string; name?: string; uid?: string };
  reason?: string;
  note?: string;
  eventTime?: string | null;
  series?: { lastObservedTime?: string };
  deprecatedFirstTimestamp?: string | null;
  deprecatedLastTimestamp?: string | null;
}

/** Reads an event; undefined for one that says nothing of a power state. */
export function warningOf(object: KubernetesObject): Warning | undefined {
  const { regarding, reason = '', note = '', metadata, ...event } = object as WrittenEvent;
  const { namespace = '', name, uid } = regarding ?? {};
  if (name === undefined || uid === undefined || !FAILURES.has(reason) || SAYS_NOTHING.test(note))
    return undefined;
  const times = [
    event.eventTime,
    event.series?.lastObservedTime,
    event.deprecatedFirstTimestamp,
    event.deprecatedLastTimestamp,
    metadata.creationTimestamp,
  ]
    .map((time) => Date.parse(time ?? ''))
    .filter((time) => !Number.isNaN(time));
  if (times.length === 0) return undefined;
  const message = note.replace(COMBINED, '');
  return { vm: { namespace, name, uid }, first: Math.min(...times), last: Math.max(...times), message };
}

/**
 * A warning by a clock that may be ahead of ours: it was not said after it arrived. Otherwise one from before an operation would count against it.
 */
export function notAhead(warning: Warning, arrived: number): Warning {
  const { first, last } = warning;
  return { ...warning, first: Math.min(first, arrived), last: Math.min(last, arrived) };
}

/** Reasons with which VM Operator says that a pass of its loop failed. */
const FAILURES = new Set(['CreateFailure', 'UpdateFailure', 'CreateOrUpdateFailure']);
/** VM Operator runs into these while it works, and the next pass of its loop clears them. */
const SAYS_NOTHING =
  /object has been modified|latest version and try again|context canceled|outstanding task|requeue after|is paused|not linked to its group|placement is not ready/i;
/** What client-go puts before the last of many similar messages. */
const COMBINED = /^\(combined from similar events\): /;

/** The first pattern that fits decides. */
const CLASSES: readonly [RegExp, FailureClass][] = [
  [
    /insufficient|not enough|no (suitable|compatible) host|no host has room|none of \d+ hosts|no placement candidates|quota|out of (memory|resources)/i,
    'NoCapacity',
  ],
  [/too many requests|throttl|rate limit/i, 'Throttled'],
  // Something else is going on with the VM: the cause passes.
  [/current state|InvalidPowerState|in progress|timed? ?out/i, 'Transient'],
  [
    /permission|unauthorized|not authorized|forbidden|not found|does not exist|invalid|unsupported|not supported/i,
    'Permanent',
  ],
];

/** Classifies a message of VM Operator; an unknown one is `Transient`. */
export function classifyWarning(message: string): FailureClass {
  return CLASSES.find(([pattern]) => pattern.test(message))?.[1] ?? 'Transient';
}
