/** The SDK's runtime of this process: it writes to our logger, serves its metrics on a port, and leaves signals to us. */
import type { LogLevel } from '@temporalio/common';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { Logger } from 'pino';
import { runLogFields } from './log-fields';

const PINO_METHOD = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/** A logger for the SDK that writes to pino. */
function temporalLogger(logger: Logger): DefaultLogger {
  return new DefaultLogger('INFO', ({ level, message, meta, timestampNanos }) => {
    logger[PINO_METHOD[level satisfies LogLevel]](
      { ...runLogFields(meta ?? {}), timestampNanos: timestampNanos.toString() },
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
    // The caller handles signals: a second Ctrl-C, for example, does not wait for a clean stop.
    shutdownSignals: [],
    telemetryOptions: {
      logging: { forward: {}, filter: { core: 'WARN', other: 'WARN' } },
      ...(metricsAddress !== undefined && {
        metrics: { prometheus: { bindAddress: metricsAddress, useSecondsForDurations: true } },
      }),
    },
  });
}
