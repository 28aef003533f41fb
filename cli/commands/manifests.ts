/** `validate`, `plan` and `power`: commands that work on manifests, or on the objects of a cluster. */
import { Argument, Option } from 'commander';
import type { Command } from 'commander';
import { defaultActor } from '../options/actor';
import type { PowerState } from '../../api';
import { outputOption, parseGroupName } from '../output/output';
import { planPaths } from '../plan/plan';
import { withSource, type SourceOptions } from '../connections/cluster';
import { setPower } from '../power/power';
import type { WhereOptions } from '../groups/views';
import { withData } from '../connections/temporal';
import { validate } from '../validate/validate';
import type { GroupName } from '../get';

/** Options of `plan`. */
export interface PlanOptions extends SourceOptions {
  group?: GroupName;
  to?: PowerState;
  /** Left out: `simulated` where a simulator is named, else `vm-operator`. */
  platform?: 'simulated' | 'vm-operator';
  simulator?: string;
  output: 'table' | 'json' | 'mermaid';
}

/** Options of `validate`. */
export interface ValidateOptions extends SourceOptions {
  output: 'table' | 'json';
}

/** Options of `power`. */
export interface PowerOptions extends WhereOptions {
  path?: string[];
  reason: string;
  actor: string;
}

const STATES = ['PoweredOn', 'PoweredOff', 'Suspended'] as const;

/** Adds `validate` and `plan`. */
export function registerManifests(program: Command): void {
  withSource(
    program
      .command('validate')
      .description('print file:line:column: path: message for each problem; exit 1 if any is an error'),
  )
    .argument('[path...]', 'files and folders of manifests; - is standard input')
    .addOption(outputOption(['table', 'json']).default('table', 'for people'))
    .action((paths: string[], options: ValidateOptions) => validate(paths, options));
  withSource(
    program
      .command('plan')
      .description('dry run: the steps in order with their earliest times, and why each waits'),
  )
    .argument('[path...]', 'files and folders of manifests; - is standard input')
    .option('--group <ns/name>', 'only this group', parseGroupName)
    .addOption(new Option('--to <state>', 'as if this were the desired power state').choices(STATES))
    .addOption(
      new Option(
        '--platform <kind>',
        'what places and powers the VMs of a cluster (default: vm-operator; simulated where --simulator names one)',
      )
        .choices(['simulated', 'vm-operator'])
        .env('VMGROUP_PLATFORM'),
    )
    .addOption(new Option('--simulator <address>', 'address of vmgroup simulator').env('VMGROUP_SIMULATOR'))
    .addOption(outputOption(['table', 'json', 'mermaid']))
    .action((paths: string[], options: PlanOptions) => planPaths(paths, options));
}

/** Adds `power`. */
export function registerPower(program: Command): void {
  const power = program
    .command('power')
    .description(
      'write the desired power state of a group into its manifest, comments kept, or into its object on a cluster',
    );
  for (const [verb, state, does] of [
    ['on', 'PoweredOn', 'power a group on, tier by tier'],
    ['off', 'PoweredOff', 'power a group off'],
    ['suspend', 'Suspended', 'suspend a group'],
  ] as const) {
    withSource(withData(power.command(verb).description(does)))
      .addArgument(new Argument('<group>', 'NAMESPACE/NAME').argParser(parseGroupName))
      .option(
        '--path <path...>',
        'files and folders to look for the manifest (default: those of the running vmgroup up or serve)',
      )
      .option('--reason <text>', 'why; kept on record where a run is asked for', 'vmgroup power')
      .option('--actor <name>', 'who; likewise', defaultActor())
      .action((group: GroupName, options: PowerOptions) => setPower(group, state, options));
  }
}
