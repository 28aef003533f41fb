/**
 * What the events of the record say of plans, VMs, activities and outcomes. An allowlist: manifests, labels, affinity rules, probes, headers and
 * addresses are not among it.
 *
 * Times and durations are milliseconds (times since the Unix epoch), by the clock of the process or platform that took them.
 */
import type {
  DeletionPolicy,
  DriftAction,
  Gate,
  MemberKind,
  PowerMode,
  PowerState,
  RecoveryTargets,
  WhenParked,
} from '../api';
import type { DesiredPowerState, ExceptionReason, MemberKey, OutcomeType, SetAsideReason } from '../contract';

/** Who did something. */
export interface Actor {
  name: string;
  /**
   * Whether the process that stamped the name authenticated it. False: the client claimed it, as `--actor` and the identity of a Temporal
   * client do.
   */
  known: boolean;
}

/** A VM as it was observed. */
export interface RecordedObservation {
  powerState: PowerState;
  at: number;
  /** When it came into this power state, where the platform tells. */
  since?: number;
  ready?: boolean;
  conditions?: string[];
  placement?: RecordedPlace;
  /** The platform's own version of the VM. */
  version?: string;
}

/** Where a VM is. */
export interface RecordedPlace {
  zoneID: string;
  node?: string;
  pool?: string;
  note?: string;
}

/** A plan. */
export interface RecordedPlan {
  name: string;
  revision: string;
  generation: number;
  powerState: DesiredPowerState;
  powerOffMode?: PowerMode;
  suspendMode?: PowerMode;
  forceSync?: string;
  /** The run is a rehearsal. */
  test?: true;
  tiers: RecordedTier[];
  policy: {
    operationTimeout: number;
    maxConcurrentOperations: number;
    guestShutdownTimeout: number;
    retry: { maximumAttempts: number; initialInterval: number; maximumInterval: number };
    drift: { action: DriftAction; maxCorrections: number; window: number };
    deletion?: DeletionPolicy;
    targets?: RecoveryTargets;
  };
}

/** One tier of a plan. */
export interface RecordedTier {
  powerOnDelay: number;
  /** `null`: powered off together with the other tiers. */
  powerOffDelay: number | null;
  gate: Gate;
  gateTimeout: number;
  whenParked: WhenParked;
  quorum?: number;
  targets?: RecoveryTargets;
  members: RecordedMember[];
}

/** One member of a plan. */
export interface RecordedMember {
  kind: MemberKind;
  name: string;
  uid?: string;
  link: 'Linked' | 'NotFound' | 'NotMember';
  optional?: true;
  gate?: Gate;
  gateTimeout?: number;
  platform?: string;
  drifted?: true;
  recovered?: true;
  setAside?: { reason: SetAsideReason; message: string };
  /** Of a nested group. */
  plan?: RecordedPlan;
}

/** What an activity is asked to do. */
export type ActivityTask =
  | {
      type: 'Power';
      powerState: PowerState;
      /** Name of the VM. */
      vm: string;
      uid: string;
      /** Id and sequence of the operation. */
      operation: string;
      sequence: number;
      mode?: PowerMode;
      gate: Gate;
      gateTimeout: number;
      /** An earlier operation is fenced off. */
      fence?: true;
      /** The claimed result of the operation is checked against the platform. */
      confirms?: true;
    }
  | {
      type: 'Group';
      /** Name of the nested group. */
      group: string;
      operation?: string;
      sequence?: number;
      powerState: DesiredPowerState;
      revision: string;
      /** The nested run that is waited for. */
      runId?: string;
      confirms?: true;
    }
  | { type: 'Place'; vms: string[]; optional: string[]; sequence?: number; confirms?: true }
  | { type: 'Release'; vms: string[]; sequence: number }
  | { type: 'Answer'; vm: string; choice: string }
  | { type: 'FindEndedGroups'; members: MemberKey[] }
  | { type: 'FindCanceller' }
  /** An activity that this build does not know, or whose input cannot be read. */
  | { type: 'Unknown'; activity: string };

/** What an activity has returned. */
export type ActivityResult =
  | {
      type: 'Power';
      /** Whether the platform was asked for an operation; false: the VM was in the desired state already. */
      acted: boolean;
      observed: RecordedObservation;
      /** What the guest answered to a probe. */
      probed?: string;
      /** Questions of the platform that were answered as the policy says. */
      answered?: { id: string; kind: string; choice: string; at: number }[];
    }
  | { type: 'Group'; outcome: OutcomeType; message: string; revision: string }
  /** The nested run continues, and will notify this one of its end. */
  | { type: 'GroupWaiting'; runId: string }
  | { type: 'Place'; places: Record<string, RecordedPlace>; unplaced: Record<string, string> }
  | { type: 'Release'; free: string[] }
  | { type: 'Answer'; message: string }
  | { type: 'FindEndedGroups'; ended: MemberKey[] }
  | { type: 'FindCanceller'; identity: string; reason: string }
  /** A result that cannot be read: it was completed by hand, or by another build. */
  | { type: 'Unknown' };

/** How a run ended by itself. */
export interface RecordedOutcome {
  outcome: OutcomeType;
  message: string;
  revision: string;
  generation: number;
  powerState: DesiredPowerState;
  startedAt: number;
  endedAt: number;
  /** Power operations that were asked for. */
  operations: number;
  exceptions: { member: MemberKey; reason: ExceptionReason; message: string }[];
  /** Last observation of each VM member. */
  observed: Record<MemberKey, RecordedObservation>;
  placements: Record<MemberKey, RecordedPlace>;
  /** VMs whose promised places were given back. */
  released?: string[];
  /** The run itself left out parts that did not fit. */
  shortened?: true;
}
