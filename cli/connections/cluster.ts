/** Connections to the API server, and calls whose failures are explained. */
import type { ApiServer, KubernetesObject, Resource } from '../../kubernetes';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import type { ClusterOptions } from '../options';

/** Field manager of what people write with commands. */
export const FIELD_MANAGER = 'vmgroup-cli';

/** The address that client-node falls back to if no cluster is configured. */
const UNCONFIGURED = 'http://localhost:8080';

/** API group of VMs that are not ours to install. */
const KUBEVIRT = 'kubevirt.io';

/** Objects in a page of a list. */
const PAGE_SIZE = 500;

const LIST_CONTEXTS = 'kubectl config get-contexts lists the contexts of a kubeconfig';
const OTHER_CLUSTER = 'or name another cluster: --kubeconfig PATH, --context NAME';

/**
 * The API server that the options name. Sends no request.
 *
 * @throws CliError if no API server is configured, the kubeconfig cannot be read, or client-node cannot be loaded.
 */
export function connectCluster({ kubeconfig, context }: ClusterOptions): ApiServer {
  let api: ApiServer;
  try {
    api = lazy.kubernetes().connectKubernetes({
      ...(kubeconfig !== undefined && { kubeconfig }),
      ...(context !== undefined && { context }),
    });
  } catch (error: unknown) {
    if (error instanceof lazy.kubernetes().ClientLoadError)
      throw new CliError(error.message, error.remedies, { cause: error });
    const file = kubeconfig ?? process.env['KUBECONFIG'];
    throw new CliError(
      `cannot connect to the API server: ${messageOf(error)}${file ? ` (kubeconfig ${file})` : ''}`,
      ['name a kubeconfig and one of its contexts: --kubeconfig PATH --context NAME', LIST_CONTEXTS],
      { cause: error },
    );
  }
  if (api.address !== UNCONFIGURED || kubeconfig !== undefined || process.env['KUBECONFIG']) return api;
  throw new CliError(
    'no API server is configured: there is no kubeconfig, and this process does not run in a pod',
    ['name a kubeconfig: --kubeconfig PATH, or KUBECONFIG'],
  );
}

/** A call to the API server: its verb, and what it is about. */
export interface ClusterCall {
  verb: 'get' | 'list' | 'watch' | 'create' | 'patch';
  resource: Resource;
  /** Absent: all namespaces. */
  namespace?: string;
}

/**
 * Makes a call to the API server.
 *
 * @throws CliError with the remedy if the server does not answer, refuses the credentials or the verb, or does not serve the resource;
 *   otherwise the error of the call.
 */
export async function callCluster<T>(api: ApiServer, call: ClusterCall, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error: unknown) {
    throw explained(api, call, error);
  }
}

/** The objects of a resource in some namespaces, or in all of them; with a selector as kubectl takes it. Throws as {@link callCluster}. */
export async function listObjects(
  api: ApiServer,
  resource: Resource,
  namespaces: readonly string[] | undefined,
  labelSelector?: string,
): Promise<KubernetesObject[]> {
  const objects: KubernetesObject[] = [];
  const which = { limit: PAGE_SIZE, ...(labelSelector !== undefined && { labelSelector }) };
  for (const namespace of namespaces ?? [undefined]) {
    let next: string | undefined;
    do {
      const where = { ...(namespace !== undefined && { namespace }) };
      const page = await callCluster(api, { verb: 'list', resource, ...where }, () =>
        api.list(resource, { ...where, ...which, ...(next !== undefined && { continue: next }) }),
      );
      objects.push(...page.items);
      next = page.metadata.continue || undefined;
    } while (next !== undefined);
  }
  return objects;
}

/** {@link listObjects}; undefined if the API server does not serve the resource, or with `unlessForbidden` does not allow it. */
export async function listIfServed(
  api: ApiServer,
  resource: Resource,
  namespaces: readonly string[] | undefined,
  { unlessForbidden = false }: { unlessForbidden?: boolean } = {},
): Promise<KubernetesObject[] | undefined> {
  try {
    return await listObjects(api, resource, namespaces);
  } catch (error: unknown) {
    const cause = error instanceof CliError ? error.cause : undefined;
    const refusal = cause instanceof lazy.kubernetes().KubernetesError ? cause : undefined;
    if (refusal?.isAbsent || (unlessForbidden && refusal?.isForbidden)) return undefined;
    throw error;
  }
}

function explained(api: ApiServer, call: ClusterCall, error: unknown): unknown {
  if (!(error instanceof lazy.kubernetes().KubernetesError)) return error;
  const { verb, resource } = call;
  const options = { cause: error };
  if (error.code === 0)
    return new CliError(
      `the API server ${api.address} does not answer`,
      [LIST_CONTEXTS, OTHER_CLUSTER],
      options,
    );
  if (error.code === 401)
    return new CliError(
      `the API server ${api.address} does not accept these credentials`,
      [OTHER_CLUSTER],
      options,
    );
  // Admission and quotas refuse writes with the same code, and say why.
  const isWrite = verb === 'create' || verb === 'patch';
  if (isWrite ? error.isRightMissing : error.isForbidden) return forbidden(call, options);
  if (error.reason === lazy.kubernetes().NOT_SERVED)
    return new CliError(
      `${api.address}: ${error.message}`,
      [
        `see what it serves: kubectl get crd ${fullName(resource)}`,
        resource.group === KUBEVIRT ? 'install KubeVirt, or update it' : 'update VM Operator',
        OTHER_CLUSTER,
      ],
      options,
    );
  if (error.isAbsent && verb !== 'patch') {
    return new CliError(
      `the API server ${api.address} has no ${fullName(resource)} in version ${resource.version}`,
      [
        resource.group === KUBEVIRT
          ? 'install KubeVirt, or update it'
          : 'install what is missing: vmgroup crds | kubectl apply --server-side -f -',
        OTHER_CLUSTER,
      ],
      options,
    );
  }
  return error;
}

function forbidden({ verb, resource, namespace }: ClusterCall, options: ErrorOptions): CliError {
  const name = fullName(resource);
  const where = namespace === undefined ? '' : ` in namespace ${namespace}`;
  const flag = namespace === undefined ? '--all-namespaces' : `-n ${namespace}`;
  return new CliError(
    `you may not ${verb} ${name}${where}`,
    [
      `ask a cluster administrator to grant the verb ${verb} on ${name}`,
      `check it: kubectl auth can-i ${verb} ${name} ${flag}`,
      ...(namespace === undefined
        ? ['or name the namespaces that you may read: --watch-namespaces NAME']
        : []),
    ],
    options,
  );
}

function fullName({ plural, group }: Resource): string {
  return `${plural}.${group}`;
}
