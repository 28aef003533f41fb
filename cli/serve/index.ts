/** `worker`, `bridge`, `serve`: the production processes. */
import { Option } from 'commander';
import type { Command } from 'commander';
import type { ClusterOptions } from '../connections/cluster';
import type { WebhookOptions } from '../runtime/cluster-parts';
import { SIMULATOR_ADDRESS, withCluster } from '../connections/cluster';
import { parsePort } from '../output/output';
import { withReach } from '../connections/temporal';
import type { ReachOptions } from '../connections/temporal';
import { serve } from './serve';

/** Which parts a process carries. */
export type Parts = 'worker' | 'bridge' | 'serve';

/** Options of the production processes. */
export interface ServeOptions extends ReachOptions, ClusterOptions, WebhookOptions {
  source?: 'directory' | 'kubernetes';
  platform: 'simulated' | 'vm-operator';
  leaseNamespace?: string;
  simulator?: string;
  healthHost: string;
  healthPort: number;
  logLevel: string;
}

const DOES: Record<Parts, string> = {
  worker: 'run workflows and power operations',
  bridge: 'watch desired state, start and signal runs, write status',
  serve: 'worker and bridge in one process',
};

/** Adds the commands. */
export function registerServe(program: Command): void {
  for (const parts of ['serve', 'worker', 'bridge'] as const) {
    const command = program.command(parts).description(DOES[parts]);
    if (parts !== 'worker') {
      command
        .argument('[path...]', 'files and folders of manifests, with the source directory')
        .addOption(
          new Option('--source <kind>', 'where desired state is read: manifests, or the objects of a cluster')
            .choices(['directory', 'kubernetes'])
            .default('directory')
            .env('VMGROUP_SOURCE'),
        )
        .addOption(
          new Option(
            '--lease-namespace <name>',
            'namespace of the Lease by which one of several bridges writes (default: that of the pod, else default)',
          ).env('VMGROUP_LEASE_NAMESPACE'),
        )
        .addOption(
          new Option('--webhook-port <port>', 'port of the admission webhook (default: there is none)')
            .argParser(parsePort)
            .env('VMGROUP_WEBHOOK_PORT'),
        )
        .addOption(
          new Option('--webhook-host <address>', 'address to serve it on')
            .env('VMGROUP_WEBHOOK_HOST')
            .default('127.0.0.1'),
        )
        .addOption(
          new Option('--webhook-cert <file>', 'its certificate, PEM; read anew when it changes').env(
            'VMGROUP_WEBHOOK_CERT',
          ),
        )
        .addOption(
          new Option('--webhook-key <file>', 'the key of its certificate, PEM').env('VMGROUP_WEBHOOK_KEY'),
        );
    }
    withCluster(withReach(command))
      .addOption(
        new Option('--platform <kind>', 'what places and powers VMs')
          .choices(['simulated', 'vm-operator'])
          .default('simulated')
          .env('VMGROUP_PLATFORM'),
      )
      .addOption(
        new Option('--simulator <address>', 'address of vmgroup simulator')
          .env('VMGROUP_SIMULATOR')
          .default(SIMULATOR_ADDRESS),
      )
      .addOption(
        new Option('--health-port <port>', '/healthz, /readyz and /metrics; 0: a free port')
          .argParser(parsePort)
          .env('VMGROUP_HEALTH_PORT')
          .default(0),
      )
      .addOption(
        new Option('--health-host <address>', 'address to serve them on')
          .env('VMGROUP_HEALTH_HOST')
          .default('127.0.0.1'),
      )
      .addOption(
        new Option('--log-level <level>', 'least level that is logged')
          .choices(['debug', 'info', 'warn', 'error'])
          .env('VMGROUP_LOG_LEVEL')
          .default('info'),
      )
      .addHelpText(
        'after',
        `
With --source kubernetes or --platform vm-operator the API server is found as kubectl finds it; see --kubeconfig and --context.
Logs go to standard output, one JSON object a line. SIGTERM stops the process; what it was doing goes on elsewhere or at the next start.
Every option can be given in the environment: ${'VMGROUP_*'} as shown, Temporal's as TEMPORAL_*.`,
      )
      .action((...args: unknown[]) => {
        const paths = parts === 'worker' ? [] : (args[0] as string[]);
        return serve(parts, paths, command.opts<ServeOptions>());
      });
  }
}
