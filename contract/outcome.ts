/** How a run ended: the result of the workflow. */
import type { Placement, VirtualMachineStatus } from '../api';
import type { RecordedCommand } from './operator-commands';
import type { DesiredPowerState, MemberKey } from './plan';

/** How a run ended. */
export type OutcomeType = 'Converged' | 'ConvergedWithExceptions' | 'Failed' | 'Cancelled' | 'Superseded';

/** Kinds of {@link RunException}. */
export type ExceptionReason =
  | 'Parked'
  | 'Skipped'
  | 'MarkedReady'
  | 'NotFound'
  | 'NotMember'
  /** Changed behind the group's back; policy says to report it only. */
  | 'Drifted'
  /** Changed behind the group's back more often than policy lets the group correct. */
  | 'DriftLimit'
  /** An optional member for which there is no room. */
  | 'NoRoom'
  /** The run ended before its turn came. */
  | 'NotStarted'
  /** Its operation was open when the run ended. */
  | 'InProgress'
  /** A nested group that has exceptions of its own. */
  | 'GroupHasExceptions';

/** Why a member is not in the desired state at the end of a run, or is there only by an operator's word. */
export interface RunException {
  member: MemberKey;
  reason: ExceptionReason;
  message: string;
}

/** Where a run has placed a VM. */
export interface RunPlacement extends Placement {
  /** Of the VM that was placed: another one of the same name is not. */
  uid?: string;
  /** What the platform says of the place. */
  note?: string;
}

/** A VM as a run saw it last. */
export interface SeenMember extends VirtualMachineStatus {
  /** Of the VM that was seen: another one of the same name was not. Absent in runs of older builds. */
  uid?: string;
}

/** Start and end, milliseconds since the epoch. */
export type Span = [began: number, ended: number];

/** Result of the workflow. */
export interface RunOutcome {
  outcome: OutcomeType;
  message: string;
  revision: string;
  generation: number;
  /** Of the last plan, as its sender named it. */
  planDigest?: string;
  lineage: string;
  powerState: DesiredPowerState;
  /** The force sync that this run carried out. */
  forceSync?: string;
  startedAt: number;
  endedAt: number;
  /** Power operations that were asked for; 0: every member was there already. */
  operations: number;
  exceptions: RunException[];
  /** Last observed state of each VM member. */
  observed: Record<MemberKey, SeenMember>;
  /** Every VM of the tree that this run has placed, by name. */
  placements: Record<MemberKey, RunPlacement>;
  /** Names of the VMs of the tree that have no place since the run was ended: what was promised to them was given back. */
  released?: string[];
  /**
   * When the operation that brought each member to its gate began, and when it got there. Members that were there already have none, nor have
   * runs of older builds.
   */
  spans?: Record<MemberKey, Span>;
  /** Times of the corrections of drift that still count. */
  corrections: Record<string, number[]>;
  words: RecordedCommand[];
  /** Texts or parts were left out, as the outcome would not have fitted. */
  shortened?: true;
}
