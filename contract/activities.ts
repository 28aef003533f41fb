/** The activities of a group's workflow: their inputs and results. */
import type { Gate, PowerMode, PowerState, VirtualMachineStatus } from '../api';
import type { Attempt } from './messages';
import type { RunOutcome } from './outcome';
import type { Plan } from './plan';
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

/** Input of the activity that asks a nested group's workflow for its power state. */
export interface PowerGroupInput {
  /** Id of the operation, which the result names. */
  operation?: string;
  plan: Plan;
  retry: RetryBudget;
  earlier: Attempt[];
  caller: string;
}

/** Result of {@link PowerGroupInput}. */
export interface PowerGroupResult {
  /** That of the input. */
  operation?: string;
  outcome: RunOutcome;
  failures: Attempt[];
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
  place(input: PlaceInput): Promise<PlaceResult>;
  release(input: ReleaseInput): Promise<ReleaseResult>;
  confirm(input: ConfirmInput): Promise<PowerResult | PowerGroupResult | PlaceResult>;
  /** Reads from the run's own history who asked for its cancellation. */
  cancellation(): Promise<Cancellation>;
}
