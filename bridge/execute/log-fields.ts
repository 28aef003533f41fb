/** The fields of log lines about groups and their runs (LOG-2). Pure. */
import type { Group, ObjectName, VirtualMachine } from '../../api';
import type { EventObject } from '../events';
import type { RunState } from '../runs';

/** What is known of the objects that lines are about. */
export interface LogKnowledge {
  group(name: ObjectName): Group | undefined;
  machine(name: ObjectName): VirtualMachine | undefined;
  run(name: ObjectName): RunState | undefined;
}

/** The fields of a line about an object: `namespace`, `group`, `member`, and of the last run of the group `runId` and `revision`. */
export function logFields(object: EventObject, known: LogKnowledge): Record<string, string> {
  const { kind, namespace, name } = object;
  if (kind === 'VirtualMachineGroup') return ofGroup(object, known);
  if (kind !== 'VirtualMachine') return {};
  const group = known.machine(object)?.groupName;
  return {
    ...(group === undefined ? { namespace } : ofGroup({ namespace, name: group }, known)),
    member: name,
  };
}

function ofGroup({ namespace, name }: ObjectName, known: LogKnowledge): Record<string, string> {
  const run = known.run({ namespace, name });
  const runId = run && run.phase !== 'None' ? run.runId : undefined;
  const inForce = run?.phase === 'Open' ? run.progress?.revision : undefined;
  const revision = inForce ?? known.group({ namespace, name })?.revision;
  return {
    namespace,
    group: name,
    ...(runId !== undefined && { runId }),
    ...(revision !== undefined && { revision }),
  };
}
