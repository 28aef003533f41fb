/**
 * The events of the record: every fact of a run, once. They are an allowlist too: what is not named here or in `facts.ts` does not get into the
 * record, whatever a history, a platform or an operator sends.
 *
 * The kinds use Temporal's words. An `activityId` names an activity within its execution; `member` is set where the activity is about one
 * member of the group.
 */
import type { Cause, DesiredPowerState, MemberKey, OperatorVerb } from '../contract';
import type {
  ActivityResult,
  ActivityTask,
  Actor,
  RecordedObservation,
  RecordedOutcome,
  RecordedPlan,
} from './facts';

/** Names a run. Executions that continued as new, and those that a reset has made, are one run. */
export interface RunRef {
  namespace: string;
  group: string;
  workflowId: string;
  /** Run id of its first execution. */
  runId: string;
  /** Name of the group whose run drives the tree; the group's own where it drives itself. */
  root: string;
}

/** Where an event comes from. */
export type EventSource =
  /** An event of the history, and the only source of its facts. */
  | { from: 'History'; eventId: number }
  /** What the server showed at that time and keeps in no history. */
  | { from: 'Server' }
  /** The recorder itself. */
  | { from: 'Recorder' };

interface OfActivity {
  activityId: string;
  member?: MemberKey;
}

/** An execution began. */
export interface ExecutionStarted {
  kind: 'ExecutionStarted';
  workflow: string;
  /** Identity of the Temporal client that started it. */
  identity?: string;
  /** The execution that it continues. */
  continuedFrom?: string;
  /** It only clears up after this run, which was ended from outside. */
  cleansUp?: { runId: string; actor: Actor; reason: string; message: string };
}

/** A plan came: the first one of the run, or one that amends it. */
export interface PlanReceived {
  kind: 'PlanReceived' | 'PlanAmended';
  cause: Cause;
  revision: string;
  generation: number;
  powerState: DesiredPowerState;
  digest?: string;
  supersedes?: string;
  /** Who asked for the run, if anyone did. */
  actor?: Actor;
  /** Who changed the desired state last, when, and what; without the admission webhook the field manager of the client. Absent: as in the plan before. */
  changedBy?: Actor & { at?: string; object: string };
  reason?: string;
  /** Identity of the Temporal client that sent it. */
  identity?: string;
  /** Absent: as in the plan before. */
  plan?: RecordedPlan;
  /** What differs from the plan before, in words. */
  changes?: string[];
}

/** A VM was observed in a state that differs from the last one in the record. */
export interface MemberObserved {
  kind: 'MemberObserved';
  member: MemberKey;
  observed: RecordedObservation;
  /** It left its desired state without the group's doing. */
  drifted?: true;
}

/** The run decided to have something done. */
export interface ActivityScheduled extends OfActivity {
  kind: 'ActivityScheduled';
  task: ActivityTask;
  /** Name of the platform; absent: the default one. */
  platform?: string;
}

/** The last attempt of an activity began; earlier ones are in `AttemptFailed`. Temporal writes this only once the activity ends. */
export interface AttemptStarted extends OfActivity {
  kind: 'AttemptStarted';
  /** Temporal's number of the attempt. */
  attempt: number;
  worker: string;
}

/** An attempt failed. */
export interface AttemptFailed extends OfActivity {
  kind: 'AttemptFailed';
  /** As the activity counts: lost attempts do not count. */
  attempt: number;
  class: string;
  /** The platform's words. */
  message: string;
  /** By the worker's clock. */
  at: number;
  /** When the next one was due; absent: there was none. */
  retryAt?: number;
}

/** An operator reset the activity in Temporal: a fresh retry budget. */
export interface ActivityReset extends OfActivity {
  kind: 'ActivityReset';
  at: number;
}

/** An activity ended with a result. */
export interface ActivityCompleted extends OfActivity {
  kind: 'ActivityCompleted';
  result: ActivityResult;
}

/** An activity was given up. Its member is parked, unless `class` is `Superseded`. */
export interface ActivityFailed extends OfActivity {
  kind: 'ActivityFailed';
  class: string;
  message: string;
  /** Attempts that failed. */
  attempts: number;
  /** With class `Superseded`: caller and sequence of the operation that the platform has on record. */
  outrankedBy?: { caller: string; sequence: number };
}

/** The run cancelled an activity, or the cancellation took effect. */
export interface ActivityCancelled extends OfActivity {
  kind: 'ActivityCancelRequested' | 'ActivityCancelled';
}

/** An activity was paused in Temporal, or no longer is. */
export interface ActivityPaused extends OfActivity {
  kind: 'ActivityPaused' | 'ActivityUnpaused';
  actor?: Actor;
  reason?: string;
  /** By Temporal's clock. */
  at?: number;
}

/** The options of an activity were changed in Temporal: what they are now, in milliseconds. */
export interface ActivityOptionsChanged extends OfActivity {
  kind: 'ActivityOptionsChanged';
  options: Record<string, number | string>;
}

/** A delay between tiers began; `until` is when it is due. */
export interface DelayStarted {
  kind: 'DelayStarted';
  timerId: string;
  duration: number;
  until: string;
  summary?: string;
}

/** A delay is over, or was given up. */
export interface DelayEnded {
  kind: 'DelayEnded' | 'DelayCancelled';
  timerId: string;
  summary?: string;
}

/** An operator command was accepted. One that is refused reaches no history. */
export interface CommandReceived {
  kind: 'CommandReceived';
  verb: OperatorVerb;
  member?: string;
  choice?: string;
  actor: Actor;
  reason: string;
  updateId?: string;
  /** Identity of the Temporal client that sent it. */
  identity?: string;
  /** A parent's run passed it on. */
  relayed?: true;
}

/** An operator command was answered. */
export interface CommandAnswered {
  kind: 'CommandAnswered';
  updateId: string;
  message: string;
  /** It failed; `message` says why. */
  failed?: true;
}

/** The group was deleted, or a parent has taken over. */
export interface Withdrawn {
  kind: 'Withdrawn';
  reason: string;
  identity?: string;
}

/** Another signal came. */
export interface SignalReceived {
  kind: 'SignalReceived';
  name: string;
  identity?: string;
  member?: MemberKey;
  /** Of the nested run, or of the parent's, that it is about. */
  about?: string;
  /** Why it has no effect. */
  ignored?: string;
}

/** The run notified another one, or passed a command on. */
export interface SignalSent {
  kind: 'SignalSent' | 'SignalDelivered' | 'SignalFailed';
  name: string;
  to: string;
  reason?: string;
}

/** The phase of the run changed, or its parked members. */
export interface PhaseChanged {
  kind: 'PhaseChanged';
  /** A phase of an open run, or the outcome. */
  phase: string;
  powerState?: string;
  parked: string[];
}

/** The workflow task failed or timed out: the run took no step. */
export interface WorkflowTaskFailed {
  kind: 'WorkflowTaskFailed' | 'WorkflowTaskTimedOut';
  cause?: string;
  message?: string;
  identity?: string;
}

/** The run was reset in Temporal: this execution repeats `from` up to its event `upTo`, and continues from there. */
export interface ExecutionReset {
  kind: 'ExecutionReset';
  from: string;
  upTo: number;
  reason: string;
  identity?: string;
}

/** What was done to the run in Temporal. */
export interface RunControlled {
  kind: 'CancelRequested' | 'RunPaused' | 'RunUnpaused' | 'OptionsChanged';
  actor?: Actor;
  reason?: string;
}

/** The run ended with an outcome. */
export interface RunCompleted {
  kind: 'RunCompleted';
  /** Absent if it cannot be read. */
  outcome?: RecordedOutcome;
}

/** The execution ended without an outcome. */
export interface RunEnded {
  kind: 'RunTerminated' | 'RunFailed' | 'RunCancelled' | 'RunTimedOut';
  actor?: Actor;
  reason?: string;
}

/** The execution continued as new. */
export interface ContinuedAsNew {
  kind: 'ContinuedAsNew';
  next: string;
}

/** An event of the history whose type this build does not know. */
export interface HistoryEventUnknown {
  kind: 'HistoryEventUnknown';
  type: string;
}

/** What a history says. */
export type HistoryFact =
  | ExecutionStarted
  | PlanReceived
  | MemberObserved
  | ActivityScheduled
  | AttemptStarted
  | AttemptFailed
  | ActivityReset
  | ActivityCompleted
  | ActivityFailed
  | ActivityCancelled
  | ActivityPaused
  | DelayStarted
  | DelayEnded
  | CommandReceived
  | CommandAnswered
  | Withdrawn
  | SignalReceived
  | SignalSent
  | PhaseChanged
  | WorkflowTaskFailed
  | ExecutionReset
  | RunControlled
  | RunCompleted
  | RunEnded
  | ContinuedAsNew
  | HistoryEventUnknown;

/** What the server showed of an open execution, and keeps in no history. */
export type ServerFact = ActivityOptionsChanged;

/** The recorder saw the execution for the first time, before its end, or has recorded the one that it continues. */
export interface ExecutionSeen {
  kind: 'ExecutionSeen';
}

/** All events of an execution are on record, and its history is kept. */
export interface ExecutionRecorded {
  kind: 'ExecutionRecorded';
  /** Temporal's status: `COMPLETED`, `TERMINATED`, ... */
  status: string;
  history: { events: number; sha256: string };
}

/** The history of an execution is gone: what is missing can no longer be recorded. */
export interface RunGap {
  kind: 'RunGap';
  reason: string;
}

/** What the recorder says of one execution. */
export type RecorderFact = ExecutionSeen | ExecutionRecorded | RunGap;

/** A fact of a run, with where it belongs. */
export type RunEvent = (HistoryFact | ServerFact | RecorderFact) & {
  run: RunRef;
  /** Run id of the execution. */
  execution: string;
  /** Of the event in the history; otherwise when the recorder noted it. */
  time: string;
  source: EventSource;
};

/** Runs may have come and gone unseen: the recorder was away for longer than Temporal keeps histories. */
export interface RecorderGap {
  kind: 'RecorderGap';
  time: string;
  source: { from: 'Recorder' };
  /** The time span, ISO 8601. */
  since: string;
  until: string;
  reason: string;
}

/** An event of the record. */
export type RecordEvent = RunEvent | RecorderGap;

/** The kinds of events. */
export type EventKind = RecordEvent['kind'];
