/** `vmgroup power`: its options. */
import type { Command } from 'commander';
import type { ObjectName } from '../../api';
import { defaultActor, groupArgument, withData, withSource } from '../options';
import type { PowerOptions } from './options';
import type * as Power from './power';

const action = (): typeof Power => require('./power') as typeof Power;

const POWER_STATES = [
  { name: 'on', powerState: 'PoweredOn', description: 'power a group on, tier by tier' },
  { name: 'off', powerState: 'PoweredOff', description: 'power a group off' },
  { name: 'suspend', powerState: 'Suspended', description: 'suspend a group' },
] as const;

/** Adds the commands. */
export function registerPower(program: Command): void {
  const power = program
    .command('power')
    .description(
      'set the desired power state of a group in its manifest (comments are kept), or in its object on a cluster',
    );
  for (const { name, powerState, description } of POWER_STATES) {
    withSource(withData(power.command(name).description(description)))
      .addArgument(groupArgument())
      .option(
        '--path <path...>',
        'files and folders to search for the manifest (default: those of the running vmgroup up, serve or bridge)',
      )
      .option('--reason <text>', 'why; recorded if a run is requested', 'vmgroup power')
      .option('--actor <name>', 'who; recorded if a run is requested', defaultActor())
      .action((group: ObjectName, options: PowerOptions) => action().setPower(group, powerState, options));
  }
}
