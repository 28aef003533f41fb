/** How a command reaches an API server. */
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import type { ApiServer } from '../kubernetes';
import { CliError, messageOf } from './errors';
import * as heavy from './heavy';

/** Options of each command that talks to an API server. */
export interface ClusterOptions {
  kubeconfig?: string;
  context?: string;
  /** Empty or left out: all. */
  watchNamespaces?: string[];
}

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
    api = heavy.kubernetes().connectKubernetes({
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

/** RFC 1123 label, which is what a namespace is named by. */
const NAMESPACE = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

function parseNamespaces(text: string): string[] {
  const names = [...new Set(text.split(',').map((name) => name.trim()))].filter((name) => name !== '');
  const wrong = names.find((name) => !NAMESPACE.test(name));
  if (wrong !== undefined)
    throw new InvalidArgumentError(`${JSON.stringify(wrong)} is no name of a namespace; write prod,staging`);
  return names;
}
