/**
 * Calls about VMs to an API server, a few at a time (TURN-1, TURN-2).
 *
 * CALLS-1: writes do not hold reads up. A webhook that does not answer makes writes alone slow.
 */
import {
  KubernetesError,
  type ApiServer,
  type CallOptions,
  type ObjectKeyParts,
  type Resource,
} from '../../kubernetes';
import { CallTurns } from '../call-turns';

/** Reads in progress at once, and writes. */
const AT_ONCE = 32;
/** Milliseconds that a call has from its turn on. */
const LIMIT = 10_000;

/** A server whose calls wait for their turn. */
export function callsInTurn(api: ApiServer): Pick<ApiServer, 'get' | 'list' | 'merge' | 'invoke'> {
  const reads = new CallTurns(AT_ONCE);
  const writes = new CallTurns(AT_ONCE);
  return {
    get: (resource, key, options) =>
      turn(reads, `get ${nameOf(resource, key)}`, options, (limited) => api.get(resource, key, limited)),
    list: (resource, options) =>
      turn(reads, `list ${resource.plural}`, options, (limited) => api.list(resource, limited)),
    merge: (resource, key, patch, options) =>
      turn(writes, `patch ${nameOf(resource, key)}`, options, (limited) =>
        api.merge(resource, key, patch, limited),
      ),
    invoke: (resource, key, action, body, options) =>
      turn(writes, `${action} ${nameOf(resource, key)}`, options, (limited) =>
        api.invoke(resource, key, action, body, limited),
      ),
  };
}

function nameOf({ plural }: Resource, { namespace, name }: ObjectKeyParts): string {
  return `${plural} ${namespace}/${name}`;
}

/** Makes a call in its turn. Rejects with a `KubernetesError`, also where it gets no turn; `what` names the call then. */
async function turn<T, Options extends CallOptions>(
  turns: CallTurns,
  what: string,
  options: Options | undefined,
  call: (options: Options & CallOptions) => Promise<T>,
): Promise<T> {
  const { timeout: limit = LIMIT, signal: given } = options ?? {};
  // The limit of the turn ends the call: with a second one as long, it would be left to chance which of them ends it.
  const made = (signal: AbortSignal): Promise<T> =>
    call({ ...(options as Options), signal, timeout: Infinity });
  try {
    return await turns.take(made, { limit, signal: given });
  } catch (error: unknown) {
    if (error instanceof KubernetesError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new KubernetesError(`${what}: ${message}`, 0, '', undefined, { cause: error });
  }
}
