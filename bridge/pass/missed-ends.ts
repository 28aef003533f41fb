/** Which runs are notified of the end of nested runs that could not notify them. Pure. */
import type { Group } from '../../api';
import { memberKey } from '../../contract';
import { objectKey, parentOf } from '../manifests';
import type { MissedEnd } from '../runs';
import type { TreeFacts } from './facts';

/**
 * The nested runs of a tree that have ended without an outcome (terminated, or deleted with their history) while the runs of their parents wait
 * for their notification. One that has an outcome has notified its parent.
 */
export function missedEnds({ index, tree, groups }: TreeFacts): { parent: Group; end: MissedEnd }[] {
  return tree.flatMap((group) => {
    const parent = parentOf(index, group);
    const run = groups.get(objectKey(group))?.run;
    const waiting = parent && groups.get(objectKey(parent))?.run;
    if (!parent || waiting?.phase !== 'Open' || !run || run.phase === 'Open') return [];
    if (run.phase === 'Closed' && run.outcome) return [];
    const key = memberKey({ kind: 'VirtualMachineGroup', name: group.name });
    const runId = waiting.progress?.members.find(({ member }) => member === key)?.awaitedRunId;
    if (runId === undefined) return [];
    return [{ parent, end: { member: key, runId, endedRunId: run.phase === 'Closed' ? run.runId : '' } }];
  });
}
