/** Warnings of Node. */
import type { Logger } from 'pino';

/** Name of the listener with which Node prints warnings to stderr. */
const PRINTER = 'onWarning';

/** Logs the warnings of Node, and keeps Node from printing them. Other listeners stay. */
export function logWarnings(logger: Pick<Logger, 'warn'>): void {
  for (const listener of process.listeners('warning'))
    if (listener.name === PRINTER) process.removeListener('warning', listener);
  process.on('warning', (warning) => logger.warn({ err: warning }, 'warning of Node'));
}
