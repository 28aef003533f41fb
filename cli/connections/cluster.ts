/** How a command reaches an API server. */
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import type { ApiServer, Resource } from '../../kubernetes';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';

/** Options of each command that talks to an API server. */
export interface ClusterOptions {
  kubeconfig?: string;
  context?: string;
  /** Empty or left out: all. */
  watchNamespaces?: string[];
}

/** Options of each command that works on what a bridge keeps: in a data folder, or on a cluster. */
export interface SourceOptions extends ClusterOptions {
  source?: 'directory' | 'kubernetes';
}

/** Adds `--source` and what {@link withCluster} adds. */
export function withSource(command: Command): Command {
  return withCluster(
    command.addOption(
      new Option(
        '--source <kind>',
        'where groups are: in manifests and a data folder, or objects of a cluster (default: of a cluster where --kubeconfig or --context names one)',
      )
        .choices(['directory', 'kubernetes'])
        .env('VMGROUP_SOURCE'),
    ),
  );
}

/** Whether the groups of a command are objects of a cluster. Whoever names a cluster means it. */
export function isOnCluster({ source, kubeconfig, context }: SourceOptions): boolean {
  if (source !== undefined) return source === 'kubernetes';
  return kubeconfig !== undefined || context !== undefined;
}

/** What a further command has to be given to reach the same cluster, with a blank before each; empty where the environment says it. */
export function sameCluster({ kubeconfig, context }: SourceOptions): string {
  const flags = [
    ...(kubeconfig === undefined ? [] : [` --kubeconfig ${kubeconfig}`]),
    ...(context === undefined || process.env['VMGROUP_CONTEXT'] === context ? [] : [` --context ${context}`]),
  ];
  if (flags.length > 0 || process.env['VMGROUP_SOURCE'] === 'kubernetes') return flags.join('');
  return process.env['VMGROUP_CONTEXT'] ? '' : ' --source kubernetes';
}

/** Where `vmgroup simulator` listens unless it is told otherwise. */
export const SIMULATOR_ADDRESS = 'http://127.0.0.1:7080';

/** What client-node asks where no cluster is configured at all. */
const NOWHERE = 'http://localhost:8080';

/** Adds `--kubeconfig`, `--context` and `--watch-namespaces`. */
export function withCluster(command: Command): Command {
  return command
    .option(
      '--kubeconfig <path>',
      "kubeconfig file (default: KUBECONFIG, else ~/.kube/config, else the pod's service account)",
    )
    .addOption(
      new Option('--context <name>', 'context of the kubeconfig (default: the one it marks as current)').env(
        'VMGROUP_CONTEXT',
      ),
    )
    .addOption(
      new Option('--watch-namespaces <names>', 'namespaces to work in, with commas between (default: all)')
        .argParser(parseNamespaces)
        .env('VMGROUP_WATCH_NAMESPACES'),
    );
}

/**
 * The API server that the options name; nothing is asked of it yet.
 *
 * @throws CliError with the cure where none is configured, or the kubeconfig cannot be read.
 */
export function connectCluster(options: ClusterOptions): ApiServer {
  let api: ApiServer;
  try {
    api = lazy.kubernetes().connectKubernetes({
      ...(options.kubeconfig !== undefined && { kubeconfig: options.kubeconfig }),
      ...(options.context !== undefined && { context: options.context }),
    });
  } catch (error: unknown) {
    const from = options.kubeconfig ?? process.env['KUBECONFIG'];
    throw new CliError(
      `the API server cannot be reached: ${messageOf(error)}${from ? ` (kubeconfig ${from})` : ''}`,
      ['name a kubeconfig and a context of it: --kubeconfig PATH --context NAME', LIST_CONTEXTS],
      { cause: error },
    );
  }
  if (api.address !== NOWHERE || options.kubeconfig !== undefined || process.env['KUBECONFIG']) return api;
  throw new CliError(
    'no API server is configured: there is no kubeconfig, and this is not a pod of a cluster',
    ['name a kubeconfig: --kubeconfig PATH, or KUBECONFIG'],
  );
}

const LIST_CONTEXTS = 'kubectl config get-contexts lists the contexts of a kubeconfig';

/** The namespaces to work in; undefined: all. */
export function watchedNamespaces({ watchNamespaces = [] }: ClusterOptions): string[] | undefined {
  return watchNamespaces.length === 0 ? undefined : watchNamespaces;
}

/** A call to the API server, for those who explain how it failed. */
export interface ClusterCall {
  verb: 'get' | 'list' | 'watch' | 'patch';
  resource: Resource;
  /** Left out: in all namespaces. */
  namespace?: string;
}

/** Makes a call; what the API server answers is explained to a person. */
export async function callCluster<T>(api: ApiServer, call: ClusterCall, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error: unknown) {
    throw clusterError(api, call, error);
  }
}

function clusterError(api: ApiServer, { verb, resource, namespace }: ClusterCall, error: unknown): unknown {
  if (!(error instanceof lazy.kubernetes().KubernetesError)) return error;
  const name = `${resource.plural}.${resource.group}`;
  const options = { cause: error };
  if (error.code === 0) {
    return new CliError(`the API server ${api.address} does not answer`, [LIST_CONTEXTS, ANOTHER], options);
  }
  if (error.code === 401)
    return new CliError(`the API server ${api.address} does not take these credentials`, [ANOTHER], options);
  if (error.isForbidden) {
    const where = namespace === undefined ? '' : ` in namespace ${namespace}`;
    const flag = namespace === undefined ? '--all-namespaces' : `-n ${namespace}`;
    return new CliError(
      `you may not ${verb} ${name}${where}`,
      [
        `ask whoever rules the cluster for the verb ${verb} on ${name}`,
        `check it: kubectl auth can-i ${verb} ${name} ${flag}`,
        ...(namespace === undefined
          ? ['or name the namespaces that you may read: --watch-namespaces NAME']
          : []),
      ],
      options,
    );
  }
  if (error.isNotFound && verb !== 'patch') {
    return new CliError(
      `the API server ${api.address} has no ${name} in version ${resource.version}`,
      ['install what is missing: vmgroup crds | kubectl apply --server-side -f -', ANOTHER],
      options,
    );
  }
  return error;
}

const ANOTHER = 'or name another cluster: --kubeconfig PATH, --context NAME';

/** RFC 1123 label, which is what a namespace is named by. */
const NAMESPACE = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

function parseNamespaces(text: string): string[] {
  const names = [...new Set(text.split(',').map((name) => name.trim()))].filter((name) => name !== '');
  const wrong = names.find((name) => !NAMESPACE.test(name));
  if (wrong !== undefined)
    throw new InvalidArgumentError(`${JSON.stringify(wrong)} is no name of a namespace; write prod,staging`);
  return names;
}
