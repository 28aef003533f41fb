/** `vmgroup plan`: its options. */
import { Option } from 'commander';
import type { Command } from 'commander';
import {
  outputOption,
  parseObjectName,
  pastOption,
  withPlatforms,
  withSource,
  withTemporal,
} from '../options';
import type { PlanOptions } from './options';
import type * as Clusters from './cluster-state';
import type * as Described from './described-states';
import type * as Plan from './plan';
import type * as Pasts from './past';
import type * as PlatformViews from './platform';
import type * as Previews from './preview';

const action = (): typeof Plan => require('./plan') as typeof Plan;

/** What is learned from the platform of a cluster; it takes a while to load. */
export const platformViews = (): typeof PlatformViews => require('./platform') as typeof PlatformViews;

/** The objects of a cluster, and what is observed of their VMs. */
export const clusters = (): typeof Clusters => require('./cluster-state') as typeof Clusters;

/** The states of VMs on platforms that Platform objects describe. */
export const described = (): typeof Described => require('./described-states') as typeof Described;

/** Where the VMs of a plan would be placed. */
export const previews = (): typeof Previews => require('./preview') as typeof Previews;

/** What past runs took. */
export const pasts = (): typeof Pasts => require('./past') as typeof Pasts;

export { placesText } from './placement-text';
export { placerOfType, unknownPlacement, type Placer } from './planned-placement';
export type { PlannedPlaces } from './preview';

/** Adds the command. */
export function registerPlan(program: Command): void {
  const command = program
    .command('plan')
    .description('dry run: the steps in order with their earliest times, and what each waits for');
  withPlatforms(withSource(withTemporal(command)))
    .argument('[path...]', 'files and folders of manifests; - for standard input')
    .option('--group <ns/name>', 'only this group', parseObjectName)
    .addOption(
      new Option('--to <state>', 'plan for this desired power state').choices([
        'PoweredOn',
        'PoweredOff',
        'Suspended',
      ]),
    )
    .addOption(pastOption())
    .addOption(outputOption(['table', 'json', 'mermaid']))
    .action((paths: string[], options: PlanOptions) => action().plan(paths, options));
}
