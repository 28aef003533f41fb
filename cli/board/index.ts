/** `vmgroup board`: its options. */
import type { Command } from 'commander';
import type { ObjectName } from '../../api';
import {
  optionalGroupArgument,
  pastOption,
  withBoard,
  withSource,
  withTemporal,
  type BoardOptions,
  type GroupOptions,
  type RecordOptions,
} from '../options';
import type * as Board from './board';

const action = (): typeof Board => require('./board') as typeof Board;

/** Adds the command. */
export function registerBoard(program: Command): void {
  withBoard(
    withSource(
      withTemporal(
        program
          .command('board')
          .description('serve one page that shows the groups live, for everyone who follows a failover'),
      ),
    ),
  )
    .addArgument(optionalGroupArgument())
    .addOption(pastOption())
    .option('--open', 'open the page in the browser')
    .addHelpText(
      'after',
      `
The board is read only, and listens on this machine only unless --host says otherwise: anyone who can reach it sees names and errors of VMs.`,
    )
    .action(
      (
        name: ObjectName | undefined,
        options: GroupOptions & RecordOptions & BoardOptions & { open?: true },
      ) => action().serveBoard(name, options),
    );
}
