/** The watch of a platform whose observations continue for as long as the process lives. */
import type { WatchSink } from '../platform';

/** Observations that report to sinks. */
export interface Relayed {
  /** Calls `listener` with the reason each time changes stop arriving. Returns the function that ends that. */
  onLive(listener: (broken?: { reason: unknown }) => void): () => void;
  /** Reports all VMs, then each change. Returns the function that ends that. */
  addSink(sink: WatchSink): () => void;
}

/**
 * Reports to a sink until `signal` aborts.
 *
 * @throws `asError` of the reason if the observations break.
 */
export async function relay(
  observations: Relayed,
  sink: WatchSink,
  signal: AbortSignal,
  asError: (reason: unknown) => Error,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let removeSink: () => void = () => undefined;
    const end = (settle: () => void): void => {
      removeSink();
      stopListening();
      signal.removeEventListener('abort', stop);
      settle();
    };
    const stop = (): void => end(resolve);
    const stopListening = observations.onLive((broken) => {
      if (broken) end(() => reject(asError(broken.reason)));
    });
    signal.addEventListener('abort', stop, { once: true });
    removeSink = observations.addSink(sink);
    if (signal.aborted) stop();
  });
}
