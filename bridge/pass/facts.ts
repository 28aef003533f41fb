/** What is known of one tree of groups at one moment. */
import type { Group, ObjectName, Problem, VirtualMachineStatus } from '../../api';
import { objectKey, type ManifestIndex, type ObjectKey } from '../manifests';
import type { ResolvedTier } from '../plans';
import type { SentPlan } from '../reconcile';
import type { Asker } from '../requests';
import type { RunState } from '../runs';
import { runOfView, type GroupView } from '../status';

/** What is known of one group. Times are milliseconds. */
export interface GroupFacts {
  /** Its members, tier by tier. */
  tiers: ResolvedTier[];
  /** Its last run; absent: not looked up yet. */
  run?: RunState;
  /** For how long the platform may not have reported yet what the last run did; 0: it has. */
  watchBehindFor: number;
  /** The view that was shown last. */
  view?: GroupView;
  /** What was sent to its run last. */
  sent?: SentPlan;
  /** Who asks for a run of it. */
  asked?: Asker;
  /** Since when its open run has been refusing its plan. */
  refusedFor?: number;
  /** Until when another plan for its open run has to wait, so that changes are gathered. */
  sendIn: number;
  problems: Problem[];
}

/** What is known of one VM. */
export interface MachineFacts {
  /** Absent: it is not on the platform, unless it is unseen. */
  status?: VirtualMachineStatus;
  /** Whether the platform has it is not known. */
  isUnseen?: true;
  /** The platform reported it after the bridge learned what its group's last run says of it. */
  isNews: boolean;
  /** See `reportedAfter` of a plan's member. */
  reportedAfter?: number;
  /** What keeps its open operation from taking effect. */
  hold?: string;
  /** Name of the platform that it is on; absent: the default one. */
  platform?: string;
  /** That platform asks its readiness probe itself. */
  probesItself?: true;
}

/** What is known of the groups of one tree. */
export type GroupsFacts = ReadonlyMap<ObjectKey, GroupFacts>;

/** What is known of one tree. */
export interface TreeFacts {
  index: ManifestIndex;
  /** The topmost group and all groups below it, parents first. */
  tree: readonly Group[];
  placesAhead: boolean;
  groups: GroupsFacts;
  machines: ReadonlyMap<ObjectKey, MachineFacts>;
  /** Whether the run of a group that the VM has left may still give back its place, by the VM's name. */
  mayLosePlace: (name: string) => boolean;
  /** Milliseconds since the epoch. */
  now: number;
}

/** The last run of a group, or what its view remembers of it. */
export function lastRun(groups: GroupsFacts, group: ObjectName): RunState {
  const known = groups.get(objectKey(group));
  return known?.run ?? runOfView(known?.view);
}
