/** The state of the simulated platform: its inventory, its VMs, and what was ever asked of each VM. */
import {
  DEFAULT_INVENTORY,
  own,
  type Placement,
  type PowerMode,
  type PowerState,
  type SimulatedGuest,
  type SimulatedInventory,
} from '../../api';
import type { VirtualMachineRef } from '../../contract';
import type { Question, VirtualMachineState } from '../../platforms';
import type { SeenByRules } from '../../platforms/simulated';

/** An operation in progress. */
export interface PendingOperation {
  operationId: string;
  sequence: number;
  caller: string;
  target: PowerState;
  mode?: PowerMode;
  acceptedAt: number;
  /** Absent: it never takes effect, or not before the question of the VM is answered. */
  dueAt?: number;
  /** Milliseconds from the answer to the effect. */
  heldFor?: number;
  readyAfter?: number;
}

/** One VM on the platform. Never changed in place. */
export interface VmRecord extends SeenByRules {
  readonly vm: VirtualMachineRef;
  readonly cpus: number;
  readonly memory: number;
  readonly placement: Placement;
  readonly powerState: PowerState;
  readonly since: number;
  readonly ready: boolean;
  readonly readyAt?: number;
  /** What its guest reports while it is on. */
  readonly address?: string;
  /** The operation that powered it on. */
  readonly poweredOnBy?: { operationId: string; sequence: number };
  readonly operation?: NonNullable<VirtualMachineState['operation']>;
  readonly pending?: PendingOperation;
  /** What the platform asks before the pending operation continues. */
  readonly question?: Question;
  /** The caller that placed it, or that last asked for its place, and the sequence of that call. */
  readonly placedBy: string;
  readonly placeSequence?: number;
  /** It is a reservation only: no operation was requested for it, and its power never changed. */
  readonly promised?: true;
  /** `requestId` of the last accepted operation that had one. */
  readonly requestId?: string;
  /** Number of the journal entry that last changed it. */
  readonly version?: number;
}

/** The calls for one VM. It outlives the VM, so that PLATFORM-1 and PLATFORM-2 do too. */
export interface Ledger {
  /** Greatest sequence seen, and its caller. */
  sequence: number;
  caller: string;
  operations: Set<string>;
  /** Choices that were accepted, by question. */
  answers: Record<string, string>;
  /** Calls that a fault could hit. */
  calls: number;
  accepted: number;
  /** Hits of each fault, by its key. */
  hits: Record<string, number>;
  /** By caller: the greatest sequence of its calls that released the place. */
  released: Record<string, number>;
}

/** What the inventory says of the guest of a VM. */
export function guestOf(
  { guests }: SimulatedInventory,
  vm: { namespace: string; name: string },
): SimulatedGuest | undefined {
  return guests?.find((each) => each.vm === undefined || each.vm === vm.name || each.vm === keyOf(vm));
}

/** State of the platform. */
export interface EngineState {
  inventory: SimulatedInventory;
  /** By `namespace/name`. */
  vms: Map<string, VmRecord>;
  /** By `namespace/name/uid`. */
  ledgers: Map<string, Ledger>;
  /** Time of the last entry: time never runs backwards in a journal. */
  lastAt: number;
  /** Entries so far. */
  entries: number;
  /** Grows with every entry that can change where VMs may be placed. */
  placementVersion: number;
}

/** A platform without VMs. */
export function emptyState(): EngineState {
  return {
    inventory: DEFAULT_INVENTORY,
    vms: new Map(),
    ledgers: new Map(),
    lastAt: 0,
    entries: 0,
    placementVersion: 0,
  };
}

/** Names a VM whatever its uid: `namespace/name`. */
export function keyOf({ namespace, name }: { namespace: string; name: string }): string {
  return `${namespace}/${name}`;
}

/** Names a VM in a journal entry. */
export function journalName(vm: VirtualMachineRef): { vm: string; uid: string } {
  return { vm: keyOf(vm), uid: vm.uid };
}

/** The VM that `vm` names; undefined for another one of the same name. */
export function find(state: EngineState, vm: VirtualMachineRef): VmRecord | undefined {
  const record = state.vms.get(keyOf(vm));
  return record?.vm.uid === vm.uid ? record : undefined;
}

/** The ledger of a VM; undefined before its first call. */
export function ledgerOf(state: EngineState, vm: VirtualMachineRef): Ledger | undefined {
  return state.ledgers.get(`${keyOf(vm)}/${vm.uid}`);
}

/** Operations that were ever accepted for a VM: together with its uid, the number identifies the next one. */
export function acceptedOperations(state: EngineState, vm: VirtualMachineRef): number {
  return ledgerOf(state, vm)?.operations.size ?? 0;
}

/** The sequence with which a caller last released the place of a VM; 0: never. */
export function releasedBy(
  state: EngineState,
  { vm, uid }: { vm: string; uid: string },
  caller: string,
): number {
  return own(state.ledgers.get(`${vm}/${uid}`)?.released, caller) ?? 0;
}

/** The labels and rules alone. */
export function seenByRules({ labels, affinity }: SeenByRules): SeenByRules {
  return { ...(labels && { labels }), ...(affinity && { affinity }) };
}
