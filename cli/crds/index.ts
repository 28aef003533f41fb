/** `vmgroup crds`: its options. */
import type { Command } from 'commander';
import type * as Crds from './crds';

const action = (): typeof Crds => require('./crds') as typeof Crds;

/** Adds the command. */
export function registerCrds(program: Command): void {
  program
    .command('crds')
    .description('print the CustomResourceDefinitions, for: kubectl apply --server-side -f -')
    .option('--dir <folder>', 'write one file each into this folder instead')
    .action((options: { dir?: string }) => action().printCrds(options));
}
