/** The shape of `status` of a group on an API server. */
import type { RunOutcome } from '../../../contract';
import type { SentPlan } from '../../reconcile';
import type { Condition, GroupPhase, GroupStatus, RunView } from '../../status';

/** A condition of a group: those of its view, and `StatusComplete=False` if the status was made smaller. */
export type StoredCondition = Omit<Condition, 'type'> & { type: Condition['type'] | 'StatusComplete' };

/** `status` of a group on an API server. */
export interface StoredStatus extends Omit<GroupStatus, 'conditions'> {
  conditions: StoredCondition[];
  phase: GroupPhase;
  message: string;
  /** `4/6`. */
  readyMembers: string;
  run?: StoredRun;
}

/** `status.run`. Times are RFC 3339 in whole seconds; those of `memory` are milliseconds since the epoch. */
export interface StoredRun {
  workflowId: string;
  runId: string;
  startTime: string;
  endTime?: string;
  outcome?: string;
  message?: string;
  exceptions?: RunOutcome['exceptions'];
  /** What the bridge remembers; not part of the API. */
  memory: { run?: Remembered; sent?: SentPlan };
}

/** A closed run, without what other fields of the status have. */
export type Remembered = Pick<RunView, 'startedAt' | 'endedAt' | 'closedAs'> & {
  outcome?: Omit<RunOutcome, 'outcome' | 'message' | 'exceptions' | 'observed' | 'placements' | 'words'>;
};
