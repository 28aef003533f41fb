/** The activities of a group's workflow: their inputs and results. */
import type { Gate, PowerMode, PowerState, VirtualMachineStatus } from '../api';
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
   * An earlier operation on the VM was given up, and whoever carried it out may be alive: the platform is asked even where the VM looks
   * there already, so that it refuses the earlier one from then on.
   */
  fence?: true;
  mode?: PowerMode;
  gate: Gate;
  /** Milliseconds. */
  gateTimeout: number;
  operationTimeout: number;
  guestShutdownTimeout: number;
  retry: RetryBudget;
  /** Failed attempts of the same operation before this activity was scheduled (the run continued as new). */
  earlier: Attempt[];
  caller: string;
}

/** Result of the power activities. */
export interface PowerResult {
  /** `operation.id` of the input: without it the result is not the activity's own. Absent from workers of older builds. */
  operation?: string;
  /** What was observed when the gate was reached. */
  status: VirtualMachineStatus;
  /** Whether a power operation was asked for; false: the VM was there already. */
  acted: boolean;
  /** Attempts that failed before this one. */
  failures: Attempt[];
}

/** Input of the activities that ask a nested group's workflow for its power state, and wait for its run. */
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
   * Name of the group in the parent's plan. Present: the parent's run can wait without an activity, so the result may be `waiting`. Runs of
   * older builds cannot, and leave it out.
   */
  member?: MemberKey;
  /** The run that an earlier activity of the same operation has asked: no other one is asked as long as that one may have an outcome. */
  runId?: string;
}

/** Result of {@link PowerGroupInput}: the outcome of the run that was asked, or that it takes long and will notify the caller of its end. */
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
   * Power is the group's to switch: a VM that comes into being once it is placed is to be off then, whatever its own power state says, or
   * it would not wait for its turn.
   */
  hold?: true;
  /** Other VMs that affinity rules are about. */
  beside?: Neighbour[];
  retry: RetryBudget;
  caller: string;
  /** Of the question, the same in each attempt; absent in runs of older builds. */
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
  /** The VMs that have no place now. */
  free: VirtualMachineRef[];
}

/** Input of the activity that asks the platform whether what an operation claimed is so, and acts where it is not. */
export type ConfirmInput =
  | { activity: 'powerOn' | 'powerOff' | 'suspend'; input: PowerInput }
  | { activity: 'powerGroup'; input: PowerGroupInput }
  | { activity: 'place'; input: PlaceInput };

/** Who cancelled a run from outside. */
export interface Cancellation {
  /** Identity that Temporal has on record for the request. */
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
  /** As `powerGroup`, once the run that was asked has ended. Workers of older builds, which would ask again, do not know it. */
  awaitGroup(input: PowerGroupInput): Promise<PowerGroupResult>;
  findEndedGroups(input: FindEndedGroupsInput): Promise<FindEndedGroupsResult>;
  place(input: PlaceInput): Promise<PlaceResult>;
  release(input: ReleaseInput): Promise<ReleaseResult>;
  confirm(input: ConfirmInput): Promise<PowerResult | PowerGroupResult | PlaceResult>;
  /** Reads from the run's own history who asked for its cancellation. */
  cancellation(): Promise<Cancellation>;
}
