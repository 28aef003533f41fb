/** Which of two versions of an object is the older one. */
import type { KubernetesObject } from './api-server';

/**
 * Whether the first is an older version of the same object than the second. The API server counts versions up for each resource
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions); where one is no number, nothing is known.
 */
export function isOlder(
  { metadata: a }: Pick<KubernetesObject, 'metadata'>,
  { metadata: b }: Pick<KubernetesObject, 'metadata'>,
): boolean {
  const [one = '', other = ''] = [a.resourceVersion, b.resourceVersion];
  if (a.uid !== b.uid || !/^\d+$/.test(one) || !/^\d+$/.test(other)) return false;
  return one.length === other.length ? one < other : one.length < other.length;
}
