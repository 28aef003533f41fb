/**
 * The connection of one user to one API server: authentication, time limits and errors of every call. TLS and transport are client-node's.
 *
 * client-node gives each call a connection pool of its own, so each would shake hands again: several times the cost of the call itself, on
 * both sides. Here the pool is kept for as long as the certificates stay the same.
 */
import type { RequestOptions } from 'node:https';
import {
  HttpMethod,
  IsomorphicFetchHttpLibrary,
  RequestContext,
  type KubeConfig,
  type ResponseContext,
} from '@kubernetes/client-node';
import { orAborted, TimeLimit } from '../limits';
import {
  answerError,
  causeText,
  foreignError,
  isForeign,
  KubernetesError,
  noAnswerError,
  noNameError,
} from './error';
import type { WatchEvent } from './object';
import { eventOf, linesOf } from './watch-stream';

/** Parameters of a call. */
export type Query = Record<string, string | number | boolean | undefined>;

/** One call. */
export interface Request {
  method: HttpMethod;
  path: string;
  query?: Query;
  body?: object;
  /** Of the body; default JSON. */
  contentType?: string;
  /** What an action answers need not be JSON. */
  answer?: 'Ignored';
}

/** Who receives the events of a watch. */
export interface WatchReceiver {
  /** Ends the watch. */
  signal?: AbortSignal;
  onEvent: (event: WatchEvent) => void;
  /** Called once the server has accepted the watch. */
  onOpen?: () => void;
}

type Dispatcher = ReturnType<RequestContext['getDispatcher']>;

/** Milliseconds that one call may take, or the opening of a watch. */
const CALL_TIMEOUT = 10_000;
/** Milliseconds without data after which an open watch is given up. */
const SILENCE = 30_000;

/** Names that no object has: with one of them a path would lead elsewhere. */
const NO_NAMES: ReadonlySet<string> = new Set(['', '.', '..']);

/** Milliseconds between two times that credentials are given up: a plugin may be slow, or ask a person. */
const FORGET_PAUSE = 10_000;

/** What client-node's authenticators keep: credentials of plugins, and the content of a token file. */
interface Authenticator {
  tokenCache?: object;
  token?: string | null;
}

/** What authenticates a call. */
interface Credentials {
  headers: Record<string, string>;
  dispatcher: Dispatcher;
}

/**
 * A connection. Calls reject with a {@link KubernetesError}.
 *
 * CONNECTION-1: a call ends in its time, also where a plugin that provides credentials does not answer. No plugin is started while one runs.
 * CONNECTION-2: credentials that the API server refuses are not kept: after a 401 a plugin or a file is asked again, whatever it said about how long
 *     they are good.
 */
export class Connection {
  /** `https://host:port`. */
  readonly address: string;
  readonly #config: KubeConfig;
  readonly #http = new IsomorphicFetchHttpLibrary();
  /** The connection pool, and the certificates that it is for. */
  #pool: { dispatcher: Dispatcher; certificates: string } | undefined;
  /** Credentials that are being asked for. */
  #asked: Promise<Credentials> | undefined;
  /** When credentials were last given up, by the clock of running time. */
  #forgotAt = -Infinity;

  /** @throws Error when the configuration names no API server. */
  constructor(config: KubeConfig) {
    const address = config.getCurrentCluster()?.server.replace(/\/+$/, '');
    if (address === undefined) {
      throw new Error('no API server is configured: set KUBECONFIG, or run in a pod with a service account');
    }
    this.address = address;
    this.#config = config;
  }

  /** Makes one call; returns the JSON of the answer. */
  async call(
    request: Request,
    { timeout = CALL_TIMEOUT, signal }: { timeout?: number; signal?: AbortSignal } = {},
  ): Promise<unknown> {
    const what = `${request.method} ${request.path}`;
    const limit = new TimeLimit(timeout, signal);
    try {
      const response = await this.#send(request, limit.signal);
      const text = await response.body.text();
      const { httpStatusCode: code, headers } = response;
      if (code < 200 || code > 299) throw this.#refusal(what, code, text, headers);
      if (request.answer === 'Ignored') return undefined;
      if (isForeign(headers)) throw foreignError(what, code, headers, text);
      return JSON.parse(text);
    } catch (error: unknown) {
      throw error instanceof KubernetesError ? error : noAnswerError(what, error);
    } finally {
      limit.end();
    }
  }

  /** Watches; resolves when the stream ends, falls silent, or `signal` aborts. */
  async watch(path: string, query: Query, { signal, onEvent, onOpen }: WatchReceiver): Promise<void> {
    const what = `watch ${path}`;
    const limit = new TimeLimit(CALL_TIMEOUT, signal);
    let opened = false;
    try {
      const parameters = { watch: true, allowWatchBookmarks: true, ...query };
      const response = await this.#send({ method: HttpMethod.GET, path, query: parameters }, limit.signal);
      const { httpStatusCode: code, headers, body } = response;
      if (code !== 200) throw this.#refusal(what, code, await body.text(), headers);
      if (isForeign(headers)) throw foreignError(what, code, headers, await body.text());
      opened = true;
      limit.restart(SILENCE);
      onOpen?.();
      for await (const line of linesOf(body.stream(), () => limit.restart(SILENCE))) {
        if (limit.signal.aborted) return;
        onEvent(eventOf(what, line));
      }
    } catch (error: unknown) {
      if (signal?.aborted || (opened && limit.signal.aborted)) return;
      throw error instanceof KubernetesError ? error : noAnswerError(what, error);
    } finally {
      limit.end();
    }
  }

  /** Sends a request. The body of its answer is still to be read. */
  async #send(
    { method, path, query = {}, body, contentType = 'application/json' }: Request,
    signal: AbortSignal,
  ): Promise<ResponseContext> {
    const steps = path.split('/').slice(1);
    if (steps.some((step) => NO_NAMES.has(step))) throw noNameError(`${method} ${path}`);
    const url = new URL(this.address + path);
    for (const [key, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(key, String(value));
    }
    const context = new RequestContext(url.toString(), method);
    context.setHeaderParam('Accept', 'application/json');
    if (body !== undefined) {
      context.setHeaderParam('Content-Type', contentType);
      context.setBody(JSON.stringify(body));
    }
    context.setSignal(signal);
    const { headers, dispatcher } = await this.#credentials(`${method} ${path}`, signal);
    for (const [name, value] of Object.entries(headers)) context.setHeaderParam(name, value);
    if (dispatcher) context.setDispatcher(dispatcher);
    return this.#http.send(context).toPromise();
  }

  #refusal(what: string, code: number, text: string, headers: Record<string, string>): KubernetesError {
    if (code === 401) this.#forgetCredentials();
    return answerError(what, code, text, headers['retry-after']);
  }

  /** CONNECTION-2. */
  #forgetCredentials(): void {
    const now = performance.now();
    if (now - this.#forgotAt < FORGET_PAUSE) return;
    this.#forgotAt = now;
    const { authenticators } = this.#config as unknown as { authenticators: Authenticator[] };
    for (const each of authenticators) {
      if (each.tokenCache) each.tokenCache = {};
      if (each.token !== undefined) each.token = null;
    }
  }

  /** CONNECTION-1. */
  async #credentials(what: string, signal: AbortSignal): Promise<Credentials> {
    this.#asked ??= this.#authenticate().finally(() => (this.#asked = undefined));
    try {
      return await orAborted(this.#asked, signal);
    } catch (error: unknown) {
      const why = causeText(error).trim() || 'the plugin ended without a message';
      const user = this.#config.getCurrentUser()?.name ?? 'nobody';
      const message = `${what}: cannot authenticate as ${user}: ${why}`;
      throw new KubernetesError(message, 0, '', undefined, { cause: error });
    }
  }

  async #authenticate(): Promise<Credentials> {
    const context = new RequestContext(this.address, HttpMethod.GET);
    const tls: RequestOptions = {};
    await this.#config.applyToHTTPSOptions(tls);
    const { ca, cert, key, pfx, passphrase, rejectUnauthorized, servername } = tls;
    // Certificates change if a plugin or a file provides short-lived ones.
    const certificates = JSON.stringify([ca, cert, key, pfx, passphrase, rejectUnauthorized, servername]);
    await this.#config.applySecurityAuthentication(context);
    if (this.#pool?.certificates !== certificates) {
      const before = this.#pool?.dispatcher;
      this.#pool = { dispatcher: context.getDispatcher(), certificates };
      // Open calls end on it.
      void before?.close();
    }
    return { headers: context.getHeaders(), dispatcher: this.#pool.dispatcher };
  }
}
