/**
 * An HTTP or HTTPS server with limits.
 *
 * HTTP-1: no request ends the process. What is not HTTP is answered with 400, 408 or 431; if a handler fails, the answer is 500.
 * HTTP-2: every size and every wait has a limit ({@link HttpLimits}).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import type { HttpLimits } from './limits';

/** A request that is answered with an error status. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** One request with its answer. */
export interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  method: string;
  /** Path of the request target, percent-encoded as it was sent. */
  path: string;
  query: URLSearchParams;
  /**
   * Reads the body as UTF-8.
   *
   * @throws HttpError 413 or 503 when it exceeds a limit, 400 when it ends early.
   */
  body: () => Promise<string>;
}

/** What {@link startHttpServer} needs. */
export interface HttpServerOptions {
  /** Port; 0 takes a free one. */
  port: number;
  /** Address to listen on; default loopback. */
  host?: string;
  limits: HttpLimits;
  /** Certificate and key of an HTTPS server; absent: HTTP. */
  tls?: TlsOptions;
  /** Answers one request. When it throws, the answer is the status of the {@link HttpError}, or 500. */
  handle: (exchange: Exchange) => void | Promise<void>;
  /** Receives errors of a handler and of the listening socket. */
  onError?: (error: unknown) => void;
}

/** A running server. */
export interface HttpServer {
  /** `host:port` it listens on. */
  address: string;
  /** Uses another certificate and key for new connections. */
  setCertificate(tls: TlsOptions): void;
  /** Stops listening, and closes what is still open after `grace` milliseconds. */
  close(grace?: number): Promise<void>;
}

/** Milliseconds between two checks for requests that exceeded their time. */
const CHECK_EVERY = 1_000;

/**
 * Starts a server.
 *
 * @throws Error with code `EADDRINUSE` when the port is taken; an error of TLS when the certificate is invalid.
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { limits, onError = () => undefined } = options;
  const bodies = new Bodies(limits);
  const server = createLimited(options, (request, response) => {
    // A client that disconnects is not an error of this process.
    response.on('error', () => undefined);
    answer(options, exchangeOf(request, response, bodies)).catch(onError);
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host ?? '127.0.0.1', () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
  server.on('error', onError);
  return {
    address: addressOf(server),
    setCertificate: (tls) => 'setSecureContext' in server && server.setSecureContext(tls),
    close: (grace = 0) =>
      new Promise((resolve) => {
        // A connection without a request does not count as idle, nor does one within its TLS handshake.
        const timer = setTimeout(() => sockets.forEach((socket) => socket.destroy()), grace);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

function createLimited(
  { limits, tls }: HttpServerOptions,
  listener: (request: IncomingMessage, response: ServerResponse) => void,
): Server | HttpsServer {
  const httpOptions = {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersTime,
    requestTimeout: limits.requestTime,
    keepAliveTimeout: limits.keepAlive,
    connectionsCheckingInterval: CHECK_EVERY,
  };
  const server = tls
    ? createHttpsServer({ ...httpOptions, ...tls, handshakeTimeout: limits.headersTime }, listener)
    : createServer(httpOptions, listener);
  server.maxConnections = limits.connections;
  server.timeout = limits.silence;
  server.on('tlsClientError', (_error: Error, socket: Socket) => socket.destroy());
  return server;
}

function addressOf(server: Server | HttpsServer): string {
  const { address, port, family } = server.address() as AddressInfo;
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}

async function answer({ handle }: HttpServerOptions, exchange: Exchange): Promise<void> {
  try {
    await handle(exchange);
  } catch (error: unknown) {
    const { response } = exchange;
    if (response.headersSent) response.destroy();
    else {
      const status = error instanceof HttpError ? error.status : 500;
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${String(error)}\n`);
    }
    if (!(error instanceof HttpError)) throw error;
  }
}

function exchangeOf(request: IncomingMessage, response: ServerResponse, bodies: Bodies): Exchange {
  return {
    request,
    response,
    method: request.method ?? '',
    ...targetOf(request.url ?? ''),
    body: () => bodies.read(request, response),
  };
}

/** Path and query of a request target: origin form (`/path?query`), or absolute form (`http://host/path?query`). */
function targetOf(target: string): { path: string; query: URLSearchParams } {
  const [path = '', ...query] = target.replace(/^https?:\/\/[^/?]*/i, '').split('?');
  return { path: path === '' ? '/' : path, query: new URLSearchParams(query.join('?')) };
}

/** Reads bodies, and counts the bytes of those that are not answered yet. */
class Bodies {
  #held = 0;

  constructor(readonly limits: Pick<HttpLimits, 'bodyBytes' | 'allBodiesBytes'>) {}

  read(request: IncomingMessage, response: ServerResponse): Promise<string> {
    const { bodyBytes, allBodiesBytes } = this.limits;
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const refuse = (status: number, message: string): void => {
        request.removeListener('data', take);
        // The rest of the body would be read as the next request.
        if (!response.headersSent) response.setHeader('connection', 'close');
        reject(new HttpError(status, message));
      };
      const take = (chunk: Buffer): void => {
        size += chunk.length;
        this.#held += chunk.length;
        if (size > bodyBytes) refuse(413, `the body has more than ${bodyBytes} bytes`);
        else if (this.#held > allBodiesBytes) refuse(503, 'too many requests at once, try again');
        else chunks.push(chunk);
      };
      request.on('data', take);
      request.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
      request.once('close', () => reject(new HttpError(400, 'the body ended early')));
      response.once('close', () => (this.#held -= size));
    });
  }
}
