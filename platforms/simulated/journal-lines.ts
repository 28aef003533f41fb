/**
 * The lines of the journal. The journal is the simulated platform's only state and its record: every call with its answer, and every
 * effect. Times are milliseconds since the Unix epoch, durations milliseconds, memory bytes.
 *
 * Reading it: every line has `n`, counted from 1 without gaps. A VM is named by `vm` (`namespace/name`) and `uid`. A call and its
 * effect share `operationId`. Lines of calls that changed nothing are there too, with the answer they got.
 */
import type {
  AffinityTerm,
  Placement,
  PowerMode,
  PowerState,
  SimulatedFaultType,
  SimulatedInventory,
} from '../../api';
import type { FailureClass, Question } from '../platform';
import type { Outranking } from '../../contract';

/** What a call for a change of power state was answered. */
export type PowerAnswer =
  /** It is under way: the effect follows after `effectAfter`. */
  | 'Accepted'
  /** The VM was in that state: no effect follows. */
  | 'AlreadyThere'
  /** Suspend of a VM that is off: it stays off. */
  | 'LeftPoweredOff'
  /** The operation id was seen before: nothing happens again. */
  | 'Duplicate'
  /** Refused with `class` and `message`. */
  | 'Refused';

/** A fault that hit a call; `key` tells it from another of the same type. */
export interface FaultMark {
  type: SimulatedFaultType;
  key: string;
}

/** A call for a change of power state. */
export interface PowerCall {
  type: 'call';
  at: number;
  vm: string;
  uid: string;
  operation: PowerState;
  mode?: PowerMode;
  operationId: string;
  sequence: number;
  caller: string;
  /** What the caller knows the operation by, where a controller between them gave it an id of its own. */
  requestId?: string;
  /** Power state at the moment of the call; absent where the platform does not have the VM. */
  from?: PowerState;
  answer: PowerAnswer;
  /** With `Accepted`: what the platform asks first; times count from the answer. */
  question?: Question;
  /** With `Accepted`: time until the effect; absent: it will never come. */
  effectAfter?: number;
  /** With `Accepted` and `PoweredOn`: time from the effect until the VM is ready. */
  readyAfter?: number;
  /** Id of the operation that was in progress and no longer has an effect. */
  replaces?: string;
  class?: FailureClass;
  message?: string;
  /** With class `Superseded`: the call that outranks this one. */
  recorded?: Outranking;
  retryAfter?: number;
  /** The faults that hit the call. */
  faults?: FaultMark[];
}

/** A change that took place. */
export interface Effect {
  type: 'effect';
  at: number;
  vm: string;
  uid: string;
  /** The state that the VM is in now; `Ready`: it is powered on and has become ready. */
  effect: PowerState | 'Ready';
  from: PowerState;
  /** Absent where it was done at the console. */
  operationId?: string;
  sequence?: number;
  caller: string;
  /** Time since the call was accepted, or with `Ready` since the power-on. */
  after?: number;
  /** With `PoweredOn`: time until the VM is ready. */
  readyAfter?: number;
}

/** An operation in progress that has failed. */
export interface Failed {
  type: 'failed';
  at: number;
  vm: string;
  uid: string;
  operationId: string;
  sequence: number;
  caller: string;
  class: FailureClass;
  message: string;
}

/** An answer to a question of the platform. */
export interface AnswerCall {
  type: 'answer';
  at: number;
  vm: string;
  uid: string;
  /** Id of the question. */
  question: string;
  choice: string;
  /** `Duplicate`: it was answered so before. */
  answer: 'Accepted' | 'Duplicate' | 'Refused';
  /** With `Refused`. */
  message?: string;
}

/** What affinity rules see of a VM; journals of older versions have none of it. */
export interface SeenByRules {
  readonly labels?: Record<string, string>;
  /** The VM's own rules. */
  readonly affinity?: AffinityTerm[];
}

/** One VM of a {@link PlaceCall}. */
export interface PlacedVm extends SeenByRules {
  vm: string;
  uid: string;
  cpus: number;
  memory: number;
  /** Absent where the call was refused, or the VM is optional and has no room. */
  placement?: Placement;
  /** Why there is no room for this optional VM. */
  unplaced?: string;
  /** It had this place before. */
  sticky?: true;
}

/** A call for placement: one line, so that no crash can leave half of it. */
export interface PlaceCall {
  type: 'place';
  at: number;
  caller: string;
  /** Orders the calls of one caller; journals of older versions have none. */
  sequence?: number;
  answer: 'Placed' | 'Refused';
  vms: PlacedVm[];
  /** What affinity rules see of other VMs, where the caller knows it better: it counts from here on. */
  beside?: ({ vm: string; uid: string } & SeenByRules)[];
  class?: FailureClass;
  message?: string;
  /** With class `Superseded`: the call that outranks this one. */
  recorded?: Outranking;
  /** What people should know of the places. */
  note?: string;
  retryAfter?: number;
  faults?: FaultMark[];
  /** The VM that the fault was for. */
  faultVm?: string;
  faultUid?: string;
}

/** What became of the place of one VM of a {@link ReleaseCall}. */
export type ReleaseAnswer =
  /** It was only promised: its room is free from here on. */
  | 'Released'
  /** The VM has none. */
  | 'NoPlace'
  /** It stays, for the reason in `message`. */
  | 'Kept';

/** A call that gives promised room back: one line for all VMs. */
export interface ReleaseCall {
  type: 'release';
  at: number;
  caller: string;
  sequence: number;
  vms: { vm: string; uid: string; answer: ReleaseAnswer; message?: string }[];
}

/** A VM was taken off the platform. */
export interface Deleted {
  type: 'deleted';
  at: number;
  vm: string;
  uid: string;
  caller: string;
}

/** The platform's make-up from here on. */
export interface InventorySet {
  type: 'inventory';
  at: number;
  caller: string;
  inventory: SimulatedInventory;
}

/** One entry of the journal: what happened on the platform. */
export type JournalEntry =
  PowerCall | AnswerCall | Effect | Failed | PlaceCall | ReleaseCall | Deleted | InventorySet;

/** One line of the journal. */
export type JournalLine = JournalEntry & { n: number };

/** Caller of what a person does at the console, behind the group's back. */
export const CONSOLE = 'console';
/** Caller of what the platform does by itself. */
export const PLATFORM = 'platform';
/** Caller of what the stand-in for VM Operator's VM controller does because of the objects on an API server. */
export const VM_CONTROLLER = 'vm-controller';
