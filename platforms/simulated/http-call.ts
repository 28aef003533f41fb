/** One JSON call to the simulated platform over a kept-alive connection. */
import { Agent, request, type IncomingMessage } from 'node:http';
import { CallTurns } from '../call-turns';
import { PlatformError } from '../platform';
import type { Refusal } from './protocol';

/** One call. */
export interface Call {
  method: 'GET' | 'POST' | 'PUT';
  path: string;
  body?: unknown;
  signal?: AbortSignal | undefined;
  /** It is about one VM: 404 says that there is none. */
  isOfVm?: true;
}

/** Calls at once. Node's server accepts one connection in each turn of its event loop: a burst of calls is answered sooner over a few. */
const AT_ONCE = 16;

/** Calls of one address, over connections that are kept. */
export class Caller {
  // Shorter than the server keeps an idle connection.
  readonly #agent = new Agent({ keepAlive: true, timeout: 30_000 });
  readonly #turns = new CallTurns(AT_ONCE);

  /** @param callTimeout milliseconds from the turn of a call to the end of its answer. */
  constructor(
    readonly address: string,
    readonly callTimeout: number,
  ) {}

  /**
   * Makes one call and returns its answer; undefined if there is no such VM.
   *
   * @throws PlatformError with the class of the refusal; `Transient` where the platform cannot be reached, breaks the connection off or
   *   does not answer in time, where something other than the platform answers, and where `signal` aborts.
   */
  async json(call: Call): Promise<unknown> {
    const options = { limit: this.callTimeout, signal: call.signal };
    try {
      return await this.#turns.take((signal) => this.#answer(call, signal), options);
    } catch (error: unknown) {
      throw this.#error(call, error);
    }
  }

  /** @param signal that of the call in its turn. */
  async #answer(call: Call, signal: AbortSignal): Promise<unknown> {
    try {
      return answerOf(call, await this.#text({ ...call, signal }));
    } catch (error: unknown) {
      const isLate = signal.aborted && !call.signal?.aborted;
      throw this.#error(call, error, isLate ? `no answer in ${this.callTimeout} ms` : undefined);
    }
  }

  /** Makes one call and returns the text of its answer, however long that takes. Throws as {@link json}. */
  async text(call: Call): Promise<string> {
    try {
      const answer = await this.#text(call);
      if (!isOk(answer)) answerOf(call, answer);
      return answer.text;
    } catch (error: unknown) {
      throw this.#error(call, error);
    }
  }

  async #text(call: Call): Promise<Answer> {
    const response = await this.open(call);
    response.setEncoding('utf8');
    let text = '';
    for await (const chunk of response as AsyncIterable<string>) text += chunk;
    return { status: response.statusCode ?? 0, text };
  }

  #error({ method, path }: Call, error: unknown, why = messageOf(error)): PlatformError {
    if (error instanceof PlatformError) return error;
    const message = `${method} ${this.address}${path}: ${why}; is the simulated platform running?`;
    return new PlatformError('Transient', message, undefined, { cause: error });
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

/** A whole answer. */
interface Answer {
  /** Of HTTP. */
  status: number;
  text: string;
}

function isOk({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

/** @throws PlatformError for a refusal of the platform; Error for an answer that is not the platform's. */
function answerOf({ isOfVm }: Call, answer: Answer): unknown {
  const { status, text } = answer;
  const value = parsed(text);
  if (value === undefined) throw new Error(`an answer that is not JSON (HTTP status ${status})`);
  if (isOk(answer)) return value;
  const { error } = (value ?? {}) as Partial<Refusal>;
  if (error?.class === undefined) throw new Error(`HTTP status ${status}`);
  if (status === 404 && isOfVm) return undefined;
  const { class: failureClass, message, retryAfter, recorded } = error;
  throw new PlatformError(failureClass, message, retryAfter, { recorded });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string'
    ? `${error.message} (${error.code})`
    : error.message;
}
