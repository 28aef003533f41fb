/**
 * What a platform is: the thing that really places VMs and switches their power.
 *
 * PLATFORM-1: `power` with an operation id that the platform has seen before is not carried out a second time.
 * PLATFORM-2: `power` with a smaller `sequence` than one the platform has seen for that VM is refused (`Superseded`), so a process that was
 *     paused and wakes up late cannot undo a newer decision.
 * PLATFORM-3: a state is only reported after it was observed.
 * PLATFORM-4: `release` takes back room that is only promised: given by a `place` of the same caller with a smaller sequence, to a VM that does not
 *     exist yet and that nothing was asked of. A `place` of that caller with a smaller sequence that comes later is refused (`Superseded`).
 */
import type { PowerMode, PowerState, VirtualMachineStatus } from '../api';
import type { PlacementAnswer } from '../placement';
import type { Capabilities } from './capabilities';
import type {
  Neighbour,
  Operation,
  Outranking,
  PlacementRequest,
  PlacementResult,
  VirtualMachineRef,
} from '../contract';

/** Asks for one change of power state. */
export interface PowerRequest {
  vm: VirtualMachineRef;
  operation: Operation;
  /** The state to bring the VM to. */
  powerState: PowerState;
  /** For power-off and suspend; absent: the VM's own mode, else `TrySoft`. */
  mode?: PowerMode;
  /** Milliseconds that `Soft` and `TrySoft` give the guest. */
  guestShutdownTimeout: number;
  /** Who asks, for the platform's own records: `vmgroup/<namespace>/<group>`. */
  caller: string;
}

/** How to place VMs. */
export interface PlaceOptions {
  /** Who asks, for the platform's own records: `vmgroup/<namespace>/<group>`. */
  caller: string;
  /** Grows with every call of a caller that is not a retry, across runs; without it, the places cannot be given back. */
  sequence?: number;
  /**
   * A VM that the platform creates once it is placed must be off at first, whatever its own power state says: its group has not reached it yet.
   */
  hold?: boolean;
  /** Other VMs that rules of the VMs to be placed select, or whose rules select those. Ones that the platform does not have do not count. */
  beside?: readonly Neighbour[];
  /** Varies the search: a retry passes a different one, so that it does not repeat a search that found nothing. Absent: 1. */
  seed?: number;
}

/** Who gives places back. */
export interface ReleaseOptions {
  /** As it stood in the call that placed the VMs. */
  caller: string;
  /** Greater than in every call for placement that it undoes. */
  sequence: number;
}

/** What the platform knows of one VM. */
export interface VirtualMachineState {
  vm: VirtualMachineRef;
  status: VirtualMachineStatus;
  /** The last power operation that the platform accepted for this VM, and how it went. */
  operation?: Operation & {
    /** Who asked, as in the request; absent if the platform does not say. */
    caller?: string;
    phase: 'InProgress' | 'Done' | 'Failed';
    /** Set where the phase is `Failed`. */
    failure?: { class: FailureClass; message: string };
    /** While it is in progress: why the platform does nothing about it for now, and who can change that, where that is known. */
    hold?: string;
    /** What the attempt fails with if the operation's time is over while it is held; absent: `OperationTimeout`. */
    holdClass?: FailureClass;
  };
  /** What the platform asks about the VM. It does nothing for the VM until the question is answered. */
  question?: Question;
}

/** A question of the platform about one VM. */
export interface Question {
  /** The platform's own id: a VM that asks the same again has a new one. */
  id: string;
  /** Stable key of the kind of question, such as `msg.uuid.altered`; absent where the platform has none. */
  kind?: string;
  text: string;
  /** The answers that the platform takes. */
  choices: readonly { key: string; label: string }[];
}

/** Receives a platform's watch. */
export interface WatchSink {
  /** A VM's present state: all VMs first, then each change. */
  changed(state: VirtualMachineState): void;
  /** A VM is gone from the platform. */
  deleted(vm: VirtualMachineRef): void;
  /** All VMs known at the start of the watch have been reported. */
  synced(): void;
}

/** A platform. Every method rejects with a {@link PlatformError}. */
export interface Platform {
  readonly name: string;
  readonly capabilities: Capabilities;
  /**
   * Reports every VM, then every change, until `signal` aborts (resolves) or the stream breaks (rejects). The caller watches again:
   * see {@link Observer}.
   */
  watch(sink: WatchSink, signal: AbortSignal): Promise<void>;
  /** Reads one VM directly; undefined where the platform does not have it. */
  read(vm: VirtualMachineRef, signal?: AbortSignal): Promise<VirtualMachineState | undefined>;
  /** Asks for a power operation. Resolves once it is accepted, with the state at that moment; the effect shows on the watch. */
  power(request: PowerRequest, signal?: AbortSignal): Promise<VirtualMachineState>;
  /**
   * Places VMs together: all that are required or none, then the optional ones where there is room. A VM that has its place keeps it (sticky
   * by uid). Resolves with one result for each request, in their order.
   */
  place(
    requests: PlacementRequest[],
    options: PlaceOptions,
    signal?: AbortSignal,
  ): Promise<PlacementResult[]>;
  /** The places that {@link place} would give now, which are not given. Nothing is changed. */
  preview?(
    requests: PlacementRequest[],
    options: Pick<PlaceOptions, 'seed' | 'beside'>,
    signal?: AbortSignal,
  ): Promise<PlacementAnswer>;
  /**
   * Gives back the room of VMs that it was only promised to, PLATFORM-4; may be repeated. Resolves with those VMs that have no place now, also where
   * they had none before.
   */
  release(
    vms: readonly VirtualMachineRef[],
    options: ReleaseOptions,
    signal?: AbortSignal,
  ): Promise<VirtualMachineRef[]>;
  /**
   * A group is gone: the platform removes what it keeps for that group alone, such as rules of DRS. Its VMs are left alone. May be repeated.
   *
   * @param caller as in {@link PlaceOptions}.
   */
  forget?(caller: string, signal?: AbortSignal): Promise<void>;
  /** Whether the platform may have a VM that it has not reported, as it cannot tell for now. Absent: it never has. */
  mayHave?(vm: VirtualMachineRef): boolean;
  /**
   * Tells the platform which VMs manifests mean, where it cannot know that itself: its watch reports no others. Adds to the VMs of
   * earlier calls; a VM replaces one of the same namespace and name. A watch that is open reports each of them.
   *
   * @param all Manifests mean no other VMs any more: those of earlier calls are forgotten.
   */
  track?(vms: readonly VirtualMachineRef[], all?: boolean): void;
  /**
   * Answers a question of the platform about a VM, with the key of one of its choices. May be repeated.
   *
   * @throws PlatformError `Permanent` if the VM does not ask this question, or the question does not offer the choice.
   */
  answer?(vm: VirtualMachineRef, answer: Answer, signal?: AbortSignal): Promise<void>;
  /**
   * What the guest of a VM reports about itself now, limited to {@link Capabilities.guestReports}. Resolves with undefined if the platform does not
   * have the VM.
   *
   * @param keys Keys of guest info, without the prefix `guestinfo.`; no others are read.
   */
  guest?(
    vm: VirtualMachineRef,
    keys: readonly string[],
    signal?: AbortSignal,
  ): Promise<GuestReport | undefined>;
  /** Frees connections. */
  close(): Promise<void>;
}

/** What a guest reports about itself through its tools. */
export interface GuestReport {
  /** `gray`: its tools do not run; `red`: no heartbeat arrives; `yellow`: some do; `green`: all do. Absent: not known. */
  heartbeat?: 'gray' | 'red' | 'yellow' | 'green';
  /** Those values of guest info that it has set, by key. They may be secret. */
  info: ReadonlyMap<string, string>;
}

/** An answer to a {@link Question}. */
export interface Answer {
  /** {@link Question.id}. */
  question: string;
  /** Key of one of its choices. */
  choice: string;
}

/**
 * What a failure means for the next step.
 *
 * | class | next step |
 * | --- | --- |
 * | `Transient` | retry with back-off |
 * | `Throttled` | retry after the time that the platform named |
 * | `NoCapacity` | retry with back-off: room may come free |
 * | `OperationTimeout` | accepted and never seen to happen: ask again under a new operation id |
 * | `GateTimeout` | the power state was reached but not the gate: park, another power operation would not help |
 * | `Unanswered` | the platform asks a question that was not answered in time: park, the next operation would only meet it again |
 * | `Permanent` | park: it will never work |
 * | `Superseded` | stop: a newer operation has taken over |
 */
export type FailureClass =
  | 'Transient'
  | 'Throttled'
  | 'NoCapacity'
  | 'OperationTimeout'
  | 'GateTimeout'
  | 'Unanswered'
  | 'Permanent'
  | 'Superseded';

/** Why a call for placement of `caller` is refused (`Superseded`) after its release, PLATFORM-4. `vm`: one of its VMs, `namespace/name`. */
export function lateCallMessage(caller: string, vm: string): string {
  return `${caller} released its places after it made this call, the place of VM ${vm} among them`;
}

/** Longest time that a platform can ask us to wait, milliseconds: a caller that waits longer does not notice that the platform has recovered. */
export const LONGEST_RETRY_AFTER = 15 * 60_000;

function boundedPause(milliseconds: number): number | undefined {
  return Number.isNaN(milliseconds) ? undefined : Math.min(Math.max(milliseconds, 0), LONGEST_RETRY_AFTER);
}

/** Thrown by a {@link Platform} when it refuses or fails. */
export class PlatformError extends Error {
  override readonly name = 'PlatformError';
  /** With `Superseded`, where it is known. */
  readonly recorded: Outranking | undefined;
  /** Milliseconds, with `Throttled`; at most {@link LONGEST_RETRY_AFTER}. */
  readonly retryAfter: number | undefined;
  constructor(
    readonly failureClass: FailureClass,
    message: string,
    retryAfter?: number,
    { recorded, ...options }: ErrorOptions & { recorded?: Outranking | undefined } = {},
  ) {
    super(message, options);
    this.recorded = recorded;
    this.retryAfter = retryAfter === undefined ? undefined : boundedPause(retryAfter);
  }
}

/** Names a VM on its platform, whatever its uid. */
export function virtualMachineKey(vm: { namespace: string; name: string }): string {
  return `${vm.namespace}/${vm.name}`;
}
