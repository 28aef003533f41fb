/** Finds another controller that writes the status of a group, such as VM Operator's. Pure. */
import type { KubernetesObject } from '../../kubernetes';
import { FIELD_MANAGER } from './field-manager';

/** Another controller that writes the status of a group. */
export interface OtherController {
  /** Its field manager; that of VM Operator is the name of its program, `manager`. */
  manager: string;
  /** Its last write, milliseconds since the epoch, whole seconds. */
  at: number;
  /** It has written after our last write, or we have not written yet. One that wrote only before us may be gone. */
  active: boolean;
}

/**
 * The other controller that wrote the status last; undefined if there is none. `kubectl` is not a controller.
 *
 * @param object As the server sends it, with `metadata.managedFields`
 *   (https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management).
 */
export function otherController({ metadata }: KubernetesObject): OtherController | undefined {
  const writers = (metadata.managedFields ?? [])
    .filter(({ subresource }) => subresource === 'status')
    .map(({ manager = '', time = '' }) => ({ manager, at: Date.parse(time) || 0 }));
  const ours = writers.find(({ manager }) => manager === FIELD_MANAGER);
  const [last] = writers
    .filter(({ manager }) => manager !== FIELD_MANAGER && !manager.startsWith('kubectl'))
    .sort((a, b) => b.at - a.at);
  return last && { ...last, active: ours === undefined || last.at >= ours.at };
}
