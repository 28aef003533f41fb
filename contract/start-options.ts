/** How a run is started: the same from the bridge, a parent's run and the command. */
import { TypedSearchAttributes } from '@temporalio/common';
import type { RunPhase } from './progress';
import { searchAttributeKeys } from './search-attributes';
import { workflowId, type DesiredPowerState, type Plan } from './plan';

/** The phase in which a run begins, given by the process that starts it: no command is spent on it. */
export const RUNNING_PHASE = {
  PoweredOn: 'PoweringOn',
  PoweredOff: 'PoweringOff',
  Suspended: 'Suspending',
  Unchanged: 'Placing',
} as const satisfies Record<DesiredPowerState, RunPhase>;

/** Options of `client.workflow.signalWithStart` for a run of this plan; signal and arguments are the caller's. */
export interface StartOptions {
  workflowId: string;
  taskQueue: string;
  workflowIdReusePolicy: 'ALLOW_DUPLICATE';
  workflowIdConflictPolicy: 'USE_EXISTING';
  /** A workflow task that was lost with a killed server or worker is given out again after this time. */
  workflowTaskTimeout: '5s';
  staticSummary: string;
  typedSearchAttributes: TypedSearchAttributes;
}

/** The task queue of the workers that reach a platform. `taskQueue`: that of the workflows, whose workers reach the default platform. */
export function platformTaskQueue(taskQueue: string, platform: string): string {
  return `${taskQueue}/${platform}`;
}

/** Start options for a run of this plan on a task queue. */
export function startOptions(plan: Plan, taskQueue: string): StartOptions {
  return {
    workflowId: workflowId(plan.namespace, plan.name),
    taskQueue,
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowTaskTimeout: '5s',
    staticSummary: summary(plan),
    typedSearchAttributes: new TypedSearchAttributes([
      { key: searchAttributeKeys.namespace, value: plan.namespace },
      { key: searchAttributeKeys.group, value: plan.name },
      { key: searchAttributeKeys.root, value: plan.root },
      { key: searchAttributeKeys.powerState, value: plan.powerState },
      { key: searchAttributeKeys.phase, value: RUNNING_PHASE[plan.powerState] },
    ]),
  };
}

/** Temporal takes 200 bytes; names are ASCII and may be 253 long each. */
function summary(plan: Plan): string {
  const members = plan.tiers.reduce((count, { members }) => count + members.length, 0);
  const text = `${plan.namespace}/${plan.name}: ${plan.powerState}, ${members} members in ${plan.tiers.length} tiers`;
  return text.length <= 200 ? text : `${text.slice(0, 197)}...`;
}
