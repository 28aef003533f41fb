/**
 * What deleting a group does to its members.
 *
 * DELETION-1: members are deleted only if the API server's present policy says so: the watch on policies may lag behind that on groups.
 */
import { POLICY_ANNOTATION, readResource } from '../../api';
import {
  findListed,
  isBeingDeleted,
  RESOURCES,
  type ApiServer,
  type KubernetesObject,
} from '../../kubernetes';
import type { KubernetesSource } from './source';

/** What happens to the members. */
export type Deletion = 'Orphan' | 'Cascade';

/** What the known policy of a group that is being deleted says about its members. */
export function deletionOf(source: Pick<KubernetesSource, 'known'>, group: KubernetesObject): Deletion {
  const { namespace, name } = policyOf(group);
  const policy = source.known(namespace).policies.find((each) => each.name === name);
  return policy?.spec.deletion ?? 'Orphan';
}

/** The same, confirmed by the API server if it is not `Orphan` (DELETION-1). Rejects with a `KubernetesError`. */
export async function confirmedDeletionOf(
  api: ApiServer,
  source: Pick<KubernetesSource, 'known'>,
  group: KubernetesObject,
): Promise<Deletion> {
  if (deletionOf(source, group) === 'Orphan') return 'Orphan';
  const found = await findListed(api, RESOURCES.sequencePolicies, policyOf(group));
  if (!found || isBeingDeleted(found)) return 'Orphan';
  const { read } = readResource(found);
  // Of a policy that is not valid now, the last valid form is in force.
  return read?.kind === 'SequencePolicy' ? (read.object.spec.deletion ?? 'Orphan') : 'Cascade';
}

function policyOf({ metadata }: KubernetesObject): { namespace: string; name: string } {
  const { namespace = '', annotations } = metadata;
  return { namespace, name: annotations?.[POLICY_ANNOTATION] || 'default' };
}
