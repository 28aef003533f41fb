/** The board of a process that has a bridge: it shows what the bridge knows. */
import type { Logger } from 'pino';
import type { BoardServer, BoardSource } from '../../board';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import type { BoardLinkOptions } from '../options';
import type { RunningBridge } from './folder-bridge';

/** Options of the board of a bridge. */
export interface BridgeBoardOptions extends BoardLinkOptions {
  /** Absent: no board. */
  boardPort?: number;
  boardHost: string;
  /** Namespace of Temporal. */
  temporalNamespace: string;
  estimateOf: NonNullable<BoardSource['estimateOf']>;
}

/** Starts the board if it has a port. @throws CliError if it cannot listen there. */
export async function startBridgeBoard(
  { boardPort, boardHost, allowHost, temporalUi, temporalNamespace, estimateOf }: BridgeBoardOptions,
  bridge: RunningBridge,
  logger: Logger,
): Promise<BoardServer | undefined> {
  if (boardPort === undefined) return undefined;
  const { boardReader, startBoard } = lazy.board();
  const read = boardReader({
    title: 'vmgroup board',
    groups: async () => bridge.views(),
    trouble: () => bridge.behind(),
    runUrl: runLink(temporalUi, temporalNamespace),
    estimateOf,
  });
  const board = await startBoard({
    port: boardPort,
    host: boardHost,
    ...(allowHost && { allowedHosts: allowHost }),
    read,
    onError: (error) => logger.warn({ err: error }, 'the board failed to answer a request'),
  }).catch((error: unknown) => {
    throw new CliError(`the board cannot listen on ${boardHost}:${boardPort}: ${messageOf(error)}`, [
      'name another port: --board-port PORT, or 0 for any free one',
    ]);
  });
  logger.info({ url: board.url }, 'board started');
  return board;
}

/** Addresses of the pages of runs in a Temporal UI; `ui` undefined: there are none. */
export function runLink(
  ui: string | undefined,
  namespace: string,
): (run: { workflowId: string; runId: string }) => string | undefined {
  return ({ workflowId, runId }) =>
    ui === undefined
      ? undefined
      : `${ui}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}/${encodeURIComponent(runId)}/history`;
}
