/** Who changed the desired state of a tree last. Pure. */
import type { ObjectMeta } from '../../api';
import type { Group } from '../../api';
import type { PlanChange } from '../../contract';
import { policyOf, treeOf, type ManifestIndex } from '../manifests';

/** The last change of the groups of a tree and their policies, by the times of those who noted them; undefined: none is known. */
export function lastChange(index: ManifestIndex, driver: Group): PlanChange | undefined {
  const objects = treeOf(index, driver).flatMap((group): { kind: string; object: ObjectMeta }[] => {
    const policy = policyOf(index, group);
    return [
      { kind: 'VirtualMachineGroup', object: group },
      ...(policy ? [{ kind: 'SequencePolicy', object: policy }] : []),
    ];
  });
  let last: PlanChange | undefined;
  for (const { kind, object } of objects) {
    const { changedBy: by, namespace, name } = object;
    if (!by || (last && timeOf(by.at) <= timeOf(last.at))) continue;
    last = {
      name: by.name,
      object: `${kind} ${namespace}/${name}`,
      ...(by.known && { known: true as const }),
      ...(by.at !== undefined && { at: by.at }),
    };
  }
  return last;
}

function timeOf(at: string | undefined): number {
  return Date.parse(at ?? '') || 0;
}
