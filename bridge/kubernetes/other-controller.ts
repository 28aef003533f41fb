/** Tells from a group's object whether another controller, such as that of VM Operator, keeps its status too. Pure. */
import type { KubernetesObject } from '../../kubernetes';
import { FIELD_MANAGER } from './field-manager';

/** Somebody else who writes the status of groups. */
export interface OtherController {
  /** Field manager: of VM Operator, the name of its program, `manager`. */
  manager: string;
  /** Its last write, milliseconds since the epoch, whole seconds. */
  at: number;
  /** It has written after our own last write, or we have not written yet. What wrote before us alone may be gone. */
  active: boolean;
}

/**
 * The other controller that wrote the status last; undefined where there is none. People with `kubectl` are no controller.
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
