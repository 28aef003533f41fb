/** What deleting a group does to its members. */
import { POLICY_ANNOTATION } from '../../api';
import type { KubernetesObject } from '../../kubernetes';
import type { KubernetesSource } from './source';

/** What the policy of a group that is being deleted says about its members. */
export function deletionOf(source: KubernetesSource, { metadata }: KubernetesObject): 'Orphan' | 'Cascade' {
  const named = metadata.annotations?.[POLICY_ANNOTATION] || 'default';
  const policy = source.known(metadata.namespace ?? '').policies.find(({ name }) => name === named);
  return policy?.spec.deletion ?? 'Orphan';
}
