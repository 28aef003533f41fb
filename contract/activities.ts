/** The activities of a group's workflow: their inputs and results. */
import type { Gate, PowerMode, PowerState, Probe, QuestionPolicy, VirtualMachineStatus } from '../api';
import type { Attempt } from './messages';
import type { RunOutcome } from './outcome';
import type { MemberKey, Plan } from './plan';
import type {
  Neighbour,
  Operation,
  Outranking,
  PlacementRequest,
  PlacementResult,
  VirtualMachineRef,
} from './platform-calls';

/** Retry budget of one operation; milliseconds. */
export interface RetryBudget {
  maximumAttempts: number;
  initialInterval: number;
  maximumInterval: number;
}

/** Input of the power activities. */
export interface PowerInput {
  vm: VirtualMachineRef;
  /** `id` unique for the decision; an attempt that gives an operation up appends its own suffix. */
  operation: Operation;
  powerState: PowerState;
  /**
   * An earlier operation on the VM was given up, but its worker may still be alive: the activity calls the platform even if the VM seems to
   * be in the desired state, so that the platform refuses the earlier operation from then on.
   */
  fence?: true;
  mode?: PowerMode;
  gate: Gate;
  /** Milliseconds. */
  gateTimeout: number;
  /** With gate `Probe`. */
  probe?: Probe;
  operationTimeout: number;
  guestShutdownTimeout: number;
  retry: RetryBudget;
  /** Answers to questions of the platform about the VM. */
  questions?: QuestionPolicy[];
  /** Failed attempts of the same operation before this activity was scheduled (the run continued as new). */
  earlier: Attempt[];
  caller: string;
}

/** A question of the platform that an activity has answered. */
export interface AnsweredQuestion {
  /** The platform's own id. */
  id: string;
  kind: string;
  /** Key of the choice. */
  choice: string;
  /** Milliseconds since the epoch. */
  at: number;
}

/** Input of the activity by which an operator answers a question of the platform. */
export interface AnswerInput {
  /** Id of the call, which the result names. */
  operation: string;
  vm: VirtualMachineRef;
  /** Key or label of one of the choices. */
  choice: string;
}

/** Result of {@link AnswerInput}. */
export interface AnswerResult {
  /** That of the input. */
  operation: string;
  /** What was answered, in words. */
  message: string;
}

/** Result of the power activities. */
export interface PowerResult {
  /** `operation.id` of the input, which proves that the activity itself returned this result. Workers of older builds omit it. */
  operation?: string;
  /** The observation with which the gate was met. */
  status: VirtualMachineStatus;
  /** Whether the platform was asked for a power operation; false: the VM was in the desired state already. */
  acted: boolean;
  /** What the guest answered to the probe of the gate. Without it a gate `Probe` is not met: workers of older builds do not probe. */
  probed?: string;
  /** The questions of the platform that were answered as the policy says. */
  answered?: AnsweredQuestion[];
  /** Attempts that failed before this one. */
  failures: Attempt[];
}

/** Input of the activities that send a nested group's workflow its plan, and wait for its run. */
export interface PowerGroupInput {
  /** Id of the operation, which the result names. */
  operation?: string;
  /** Sequence of the operation: {@link PlanMessage.sequence}. */
  sequence?: number;
  plan: Plan;
  retry: RetryBudget;
  earlier: Attempt[];
  /** Workflow id of the parent's run. */
  caller: string;
  /**
   * Name of the group in the parent's plan. If present, the parent's run can wait without an activity, so the result may be `waiting`. Runs
   * of older builds cannot, and omit it.
   */
  member?: MemberKey;
  /** The run that an earlier activity of the same operation was sent to. No other run is used while that one may have an outcome. */
  runId?: string;
}

/** Result of {@link PowerGroupInput}: the outcome of the nested run, or `waiting` if it takes long and will notify the caller of its end. */
export type PowerGroupResult = {
  /** That of the input. */
  operation?: string;
  failures: Attempt[];
} & ({ outcome: RunOutcome } | { waiting: { runId: string } });

/** A run of a nested group that a parent's run waits for. */
export interface AwaitedGroup {
  member: MemberKey;
  workflowId: string;
  runId: string;
}

/** Input of the activity that finds nested runs which have ended without notifying their parent. */
export interface FindEndedGroupsInput {
  /** Id of the call, which the result names. */
  operation: string;
  groups: AwaitedGroup[];
}

/** Result of {@link FindEndedGroupsInput}. */
export interface FindEndedGroupsResult {
  /** That of the input. */
  operation: string;
  /** The members whose runs are over. */
  ended: MemberKey[];
}

/** Input of the placement activity. */
export interface PlaceInput {
  /** Id of the call, which the result names. */
  operation?: string;
  requests: PlacementRequest[];
  /**
   * The group controls power: a VM that the platform creates once it is placed must be off at first, whatever its own power state says, or
   * it would not wait for its turn.
   */
  hold?: true;
  /** Other VMs that affinity rules involve. */
  beside?: Neighbour[];
  retry: RetryBudget;
  caller: string;
  /** Of the call, the same in each attempt; absent in runs of older builds. */
  sequence?: number;
  /** Failed attempts of the same call before this activity was scheduled. */
  earlier?: Attempt[];
}

/** Result of {@link PlaceInput}. Workers of older builds answer with `results` alone. */
export interface PlaceResult {
  /** That of the input. */
  operation: string;
  results: PlacementResult[];
}

/** Input of the activity that gives places back. */
export interface ReleaseInput {
  /** Id of the call, which the result names. */
  operation?: string;
  vms: VirtualMachineRef[];
  caller: string;
  /** Greater than that of every question that it undoes. */
  sequence: number;
  retry: RetryBudget;
}

/** Result of {@link ReleaseInput}. Workers of older builds answer with `free` alone. */
export interface ReleaseResult {
  /** That of the input. */
  operation: string;
  /** The VMs that no longer have a place. */
  free: VirtualMachineRef[];
}

/** Input of the activity that checks the claimed result of an operation against the platform, and acts if it does not hold. */
export type ConfirmInput =
  | { activity: 'powerOn' | 'powerOff' | 'suspend'; input: PowerInput }
  | { activity: 'powerGroup'; input: PowerGroupInput }
  | { activity: 'place'; input: PlaceInput };

/** What others may read from the heartbeat of an activity; the rest is for its next attempts. */
export interface HeartbeatDetails {
  /** What the attempt waits for, in words. */
  waitsFor?: string;
}

/** Who cancelled a run from outside. */
export interface Cancellation {
  /** Identity that Temporal recorded for the request. */
  identity: string;
  reason: string;
}

/** Details of the failure with which an activity gives up: every attempt, on record in the history. */
export interface GiveUpDetails {
  failures: Attempt[];
  /** With class `Superseded`: the operation that outranks this one on the platform. */
  recorded?: Outranking;
}

/** The activities of a group's workflow. Each name is an activity type in the UI. */
export interface Activities {
  powerOn(input: PowerInput): Promise<PowerResult>;
  powerOff(input: PowerInput): Promise<PowerResult>;
  suspend(input: PowerInput): Promise<PowerResult>;
  powerGroup(input: PowerGroupInput): Promise<PowerGroupResult>;
  /** As `powerGroup`, once the nested run has ended. Workers of older builds, which would start another run, do not have it. */
  awaitGroup(input: PowerGroupInput): Promise<PowerGroupResult>;
  findEndedGroups(input: FindEndedGroupsInput): Promise<FindEndedGroupsResult>;
  place(input: PlaceInput): Promise<PlaceResult>;
  release(input: ReleaseInput): Promise<ReleaseResult>;
  answer(input: AnswerInput): Promise<AnswerResult>;
  confirm(input: ConfirmInput): Promise<PowerResult | PowerGroupResult | PlaceResult>;
  /** Reads from the run's own history who asked for its cancellation. */
  cancellation(): Promise<Cancellation>;
}

/** Header of an activity: the revision of the plan under which it was scheduled, for log lines. */
export const REVISION_HEADER = 'vmgroup-revision';

/** Header with the trace context, as Temporal's interceptors for OpenTelemetry name it. */
export const TRACE_HEADER = '_tracer-data';
