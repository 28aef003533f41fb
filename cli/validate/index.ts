/** `vmgroup validate`: its options. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { modeOption, outputOption, platformsOption, withSource } from '../options';
import type * as Validate from './validate';

const action = (): typeof Validate => require('./validate') as typeof Validate;

/** Adds the command. */
export function registerValidate(program: Command): void {
  withSource(
    program
      .command('validate')
      .description('print file:line:column: path: message for each problem; exit 1 if one is an error'),
  )
    .argument('[path...]', 'files and folders of manifests; - for standard input')
    .addOption(
      new Option(
        '--platform <name>',
        'name or type of the default platform: warn where the manifests need more than it has',
      ),
    )
    .addOption(platformsOption())
    .addOption(modeOption())
    .addOption(outputOption(['table', 'json']).default('table', 'for people'))
    .action((paths: string[], options: Validate.ValidateOptions) => action().validate(paths, options));
}
