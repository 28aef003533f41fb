/**
 * An API server that gets a few calls at a time.
 *
 * TURN-1: a bounded number of reads and of writes is in progress at once; the others wait in order, and the time limit of each begins with its
 *     turn. A slow server then answers all of them in the end; sent together, they would time out together and be repeated.
 * TURN-2: writes do not hold reads up. A webhook that does not answer makes writes alone slow.
 */
import PQueue from 'p-queue';
import type { ApiServer, CallOptions } from './api-server';
import { noAnswerError } from './error';

/** Reads in progress at once, and writes. */
const AT_ONCE = 32;

/** A server whose calls wait for their turn. */
export function callsInTurn(api: ApiServer): Pick<ApiServer, 'get' | 'list' | 'merge' | 'invoke'> {
  const reads = new PQueue({ concurrency: AT_ONCE });
  const writes = new PQueue({ concurrency: AT_ONCE });
  return {
    get: (resource, key, options) => turn(reads, options, () => api.get(resource, key, options)),
    list: (resource, options) => turn(reads, options, () => api.list(resource, options)),
    merge: (resource, key, patch, options) =>
      turn(writes, options, () => api.merge(resource, key, patch, options)),
    invoke: (resource, key, action, body, options) =>
      turn(writes, options, () => api.invoke(resource, key, action, body, options)),
  };
}

/** Makes a call in its turn. Rejects with a `KubernetesError`, also where the signal aborts before that. */
async function turn<T>(queue: PQueue, { signal }: CallOptions = {}, call: () => Promise<T>): Promise<T> {
  let begun: Promise<T> | undefined;
  try {
    return await queue.add(() => (begun = call()), signal && { signal });
  } catch (error: unknown) {
    if (begun) return begun;
    throw noAnswerError('a call that waited for its turn', error);
  }
}
