/** `vmgroup worker`, `bridge` and `serve`: their options. */
import { Option } from 'commander';
import type { Command } from 'commander';
import {
  boardHostOption,
  boardPortOption,
  leaseNamespaceOption,
  modeOption,
  parseNames,
  parsePort,
  platformsOption,
  recordKeyOption,
  recordOption,
  SIMULATOR_ADDRESS,
  sourceOption,
  withBoardLinks,
  withCluster,
  withNamedTemporal,
} from '../options';
import type { Role, ServeOptions } from './options';
import type * as Serve from './serve';

const action = (): typeof Serve => require('./serve') as typeof Serve;

const DESCRIPTION: Record<Role, string> = {
  worker: 'run workflows and power operations',
  bridge: 'watch desired state, start and signal runs, write status',
  serve: 'run worker and bridge in one process',
};

/** Adds the commands. */
export function registerServe(program: Command): void {
  for (const role of ['serve', 'worker', 'bridge'] as const) {
    const command = program.command(role).description(DESCRIPTION[role]);
    if (role === 'worker') command.addOption(atOption());
    else addBridgeOptions(command);
    addProcessOptions(withCluster(withNamedTemporal(command)))
      .addHelpText(
        'after',
        `
With --source kubernetes, --platform vm-operator or kubevirt the API server is found as kubectl finds it; see --kubeconfig and --context.
Logs go to standard output, one JSON object a line. SIGTERM stops the process; another one, or the next one, continues its work.
Every option can be set in the environment: VMGROUP_* as shown, those of Temporal as TEMPORAL_*.`,
      )
      .action((...args: unknown[]) => {
        const paths = role === 'worker' ? [] : (args[0] as string[]);
        return action().serve(role, paths, command.opts<ServeOptions>());
      });
  }
}

function addBridgeOptions(command: Command): void {
  withBoardLinks(command)
    .argument('[path...]', 'files and folders of manifests, with --source directory')
    .addOption(
      sourceOption('where desired state is read: manifests, or the objects of a cluster').default(
        'directory',
      ),
    )
    .addOption(leaseNamespaceOption())
    .addOption(
      recordOption(
        'where the audit record of all runs is kept (default: the folder record of the data folder, and none on a cluster; none: no record)',
      ),
    )
    .addOption(recordKeyOption())
    .addOption(
      new Option('--webhook-port <port>', 'port of the admission webhook (default: no webhook)')
        .argParser(parsePort)
        .env('VMGROUP_WEBHOOK_PORT'),
    )
    .addOption(
      new Option('--webhook-host <address>', 'address on which the webhook listens')
        .env('VMGROUP_WEBHOOK_HOST')
        .default('127.0.0.1'),
    )
    .addOption(
      new Option('--webhook-cert <file>', 'certificate of the webhook, PEM; read again when it changes').env(
        'VMGROUP_WEBHOOK_CERT',
      ),
    )
    .addOption(
      new Option('--webhook-key <file>', 'private key of the certificate, PEM').env('VMGROUP_WEBHOOK_KEY'),
    )
    .addOption(
      boardPortOption(
        '--board-port',
        'port of the board, a page that shows the groups live (default: no board)',
      ),
    )
    .addOption(boardHostOption('--board-host'));
}

function atOption(): Option {
  return new Option(
    '--at <names>',
    'carry out operations on these platforms only, separated by commas; run no workflows',
  )
    .argParser(parseNames)
    .env('VMGROUP_AT');
}

function addProcessOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--platform <name>',
        'platform of VMs that name none: simulated, vm-operator, kubevirt, or the name of a Platform',
      )
        .default('simulated')
        .env('VMGROUP_PLATFORM'),
    )
    .addOption(platformsOption())
    .addOption(
      modeOption(
        "with vm-operator: controller in place of VM Operator's group controller, companion alongside it; with a folder of manifests always companion",
      ).default('controller'),
    )
    .addOption(
      new Option('--simulator <address>', 'address of vmgroup simulator')
        .env('VMGROUP_SIMULATOR')
        .default(SIMULATOR_ADDRESS),
    )
    .addOption(
      new Option('--health-port <port>', 'port of /healthz, /readyz and /metrics; 0: any free port')
        .argParser(parsePort)
        .env('VMGROUP_HEALTH_PORT')
        .default(0),
    )
    .addOption(
      new Option('--health-host <address>', 'address on which they are served')
        .env('VMGROUP_HEALTH_HOST')
        .default('127.0.0.1'),
    )
    .addOption(
      new Option(
        '--traces <url>',
        'OTLP receiver for traces, such as http://localhost:4318 (default: no traces)',
      ).env('OTEL_EXPORTER_OTLP_ENDPOINT'),
    )
    .addOption(
      new Option('--log-level <level>', 'lowest level that is logged')
        .choices(['debug', 'info', 'warn', 'error'])
        .env('VMGROUP_LOG_LEVEL')
        .default('info'),
    );
}
