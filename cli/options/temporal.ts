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
export function withData(
  command: Command,
  description = 'data folder of vmgroup up, serve or bridge',
): Command {
  return command.addOption(new Option('--data <dir>', description).default(DEFAULT_DATA).env('VMGROUP_DATA'));
}

/** Adds `--data`, and `--temporal` and `--namespace` of the commands that follow the process on the data folder. */
export function withTemporal(command: Command): Command {
  return withTarget(withData(command), 'that of the process on the data folder, otherwise ');
}

/** Adds `--data`, and `--temporal` and `--namespace` of the processes that work for others: they follow no process. */
export function withNamedTemporal(command: Command): Command {
  return withTarget(withData(command, 'data folder of this process'), '');
}

function withTarget(command: Command, before: string): Command {
  return command
    .option(
      '--temporal <host:port>',
      `Temporal server (default: ${before}TEMPORAL_ADDRESS, otherwise localhost:7233)`,
    )
    .option(
      '--namespace <name>',
      `Temporal namespace (default: ${before}TEMPORAL_NAMESPACE, otherwise default)`,
    );
}
