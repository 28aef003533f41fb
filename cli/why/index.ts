/** `vmgroup why`: its options. */
import { Argument } from 'commander';
import type { Command } from 'commander';
import type { ObjectName } from '../../api';
import { groupArgument, outputOption, withSource, withTemporal } from '../options';
import type { WhyOptions } from './options';
import type * as Why from './why';

const action = (): typeof Why => require('./why') as typeof Why;

/** Adds the command. */
export function registerWhy(program: Command): void {
  withSource(
    withTemporal(
      program
        .command('why')
        .description('explain why members are not in their desired state, down to what holds them'),
    ),
  )
    .addArgument(groupArgument())
    .addArgument(
      new Argument('[member]', 'NAME, or KIND/NAME; default: every member that is not in its desired state'),
    )
    .addOption(outputOption(['table', 'json']))
    .action((group: ObjectName, member: string | undefined, options: WhyOptions) =>
      action().why(group, member, options),
    );
}
