/** Options that say where VMs are, and who else acts there. */
import { Option } from 'commander';

/** `--platforms`, of the commands that reach platforms. */
export function platformsOption(): Option {
  return new Option('--platforms <paths>', 'files and folders with Platform objects, separated by commas')
    .argParser((text) => text.split(',').filter((path) => path !== ''))
    .env('VMGROUP_PLATFORMS');
}

/** `--mode`. Without a description it has that of the commands that only read groups. */
export function modeOption(
  description = 'companion: what is wanted of groups on a cluster stands in their annotations, as beside VM Operator',
): Option {
  return new Option('--mode <mode>', description).choices(['controller', 'companion']).env('VMGROUP_MODE');
}
