/** Options that say where VMs are, and who else acts there. */
import { Option, type Command } from 'commander';

/** Options of the commands that plan on the platforms of VMs. */
export interface PlatformOptions {
  /** Name or type of the default platform. */
  platform?: string;
  /** Files and folders with Platform objects. */
  platforms?: string[];
  /** `companion`: what is wanted of groups on a cluster is in their annotations. */
  mode?: 'controller' | 'companion';
  /** Address of the simulator. */
  simulator?: string;
}

/** Adds them. */
export function withPlatforms(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--platform <name>',
        'name or type of the default platform (default: that of the vmgroup up, serve or bridge on the data folder; on a cluster simulated with --simulator, otherwise vm-operator)',
      ).env('VMGROUP_PLATFORM'),
    )
    .addOption(platformsOption())
    .addOption(modeOption())
    .addOption(new Option('--simulator <address>', 'address of vmgroup simulator').env('VMGROUP_SIMULATOR'));
}

/** The default platform on a cluster, if none is named. */
export function clusterPlatform({ simulator, platform }: PlatformOptions): string {
  return platform ?? (simulator === undefined ? 'vm-operator' : 'simulated');
}

/** `--platforms`, of the commands that reach platforms. */
export function platformsOption(): Option {
  return new Option('--platforms <paths>', 'files and folders with Platform objects, separated by commas')
    .argParser((text) => text.split(',').filter((path) => path !== ''))
    .env('VMGROUP_PLATFORMS');
}

/** `--mode`. Without a description it has that of the commands that only read groups. */
export function modeOption(
  description = 'companion: on a cluster, read what is wanted of groups from their annotations, as alongside VM Operator',
): Option {
  return new Option('--mode <mode>', description).choices(['controller', 'companion']).env('VMGROUP_MODE');
}
