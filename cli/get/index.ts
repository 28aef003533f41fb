/** `vmgroup get`, `describe` and `watch`: their options. */
import type { Command } from 'commander';
import type { ObjectName } from '../../api';
import {
  groupArgument,
  optionalGroupArgument,
  outputOption,
  parseObjectName,
  pastOption,
  sinceOption,
  withData,
  withSource,
  withTemporal,
} from '../options';
import type * as Describe from './describe';
import type * as Get from './get';
import type { RunsOptions, ViewOptions } from './options';
import type * as Watch from './watch';

const get = (): typeof Get => require('./get') as typeof Get;
const describe = (): typeof Describe => require('./describe') as typeof Describe;
const watch = (): typeof Watch => require('./watch') as typeof Watch;

/** Adds the commands. */
export function registerGet(program: Command): void {
  addLists(program.command('get').description('list groups, VMs or runs'));
  withSource(
    withTemporal(
      program
        .command('describe')
        .description('show one group: run, tiers, members, conditions, operator commands'),
    ),
  )
    .addArgument(groupArgument())
    .addOption(pastOption())
    .addOption(outputOption(['table', 'json', 'yaml']))
    .action((name: ObjectName, options: ViewOptions) => describe().describeGroup(name, options));
  withSource(
    withTemporal(
      program
        .command('watch')
        .description(
          'follow groups live: a picture that is redrawn on a terminal, otherwise a line for each event',
        ),
    ),
  )
    .addArgument(optionalGroupArgument())
    .addOption(pastOption())
    .addOption(outputOption(['table', 'json']))
    .action((name: ObjectName | undefined, options: ViewOptions) => watch().watchGroups(name, options));
}

function addLists(command: Command): void {
  withSource(
    withTemporal(
      command
        .command('groups')
        .alias('group')
        .description('list groups: desired state, phase, number of ready members'),
    ),
  )
    .addArgument(optionalGroupArgument())
    .addOption(outputOption())
    .action((name: ObjectName | undefined, options: ViewOptions) => get().getGroups(name, options));
  withSource(
    withData(
      command
        .command('vms')
        .alias('vm')
        .description('list the VMs of groups: observed power state, placement, conditions'),
    ),
  )
    .addArgument(optionalGroupArgument())
    .addOption(outputOption())
    .action((name: ObjectName | undefined, options: ViewOptions) => get().getVirtualMachines(name, options));
  withTemporal(command.command('runs').alias('run').description('list runs, newest first, from Temporal'))
    .addArgument(optionalGroupArgument())
    .option('--root <ns/name>', 'runs of the tree that this group drives', parseObjectName)
    .addOption(sinceOption('open runs, and those that ended since: 2h, or a time'))
    .option('--stuck', 'open runs that wait for an operator, member by member')
    .addOption(outputOption())
    .action((name: ObjectName | undefined, options: RunsOptions) => get().getRuns(name, options));
}
