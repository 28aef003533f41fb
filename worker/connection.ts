/** Finds Temporal (flags, then `TEMPORAL_*` variables, then Temporal's configuration file) and connects to it. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Client,
  Connection,
  defaultGrpcRetryOptions,
  makeGrpcRetryInterceptor,
  type DataConverter,
  type WorkflowClientInterceptor,
} from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions } from '@temporalio/worker';
import type { Logger } from 'pino';
import { configuredCodec, encryptingConverter } from '../encryption';
import { ClosedConnection } from './closed-connection';

/** Which Temporal server, and which namespace on it. */
export interface TemporalTarget {
  /** `host:port`, for messages. */
  address: string;
  namespace: string;
  /** For connections of clients and of workers. */
  connectionOptions: NativeConnectionOptions;
  /** Interceptors of clients; absent: none. */
  clientInterceptors?: WorkflowClientInterceptor[];
  /** How clients and workers convert data; absent: as the SDK does by default. */
  dataConverter?: DataConverter;
}

/** Those of Temporal's own tools. */
const DEFAULT_ADDRESS = 'localhost:7233';
const DEFAULT_NAMESPACE = 'default';

/** Flags of the command line; absent: the environment, the file, or `localhost:7233` and `default`. */
export interface TemporalFlags {
  address?: string;
  namespace?: string;
}

/**
 * The Temporal server to connect to. Flags outrank the environment (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`,
 * `TEMPORAL_TLS*`, `TEMPORAL_PROFILE`), which outranks the file that `TEMPORAL_CONFIG_FILE` or Temporal's default place names.
 * `VMGROUP_ENCRYPTION_KEYS` names the folder of keys by which data is encrypted.
 *
 * @throws Error when the configuration file cannot be read or parsed; EncryptionKeyError when keys cannot be read.
 */
export function temporalTarget(flags: TemporalFlags = {}): TemporalTarget {
  const loaded = loadClientConnectConfig();
  const address = flags.address ?? loaded.connectionOptions.address ?? DEFAULT_ADDRESS;
  return {
    address,
    namespace: flags.namespace ?? loaded.namespace ?? DEFAULT_NAMESPACE,
    connectionOptions: { ...loaded.connectionOptions, address },
    ...configuredConverter(),
  };
}

/**
 * Flags, each after a space, that commands of `temporal` on this machine need to reach a server: none for that of the environment, of Temporal's
 * configuration file or of its defaults.
 *
 * @throws Error when the file cannot be read or parsed.
 */
export function temporalFlags({ address, namespace }: Pick<TemporalTarget, 'address' | 'namespace'>): string {
  const usual = loadClientConnectConfig().namespace ?? DEFAULT_NAMESPACE;
  return `${addressFlag(address)}${namespace === usual ? '' : ` --namespace ${namespace}`}`;
}

/** The one of {@link temporalFlags} for the address. */
export function addressFlag(address: string): string {
  const usual = loadClientConnectConfig().connectionOptions.address ?? DEFAULT_ADDRESS;
  const host = (each: string): string => each.replace(/^127\.0\.0\.1:/, 'localhost:');
  return host(address) === host(usual) ? '' : ` --address ${address}`;
}

/** Whether the environment or Temporal's configuration file names a server. @throws Error when the file cannot be read or parsed. */
export function isTemporalConfigured(): boolean {
  return loadClientConnectConfig().connectionOptions.address !== undefined;
}

/** The Temporal server that a process of this machine started: on loopback, without the settings of another one. */
export function localTarget(address: string, namespace: string): TemporalTarget {
  return { address, namespace, connectionOptions: { address }, ...configuredConverter() };
}

function configuredConverter(): Pick<TemporalTarget, 'dataConverter'> {
  const codec = configuredCodec();
  return codec ? { dataConverter: encryptingConverter(codec) } : {};
}

/** A Temporal client that can be closed. */
export interface TemporalClient {
  client: Client;
  close(): Promise<void>;
}

/** Longest pause before a reconnect, milliseconds. The library's default is two minutes. */
const LONGEST_RECONNECT_PAUSE = 2_000;

/**
 * Connects a client. A lost connection is restored within seconds of the server's return, however long it was away.
 *
 * @throws TemporalUnreachable when the server does not answer within `timeout` milliseconds.
 */
export async function connectClient(target: TemporalTarget, timeout = 10_000): Promise<TemporalClient> {
  const closed = new ClosedConnection();
  let connection: Connection;
  try {
    const { address, tls, apiKey, metadata } = target.connectionOptions;
    connection = await Connection.connect({
      ...(address !== undefined && { address }),
      ...(tls !== undefined && { tls }),
      ...(apiKey !== undefined && { apiKey }),
      ...(metadata !== undefined && { metadata }),
      connectTimeout: timeout,
      interceptors: [makeGrpcRetryInterceptor(defaultGrpcRetryOptions()), closed.interceptor],
      channelArgs: { 'grpc.max_reconnect_backoff_ms': LONGEST_RECONNECT_PAUSE },
    });
  } catch (error: unknown) {
    throw new TemporalUnreachable(target.address, { cause: error });
  }
  return {
    client: new Client({
      connection,
      namespace: target.namespace,
      ...(target.dataConverter && { dataConverter: target.dataConverter }),
      ...(target.clientInterceptors && { interceptors: { workflow: target.clientInterceptors } }),
    }),
    close: () => {
      closed.close();
      return connection.close();
    },
  };
}

/** Milliseconds in which a server has to answer {@link answers}. */
const ANSWER_TIMEOUT = 2_000;

/** Whether the server answers now. */
export async function answers({ connection }: Client): Promise<boolean> {
  try {
    await connection.withDeadline(Date.now() + ANSWER_TIMEOUT, () =>
      connection.workflowService.getSystemInfo({}),
    );
    return true;
  } catch {
    return false;
  }
}

/** Thrown when no Temporal server answers at an address. */
export class TemporalUnreachable extends Error {
  override readonly name = 'TemporalUnreachable';
  constructor(
    readonly address: string,
    options?: ErrorOptions,
  ) {
    super(`no Temporal server answers at ${address}`, options);
  }
}

/** Longest pause between two tries to reach Temporal, milliseconds. */
const LONGEST_PAUSE = 10_000;

/** What {@link untilReachable} needs. */
export interface UntilReachableOptions {
  logger: Logger;
  signal: AbortSignal;
  /** Called with the reason when the wait begins, and with undefined when it is over. */
  onWaiting?: (why: string | undefined) => void;
  /** Which errors are retried; default: all of them. */
  isTemporary?: (error: unknown) => boolean;
}

/**
 * Calls `connect` until it succeeds, with growing pauses, so that a process may start before its server. Logs the beginning and the end of the
 * wait. (Not `p-retry`: it would drop a connection that is made when `signal` aborts.)
 *
 * @throws the reason of `signal` when that aborts; an error that is not temporary.
 */
export async function untilReachable<T>(
  connect: () => Promise<T>,
  options: UntilReachableOptions,
): Promise<T> {
  const { logger, signal, onWaiting, isTemporary = () => true } = options;
  for (let pause = 500; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    signal.throwIfAborted();
    try {
      const connected = await connect();
      if (pause > 500) {
        logger.info('reached Temporal');
        onWaiting?.(undefined);
      }
      return connected;
    } catch (error: unknown) {
      if (!isTemporary(error)) throw error;
      logger[pause === 500 ? 'warn' : 'debug'](
        { err: error, retryInMs: pause },
        'failed to reach Temporal, retrying',
      );
      onWaiting?.(error instanceof Error ? error.message : String(error));
    }
    await sleep(pause, undefined, { signal });
  }
}
