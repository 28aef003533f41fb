/** What an activity hands to a platform about VMs, and what it gets back. The calls themselves are the port of `platforms/`. */
import type { AffinityTerm, Placement, VmLocator } from '../api';

/** Names one VM on the platform. */
export interface VirtualMachineRef {
  namespace: string;
  name: string;
  uid: string;
  /** Which VM of the platform is meant, where the manifest says so; absent: the platform finds it by its convention for names. */
  locator?: VmLocator;
}

/** Identifies one power operation of one VM. */
export interface Operation {
  /** Unique for the intent; the same in every attempt that has not been given up. */
  id: string;
  /** Grows with every operation on a VM, across runs. */
  sequence: number;
}

/** What a VM asks of a host. */
export interface PlacementRequest {
  vm: VirtualMachineRef;
  cpus: number;
  /** Bytes. */
  memory: number;
  /** Zone the VM is pinned to. */
  zone?: string;
  /** Labels that affinity rules select by. */
  labels?: Record<string, string>;
  /** The VM's own rules. */
  affinity?: AffinityTerm[];
  /** The VM is placed after all others of the call, where there is room; without room it does not fail the call. */
  optional?: true;
}

/** A VM that is not to be placed, as affinity rules see it, for platforms that cannot see that themselves. */
export interface Neighbour {
  vm: VirtualMachineRef;
  labels?: Record<string, string>;
  affinity?: AffinityTerm[];
}

/** The outcome of a placement for one VM: its place, or for an optional VM the reason why it has none. */
export type PlacementResult = PlacedVirtualMachine | UnplacedVirtualMachine;

/** A VM that has its place. */
export interface PlacedVirtualMachine {
  vm: VirtualMachineRef;
  placement: Placement;
  /** What people should know of it: rules that the platform has to keep by itself, a search that the clock ended. */
  note?: string;
  unplaced?: undefined;
}

/** An optional VM for which there is no room. */
export interface UnplacedVirtualMachine {
  vm: VirtualMachineRef;
  placement?: undefined;
  note?: undefined;
  /** Why: the missing room, or the rules that conflict. */
  unplaced: string;
}

/** No sequence is greater: a record with a greater one is not one of ours, and is not read. Leaves room for times in milliseconds. */
export const MAX_SEQUENCE = 2 ** 52;

/** Whether a number may be the sequence of a call. */
export function isSequence(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_SEQUENCE;
}

/** What outranks a call that was refused as `Superseded`. */
export interface Outranking {
  sequence: number;
  /** Who made that call; empty if the platform does not say. */
  caller: string;
}
