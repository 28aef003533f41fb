/** The first reading of a platform, which calls wait for. */
import { asError } from '../../api/unknown';
import type { Relayed } from './relay';

/** What is waited for. */
export interface Opening {
  observations: Pick<Relayed, 'onLive'>;
  /** Whether it has been read. */
  is: () => boolean;
  /** Milliseconds. */
  limit: number;
  /** The error if that is over. */
  late: string;
  signal: AbortSignal | undefined;
}

/** Resolves once a platform has been read. @throws what breaks it meanwhile, the reason of `signal`, Error `late` */
export async function untilOpen({ observations, is, limit, late, signal }: Opening): Promise<void> {
  let stop: () => void = () => undefined;
  const opened = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(late)), limit);
    const abort = (): void => reject(signal?.reason as Error);
    const stopListening = observations.onLive((broken) => {
      if (broken) reject(asError(broken.reason));
      else if (is()) resolve();
    });
    stop = () => {
      clearTimeout(timer);
      stopListening();
      signal?.removeEventListener('abort', abort);
    };
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
  });
  await opened.finally(stop);
}
