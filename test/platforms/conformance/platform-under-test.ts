/**
 * What the conformance suite needs of a platform: its real part, ways to look into that part's own record, and ways to injure it.
 *
 * A binding is one file: a class that implements {@link PlatformUnderTest}, and a call of `describePlatform`. What a platform or its part
 * cannot do is {@link leftOut} with the reason, which then stands in the name of the skipped test.
 */
import type { PowerState } from '../../../api';
import type { PlacementRequest, VirtualMachineRef } from '../../../contract';
import type { FailureClass, Platform } from '../../../platforms';
import type { Line } from './line';

/** Why a platform or its part cannot do something. */
export interface LeftOut {
  leftOut: string;
}

/** Something that not every platform can do. */
export type Possible<T> = T | LeftOut;

/** Says that something is not tested, and why: "nothing but its own process writes its journal". */
export function leftOut(why: string): LeftOut {
  return { leftOut: why };
}

/** Whether something is left out. */
export function isLeftOut(value: unknown): value is LeftOut {
  return typeof value === 'object' && value !== null && 'leftOut' in value;
}

/** The platform as one process of a worker has it. */
export interface OpenPlatform {
  platform: Platform;
  /** What lies between this process and the part; no other process uses it. */
  line: Line;
  /** Closes the platform and all that was opened for it. The line stays. */
  close(): Promise<void>;
}

/** What the part itself has on record of one VM. */
export interface VmRecord {
  /** Power operations that the part began to carry out for us, also those that failed on the way. */
  operations: number;
  /** Each power state that the VM came into, from any source, in order. */
  effects: PowerState[];
}

/**
 * Injures the watch of a process. `meanwhile` is to be called once, while the watch is broken if the injury allows that. Resolves with what the
 * error of the watch says; undefined: it may end without one.
 */
export type WatchInjury = (
  process: OpenPlatform,
  meanwhile: () => Promise<void>,
) => Promise<RegExp | undefined>;

/** Refuses operations on a VM. */
export interface Refusal {
  begin: (vm: VirtualMachineRef) => Promise<void>;
  /** What the error must contain: the platform's own words. */
  words: RegExp;
}

/** What a platform has between us and the part that may be taken from us. */
export interface Credentials {
  /** Opens the platform with credentials that are valid. */
  open: () => Promise<OpenPlatform>;
  /** Resolves once the part takes them no more. */
  expire: () => Promise<void>;
  /** Resolves once the process has credentials that the part takes. */
  renew: () => Promise<void>;
  /** What an error must contain meanwhile. */
  words: RegExp;
}

/** A platform with its real part. Every method may be called for any VM that it made. */
export interface PlatformUnderTest {
  /** Starts the part. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Kills the part as `kill -9` does. */
  kill(): Promise<void>;
  /** Starts the part again on its data and address; resolves once it answers. */
  restart(): Promise<void>;
  /** Opens the platform as one more process. */
  open(): Promise<OpenPlatform>;

  /** Makes VMs that exist on the platform and are off. */
  make(names: readonly string[]): Promise<VirtualMachineRef[]>;
  /** Makes such VMs whose guests report that they are ready; absent: all do. */
  ready?: Possible<(names: readonly string[]) => Promise<VirtualMachineRef[]>>;
  /** Makes requests for places of VMs that have none yet. */
  unplaced: Possible<(names: readonly string[]) => Promise<PlacementRequest[]>>;
  /** Takes a VM off the platform; resolves once it is gone. */
  vanish(vm: VirtualMachineRef): Promise<void>;
  /** Replaces a VM by another one of the same name, which is off. */
  recreate(vm: VirtualMachineRef): Promise<VirtualMachineRef>;
  /** Changes the power state of a VM as a person does, without us; resolves once the part shows it. */
  change(vm: VirtualMachineRef, powerState: PowerState): Promise<void>;
  /** What the part has on record of each VM. */
  records(vms: readonly VirtualMachineRef[]): Promise<VmRecord[]>;
  /** Uncommon names that the platform allows: the longest one, and words of the language. */
  oddNames: readonly string[];

  /** From now on power operations on these VMs take about half a second, or `seconds` where the part can say so. */
  slow: Possible<(vms: readonly VirtualMachineRef[], seconds?: number) => Promise<void>>;
  /** Why the part passes no request to shut down on to guests; absent: it does where the platform declares it. */
  soft?: LeftOut;
  /** From now on the guest of the VM ignores requests to shut down. */
  deafen: Possible<(vm: VirtualMachineRef) => Promise<void>>;
  /** Milliseconds that the platform itself gives the guest; absent: as a request says. */
  guestTime?: number;

  /** Ways in which a watch ends, by what happens. */
  watchInjuries: Record<string, WatchInjury>;
  /** Ways to forge or damage the record of operations of a VM, by what it is then. */
  forgeries: Possible<Record<string, (vm: VirtualMachineRef) => Promise<void>>>;
  /** The part refuses every power operation on the VM from now on. */
  refuse: Possible<Refusal>;
  /** The part takes the next power operation on the VM, and then says that it failed. `end`: the ones after it succeed. */
  fail: Possible<Refusal & { failureClass: FailureClass; end: (vm: VirtualMachineRef) => Promise<void> }>;
  /** The part is busy, and asks a process to come back after so many milliseconds, until `end`. */
  throttle: Possible<{
    begin: (process: OpenPlatform, vm: VirtualMachineRef, retryAfter: number) => Promise<void>;
    end: (process: OpenPlatform, vm: VirtualMachineRef) => Promise<void>;
  }>;
  credentials: Possible<Credentials>;
  /** Opens the platform as a user without the right to change VMs. */
  forbidden: Possible<{ open: () => Promise<OpenPlatform>; words: RegExp }>;
}
