import type { ObjectName } from '../../api';
import type { GroupView, StatusStore } from '../../bridge';

const keyOf = ({ namespace, name }: ObjectName): string => `${namespace}/${name}`;

/** Keeps views in memory alone. */
export function memoryStatusStore(): StatusStore {
  const views = new Map<string, GroupView>();
  return {
    load: async () => [...views.values()],
    save: (view) => void views.set(keyOf(view.metadata), view),
    remove: (group) => void views.delete(keyOf(group)),
    flush: async () => undefined,
  };
}
