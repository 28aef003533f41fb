/** A status as a short text that tells it from any other one. */
import { createHash } from 'node:crypto';
import { canonicalText } from '../../../api';
import type { KubernetesObject } from '../../../kubernetes';

/** The digest of an object's status. Another object's is another one, the order of keys makes none: the server keeps an order of its own. */
export function statusDigest({
  metadata,
  status,
}: Pick<KubernetesObject, 'status'> & { metadata: { uid?: string } }): string {
  return createHash('sha256')
    .update(`${metadata.uid ?? ''} ${canonicalText(status ?? {})}`)
    .digest('base64url')
    .slice(0, 24);
}
