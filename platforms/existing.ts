/** What a platform has already, in its own order: the material of `vmgroup import`. Each platform that can be imported reads it. */
import type { PowerMode, PowerState, VmLocator } from '../api';

/** VMs of a platform, and what starts some of them in order. */
export interface ExistingInventory {
  vms: ExistingVm[];
  /** Outermost orders; if several contain a VM, the first one counts. */
  orders: ExistingOrder[];
  /** Findings that manifests cannot express, besides the notes of each order. */
  notes: string[];
}

/** A VM. */
export interface ExistingVm {
  /** The platform's own id; unique in an inventory. */
  id: string;
  name: string;
  /** Where it stands, for people: `/DC0/vm/shop/db`. */
  path: string;
  /** What names it in a manifest; absent: its name does. */
  locator?: VmLocator;
  /** Namespace of its manifest; then its name is a Kubernetes name, and is kept. Absent: the namespace that the user names. */
  namespace?: string;
  /** Absent: the platform does not know. */
  powerState?: PowerState;
}

/** Something that starts VMs in order. */
export interface ExistingOrder {
  /** Such as `vApp` or `autostart of host`. */
  what: string;
  name: string;
  tiers: ExistingTier[];
  /** How it stops them; absent: it does not. */
  stop?: {
    /** In reverse order, not all at once. */
    inReverse: boolean;
    /** Milliseconds that a guest has to shut down. */
    guestShutdownTimeout?: number;
  };
  /** What it does that manifests cannot express. */
  notes: string[];
}

/** What is started together. */
export interface ExistingTier {
  members: ExistingMember[];
  /** What each of its VMs must have reached. */
  gate: 'None' | 'PoweredOn' | 'Ready';
  /** Milliseconds from then to the start of the next one. */
  delay: number;
}

/** One member of a tier. */
export type ExistingMember = { vm: string; powerOffMode?: PowerMode } | { order: ExistingOrder };
