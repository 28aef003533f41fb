/** Ctrl-C and SIGTERM: the first asks for a clean end, the second ends the process at once. */
import { EXIT } from './errors';

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
