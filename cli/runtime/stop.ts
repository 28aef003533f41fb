/** The end of a process. Ctrl-C and SIGTERM: the first asks for a clean end, the second ends the process at once. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { EXIT } from '../errors';

/** Longest time for a clean end, milliseconds. Kubernetes gives our pods 30 s. */
const PATIENCE = 15_000;

/** Closes the parts of a process, the last one first. Resolves after `patience` milliseconds at the latest; errors are logged. */
export async function closeAll(
  closers: readonly (() => Promise<unknown>)[],
  logger: Logger,
  patience = PATIENCE,
): Promise<void> {
  const all = (async () => {
    for (const close of closers.toReversed())
      await close().catch((error: unknown) => logger.warn({ err: error }, 'a part did not stop cleanly'));
    return true;
  })();
  const done = await Promise.race([all, sleep(patience, false, { ref: false })]);
  if (!done) logger.warn({ waitedMs: patience }, 'some parts did not stop in time');
}

/** Aborts at the first SIGINT or SIGTERM, with the signal's name as the reason; the second one ends the process. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(EXIT.interrupted);
      controller.abort(signal);
    });
  }
  return controller.signal;
}

/** Resolves at the first SIGINT or SIGTERM. */
export function untilStopped(signal = stopSignal()): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
    // Nothing else need keep the process alive until then.
    const alive = setInterval(() => undefined, 60_000);
    signal.addEventListener('abort', () => clearInterval(alive), { once: true });
  });
}
