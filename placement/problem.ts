/**
 * What the solver is asked and what it answers: plain JSON on both sides.
 *
 * Memory and space are bytes. CPUs count in thousandths; finer parts are rounded.
 */
import type { AffinityTerm, Placement } from '../api';

/** One VM with what matters for its place. */
export interface PlacementVm {
  namespace: string;
  name: string;
  /** Identifies the VM; no two of a problem share one. */
  uid: string;
  labels: Record<string, string>;
  /** What it asks of a host; 0 asks for nothing. */
  cpus: number;
  /** Bytes; 0 asks for nothing. */
  memory: number;
  affinity: AffinityTerm[];
  /** The only zone it may stand in. */
  zone?: string;
  /** It is placed after all others, where there is room. */
  optional?: true;
}

/** A VM that has its place and keeps it. */
export interface PlacedVm extends PlacementVm {
  placement: Placement;
}

/** One host with all it has: what placed VMs take of it is subtracted by the solver. */
export interface PlacementHost {
  /** Unique in the problem: the `node` of a placement. */
  name: string;
  zone: string;
  pool?: string;
  cpus: number;
  /** Bytes. */
  memory: number;
}

/**
 * A zone whose hosts cannot be seen. VMs are placed into it without a host; rules over hosts are kept there where zones can keep them (VMs
 * that belong on one host go into one zone), and the rest is left to the platform.
 */
export interface PlacementZone {
  name: string;
  pool?: string;
  /** All that VMs may have in the zone, before what placed VMs take of it; absent: no limit. */
  cpus?: number;
  /** Bytes. */
  memory?: number;
}

/** Where disks may go. */
export interface PlacementDatastore {
  name: string;
  id?: string;
  zones: string[];
  /** Free bytes. One with none takes no VM. */
  free: number;
}

/** VMs to place, and the world that they are placed into. */
export interface PlacementProblem {
  /** To be placed now: all that are not optional or none, and of the optional ones as many as there is room for. */
  vms: PlacementVm[];
  /**
   * VMs that have their place, of whatever group: they keep it, take of their host what they ask for, and their rules bind too, in both
   * directions. A caller that knows only what is free gives that as the capacity, and placed VMs that ask for nothing.
   */
  placed: PlacedVm[];
  hosts: PlacementHost[];
  /** Zones whose hosts cannot be seen; none of them has a host in `hosts`. */
  zones?: PlacementZone[];
  /** Where there are any, only zones that a datastore with free space serves take VMs. */
  datastores: PlacementDatastore[];
  /** Steps that the search may take (one is one place looked at for one VM); absent: a number that stays under a second. */
  steps?: number;
  /** Chooses between answers that are as good; absent: 1. */
  seed?: number;
  /** Milliseconds after which the search stops whatever steps are left; absent: 10 s. Only then the answer depends on the machine. */
  safetyStop?: number;
}

/** Names a VM in an answer. */
export interface VmRef {
  namespace: string;
  name: string;
  uid: string;
}

/** Where one VM goes. */
export interface VmPlacement extends VmRef {
  placement: Placement;
}

/**
 * What became of one rule.
 *
 * | outcome | meaning |
 * | --- | --- |
 * | `Kept` | it holds |
 * | `Broken` | it does not: a preferred rule, or one of a placed VM that no placement can repair |
 * | `LeftToPlatform` | the hosts cannot be seen: the platform has to keep it |
 * | `NoMatch` | it selects no other VM that has a place |
 */
export type RuleOutcomeType = 'Kept' | 'Broken' | 'LeftToPlatform' | 'NoMatch';

/** One rule of a VM and what became of it. */
export interface RuleOutcome {
  vm: VmRef;
  effect: AffinityTerm['effect'];
  strength: AffinityTerm['strength'];
  topologyKey: AffinityTerm['topologyKey'];
  /** Where it stands in the manifest. */
  path: string;
  outcome: RuleOutcomeType;
}

/** How good an answer is; 1 is the best possible. */
export interface PlacementScore {
  /**
   * `(preferred.weight + (spread + load) / 2) / (preferred.terms + 1)`: balance is worth less than a whole preferred rule, but may be worth the
   * share of one.
   */
  total: number;
  preferred: {
    /** Preferred rules that select another VM, equal ones of a VM once: those in `kept` and `broken`, and those left to the platform. */
    terms: number;
    kept: number;
    broken: number;
    /** Each that is not broken counts 1. A broken anti-affinity counts for the share of the VMs it selects that stand elsewhere. */
    weight: number;
  };
  /** How evenly the zones are loaded, 0 to 1. */
  spread: number;
  /** How evenly the hosts are loaded, 0 to 1. */
  load: number;
}

/** One rule of a conflict: an affinity term, or the pin of a VM to a zone. */
export interface ConflictRule {
  vm: VmRef;
  type: 'Affinity' | 'AntiAffinity' | 'Pin';
  path: string;
}

/** Room that is missing at one place. */
export interface MissingRoom {
  zone: string;
  /** Absent: the zone's hosts cannot be seen. */
  host?: string;
  cpus: number;
  /** Bytes. */
  memory: number;
  /** The VMs to be placed that would need it there, the one that asks for most first. */
  vms: VmRef[];
}

/** Why there is no answer. */
export interface Conflict {
  /** Rules that cannot hold together, in the order of the VMs. */
  rules: ConflictRule[];
  /** True: each of them was left out once, and the others can hold without it. False: the budget ended before that was shown. */
  minimal: boolean;
  /** Set where the rules could hold if there was more room: one way to make it enough, under all rules. */
  capacity?: MissingRoom[];
}

/** How the search went. */
export interface SearchRecord {
  steps: number;
  /** The safety stop ended the search: another machine may answer otherwise. */
  stoppedByClock?: true;
}

/** An optional VM without a place. */
export interface UnplacedVm extends VmRef {
  /** The missing room, or the rules that conflict. */
  message: string;
}

/** Every VM that is not optional has a place, every required rule of the placed VMs holds and nothing is overcommitted. */
export interface Placed {
  type: 'Placed';
  /** In the order of the problem. */
  placements: VmPlacement[];
  /** Optional VMs without a place, in the order of the problem; absent: none. */
  unplaced?: UnplacedVm[];
  score: PlacementScore;
  /** Every rule of the VMs to be placed, and those of placed VMs that select one of them. */
  rules: RuleOutcome[];
  search: SearchRecord;
}

/** It is proven that there is no answer. */
export interface Infeasible {
  type: 'Infeasible';
  /** One sentence for people: what conflicts, with names and numbers. */
  message: string;
  conflict: Conflict;
  search: SearchRecord;
}

/** The budget ended with neither an answer nor a proof that there is none. */
export interface Undecided {
  type: 'Undecided';
  message: string;
  search: SearchRecord;
}

/** The answer to a {@link PlacementProblem}. */
export type PlacementAnswer = Placed | Infeasible | Undecided;
