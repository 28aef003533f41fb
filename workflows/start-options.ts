/** How a run of a group is started: the same for the bridge and for the run of a parent group. */
import type { PowerState } from '../api';
import { searchAttributeKeys, type RunPhase, type RunStart } from './messages';
import { memberKey, workflowId, type Plan } from './plan';

/** Longest static summary that the server takes, bytes. */
const SUMMARY_LIMIT = 200;

const PHASES: Record<PowerState, RunPhase> = {
  PoweredOn: 'PoweringOn',
  PoweredOff: 'PoweringOff',
  Suspended: 'Suspending',
};

const VERBS: Record<PowerState, string> = {
  PoweredOn: 'power on',
  PoweredOff: 'power off',
  Suspended: 'suspend',
};

/** Options of a signal-with-start for the run of `plan`'s group, the signal itself left out. */
export interface RunStartOptions {
  workflowId: string;
  taskQueue: string;
  args: [RunStart];
  /** One run of a group after the other, at most one at a time; a signal goes to the one that is open. */
  workflowIdReusePolicy: 'ALLOW_DUPLICATE';
  workflowIdConflictPolicy: 'USE_EXISTING';
  staticSummary: string;
  typedSearchAttributes: { key: { name: string; type: 'KEYWORD' }; value: string }[];
}

/** {@link RunStartOptions} of `plan`. */
export function startOptions(plan: Plan, taskQueue: string): RunStartOptions {
  const { namespace, name, root, powerState } = plan;
  return {
    workflowId: workflowId(namespace, name),
    taskQueue,
    args: [{ namespace, name }],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: summaryOf(plan),
    typedSearchAttributes: [
      { key: searchAttributeKeys.namespace, value: namespace },
      { key: searchAttributeKeys.group, value: name },
      { key: searchAttributeKeys.root, value: root },
      { key: searchAttributeKeys.powerState, value: powerState },
      { key: searchAttributeKeys.phase, value: PHASES[powerState] },
    ],
  };
}

/** Names are ASCII, so characters are bytes. */
function summaryOf({ namespace, name, powerState, tiers }: Plan): string {
  const members = tiers.flatMap((tier) => tier.members.map(memberKey)).length;
  const action = `: ${VERBS[powerState]} ${members} member${members === 1 ? '' : 's'}`;
  return `${`${namespace}/${name}`.slice(0, SUMMARY_LIMIT - action.length)}${action}`;
}
