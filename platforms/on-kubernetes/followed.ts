/** Watches of a platform whose VMs a cache of the process follows. */
import type { ResourceCache } from '../../kubernetes';
import { PlatformError, type WatchSink } from '../platform';

/** Milliseconds in which a watch opens. */
const OPENING = 5_000;

/** The part of a cache that shows whether it is up to date. */
type Followed = Pick<ResourceCache<unknown>, 'live' | 'error' | 'plural' | 'synced' | 'onLive'>;

/**
 * Reports to a sink, through `addSink`, until `signal` aborts.
 *
 * @param what What the caches hold, for error messages: `VirtualMachines`.
 * @throws PlatformError `Transient` if a cache is not up to date, and as soon as it no longer is.
 */
export async function followed(
  caches: readonly Followed[],
  what: string,
  { sink, addSink }: { sink: WatchSink; addSink: (sink: WatchSink) => () => void },
  signal: AbortSignal,
): Promise<void> {
  for (const cache of caches) {
    await syncedOrAborted(cache, signal);
    await liveOrAborted(cache, signal);
  }
  if (signal.aborted) return;
  const behind = caches.find(({ live }) => !live);
  if (behind) throw notLive(behind.error, what);
  await new Promise<void>((resolve, reject) => {
    let removeSink: () => void = () => undefined;
    const end = (settle: () => void): void => {
      removeSink();
      for (const remove of listeners) remove();
      signal.removeEventListener('abort', stop);
      settle();
    };
    const stop = (): void => end(resolve);
    const listeners = caches.map((cache) =>
      cache.onLive((live) => {
        if (!live) end(() => reject(notLive(cache.error, what)));
      }),
    );
    signal.addEventListener('abort', stop, { once: true });
    removeSink = addSink(sink);
    if (signal.aborted) removeSink();
  });
}

function notLive(error: unknown, what: string): PlatformError {
  const why = error instanceof Error ? error.message : 'it is not read yet';
  return new PlatformError('Transient', `the list of ${what} is not up to date: ${why}`, undefined, {
    cause: error,
  });
}

/** Resolves once every watch is open, {@link OPENING} passed, or `signal` aborts. */
async function liveOrAborted(cache: Followed, signal: AbortSignal): Promise<void> {
  if (cache.live || signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stop();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, OPENING);
    const stop = cache.onLive(end);
    signal.addEventListener('abort', end, { once: true });
  });
}

/** Resolves once everything was listed, or `signal` aborts. */
async function syncedOrAborted(cache: Followed, signal: AbortSignal): Promise<void> {
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  await Promise.race([cache.synced(), stopped]);
  signal.removeEventListener('abort', stop);
}
