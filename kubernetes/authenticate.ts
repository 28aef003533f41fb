/**
 * Lets calls carry who asks, over connections that are kept.
 *
 * client-node authenticates each call and gives it a pool of connections of its own, so each would shake hands anew: several times the
 * cost of the call itself, on both sides. Here the first pool is kept for as long as the certificates stay the same.
 */
import type { RequestOptions } from 'node:https';
import type { KubeConfig, RequestContext } from '@kubernetes/client-node';

/** Makes the function that authenticates a call. */
export function authentication(config: KubeConfig): (context: RequestContext) => Promise<void> {
  let kept: { dispatcher: ReturnType<RequestContext['getDispatcher']>; of: string } | undefined;

  return async (context) => {
    const tls: RequestOptions = {};
    await config.applyToHTTPSOptions(tls);
    const { ca, cert, key, pfx, passphrase, rejectUnauthorized, servername } = tls;
    // Certificates change where a plugin or a file hands out short-lived ones.
    const of = JSON.stringify([ca, cert, key, pfx, passphrase, rejectUnauthorized, servername]);
    await config.applySecurityAuthentication(context);
    if (kept?.of !== of) {
      const before = kept?.dispatcher;
      kept = { dispatcher: context.getDispatcher(), of };
      // Calls that are open end on it.
      void before?.close();
    } else if (kept.dispatcher) context.setDispatcher(kept.dispatcher);
  };
}
