/** Inputs and results of the activities, as workflows see them. */
import type { Gate, PowerMode, PowerState, VirtualMachineStatus } from '../api';
import type {
  Neighbour,
  Operation,
  PlacementRequest,
  PlacementResult,
  VirtualMachineRef,
} from '../platforms';
import type { Attempt, Plan, RunOutcome } from '../workflows/messages';

export type { Neighbour, Operation, PlacementRequest, PlacementResult, VirtualMachineRef };

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
  /** What was observed when the gate was reached. */
  status: VirtualMachineStatus;
  /** Whether a power operation was asked for; false: the VM was there already. */
  acted: boolean;
  /** Attempts that failed before this one. */
  failures: Attempt[];
}

/** Input of the activity that asks a nested group's workflow for its power state. */
export interface PowerGroupInput {
  plan: Plan;
  retry: RetryBudget;
  earlier: Attempt[];
  caller: string;
}

/** Result of {@link PowerGroupInput}. */
export interface PowerGroupResult {
  outcome: RunOutcome;
  failures: Attempt[];
}

/** Input of the placement activity. */
export interface PlaceInput {
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
}

/** Input of the activity that gives places back. */
export interface ReleaseInput {
  vms: VirtualMachineRef[];
  caller: string;
  /** Greater than that of every question that it undoes. */
  sequence: number;
  retry: RetryBudget;
}

/** Details of the failure with which an activity gives up: every attempt, on record in the history. */
export interface GiveUpDetails {
  failures: Attempt[];
}

/** The activities of a group's workflow. Each name is an activity type in the UI. */
export interface Activities {
  powerOn(input: PowerInput): Promise<PowerResult>;
  powerOff(input: PowerInput): Promise<PowerResult>;
  suspend(input: PowerInput): Promise<PowerResult>;
  powerGroup(input: PowerGroupInput): Promise<PowerGroupResult>;
  place(input: PlaceInput): Promise<PlacementResult[]>;
  release(input: ReleaseInput): Promise<VirtualMachineRef[]>;
}
