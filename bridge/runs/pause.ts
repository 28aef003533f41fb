/**
 * Resolves after `time` milliseconds, at once when `signal` aborts, or when the function is called that `wakeBy` is given. The signal keeps no
 * listener.
 */
export async function pause(
  time: number,
  signal: AbortSignal,
  wakeBy: (wake: () => void) => void = () => undefined,
): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((over) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      over();
    };
    const timer = setTimeout(done, Math.max(0, time));
    signal.addEventListener('abort', done);
    wakeBy(done);
  });
}
