/** `doctor`, `crds` and `completion`. */
import { Argument, Option } from 'commander';
import type { Command } from 'commander';
import { printCrds } from '../crds/crds';
import { withCluster } from '../connections/cluster';
import { completionScript, SHELLS } from '../completion/completion';
import type { Shell } from '../completion/completion';
import { examine } from './doctor';
import type { ClusterDoctorOptions } from './cluster';
import { outputOption } from '../output/output';
import type { Format } from '../output/output';
import { withReach } from '../connections/temporal';
import type { ReachOptions } from '../connections/temporal';

/** Options of `doctor`. */
export interface DoctorOptions extends ReachOptions, ClusterDoctorOptions {
  output: Format;
}

/** Adds the commands. */
export function registerDoctor(program: Command): void {
  withCluster(
    withReach(
      program
        .command('doctor')
        .description('say what is wrong with the set-up and how to fix it; exit 1 if anything'),
    ),
  )
    .addOption(
      new Option('--for <process>', 'check a cluster, and the permissions of this process there').choices([
        'bridge',
        'worker',
        'serve',
        'simulator',
      ]),
    )
    .addOption(
      new Option(
        '--lease-namespace <name>',
        "namespace of the bridges' Lease (default: that of the pod, else default)",
      ).env('VMGROUP_LEASE_NAMESPACE'),
    )
    .addOption(outputOption(['table', 'json', 'yaml']))
    .action((options: DoctorOptions) => examine(options));
  program
    .command('crds')
    .description('print the CustomResourceDefinitions, such as for: kubectl apply --server-side -f -')
    .option('--dir <folder>', 'write one file each into this folder instead')
    .action((options: { dir?: string }) => printCrds(options));
  program
    .command('completion')
    .description('print a completion script, such as for: source <(vmgroup completion bash)')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .action((shell: Shell) => {
      process.stdout.write(completionScript(shell, program));
    });
}
