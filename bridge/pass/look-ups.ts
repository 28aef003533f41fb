/** Which runs of a tree are looked up. Pure. */
import type { Group } from '../../api';
import { objectKey, parentOf, type ManifestIndex, type ObjectKey } from '../manifests';
import type { RunState } from '../runs';
import { lastRun, type GroupsFacts } from './facts';

/** A group whose last run is to be looked up. */
export interface LookUp {
  group: Group;
  /** What the run of its parent says of it, as a token that changes whenever the group's own run may have changed. */
  asState: string;
  /** The parent's run asks for the group now, and may not have started the group's run yet. */
  isStarting: boolean;
}

/**
 * The groups whose last runs are to be looked up: those never looked up, and nested ones that their parents' runs have asked for since
 * `lookedUpFor`.
 */
export function dueLookUps(
  index: ManifestIndex,
  tree: readonly Group[],
  groups: GroupsFacts,
  lookedUpFor: ReadonlyMap<ObjectKey, string>,
): LookUp[] {
  return tree.flatMap((group) => {
    const parent = parentOf(index, group);
    const key = objectKey(group);
    const run = groups.get(key)?.run;
    const { asState, isStarting } = askOf(parent && lastRun(groups, parent), group.name);
    const due = !run || (parent && run.phase !== 'Open' && asState !== lookedUpFor.get(key));
    return due ? [{ group, asState, isStarting }] : [];
  });
}

function askOf(parent: RunState | undefined, name: string): Omit<LookUp, 'group'> {
  if (parent?.phase === 'Closed') return { asState: `Closed ${parent.runId}`, isStarting: false };
  const members = parent?.phase === 'Open' ? parent.progress?.members : undefined;
  const member = members?.find((each) => each.member === `VirtualMachineGroup/${name}`);
  if (!member) return { asState: '', isStarting: false };
  const { phase, since, activityId = '' } = member;
  return { asState: `${phase} ${since} ${activityId}`, isStarting: phase === 'InProgress' };
}
