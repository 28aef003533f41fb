/** Logs of the processes. */
import type { Logger, LoggerOptions } from 'pino';
import { pino } from 'pino';

/** Name of the listener by which Node prints warnings to standard error. */
const NODE_PRINTER = 'onWarning';

/** The format of all our logs: one JSON object a line, with the level as a word and the time in ISO 8601. */
export const LOG_FORMAT: LoggerOptions = {
  base: null,
  formatters: { level: (label) => ({ level: label }) },
  timestamp: pino.stdTimeFunctions.isoTime,
};

/** Logs Node's warnings instead of letting Node print them. Other listeners stay. */
export function logWarnings(logger: Pick<Logger, 'warn'>): void {
  for (const listener of process.listeners('warning'))
    if (listener.name === NODE_PRINTER) process.removeListener('warning', listener);
  process.on('warning', (warning) => logger.warn({ err: warning }, 'warning from Node.js'));
}
