/** Calls to the API server, for any resource. Authentication, TLS and transport are client-node's. */
import {
  HttpMethod,
  IsomorphicFetchHttpLibrary,
  PatchStrategy,
  RequestContext,
  Watch,
  type KubeConfig,
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
   * where that version is too old. A stream that is silent for 30 s ends (client-node's limit). `onOpen` is told once the server has taken
   * the watch.
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

/** Milliseconds that one call may take. */
const CALL_TIMEOUT = 10_000;

/** Makes the calls of one user of one API server. */
export function apiServer(config: KubeConfig): ApiServer {
  const http = new IsomorphicFetchHttpLibrary();
  const authenticate = authentication(config);
  const address = config.getCurrentCluster()?.server.replace(/\/+$/, '');
  if (address === undefined) {
    throw new Error('no API server is configured: set KUBECONFIG, or run in a pod with a service account');
  }

  async function call(request: Request): Promise<unknown> {
    const { method, path, query = {}, body, contentType = 'application/json', options = {} } = request;
    const what = `${method} ${path}`;
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
    const timeout = AbortSignal.timeout(options.timeout ?? CALL_TIMEOUT);
    context.setSignal(options.signal ? AbortSignal.any([timeout, options.signal]) : timeout);
    let answer: { status: number; text: string; retryAfter: string | undefined };
    try {
      await authenticate(context);
      const response = await http.send(context).toPromise();
      const text = await response.body.text();
      answer = { status: response.httpStatusCode, text, retryAfter: response.headers['retry-after'] };
    } catch (error: unknown) {
      throw noAnswerError(what, error);
    }
    if (answer.status < 200 || answer.status > 299) {
      throw answerError(what, answer.status, answer.text, answer.retryAfter);
    }
    try {
      return JSON.parse(answer.text);
    } catch (error: unknown) {
      throw noAnswerError(what, error);
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
    watch: (resource, options, onEvent, onOpen) => watchOnce(config, resource, options, onEvent, onOpen),
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

async function watchOnce(
  config: KubeConfig,
  resource: Resource,
  { namespace, signal, resourceVersion, labelSelector, fieldSelector }: ListOptions,
  onEvent: (event: WatchEvent) => void,
  onOpen: () => void = () => undefined,
): Promise<void> {
  const path = pathOf(resource, namespace);
  const what = `watch ${path}`;
  if (signal?.aborted) return;
  let refused: KubernetesError | undefined;
  let over = false;
  let controller: AbortController | undefined;
  let finish: () => void = () => undefined;
  const stop = (): void => {
    controller?.abort();
    finish();
  };
  signal?.addEventListener('abort', stop, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      finish = resolve;
      const onLine = (type: string, object: unknown): void => {
        if (signal?.aborted || refused) return;
        if (type !== 'ERROR') return onEvent({ type, object } as WatchEvent);
        const { code = 500, reason = '', message = 'no message' } = object as Status;
        refused = new KubernetesError(`${what}: the API server ended it: ${message}`, code, reason);
        controller?.abort();
      };
      const onDone = (error: unknown): void => {
        over = true;
        if (refused) reject(refused);
        else if (error === null || error === undefined || isSilence(error)) resolve();
        else reject(watchError(what, error));
      };
      new Watch(config)
        .watch(
          path,
          { resourceVersion, labelSelector, fieldSelector, allowWatchBookmarks: true },
          onLine,
          onDone,
        )
        .then((opened) => {
          controller = opened;
          if (signal?.aborted || refused) opened.abort();
          else if (!over) onOpen();
        }, reject);
    });
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** The stream was silent for too long: it is opened again where it was. */
function isSilence(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError';
}

function watchError(what: string, error: unknown): KubernetesError {
  const code = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 0;
  return code === 0 ? noAnswerError(what, error) : answerError(what, code, String(error));
}
