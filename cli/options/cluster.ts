/** Options of the commands that talk to an API server. */
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { quoted } from './same-target';
import type { TemporalOptions } from './temporal';

/** Options of each command that talks to an API server. */
export interface ClusterOptions {
  /** Path of a kubeconfig file. */
  kubeconfig?: string;
  context?: string;
  /** Empty or absent: all. */
  watchNamespaces?: string[];
}

/** Options of each command that works on groups: those of a data folder, or those of a cluster. */
export interface SourceOptions extends ClusterOptions {
  source?: 'directory' | 'kubernetes';
}

/** Options of each command that reads groups and their runs. */
export type GroupOptions = SourceOptions & TemporalOptions;

/** Where `vmgroup simulator` listens by default. */
export const SIMULATOR_ADDRESS = 'http://127.0.0.1:7080';

const SOURCE_VARIABLE = 'VMGROUP_SOURCE';
const CONTEXT_VARIABLE = 'VMGROUP_CONTEXT';

/** Adds `--source` and the options of {@link withCluster}. */
export function withSource(command: Command): Command {
  return withCluster(
    command.addOption(
      sourceOption(
        'where groups are: directory (manifests and a data folder) or kubernetes (objects of a cluster); default: kubernetes with --kubeconfig or --context, otherwise directory',
      ),
    ),
  );
}

/** `--source`, without a default. */
export function sourceOption(description: string): Option {
  return new Option('--source <kind>', description).choices(['directory', 'kubernetes']).env(SOURCE_VARIABLE);
}

/** Adds `--kubeconfig`, `--context` and `--watch-namespaces`. */
export function withCluster(command: Command): Command {
  return command
    .option(
      '--kubeconfig <path>',
      "kubeconfig file (default: KUBECONFIG, then ~/.kube/config, then the pod's service account)",
    )
    .addOption(
      new Option('--context <name>', 'context of the kubeconfig (default: its current context)').env(
        CONTEXT_VARIABLE,
      ),
    )
    .addOption(
      new Option('--watch-namespaces <names>', 'namespaces to work in, separated by commas (default: all)')
        .argParser(parseNamespaces)
        .env('VMGROUP_WATCH_NAMESPACES'),
    );
}

/** `--lease-namespace`, of the processes that share the bridges' Lease. */
export function leaseNamespaceOption(): Option {
  return new Option(
    '--lease-namespace <name>',
    "namespace of the Lease that elects one of several bridges (default: the pod's namespace, otherwise default)",
  ).env('VMGROUP_LEASE_NAMESPACE');
}

/** Whether a command works on the objects of a cluster: `--source` says so, or `--kubeconfig` or `--context` names a cluster. */
export function isOnCluster({ source, kubeconfig, context }: SourceOptions): boolean {
  if (source !== undefined) return source === 'kubernetes';
  return kubeconfig !== undefined || context !== undefined;
}

/** The namespaces to work in; undefined: all. */
export function watchedNamespaces({ watchNamespaces = [] }: ClusterOptions): string[] | undefined {
  return watchNamespaces.length === 0 ? undefined : watchNamespaces;
}

/** The flags that lead a further command to the same cluster, each after a blank; empty if the environment does. */
export function clusterFlags({ kubeconfig, context }: SourceOptions): string {
  const flags = [
    ...(kubeconfig === undefined ? [] : [` --kubeconfig ${quoted(kubeconfig)}`]),
    ...(context === undefined || process.env[CONTEXT_VARIABLE] === context
      ? []
      : [` --context ${quoted(context)}`]),
  ];
  if (flags.length > 0 || process.env[SOURCE_VARIABLE] === 'kubernetes') return flags.join('');
  return process.env[CONTEXT_VARIABLE] ? '' : ' --source kubernetes';
}

/** RFC 1123 label, the form of a namespace's name. */
const NAMESPACE = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

function parseNamespaces(text: string): string[] {
  const names = [...new Set(text.split(',').map((name) => name.trim()))].filter((name) => name !== '');
  const wrong = names.find((name) => !NAMESPACE.test(name));
  if (wrong !== undefined)
    throw new InvalidArgumentError(
      `${JSON.stringify(wrong)} is not a valid name of a namespace; write prod,staging`,
    );
  return names;
}
