/** What the API server's refusals mean for the next attempt. */
import { KubernetesError } from '../../kubernetes';
import { PlatformError } from '../platform';

/** Verbs of the API server that the platform needs; RBAC's names. */
export type OperatorVerb = 'get' | 'list' | 'patch' | 'update' | 'get, create and update';

/** The error of a platform for what went wrong in a call. `verb` and `resource` name the right that it takes. */
export function platformError(error: unknown, verb: OperatorVerb, resource: string): PlatformError {
  if (error instanceof PlatformError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof KubernetesError)) return failure('Transient', message, error);
  const { code, retryAfter } = error;
  if (code === 429 || (code === 503 && retryAfter !== undefined)) {
    return new PlatformError('Throttled', message, retryAfter, { cause: error });
  }
  if (error.isRightMissing) {
    return failure('Permanent', `${message}; let the worker's role ${verb} ${resource}`, error);
  }
  if (code === 401) return failure('Transient', `${message}; ${RENEW}`, error);
  return failure(REFUSALS.has(code) ? 'Permanent' : 'Transient', message, error);
}

/** They may be renewed in place: the same request is made again. */
const RENEW =
  'the credentials have expired or were revoked: renew the certificate or the token of this process';

/** The same request would be refused again. */
const REFUSALS = new Set([400, 403, 405, 413, 415, 422]);

function failure(failureClass: 'Permanent' | 'Transient', message: string, cause: unknown): PlatformError {
  return new PlatformError(failureClass, message, undefined, { cause });
}
