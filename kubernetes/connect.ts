/** Connects to an API server: from a kubeconfig, or from within a pod. Only a process that connects loads client-node. */
import type { KubeConfig } from '@kubernetes/client-node';
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type * as ApiServerModule from './api-server';
import type { ApiServer } from './api-server';
import { loadClientNode } from './client-node';

/** Where the API server is and who asks. */
export interface ConnectOptions {
  /** Path of a kubeconfig; default: `KUBECONFIG`, then `~/.kube/config`, then the pod's service account. */
  kubeconfig?: string;
  /** Context of the kubeconfig; default: the current one. */
  context?: string;
}

/**
 * Reads the configuration. Makes no call yet.
 *
 * @throws ClientLoadError when client-node cannot be loaded.
 * @throws Error when the kubeconfig cannot be read, has no such context, or names no API server.
 */
export function connectKubernetes(options: ConnectOptions = {}): ApiServer {
  const { KubeConfig } = loadClientNode();
  const { apiServer } = require('./api-server') as typeof ApiServerModule;
  const config = new KubeConfig();
  if (options.kubeconfig === undefined) config.loadFromDefault();
  else config.loadFromFile(options.kubeconfig);
  if (options.context !== undefined) {
    if (!config.getContexts().some(({ name }) => name === options.context)) {
      throw new Error(`the kubeconfig has no context ${JSON.stringify(options.context)}`);
    }
    config.setCurrentContext(options.context);
  }
  limitPlugins(config);
  return apiServer(config);
}

/** Milliseconds that a plugin for credentials may take: some wait for a person who logs in. */
const PLUGIN_LIMIT = 60_000;

/**
 * Ends plugins for credentials (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins) that do not
 * answer, and gives them no input: client-node would wait for ever for one that asks a question.
 */
function limitPlugins(config: KubeConfig): void {
  const { authenticators } = config as unknown as { authenticators: { execFn?: Spawn }[] };
  for (const each of authenticators) if (each.execFn) each.execFn = withLimit(each.execFn);
}

type Spawn = (command: string, args?: readonly string[], options?: SpawnOptions) => ChildProcess;

function withLimit(spawn: Spawn): Spawn {
  return (command, args, options) => {
    const plugin = spawn(command, args, {
      ...options,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: PLUGIN_LIMIT,
      killSignal: 'SIGKILL',
    });
    // Processes that it started may live on and hold the other ends of these.
    plugin.on('exit', (_code, signal) => {
      if (signal) for (const output of [plugin.stdout, plugin.stderr]) output?.destroy();
    });
    return plugin;
  };
}

/** The namespace that this pod runs in; undefined outside a cluster. */
export function inClusterNamespace(): string | undefined {
  try {
    return (
      readFileSync('/var/run/secrets/kubernetes.io/serviceaccount/namespace', 'utf8').trim() || undefined
    );
  } catch {
    return undefined;
  }
}
