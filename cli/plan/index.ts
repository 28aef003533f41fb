/** `vmgroup plan`: its options. */
import { Option } from 'commander';
import type { Command } from 'commander';
import {
  modeOption,
  outputOption,
  parseObjectName,
  pastOption,
  platformsOption,
  withSource,
  withTemporal,
} from '../options';
import type { PlanOptions } from './options';
import type * as Plan from './plan';
import type * as Pasts from './past';
import type * as PlatformViews from './platform';
import type * as Previews from './preview';

const action = (): typeof Plan => require('./plan') as typeof Plan;

/** What is learned from the platform of a cluster; it takes a while to load. */
export const platformViews = (): typeof PlatformViews => require('./platform') as typeof PlatformViews;

/** Where the VMs of a plan would be placed. */
export const previews = (): typeof Previews => require('./preview') as typeof Previews;

/** What past runs took. */
export const pasts = (): typeof Pasts => require('./past') as typeof Pasts;

export { placesText } from './placement-text';
export { placerOfType, unknownPlacement, type Placer } from './placer';
export type { PlannedPlaces } from './preview';

/** Adds the command. */
export function registerPlan(program: Command): void {
  withSource(
    withTemporal(
      program
        .command('plan')
        .description('dry run: the steps in order with their earliest times, and what each waits for'),
    ),
  )
    .argument('[path...]', 'files and folders of manifests; - for standard input')
    .option('--group <ns/name>', 'only this group', parseObjectName)
    .addOption(
      new Option('--to <state>', 'plan for this desired power state').choices([
        'PoweredOn',
        'PoweredOff',
        'Suspended',
      ]),
    )
    .addOption(
      new Option(
        '--platform <name>',
        'name or type of the default platform (on a cluster: simulated with --simulator, otherwise vm-operator)',
      ).env('VMGROUP_PLATFORM'),
    )
    .addOption(platformsOption())
    .addOption(modeOption())
    .addOption(new Option('--simulator <address>', 'address of vmgroup simulator').env('VMGROUP_SIMULATOR'))
    .addOption(pastOption())
    .addOption(outputOption(['table', 'json', 'mermaid']))
    .action((paths: string[], options: PlanOptions) => action().plan(paths, options));
}
