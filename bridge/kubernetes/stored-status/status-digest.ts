/** Digests of statuses: two statuses are equal if their digests are. */
import { createHash } from 'node:crypto';
import { canonicalText } from '../../../api';
import type { KubernetesObject } from '../../../kubernetes';
import { withinLevels } from './depth';

/**
 * The digest of an object's status (DEPTH-1). It differs between objects, and does not depend on the order of keys: the server has an order of its
 * own.
 */
export function statusDigest({
  metadata,
  status,
}: Pick<KubernetesObject, 'status'> & { metadata: { uid?: string } }): string {
  return createHash('sha256')
    .update(`${metadata.uid ?? ''} ${canonicalText(withinLevels(status ?? {}))}`)
    .digest('base64url')
    .slice(0, 24);
}
