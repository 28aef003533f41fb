/** `get`, `describe`, `watch`: what is. */
import { Argument } from 'commander';
import type { Command } from 'commander';
import { describeGroup, getGroups, getRuns, getVirtualMachines } from './get';
import { outputOption, parseGroupName } from '../output/output';
import type { Format } from '../output/output';
import { withSource } from '../connections/cluster';
import { withData, withReach } from '../connections/temporal';
import type { WhereOptions } from '../groups/views';
import { watchGroups } from './watch';

/** A group named on the command line. */
export interface GroupName {
  namespace: string;
  name: string;
}

/** Options of commands that print views. */
export interface ViewOptions extends WhereOptions {
  output: Format;
}

/** Adds the commands. */
export function registerViews(program: Command): void {
  const get = program.command('get').description('list groups, VMs or runs');
  const group = () => new Argument('[group]', 'NAMESPACE/NAME; default: all').argParser(parseGroupName);
  withSource(
    withReach(
      get.command('groups').alias('group').description('groups: desired state, phase, members as wanted'),
    ),
  )
    .addArgument(group())
    .addOption(outputOption())
    .action((name: GroupName | undefined, options: ViewOptions) => getGroups(name, options));
  withSource(
    withData(
      get
        .command('vms')
        .alias('vm')
        .description('VMs of groups: power state as observed, placement, conditions'),
    ),
  )
    .addArgument(group())
    .addOption(outputOption())
    .action((name: GroupName | undefined, options: ViewOptions) => getVirtualMachines(name, options));
  withReach(get.command('runs').alias('run').description('runs, newest first, as Temporal knows them'))
    .addArgument(group())
    .addOption(outputOption())
    .action((name: GroupName | undefined, options: ViewOptions) => getRuns(name, options));
  withSource(
    withReach(
      program
        .command('describe')
        .description('everything about one group: run, tiers, members, conditions, operators'),
    ),
  )
    .addArgument(new Argument('<group>', 'NAMESPACE/NAME').argParser(parseGroupName))
    .addOption(outputOption(['table', 'json', 'yaml']))
    .action((name: GroupName, options: ViewOptions) => describeGroup(name, options));
  withSource(
    withReach(
      program
        .command('watch')
        .description('follow groups live; a redrawn picture on a terminal, else a line a change'),
    ),
  )
    .addArgument(group())
    .addOption(outputOption(['table', 'json']))
    .action((name: GroupName | undefined, options: ViewOptions) => watchGroups(name, options));
}
