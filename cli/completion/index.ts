/** `vmgroup completion`: its arguments. */
import { Argument } from 'commander';
import type { Command } from 'commander';
import type * as Completion from './completion';
import { printData } from '../output';

const action = (): typeof Completion => require('./completion') as typeof Completion;

/** Adds the command. */
export function registerCompletion(program: Command): void {
  program
    .command('completion')
    .description('print a completion script, for: source <(vmgroup completion bash)')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish'] satisfies Completion.Shell[]))
    .action((shell: Completion.Shell) => {
      printData(action().completionScript(shell, program));
    });
}
