/** What the explanations and estimates of this folder are made from. The bridge's `GroupView` is a {@link KnownGroup}. */
import type { MemberKind, PowerState } from '../api';
import type { Progress, RunOutcome } from '../contract';
import type { RunHealth } from './run-health';

/** A condition of a group or member. */
export interface KnownCondition {
  type: string;
  status: string;
  reason: string;
  message: string;
  /** RFC 3339. */
  lastTransitionTime: string;
}

/** A member, as the status of its group has it. */
export interface KnownMember {
  name: string;
  kind: MemberKind;
  /** VMs only: as observed. */
  powerState?: PowerState;
  conditions: readonly KnownCondition[];
}

/** A group, as its bridge has it. Times of runs are milliseconds since the epoch. */
export interface KnownGroup {
  metadata: { namespace: string; name: string };
  spec: { powerState?: PowerState; groupName?: string };
  status: { members: readonly KnownMember[]; conditions: readonly KnownCondition[] };
  phase: string;
  /** The reason for the phase, in a sentence. */
  message: string;
  run?: {
    workflowId: string;
    runId: string;
    startedAt: number;
    endedAt?: number;
    outcome?: RunOutcome;
    progress?: Progress;
    health?: RunHealth;
  };
}

/** `namespace/name`. */
export function nameOf({ metadata }: Pick<KnownGroup, 'metadata'>): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** The progress of the group's open run; undefined: no run is open, or it has not answered. */
export function openProgress({ run }: KnownGroup): Progress | undefined {
  return run?.endedAt === undefined ? run?.progress : undefined;
}
