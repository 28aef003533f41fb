/**
 * An API server for writes that only the leader may make.
 *
 * LEADER-3: such a write has as long as its process leads, and ends before another process can: slowness of the API server alone makes none
 *     fail, and a former leader waits for none.
 */
import type { ApiServer, CallOptions } from '../api-server';

/** Milliseconds that a write may take: as long as the slowest admission webhook (30 s) and a little more. */
const LONGEST_WRITE = 35_000;

/**
 * The same API server, whose writes end with the term of leadership in which they began; reads pass. `term` aborts once another process may
 * lead.
 */
export function leaderWrites(api: ApiServer, term: () => AbortSignal): ApiServer {
  const within = <T extends CallOptions>(options: T): T => ({
    timeout: LONGEST_WRITE,
    ...options,
    signal: options.signal ? AbortSignal.any([options.signal, term()]) : term(),
  });
  return {
    ...api,
    create: (resource, object, options = {}) => api.create(resource, object, within(options)),
    replace: (resource, object, options = {}) => api.replace(resource, object, within(options)),
    apply: (resource, object, options) => api.apply(resource, object, within(options)),
    merge: (resource, key, patch, options = {}) => api.merge(resource, key, patch, within(options)),
    delete: (resource, key, options = {}) => api.delete(resource, key, within(options)),
  };
}
