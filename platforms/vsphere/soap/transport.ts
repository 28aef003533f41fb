/**
 * HTTPS to one server, over kept connections.
 *
 * SOAP-1: nothing is sent before the server's certificate is verified: by the given authorities, or the given thumbprint, or else the system's
 *     authorities. There is no way to switch that off.
 * SOAP-2: every call has a limit of time, which begins with its turn (TURN-1) and holds while its connection is made, and every answer one of bytes.
 *     A TLS handshake has a limit of its own, so that no connection outlives its call for long.
 */
import type { Duplex } from 'node:stream';
import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { TimeLimit } from '../../../limits';
import { CallTurns, SilentServerError } from '../../call-turns';

/** How a server is trusted. */
export interface Trust {
  /** PEM of the authorities that its certificate may come from; absent: those that Node trusts. */
  ca?: string;
  /** SHA-256 or SHA-1 of its certificate in hex, with or without colons; then its name and authority do not matter. */
  thumbprint?: string;
}

/** What became of a call that got no whole answer. */
export type TransportFailure =
  /** No connection, or it broke. */
  | 'Unreachable'
  /** The certificate was refused. */
  | 'Untrusted'
  /** No answer in time. */
  | 'TimedOut'
  /** An answer longer than allowed, or not one of this protocol. */
  | 'Malformed'
  /** `signal` aborted. */
  | 'Aborted';

/** Thrown where a call gets no whole answer. Whether the server has carried it out is not known. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  constructor(
    readonly failure: TransportFailure,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** An answer. */
export interface HttpAnswer {
  status: number;
  body: string;
  /** Values of `set-cookie`. */
  cookies: readonly string[];
  /** Seconds, from `retry-after`. */
  retryAfter?: number;
}

/** One call. */
export interface HttpCall {
  /** Absent: `POST`. */
  method?: 'GET' | 'POST' | 'DELETE';
  /** Path and query; absent: those of the address. */
  path?: string;
  headers: Record<string, string>;
  body: string;
  /** Milliseconds from the turn of the call to the end of the answer. */
  timeout: number;
  signal?: AbortSignal | undefined;
}

/** Bytes of one answer: 100 VMs take less than one megabyte. */
const MAX_ANSWER = 32 * 1024 * 1024;
/** Calls at once, each over a connection; a server has a few hundred for all its clients. */
const AT_ONCE = 16;
/** Milliseconds in which a connection is made, TLS handshake included. */
const HANDSHAKE = 30_000;

/** Calls of one address. */
export class Transport {
  readonly #url: URL;
  readonly #agent: Agent;
  readonly #turns = new CallTurns(AT_ONCE);
  #closed = false;

  /** @throws Error where the address is not HTTPS, or the thumbprint is no digest. */
  constructor(address: string, trust: Trust = {}) {
    this.#url = new URL(address);
    if (this.#url.protocol !== 'https:')
      throw new Error(`${address}: only https is used, since the password would travel in clear text`);
    this.#agent = new VerifyingAgent(trust);
  }

  /** Host and port, for messages. */
  get host(): string {
    return this.#url.host;
  }

  /** @throws TransportError */
  async send(call: HttpCall): Promise<HttpAnswer> {
    const { timeout: limit, signal } = call;
    try {
      return await this.#turns.take((turn) => this.#answer(call, turn), { limit, signal });
    } catch (error: unknown) {
      throw this.#failureOf(error, call);
    }
  }

  /** @param signal that of the call in its turn. */
  async #answer(call: HttpCall, signal: AbortSignal): Promise<HttpAnswer> {
    if (this.#closed) throw new TransportError('Aborted', 'the connection was closed');
    try {
      const response = await this.#request(call, signal);
      const retryAfter = Number(response.headers['retry-after']);
      return {
        status: response.statusCode ?? 0,
        cookies: response.headers['set-cookie'] ?? [],
        body: await bodyOf(response),
        ...(Number.isFinite(retryAfter) && { retryAfter }),
      };
    } catch (error: unknown) {
      throw this.#failureOf(error, call, signal);
    }
  }

  /** Closes all connections, also those that are being made. Calls in progress and those that wait are rejected. */
  close(): void {
    this.#closed = true;
    this.#agent.destroy();
  }

  #request({ headers, body, path, method }: HttpCall, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const all = { ...headers, 'content-length': Buffer.byteLength(body) };
      const url = path === undefined ? this.#url : new URL(path, this.#url);
      const call = request(url, { method: method ?? 'POST', agent: this.#agent, headers: all });
      // A request that is destroyed while its connection is being made emits nothing.
      const abort = (): void => {
        reject(signal.reason as Error);
        call.destroy();
      };
      signal.addEventListener('abort', abort, { once: true });
      call.once('close', () => signal.removeEventListener('abort', abort));
      call.once('response', resolve);
      call.on('error', reject);
      call.end(body);
      if (signal.aborted) abort();
    });
  }

  /** @param signal that of the call in its turn. */
  #failureOf(error: unknown, call: HttpCall, signal?: AbortSignal): TransportError {
    if (error instanceof TransportError) return error;
    const cause = { cause: error };
    if (call.signal?.aborted) return new TransportError('Aborted', 'the call was aborted', cause);
    if (error instanceof SilentServerError)
      return new TransportError('TimedOut', `${this.host}: ${error.message}`, cause);
    if (signal?.aborted)
      return new TransportError('TimedOut', `${this.host}: no answer within ${call.timeout} ms`, cause);
    const { message = String(error), code = '' } = error as { message?: string; code?: string };
    if (isCertificateProblem(code))
      return new TransportError(
        'Untrusted',
        `the certificate of ${this.host} is not trusted: ${message} (${code}); name its authority with a CA file, or its thumbprint`,
        cause,
      );
    return new TransportError('Unreachable', `${this.host}: ${message}`, cause);
  }
}

/** Codes of OpenSSL's verification, and Node's own for names. */
function isCertificateProblem(code: string): boolean {
  return /CERT|SELF_SIGNED|ERR_TLS_CERT|UNABLE_TO_(?:GET_ISSUER|VERIFY)/.test(code);
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER)
      throw new TransportError('Malformed', `an answer of more than ${MAX_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

// ---- Verification -----------------------------------------------------------------------------------------------------------------

/** SOAP-1. */
class VerifyingAgent extends Agent {
  readonly #thumbprint: string | undefined;
  readonly #ca: string | undefined;
  /** Sockets whose handshake has not ended. */
  readonly #opening = new Set<TLSSocket>();

  constructor({ ca, thumbprint }: Trust) {
    // Shorter than vCenter keeps an idle connection.
    super({ keepAlive: true, maxSockets: AT_ONCE, timeout: 90_000 });
    this.#thumbprint = thumbprint === undefined ? undefined : digestOf(thumbprint);
    this.#ca = ca;
  }

  override createConnection(
    options: ConnectionOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): null {
    const { host, port } = options;
    const socket = connect({
      ...(host !== undefined && { host }),
      ...(port !== undefined && { port }),
      ...(options.servername !== undefined && { servername: options.servername }),
      ...(this.#ca !== undefined && { ca: this.#ca }),
      // Verified below, before the socket is handed out.
      ...(this.#thumbprint !== undefined && { rejectUnauthorized: false }),
      // Another default would come from the environment.
      ...(this.#thumbprint === undefined && { rejectUnauthorized: true }),
    });
    this.#limitHandshake(socket);
    const fail = (error: Error): void => callback?.(error, socket);
    socket.once('error', fail);
    socket.once('secureConnect', () => {
      socket.off('error', fail);
      const error = this.#thumbprint === undefined ? undefined : mismatch(socket, this.#thumbprint);
      if (!error) return callback?.(null, socket);
      socket.destroy();
      fail(error);
    });
    return null;
  }

  override destroy(): void {
    super.destroy();
    for (const socket of this.#opening) socket.destroy(new Error('the connection was closed'));
  }

  /** SOAP-2. */
  #limitHandshake(socket: TLSSocket): void {
    const limit = new TimeLimit(HANDSHAKE, undefined);
    limit.signal.addEventListener('abort', () => {
      if (limit.isOver) socket.destroy(new Error(`no TLS handshake within ${HANDSHAKE / 1_000} s`));
    });
    const opened = (): void => {
      limit.end();
      this.#opening.delete(socket);
    };
    this.#opening.add(socket);
    socket.once('secureConnect', opened).once('close', opened);
  }
}

/** Hex digits in upper case. */
function digestOf(thumbprint: string): string {
  const digits = thumbprint.replace(/[:\s]/g, '').toUpperCase();
  if (!/^(?:[0-9A-F]{40}|[0-9A-F]{64})$/.test(digits))
    throw new Error('a thumbprint is the SHA-256 or SHA-1 of a certificate: 64 or 40 hexadecimal digits');
  return digits;
}

function mismatch(socket: TLSSocket, thumbprint: string): Error | undefined {
  const { fingerprint, fingerprint256 } = socket.getPeerCertificate();
  const shown = (thumbprint.length === 40 ? fingerprint : fingerprint256)?.replaceAll(':', '') ?? '';
  if (shown === thumbprint) return undefined;
  const error = new Error(`its thumbprint is ${fingerprint256 ?? 'unknown'}`);
  return Object.assign(error, { code: 'CERT_THUMBPRINT' });
}
