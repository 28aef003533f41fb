/** Who wrote the spec of an object last. Pure but for the keys of the stamps. */
import type { SpecChange } from '../../api';
import type { KubernetesObject } from '../../kubernetes';
import type { Stamps } from '../stamps';
import { FIELD_MANAGER } from './field-manager';

/**
 * The user whom the admission webhook has stamped, if the stamp is genuine and for this generation; otherwise the field manager that wrote last,
 * which is a claim of its client.
 */
export function specChange(
  { metadata }: KubernetesObject,
  kind: string,
  stamps: Stamps | undefined,
): SpecChange | undefined {
  const { namespace = '', name, generateName, generation = 0, annotations, managedFields = [] } = metadata;
  const stamp = stamps?.read({ kind, namespace, name, generateName, generation }, annotations);
  if (stamp) return { name: stamp.user, known: true, at: stamp.at };
  // Those of the bridge begin with its name: it writes finalizers, owner references and inherited power states.
  const [last] = managedFields
    .filter(
      ({ manager = '', subresource }) => !subresource && manager !== '' && !manager.startsWith(FIELD_MANAGER),
    )
    .map(({ manager = '', time }) => ({ manager, time, at: Date.parse(time ?? '') || 0 }))
    .sort((a, b) => b.at - a.at);
  return last && { name: last.manager, known: false, ...(last.time !== undefined && { at: last.time }) };
}
