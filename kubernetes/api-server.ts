/** Calls to the API server, for any resource. Authentication, TLS and transport are client-node's. */
import {
  HttpMethod,
  IsomorphicFetchHttpLibrary,
  PatchStrategy,
  RequestContext,
  type KubeConfig,
  type ResponseContext,
} from '@kubernetes/client-node';
import { authentication } from './authenticate';
import { answerError, KubernetesError, noAnswerError, type Status } from './error';
import { apiVersionOf, pathOf, type Resource } from './resources';

/** An object as the API server sends it. */
export interface KubernetesObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    generation?: number;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    finalizers?: string[];
    ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean }[];
    creationTimestamp?: string;
    deletionTimestamp?: string;
    managedFields?: { manager?: string; subresource?: string; operation?: string; time?: string }[];
  };
  spec?: unknown;
  status?: unknown;
}

/** One page of a list. */
export interface ObjectList {
  metadata: { resourceVersion?: string; continue?: string };
  items: KubernetesObject[];
}

/** One line of a watch. */
export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  object: KubernetesObject;
}

/** Names one object. */
export interface ObjectKeyParts {
  /** Left out for resources that are not namespaced. */
  namespace?: string;
  name: string;
}

/** What every call can be given. */
export interface CallOptions {
  signal?: AbortSignal;
  /** Milliseconds; 10 s where it is left out. */
  timeout?: number;
}

/** What a list or a watch can be given. */
export interface ListOptions extends CallOptions {
  /** Left out: all namespaces. */
  namespace?: string;
  limit?: number;
  continue?: string;
  labelSelector?: string;
  fieldSelector?: string;
  resourceVersion?: string;
}

/** What a write can be given. */
export interface WriteOptions extends CallOptions {
  /** Left out: the object itself. */
  subresource?: 'status';
  fieldManager?: string;
  /** The server checks and answers as if it wrote, and does not. */
  dryRun?: boolean;
}

/** An API server, as one user. Every method rejects with a {@link KubernetesError}. */
export interface ApiServer {
  /** `https://host:port`. */
  readonly address: string;
  /** Undefined where there is no such object. */
  get(resource: Resource, key: ObjectKeyParts, options?: CallOptions): Promise<KubernetesObject | undefined>;
  list(resource: Resource, options?: ListOptions): Promise<ObjectList>;
  /**
   * Reports what changes after `resourceVersion`, bookmarks too. Resolves when the stream ends, also for `signal`; rejects with code 410
   * where that version is too old, and where the server does not take the watch within 10 s. A stream that is silent for 30 s ends. `onOpen`
   * is told once the server has taken the watch.
   */
  watch(
    resource: Resource,
    options: ListOptions,
    onEvent: (event: WatchEvent) => void,
    onOpen?: () => void,
  ): Promise<void>;
  create(resource: Resource, object: KubernetesObject, options?: WriteOptions): Promise<KubernetesObject>;
  /** Replaces the object; refused as a conflict where its `resourceVersion` is not the present one. */
  replace(resource: Resource, object: KubernetesObject, options?: WriteOptions): Promise<KubernetesObject>;
  /**
   * Server-side apply: `object` holds just the fields that `fieldManager` owns; those it owned before and leaves out are taken away. With
   * `metadata.uid` an object that is gone is not created anew, but refused as a conflict.
   */
  apply(
    resource: Resource,
    object: KubernetesObject,
    options: WriteOptions & { fieldManager: string },
  ): Promise<KubernetesObject>;
  /** JSON merge patch; with `metadata.resourceVersion` in it, refused as a conflict where that is not the present one. */
  merge(
    resource: Resource,
    key: ObjectKeyParts,
    patch: object,
    options?: WriteOptions,
  ): Promise<KubernetesObject>;
  /** Nothing happens where there is no such object, or with `uid` another one. */
  delete(resource: Resource, key: ObjectKeyParts & { uid?: string }, options?: CallOptions): Promise<void>;
}

/** Milliseconds that one call may take, or the opening of a watch. */
const CALL_TIMEOUT = 10_000;
/** Milliseconds without a sign of life after which an open watch is given up. */
const SILENCE = 30_000;

/** Makes the calls of one user of one API server. */
export function apiServer(config: KubeConfig): ApiServer {
  const http = new IsomorphicFetchHttpLibrary();
  const authenticate = authentication(config);
  const address = config.getCurrentCluster()?.server.replace(/\/+$/, '');
  if (address === undefined) {
    throw new Error('no API server is configured: set KUBECONFIG, or run in a pod with a service account');
  }

  /** Sends a request; its answer is still to be read. */
  async function send(request: Request, signal: AbortSignal): Promise<ResponseContext> {
    const { method, path, query = {}, body, contentType = 'application/json' } = request;
    const url = new URL(address + path);
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
    await authenticate(context);
    return http.send(context).toPromise();
  }

  async function call(request: Request): Promise<unknown> {
    const { method, path, options = {} } = request;
    const what = `${method} ${path}`;
    const limit = timeLimit(options.timeout ?? CALL_TIMEOUT, options.signal);
    try {
      const response = await send(request, limit.signal);
      const text = await response.body.text();
      const { httpStatusCode: code, headers } = response;
      if (code < 200 || code > 299) throw answerError(what, code, text, headers['retry-after']);
      return JSON.parse(text);
    } catch (error: unknown) {
      throw error instanceof KubernetesError ? error : noAnswerError(what, error);
    } finally {
      limit.end();
    }
  }

  async function watch(
    resource: Resource,
    { namespace, signal, resourceVersion, labelSelector, fieldSelector }: ListOptions,
    onEvent: (event: WatchEvent) => void,
    onOpen: () => void = () => undefined,
  ): Promise<void> {
    const path = pathOf(resource, namespace);
    const what = `watch ${path}`;
    const query = { watch: true, allowWatchBookmarks: true, resourceVersion, labelSelector, fieldSelector };
    const limit = timeLimit(CALL_TIMEOUT, signal);
    let opened = false;
    try {
      const response = await send({ method: HttpMethod.GET, path, query }, limit.signal);
      const { httpStatusCode: code, headers, body } = response;
      if (code !== 200) throw answerError(what, code, await body.text(), headers['retry-after']);
      opened = true;
      limit.begin(SILENCE);
      onOpen();
      for await (const line of linesOf(body.stream(), () => limit.begin(SILENCE))) {
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

  function write(
    method: HttpMethod,
    resource: Resource,
    key: ObjectKeyParts | undefined,
    namespace: string | undefined,
    { subresource, fieldManager, dryRun, ...options }: WriteOptions,
    content: { body: object; contentType?: string; query?: Query },
  ): Promise<KubernetesObject> {
    return call({
      method,
      path: pathOf(resource, namespace, key?.name, subresource),
      query: { ...content.query, fieldManager, dryRun: dryRun ? 'All' : undefined },
      body: content.body,
      ...(content.contentType !== undefined && { contentType: content.contentType }),
      options,
    }) as Promise<KubernetesObject>;
  }

  const typed = (resource: Resource, object: KubernetesObject): KubernetesObject => ({
    ...object,
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
  });

  return {
    address,
    get: async (resource, { namespace, name }, options) => {
      try {
        const path = pathOf(resource, namespace, name);
        return (await call({
          method: HttpMethod.GET,
          path,
          ...(options && { options }),
        })) as KubernetesObject;
      } catch (error: unknown) {
        if (error instanceof KubernetesError && error.isNotFound) return undefined;
        throw error;
      }
    },
    list: async (resource, { namespace, signal, timeout, ...query } = {}) =>
      (await call({
        method: HttpMethod.GET,
        path: pathOf(resource, namespace),
        query,
        options: { ...(signal && { signal }), ...(timeout !== undefined && { timeout }) },
      })) as ObjectList,
    watch,
    create: (resource, object, options = {}) =>
      write(HttpMethod.POST, resource, undefined, object.metadata.namespace, options, {
        body: typed(resource, object),
      }),
    replace: (resource, object, options = {}) =>
      write(HttpMethod.PUT, resource, object.metadata, object.metadata.namespace, options, {
        body: typed(resource, object),
      }),
    apply: (resource, object, options) =>
      write(HttpMethod.PATCH, resource, object.metadata, object.metadata.namespace, options, {
        body: typed(resource, object),
        contentType: PatchStrategy.ServerSideApply,
        query: { force: true },
      }),
    merge: (resource, key, patch, options = {}) =>
      write(HttpMethod.PATCH, resource, key, key.namespace, options, {
        body: patch,
        contentType: PatchStrategy.MergePatch,
      }),
    delete: async (resource, { namespace, name, uid }, options) => {
      try {
        await call({
          method: HttpMethod.DELETE,
          path: pathOf(resource, namespace, name),
          body: uid === undefined ? {} : { preconditions: { uid } },
          ...(options && { options }),
        });
      } catch (error: unknown) {
        const gone = error instanceof KubernetesError && (error.isNotFound || error.isConflict);
        if (!gone) throw error;
      }
    },
  };
}

type Query = Record<string, string | number | boolean | undefined>;

interface Request {
  method: HttpMethod;
  path: string;
  query?: Query;
  body?: object;
  contentType?: string;
  options?: CallOptions;
}

/**
 * A signal that aborts with `signal`, and after `milliseconds`. `end` ends both: what is still open then is given up too, and nothing stays on
 * `signal`, which may live as long as the process (with `AbortSignal.any` something would).
 */
function timeLimit(
  milliseconds: number,
  signal: AbortSignal | undefined,
): { signal: AbortSignal; begin(milliseconds: number): void; end(): void } {
  const own = new AbortController();
  const abort = (): void => own.abort(signal?.reason);
  let timer: NodeJS.Timeout | undefined;
  const begin = (time: number): void => {
    clearTimeout(timer);
    timer = setTimeout(() => own.abort(new Error(`no answer for ${time / 1000} s`)), time);
  };
  begin(milliseconds);
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  return {
    signal: own.signal,
    begin,
    end: () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      own.abort();
    },
  };
}

/**
 * The lines of a stream; `onSign` is told of every piece.
 *
 * @throws Error where it ends in the middle of a line.
 */
async function* linesOf(
  stream: AsyncIterable<Uint8Array> | null,
  onSign: () => void,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of stream ?? []) {
    onSign();
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines.filter((line) => line !== '');
  }
  if (rest !== '') throw new Error(`the stream ended in the middle of a line: ${rest.slice(0, 100)}`);
}

/** @throws KubernetesError where the server ends the watch with this line, or it is none. */
function eventOf(what: string, line: string): WatchEvent {
  const { type, object } = JSON.parse(line) as { type: string; object: unknown };
  if (type !== 'ERROR') return { type, object } as WatchEvent;
  const { code = 500, reason = '', message = 'no message' } = object as Status;
  throw new KubernetesError(`${what}: the API server ended it: ${message}`, code, reason);
}
