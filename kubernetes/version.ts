/** The order of versions of an object. */
import type { KubernetesObject } from './object';

/**
 * Whether the first is an older version of the same object than the second. The API server increases versions for each resource
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions); if one is no number, the order is not known, and this returns false.
 */
export function isOlder(
  { metadata: a }: Pick<KubernetesObject, 'metadata'>,
  { metadata: b }: Pick<KubernetesObject, 'metadata'>,
): boolean {
  return a.uid === b.uid && isLower(a.resourceVersion, b.resourceVersion);
}

/** Whether the first resource version is lower than the second; false if one is no number. */
export function isLower(one = '', other = ''): boolean {
  if (!/^\d+$/.test(one) || !/^\d+$/.test(other)) return false;
  return one.length === other.length ? one < other : one.length < other.length;
}
