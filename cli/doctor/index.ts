/** `vmgroup doctor`: its options. */
import { Option } from 'commander';
import type { Command } from 'commander';
import {
  leaseNamespaceOption,
  modeOption,
  outputOption,
  platformsOption,
  withCluster,
  withTemporal,
} from '../options';
import type * as Doctor from './doctor';
import type { DoctorOptions } from './options';

const action = (): typeof Doctor => require('./doctor') as typeof Doctor;

/** Adds the command. */
export function registerDoctor(program: Command): void {
  withCluster(
    withTemporal(
      program
        .command('doctor')
        .description('check the set-up, and say how to fix what is wrong; exit 1 if there is a problem'),
    ),
  )
    .addOption(
      new Option('--for <process>', 'check the cluster, and the permissions of this process there').choices([
        'bridge',
        'worker',
        'serve',
        'simulator',
      ]),
    )
    .addOption(modeOption('the mode of the processes, as in vmgroup serve').default('controller'))
    .option(
      '--platform <name>',
      'check this platform instead: the name of a Platform, or vsphere, libvirt or kubevirt for all of that type',
    )
    .addOption(platformsOption())
    .addOption(leaseNamespaceOption())
    .addOption(outputOption(['table', 'json', 'yaml']))
    .action((options: DoctorOptions) => action().doctor(options));
}
