/** Errors of the API server. */
import type { KubernetesError } from '../../kubernetes';
import * as lazy from '../lazy';

/** Whether an error is an answer of the API server, or the lack of one. */
export function isKubernetesError(error: unknown): error is KubernetesError {
  return error instanceof lazy.kubernetes().KubernetesError;
}
