/** Calls to the API server, for any resource. */
import { HttpMethod, PatchStrategy, type KubeConfig } from '@kubernetes/client-node';
import { Connection, type Query } from './connection';
import { KubernetesError } from './error';
import type { KubernetesObject, ObjectList, WatchEvent } from './object';
import { apiVersionOf, pathOf, type Resource } from './resources';
import { ServedVersions } from './served-versions';

/** Names one object. */
export interface ObjectKeyParts {
  /** Absent for resources that are not namespaced. */
  namespace?: string;
  name: string;
}

/** Options of every call. */
export interface CallOptions {
  signal?: AbortSignal;
  /** Milliseconds; default 10 s. */
  timeout?: number;
}

/** Options of a list or a watch. */
export interface ListOptions extends CallOptions {
  /** Absent: all namespaces. */
  namespace?: string;
  limit?: number;
  continue?: string;
  labelSelector?: string;
  fieldSelector?: string;
  resourceVersion?: string;
}

/** Options of a write. */
export interface WriteOptions extends CallOptions {
  /** Absent: the object itself. */
  subresource?: 'status';
  fieldManager?: string;
  /** The server validates and answers as if it wrote, but does not write. */
  dryRun?: boolean;
}

/**
 * An API server, as one user. Every method rejects with a `KubernetesError`. Resources of VM Operator are read and written in the newest version
 * that the server serves of those that we know.
 */
export interface ApiServer {
  /** `https://host:port`. */
  readonly address: string;
  /** Undefined if there is no such object. Rejects if the server does not have the resource. */
  get(resource: Resource, key: ObjectKeyParts, options?: CallOptions): Promise<KubernetesObject | undefined>;
  list(resource: Resource, options?: ListOptions): Promise<ObjectList>;
  /**
   * Reports changes after `resourceVersion`, and bookmarks. Resolves when the stream ends or `signal` aborts; a stream that is silent for 30 s
   * ends. Rejects with code 410 when that version is too old, and when the server does not accept the watch within 10 s.
   * `onOpen` is called once the server has accepted the watch.
   */
  watch(
    resource: Resource,
    options: ListOptions,
    onEvent: (event: WatchEvent) => void,
    onOpen?: () => void,
  ): Promise<void>;
  create(resource: Resource, object: KubernetesObject, options?: WriteOptions): Promise<KubernetesObject>;
  /** Replaces the object. Rejects with a conflict if its `resourceVersion` is not the current one. */
  replace(resource: Resource, object: KubernetesObject, options?: WriteOptions): Promise<KubernetesObject>;
  /**
   * Server-side apply: `object` holds only the fields that `fieldManager` owns; fields that it owned before and that are absent are removed.
   * With `metadata.uid`, an object that is gone is not recreated: the call rejects with a conflict.
   */
  apply(
    resource: Resource,
    object: KubernetesObject,
    options: WriteOptions & { fieldManager: string },
  ): Promise<KubernetesObject>;
  /** JSON merge patch. Rejects with a conflict if it holds a `metadata.resourceVersion` that is not the current one. */
  merge(
    resource: Resource,
    key: ObjectKeyParts,
    patch: object,
    options?: WriteOptions,
  ): Promise<KubernetesObject>;
  /** Asks for an action on an object: PUT of `body` on a subresource such as `start`. What is answered is not read. */
  invoke(
    resource: Resource,
    key: ObjectKeyParts,
    action: string,
    body: object,
    options?: CallOptions,
  ): Promise<void>;
  /** What is at a path that is no object, such as `/version`; undefined: nothing. */
  read(path: string, options?: CallOptions): Promise<unknown>;
  /** Does nothing if there is no such object, or with `uid` if it is another one. */
  delete(resource: Resource, key: ObjectKeyParts & { uid?: string }, options?: CallOptions): Promise<void>;
}

/**
 * Makes the calls of one user of one API server.
 *
 * @throws Error when the configuration names no API server.
 */
export function apiServer(config: KubeConfig): ApiServer {
  const connection = new Connection(config);
  const versions = new ServedVersions((path) => connection.call({ method: HttpMethod.GET, path }));
  const calls = callsOver(connection);
  return {
    address: connection.address,
    get: (resource, ...how) =>
      unlessRefused(
        versions.call(resource, (served) => calls.get(served, ...how)),
        ({ isNotFound }) => isNotFound,
      ),
    list: (resource, ...how) => versions.call(resource, (served) => calls.list(served, ...how)),
    watch: (resource, ...how) => versions.call(resource, (served) => calls.watch(served, ...how)),
    create: (resource, ...how) => versions.call(resource, (served) => calls.create(served, ...how)),
    replace: (resource, ...how) => versions.call(resource, (served) => calls.replace(served, ...how)),
    apply: (resource, ...how) => versions.call(resource, (served) => calls.apply(served, ...how)),
    merge: (resource, ...how) => versions.call(resource, (served) => calls.merge(served, ...how)),
    invoke: (resource, ...how) => versions.call(resource, (served) => calls.invoke(served, ...how)),
    read: (path, options) => unlessRefused(calls.read(path, options), ({ isAbsent }) => isAbsent),
    delete: async (resource, ...how) => {
      await unlessRefused(
        versions.call(resource, (served) => calls.delete(served, ...how)),
        ({ isNotFound, isConflict }) => isNotFound || isConflict,
      );
    },
  };
}

/** The calls, each in the version of its resource. What does not exist is an error. */
function callsOver(connection: Connection): Omit<ApiServer, 'address'> {
  return {
    get: (resource, { namespace, name }, options) =>
      connection.call(
        { method: HttpMethod.GET, path: pathOf(resource, namespace, name) },
        options,
      ) as Promise<KubernetesObject>,
    list: (resource, { namespace, signal, timeout, ...query } = {}) =>
      connection.call(
        { method: HttpMethod.GET, path: pathOf(resource, namespace), query },
        { ...(signal && { signal }), ...(timeout !== undefined && { timeout }) },
      ) as Promise<ObjectList>,
    watch: (
      resource,
      { namespace, signal, resourceVersion, labelSelector, fieldSelector },
      onEvent,
      onOpen,
    ) =>
      connection.watch(
        pathOf(resource, namespace),
        { resourceVersion, labelSelector, fieldSelector },
        { ...(signal && { signal }), onEvent, ...(onOpen && { onOpen }) },
      ),
    create: (resource, object, options) =>
      write(connection, HttpMethod.POST, { resource, namespace: object.metadata.namespace }, options, {
        body: typed(resource, object),
      }),
    replace: (resource, object, options) =>
      write(connection, HttpMethod.PUT, { resource, ...object.metadata }, options, {
        body: typed(resource, object),
      }),
    apply: (resource, object, options) =>
      write(connection, HttpMethod.PATCH, { resource, ...object.metadata }, options, {
        body: typed(resource, object),
        contentType: PatchStrategy.ServerSideApply,
        query: { force: true },
      }),
    merge: (resource, key, patch, options) =>
      write(connection, HttpMethod.PATCH, { resource, ...key }, options, {
        body: patch,
        contentType: PatchStrategy.MergePatch,
      }),
    invoke: async (resource, { namespace, name }, action, body, options) => {
      const path = pathOf(resource, namespace, name, action);
      await connection.call({ method: HttpMethod.PUT, path, body, answer: 'Ignored' }, options);
    },
    read: (path, options) => connection.call({ method: HttpMethod.GET, path }, options),
    delete: async (resource, { namespace, name, uid }, options) => {
      const path = pathOf(resource, namespace, name);
      const body = uid === undefined ? {} : { preconditions: { uid } };
      await connection.call({ method: HttpMethod.DELETE, path, body }, options);
    },
  };
}

/** What is written: an object, or for a creation a resource in a namespace. */
interface Written {
  resource: Resource;
  namespace?: string | undefined;
  name?: string;
}

function write(
  connection: Connection,
  method: HttpMethod,
  { resource, namespace, name }: Written,
  { subresource, fieldManager, dryRun, ...options }: WriteOptions = {},
  content: { body: object; contentType?: string; query?: Query },
): Promise<KubernetesObject> {
  const path = pathOf(resource, namespace, name, subresource);
  const query = { ...content.query, fieldManager, dryRun: dryRun ? 'All' : undefined };
  return connection.call({ ...content, method, path, query }, options) as Promise<KubernetesObject>;
}

function typed(resource: Resource, object: KubernetesObject): KubernetesObject {
  return { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind };
}

/** The answer of a call; undefined if the server refuses it as expected. */
async function unlessRefused<T>(
  answer: Promise<T>,
  isExpected: (error: KubernetesError) => boolean,
): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error: unknown) {
    if (error instanceof KubernetesError && isExpected(error)) return undefined;
    throw error;
  }
}
