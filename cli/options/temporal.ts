/** Options of the commands that work on a data folder, or talk to Temporal. */
import { Option } from 'commander';
import type { Command } from 'commander';

/** The default of `--data`. */
const DEFAULT_DATA = '.vmgroup';

/** Options of each command that talks to Temporal. */
export interface TemporalOptions {
  /** Path of the data folder. */
  data: string;
  /** `HOST:PORT`. */
  temporal?: string;
  /** Namespace of Temporal. */
  namespace?: string;
}

/** Adds `--data`. */
export function withData(command: Command): Command {
  return command.addOption(
    new Option('--data <dir>', 'data folder of vmgroup up, serve or bridge')
      .default(DEFAULT_DATA)
      .env('VMGROUP_DATA'),
  );
}

/** Adds `--data`, `--temporal` and `--namespace`. */
export function withTemporal(command: Command): Command {
  return withData(command)
    .option(
      '--temporal <host:port>',
      'Temporal server (default: that of a running vmgroup up, otherwise TEMPORAL_ADDRESS)',
    )
    .option(
      '--namespace <name>',
      'Temporal namespace (default: that of a running vmgroup up, otherwise TEMPORAL_NAMESPACE)',
    );
}
