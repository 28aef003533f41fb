/** An event: something that happened to a group. */
import type { ObjectName } from '../../api';
import type { MemberKey } from '../../contract';

/** What an event is about. */
export interface EventObject extends ObjectName {
  kind: string;
}

/** Kinds of events. */
export const EVENT_REASONS = [
  'GroupAdded',
  'GroupChanged',
  'GroupDeleted',
  'InvalidManifest',
  /** The manifest has a problem that does not keep it from being used. */
  'ManifestWarning',
  /** A plan was sent to the group's run; the message says why. */
  'PlanSent',
  'DriftSeen',
  'RunStarted',
  'RunEnded',
  'DelayStarted',
  'TierDone',
  'MemberStarted',
  'MemberMissing',
  /** An attempt failed and another one follows. */
  'AttemptFailed',
  'MemberDone',
  'MemberParked',
  /** An activity, or the run, was paused in Temporal; it makes no progress until it is unpaused. */
  'RunPaused',
  'NoPlatformWorker',
  'PlatformWorkerFound',
  'RunUnpaused',
  /** The workflow task of the run fails again and again: the run makes no progress. */
  'RunFailing',
  'RunRecovered',
  /** Another controller writes the status of the group too. */
  'StatusContested',
  /** Another writer keeps setting the power state of a nested group, or another controller powers the members. */
  'PowerStateContested',
  'ContestEnded',
  /** VM Operator may power a VM on before its turn. */
  'StartsEarly',
  'TemporalUnreachable',
  'TemporalReachable',
  'RequestRefused',
  'SourceWarning',
  /** An `OperatorCommand` was answered. */
  'OperatorCommand',
] as const;

/** One of {@link EVENT_REASONS}. */
export type EventReason = (typeof EVENT_REASONS)[number];

/** One event. */
export interface BridgeEvent {
  /** Milliseconds since the epoch. */
  time: number;
  type: 'Normal' | 'Warning';
  reason: EventReason;
  object: EventObject;
  /**
   * The member of the object that it is about: `name` of a VM, or `Kind/name`. Events with the same object, reason and member are repetitions;
   * without a member, those with the same message.
   */
  member?: MemberKey;
  message: string;
}

/** An event before its time. */
export type Happening = Omit<BridgeEvent, 'time'>;

/** The event object of a group. */
export function groupObject(group: ObjectName): EventObject {
  return { kind: 'VirtualMachineGroup', namespace: group.namespace, name: group.name };
}
