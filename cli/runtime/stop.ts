/** How a process ends: the first SIGINT, SIGTERM or SIGHUP asks for a clean end, the second one ends it at once. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { EXIT } from '../errors';
import { whenUnread } from '../output';

/** Longest time for a clean end, milliseconds. Kubernetes gives our pods 30 s. */
const CLOSE_TIMEOUT = 15_000;

/** Closes one thing that a process has opened or started. */
export type Closer = () => Promise<unknown>;

/** Calls closers, the last one first, and logs their errors. Resolves after `timeout` milliseconds at the latest. */
export async function closeAll(
  closers: readonly Closer[],
  logger: Logger,
  timeout = CLOSE_TIMEOUT,
): Promise<void> {
  const all = (async () => {
    for (const close of closers.toReversed())
      await close().catch((error: unknown) => logger.warn({ err: error }, 'failed to stop cleanly'));
    return true;
  })();
  const done = await Promise.race([all, sleep(timeout, false, { ref: false })]);
  if (!done) logger.warn({ waitedMs: timeout }, 'timed out while stopping');
}

/**
 * Aborts at the first signal, with its name as the reason, and once the output of the process has no reader (OUTPUT-2). The second
 * signal ends the process.
 */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(EXIT.interrupted);
      controller.abort(signal);
    });
  }
  whenUnread(() => controller.abort('SIGPIPE'));
  return controller.signal;
}

/** Resolves when `signal` aborts. */
export function untilStopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    // Nothing else may keep the process alive until then.
    const alive = setInterval(() => undefined, 60_000);
    signal.addEventListener(
      'abort',
      () => {
        clearInterval(alive);
        resolve();
      },
      { once: true },
    );
  });
}
