/** One JSON call to the simulated platform over a kept-alive connection. */
import { Agent, request, type IncomingMessage } from 'node:http';
import { limited } from '../../api/limited-signal';
import { PlatformError } from '../platform';
import type { Refusal } from './protocol';

/** One call. */
export interface Call {
  method: 'GET' | 'POST' | 'PUT';
  path: string;
  body?: unknown;
  signal?: AbortSignal | undefined;
}

/** Calls of one address, over connections that are kept. */
export class Caller {
  readonly #agent = new Agent({
    keepAlive: true,
    // Node's server accepts one connection in each turn of its event loop: a burst of calls is answered sooner over a few.
    maxSockets: 16,
    // Shorter than the server keeps an idle connection.
    timeout: 30_000,
  });

  /** @param callTimeout milliseconds from the call to the end of its answer. */
  constructor(
    readonly address: string,
    readonly callTimeout: number,
  ) {}

  /**
   * Makes one call and returns its answer; undefined for 404.
   *
   * @throws PlatformError with the class of the refusal; `Transient` where the platform cannot be reached, breaks the connection off or
   *   does not answer in time, and where `signal` aborts.
   */
  async json(call: Call): Promise<unknown> {
    const signal = limited(this.callTimeout, call.signal);
    try {
      const response = await this.open({ ...call, signal });
      response.setEncoding('utf8');
      let text = '';
      for await (const chunk of response as AsyncIterable<string>) text += chunk;
      return answerOf(response.statusCode ?? 0, text);
    } catch (error: unknown) {
      if (error instanceof PlatformError) throw error;
      const why =
        signal.aborted && !call.signal?.aborted ? `no answer in ${this.callTimeout} ms` : messageOf(error);
      throw new PlatformError(
        'Transient',
        `${call.method} ${this.address}${call.path}: ${why}; is the simulated platform running?`,
        undefined,
        { cause: error },
      );
    }
  }

  /** Opens a call and resolves with its answer as it begins. Rejects with what Node reports. */
  open({ method, path, body, signal }: Call): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers =
        text === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
      const call = request(`${this.address}${path}`, {
        method,
        agent: this.#agent,
        headers,
        ...(signal && { signal }),
      });
      call.once('response', resolve);
      call.on('error', reject);
      call.end(text);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function answerOf(status: number, text: string): unknown {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (error: unknown) {
    throw new PlatformError('Transient', `an answer that is not JSON (HTTP status ${status})`, undefined, {
      cause: error,
    });
  }
  if (status === 404) return undefined;
  if (status >= 200 && status < 300) return answer;
  const { error } = answer as Partial<Refusal>;
  throw new PlatformError(
    error?.class ?? 'Transient',
    error?.message ?? `HTTP status ${status}`,
    error?.retryAfter,
    { recorded: error?.recorded },
  );
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string'
    ? `${error.message} (${error.code})`
    : error.message;
}
