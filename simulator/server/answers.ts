/** Reading the bodies of requests, and writing answers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { HttpError, type Exchange } from '../../http';
import { PlatformError, type FailureClass } from '../../platforms';
import type { Refusal } from '../../platforms/simulated';

/** Protects the platform from web pages in the browser of its user. */
export function refuseForeign(request: IncomingMessage): void {
  const host = (request.headers.host ?? '').replace(/:\d+$/, '');
  if (host !== '127.0.0.1' && host !== 'localhost') throw new HttpError(403, `host ${host} is not served`);
  const hasBody = request.method === 'POST' || request.method === 'PUT';
  if (hasBody && request.headers['content-type'] !== 'application/json')
    throw new HttpError(415, 'the content type must be application/json');
}

/**
 * The body of a request.
 *
 * @throws HttpError when it does not fit the schema.
 */
export async function readBody<T>(exchange: Exchange, schema: z.ZodType<T>): Promise<T> {
  const text = await exchange.body();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error: unknown) {
    throw new HttpError(400, `the body is not JSON: ${String(error)}`);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new HttpError(400, `invalid body: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** A whole number of the query. */
export function wholeNumber(query: URLSearchParams, name: string, byDefault: number): number {
  const number = Number(query.get(name) ?? byDefault);
  if (!Number.isSafeInteger(number) || number < 0) throw new HttpError(400, `${name} must be a whole number`);
  return number;
}

/** Sends an answer as JSON. */
export function send(response: ServerResponse, status: number, answer: unknown): void {
  const text = JSON.stringify(answer);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

const STATUS: Record<FailureClass, number> = {
  Transient: 503,
  Throttled: 429,
  NoCapacity: 507,
  OperationTimeout: 504,
  GateTimeout: 504,
  Unanswered: 504,
  Permanent: 422,
  Superseded: 409,
};

/** Sends an error as a {@link Refusal}. */
export function sendError(response: ServerResponse, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof PlatformError) {
    const { failureClass, retryAfter, recorded } = error;
    const refusal: Refusal['error'] = {
      class: failureClass,
      message,
      ...(retryAfter !== undefined && { retryAfter }),
      ...(recorded && { recorded }),
    };
    return send(response, STATUS[failureClass], { error: refusal } satisfies Refusal);
  }
  const status = error instanceof HttpError ? error.status : 500;
  const failureClass = status < 500 ? 'Permanent' : 'Transient';
  send(response, status, { error: { class: failureClass, message } } satisfies Refusal);
}
