/**
 * The codec as a server, so that Temporal's UI and command line read encrypted runs: `POST /decode` and `POST /encode`, as Temporal describes them
 * (https://docs.temporal.io/production-deployment/data-encryption).
 *
 * CODEC-1: it answers only web pages of the origins that were named, and requests with the token if there is one.
 * CODEC-2: without a token it listens on loopback alone.
 */
import { timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import * as v from 'valibot';
import { HTTP_LIMITS, HttpError, startHttpServer, type Exchange, type HttpServer } from '../http';
import { EncryptionKeyError } from './keys';

/** What {@link startCodecServer} needs. */
export interface CodecServerOptions {
  codec: PayloadCodec;
  /** Port; 0 takes a free one. */
  port: number;
  /** Address to listen on; default loopback. */
  host?: string;
  /** Origins of the web pages that may ask, such as `http://localhost:8233`. */
  origins: readonly string[];
  /** What `Authorization: Bearer` must carry; absent: nothing, on loopback. */
  token?: string;
  /** Receives errors that are not the client's. */
  onError?: (error: unknown) => void;
}

const wire = temporal.api.common.v1.Payloads;
/** Most payloads of one request. The UI asks for those of one page of a history. */
const MOST_PAYLOADS = 10_000;
const BASE64 = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/_-]*={0,2}$/));
const Request = v.object({
  // Temporal's command line leaves out an empty list, as of a query without arguments.
  payloads: v.optional(
    v.pipe(
      v.array(v.object({ metadata: v.optional(v.record(v.string(), BASE64)), data: v.optional(BASE64) })),
      v.maxLength(MOST_PAYLOADS),
    ),
    [],
  ),
});

/**
 * Starts the server.
 *
 * @throws Error if it would listen beyond loopback without a token (CODEC-2), or the port is taken.
 */
export async function startCodecServer(options: CodecServerOptions): Promise<HttpServer> {
  const { codec, port, host = '127.0.0.1', token, onError } = options;
  if (token === undefined && !isLoopback(host))
    throw new Error(
      `the codec server does not listen on ${host} without a token: anyone who reaches it can read all runs`,
    );
  return startHttpServer({
    port,
    host,
    limits: HTTP_LIMITS.codec,
    handle: (exchange) => answer(codec, options, exchange),
    ...(onError && { onError }),
  });
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

async function answer(codec: PayloadCodec, options: CodecServerOptions, exchange: Exchange): Promise<void> {
  const { request, response, method, path } = exchange;
  admitOrigin(options, exchange);
  if (method === 'OPTIONS') {
    response.writeHead(204).end();
    return;
  }
  admitToken(options, request.headers.authorization);
  if (path !== '/decode' && path !== '/encode') throw new HttpError(404, 'there are /decode and /encode');
  if (method !== 'POST') throw new HttpError(405, 'send payloads with POST');
  const { payloads } = parse(await exchange.body());
  const result = await codec[path === '/decode' ? 'decode' : 'encode'](payloads).catch((error: unknown) => {
    throw error instanceof EncryptionKeyError ? new HttpError(400, error.message) : error;
  });
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify({ payloads: result.map(asJson) }));
}

function parse(body: string): { payloads: Payload[] } {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new HttpError(400, 'the body is not JSON');
  }
  const parsed = v.safeParse(Request, value);
  if (!parsed.success)
    throw new HttpError(400, `the body is not a list of payloads: ${v.summarize(parsed.issues)}`);
  try {
    return wire.fromObject(parsed.output);
  } catch {
    throw new HttpError(400, 'the body has a payload whose base64 was cut');
  }
}

/** A payload in the JSON form of protocol buffers: bytes in base64. */
function asJson({ metadata, data }: Payload): unknown {
  const base64 = (bytes: Uint8Array | null | undefined): string =>
    Buffer.from(bytes ?? []).toString('base64');
  const entries = Object.entries(metadata ?? {}).map(([name, value]) => [name, base64(value)] as const);
  return { metadata: Object.fromEntries(entries), data: base64(data) };
}

/** Answers the preflight of a browser, and refuses pages of other origins (CODEC-1). A command line sends no origin. */
function admitOrigin({ origins }: CodecServerOptions, { request, response }: Exchange): void {
  const { origin } = request.headers;
  if (origin === undefined) return;
  if (!origins.includes(origin))
    throw new HttpError(403, `pages of ${origin} may not ask: name it with --ui-origin`);
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('access-control-allow-credentials', 'true');
  response.setHeader('access-control-allow-methods', 'POST');
  response.setHeader('access-control-allow-headers', 'authorization, content-type, x-namespace');
  response.setHeader('vary', 'origin');
}

function admitToken({ token }: CodecServerOptions, authorization = ''): void {
  if (token === undefined) return;
  const given = Buffer.from(authorization.replace(/^Bearer /i, ''));
  const wanted = Buffer.from(token);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
    throw new HttpError(401, 'send the token: Authorization: Bearer TOKEN');
}
