/** The SDK's one runtime of this process: its logs go to our logger, its metrics to a loopback port, its signals are ours. */
import type { LogLevel } from '@temporalio/common';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { Logger } from 'pino';

const PINO_METHOD = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/** What the SDK logs, in pino's form. */
export function temporalLogger(logger: Logger): DefaultLogger {
  return new DefaultLogger('INFO', ({ level, message, meta, timestampNanos }) => {
    logger[PINO_METHOD[level satisfies LogLevel]](
      { ...meta, timestampNanos: timestampNanos.toString() },
      message,
    );
  });
}

let installed = false;

/**
 * Installs the SDK's runtime, once a process and before the first worker; later calls change nothing.
 *
 * @param metricsAddress `host:port` for the SDK's own Prometheus page; absent: the SDK keeps no metrics.
 */
export function installRuntime(logger: Logger, metricsAddress?: string): void {
  if (installed) return;
  installed = true;
  Runtime.install({
    logger: temporalLogger(logger),
    // Whoever starts the worker decides what a signal does: up to a second Ctrl-C that does not wait.
    shutdownSignals: [],
    telemetryOptions: {
      logging: { forward: {}, filter: { core: 'WARN', other: 'WARN' } },
      ...(metricsAddress !== undefined && {
        metrics: { prometheus: { bindAddress: metricsAddress, useSecondsForDurations: true } },
      }),
    },
  });
}
