/** The option `--platforms`. */
import { Option } from 'commander';

/** `--platforms`, of the commands that reach platforms. */
export function platformsOption(): Option {
  return new Option('--platforms <paths>', 'files and folders with Platform objects, separated by commas')
    .argParser((text) => text.split(',').filter((path) => path !== ''))
    .env('VMGROUP_PLATFORMS');
}
