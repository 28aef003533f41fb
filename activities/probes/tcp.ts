/** Probes of a TCP port. */
import { connect, type LookupFunction, type Socket } from 'node:net';

/**
 * Resolves once a connection was accepted, and closes it.
 *
 * @throws Error of the socket; the reason of `signal` once it aborts.
 */
export function probeTcp(
  { host, port }: { host: string; port: number },
  lookup: LookupFunction,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, lookup });
    const onAbort = (): void => void socket.destroy(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    socket
      .once('connect', () => {
        if (isOwnEnd(socket))
          reject(Object.assign(new Error('no process listens'), { code: 'ECONNREFUSED' }));
        else resolve();
        socket.destroy();
      })
      .on('error', reject)
      .once('close', () => signal.removeEventListener('abort', onAbort));
    if (signal.aborted) onAbort();
  });
}

/** Whether a socket is connected to itself: on loopback, the system may give the socket the port that it connects to, if no process listens there. */
function isOwnEnd({ localAddress, localPort, remoteAddress, remotePort }: Socket): boolean {
  return localPort === remotePort && localAddress === remoteAddress;
}
