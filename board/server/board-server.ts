/**
 * Serves the board.
 *
 * SERVE-1: read only: `GET` and `HEAD` of the page, `GET` of its changes, and nothing else.
 * SERVE-2: answers only to names of its own ({@link isHostAllowed}), and sends changes to no other site.
 * SERVE-3: connections, viewers and what waits to be sent to each of them have limits.
 */
import { HTTP_LIMITS, HttpError, startHttpServer, type Exchange } from '../../http';
import { boardDocument } from '../render';
import { HEADERS } from './headers';
import { isHostAllowed } from './host-check';
import { Hub, type HubOptions, type Viewer } from './hub';

/** What {@link startBoard} needs. `read` is called once for all viewers, and only while a viewer is connected. */
export interface BoardServerOptions extends HubOptions {
  /** Port; 0 takes a free one. */
  port: number;
  /** Address to listen on; default loopback. */
  host?: string;
  /** Names under which browsers may reach it, besides IP addresses and `localhost`. */
  allowedHosts?: readonly string[];
  onError?: (error: unknown) => void;
}

/** A running board. */
export interface BoardServer {
  /** `http://host:port/`. */
  url: string;
  close(): Promise<void>;
}

/** Viewers at a time; further ones are told to come back later. */
const MOST_VIEWERS = 200;
/** Bytes that may wait to be sent to one viewer. */
const MOST_UNSENT = 4 * 2 ** 20;

/** Starts the board. Throws as {@link startHttpServer}. */
export async function startBoard(options: BoardServerOptions): Promise<BoardServer> {
  const { port, host, onError } = options;
  const hub = new Hub(options);
  const server = await startHttpServer({
    port,
    ...(host !== undefined && { host }),
    limits: HTTP_LIMITS.board,
    handle: (exchange) => answer(exchange, hub, options.allowedHosts ?? []),
    ...(onError && { onError }),
  });
  return {
    url: `http://${server.address}/`,
    close: () => {
      hub.close();
      return server.close();
    },
  };
}

async function answer(exchange: Exchange, hub: Hub, allowedHosts: readonly string[]): Promise<void> {
  const { request, response, method, path } = exchange;
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  if (!isHostAllowed(request.headers.host, allowedHosts))
    throw new HttpError(421, 'the board does not answer to this name: allow it with --allow-host');
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    throw new HttpError(405, 'the board is read only');
  }
  if (path === '/') return sendPage(exchange, hub);
  if (path === '/events' && method === 'GET') return sendEvents(exchange, hub);
  throw new HttpError(404, 'the board has one page: /');
}

async function sendPage({ method, response }: Exchange, hub: Hub): Promise<void> {
  const shown = await hub.shown().catch((error: unknown) => {
    throw new HttpError(503, error instanceof Error ? error.message : String(error));
  });
  const text = boardDocument({ ...shown.page, at: Date.now() }, shown.rendered, shown.version);
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
  response.end(method === 'HEAD' ? undefined : text);
}

async function sendEvents({ request, response, query }: Exchange, hub: Hub): Promise<void> {
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    throw new HttpError(403, 'the changes are for the page of the board');
  if (hub.viewers >= MOST_VIEWERS) throw new HttpError(503, `the board has ${MOST_VIEWERS} viewers already`);
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' });
  response.write('retry: 2000\n\n');
  const last = request.headers['last-event-id'];
  const version = typeof last === 'string' && last !== '' ? last : (query.get('after') ?? '');
  let isClosed = false;
  let remove = (): void => undefined;
  response.once('close', () => {
    isClosed = true;
    remove();
  });
  remove = await hub.add(viewerOf(response), version);
  if (isClosed) remove();
}

function viewerOf(response: Exchange['response']): Viewer {
  return {
    send: (event, data, version) => {
      if (response.destroyed || response.writableLength > MOST_UNSENT) return false;
      response.write(`id: ${version}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
      return true;
    },
    close: () => response.destroy(),
  };
}
