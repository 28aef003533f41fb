/** The board of a process that has a bridge: it shows what the bridge knows. */
import type { Logger } from 'pino';
import type { BoardServer, BoardSource } from '../../board';
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

/** Starts the board if it has a port. Throws as `startBoard` of `board/`. */
export async function startBridgeBoard(
  { boardPort, boardHost, allowHost, temporalUi, temporalNamespace, estimateOf }: BridgeBoardOptions,
  bridge: RunningBridge,
  logger: Logger,
): Promise<BoardServer | undefined> {
  if (boardPort === undefined) return undefined;
  const { boardReader, startBoard } = lazy.board();
  const board = await startBoard({
    port: boardPort,
    host: boardHost,
    ...(allowHost && { allowedHosts: allowHost }),
    read: boardReader({
      title: 'vmgroup board',
      groups: async () => bridge.views(),
      trouble: () => bridge.behind(),
      runUrl: runLink(temporalUi, temporalNamespace),
      estimateOf,
    }),
    onError: (error) => logger.warn({ err: error }, 'the board failed to answer a request'),
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
