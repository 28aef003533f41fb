/** The parts of a bridge alongside VM Operator's group controller. */
import { type Group, type ObjectName } from '../../../api';
import type { KubernetesObject } from '../../../kubernetes';
import type { BridgeParts, PartsContext } from '../parts';
import { kubernetesSource } from '../source';
import { companionOwnership } from './ownership';
import { SummaryStore } from './summary-store';

/** Levels of nested groups that are read. */
const MOST_LEVELS = 100;

/** Makes the parts. `startsByItself`: whether VM Operator powers a VM on by itself once it has created it. */
export function companionParts(
  context: PartsContext,
  startsByItself: (machine: KubernetesObject) => boolean,
): BridgeParts {
  const { api, objects, namespaces, isLeader, onStatusError, onStatusUnreadable, report } = context;
  const source = kubernetesSource(objects, true);
  const statusStore = new SummaryStore({
    api,
    groups: objects.groups,
    ...(namespaces && { namespaces }),
    isLeader,
    onError: onStatusError,
    onUnreadable: onStatusUnreadable,
  });
  const isManaged = (group: Group): boolean => {
    const { groups } = source.known(group.namespace);
    let at: Group | undefined = group;
    for (let level = 0; at && level < MOST_LEVELS; level += 1) {
      if (at.powerState !== undefined) return true;
      const { groupName }: Group = at;
      at = groupName === undefined ? undefined : groups.find(({ name }) => name === groupName);
    }
    return false;
  };
  const ownership = companionOwnership({
    objects,
    isLeader,
    isManaged,
    startsByItself,
    onEarlyStart: (vm: ObjectName, message) =>
      report({
        type: 'Warning',
        reason: 'StartsEarly',
        object: { kind: 'VirtualMachine', namespace: vm.namespace, name: vm.name },
        message,
      }),
  });
  return {
    source,
    statusStore,
    ownership,
    start: () => undefined,
    lead: () => statusStore.lead(),
    stop: async () => undefined,
  };
}
