/** `vmgroup plan`: what a run would do, by the same planner that runs it. */
import type {
  Group,
  Manifests,
  ObjectName,
  PowerState,
  VirtualMachine,
  VirtualMachineStatus,
} from '../../api';
import { formatProblem } from '../../api';
import { driverOf, indexManifests } from '../../bridge/manifests';
import type { Plan } from '../../contract';
import type { PastRun } from '../../insight';
import { CliError } from '../errors';
import * as lazy from '../lazy';
import type { PlatformNames } from '../../platforms';
import { memberPlatforms, recordedPlatform } from '../runtime';
import { formatLiveProblem, readManifests, shortfallWarnings, usesFiles } from '../manifests';
import { firstNames, print, printNote } from '../output';
import { readClusterState } from './cluster-state';
import type { PlanOptions } from './options';
import { expectedRun } from './expected';
import { readPasts } from './past';
import { placerOf } from './placer';
import { placerOfType, type Placer } from './planned-placement';
import type { PlatformView } from './platform';
import { PlacementPreview } from './preview';
import { planChart, planTable, type GroupPlan } from './text';

/** What is known of the VMs; nothing if there are only manifests. */
type KnownVms = Partial<Pick<PlatformView, 'observe' | 'placesAhead'>>;

/** Everything that the plans are made from. */
interface PlanInput {
  manifests: Manifests;
  known: KnownVms;
  place: Placer;
  /** Which platform each VM is on; undefined: not known. */
  names: PlatformNames | undefined;
}

/**
 * Prints what a run of each group would do, and changes nothing. With manifests, VMs are assumed to be off if they are to be powered on,
 * and on otherwise, and are placed on the inventory among the manifests. On a cluster their state and places come from its platform. The
 * VMs of a group are placed after those of the groups before it.
 *
 * @throws CliError if there is nothing to plan, the inventory is invalid, or the API server refuses or does not answer.
 */
export async function plan(paths: string[], options: PlanOptions): Promise<void> {
  const { manifests, known, place, names } = usesFiles('plan', paths, options)
    ? await fromFiles(paths, options)
    : await fromCluster(options);
  const plans: GroupPlan[] = [];
  const all = resolvePlans(manifests, options, known, names);
  for (const warning of shortfallWarnings({ manifests, plans: all.map((each) => each.plan), names }))
    printNote(formatLiveProblem(warning));
  const pasts = await readPasts(
    all.map((each) => each.plan),
    options,
  );
  const preview = new PlacementPreview(names, place);
  try {
    for (const [at, resolved] of all.entries()) plans.push(await groupPlan(resolved, pasts[at], preview));
  } finally {
    await preview.close();
  }
  const { output } = options;
  const text = output === 'mermaid' ? planChart : planTable;
  print(output === 'json' ? 'json' : 'table', plans, (shown) => shown.map(text).join('\n'));
}

async function groupPlan(
  { plan, from }: ResolvedPlan,
  past: readonly PastRun[] | undefined,
  preview: PlacementPreview,
): Promise<GroupPlan> {
  const { forecast: forecastOf, progressAtStart } = lazy.workflows();
  const { places, givenUp: _none, ...forecast } = forecastOf(plan, 0);
  return {
    group: `${plan.namespace}/${plan.name}`,
    powerState: plan.powerState,
    from,
    forecast,
    ...(await preview.of(plan, places)),
    ...(past && expectedRun(past, progressAtStart(plan, 0))),
  };
}

async function fromFiles(paths: string[], options: PlanOptions): Promise<PlanInput> {
  const parsed = await readManifests(paths, { streams: true });
  for (const problem of parsed.problems) printNote(formatProblem(problem));
  const recorded = recordedPlatform(options, paths);
  const names = await memberPlatforms(parsed.manifests, {
    ...options,
    ...(recorded && { recorded }),
  });
  const place = placerOfType(names?.typeOf({ namespace: '' })) ?? placerOf(parsed);
  return { manifests: parsed.manifests, known: {}, place, names };
}

async function fromCluster(options: PlanOptions): Promise<PlanInput> {
  const { after: manifests, names, place, observe, placesAhead } = await readClusterState(options);
  return { manifests, known: { observe, placesAhead }, place, names: names.after };
}

interface ResolvedPlan {
  plan: Plan;
  from: GroupPlan['from'];
}

/** The plans of all groups that start runs, or of the one group. */
function resolvePlans(
  manifests: Manifests,
  { group, to }: PlanOptions,
  { observe, placesAhead = false }: KnownVms,
  names: PlatformNames | undefined,
): ResolvedPlan[] {
  const { resolvePlan } = lazy.plans();
  const index = indexManifests(manifests);
  const chosen = group
    ? manifests.groups.filter(({ namespace, name }) => namespace === group.namespace && name === group.name)
    : manifests.groups.filter((each) =>
        to === undefined ? driverOf(index, each, placesAhead) === each : each.groupName === undefined,
      );
  if (chosen.length === 0) throw nothingToPlan(manifests, group);
  return chosen.map((each) => {
    const powerState = to ?? driverOf(index, each)?.powerState;
    if (powerState === undefined && !placesAhead) throw noPowerState(each);
    const from: PowerState = powerState === 'PoweredOn' ? 'PoweredOff' : 'PoweredOn';
    const resolved = resolvePlan(index, powerState === undefined ? each : { ...each, powerState }, {
      observe: observe ?? ((vm) => assumedState(vm, from)),
      placesAhead,
      ...(names && { platformOf: names.of, probesItself: names.probesItself }),
    });
    if (!resolved) throw nothingToPlan(manifests, group);
    return { plan: resolved, from: observe ? 'Observed' : from };
  });
}

/** A VM with a place keeps it. */
function assumedState({ placed }: VirtualMachine, powerState: PowerState): VirtualMachineStatus | undefined {
  if (powerState === 'PoweredOff' && !placed) return undefined;
  return { powerState, at: 0, ...(placed && { placement: placed }) };
}

function noPowerState({ namespace, name }: Group): CliError {
  return new CliError(`${namespace}/${name} has no spec.powerState, so a run would do nothing`, [
    'name a power state to plan for: --to PoweredOn',
  ]);
}

function nothingToPlan(manifests: Manifests, group: ObjectName | undefined): CliError {
  const known = manifests.groups.map(({ namespace, name }) => `${namespace}/${name}`);
  const invalid = 'list the problems: vmgroup validate PATH';
  if (group)
    return new CliError(`there is no valid group ${group.namespace}/${group.name} among these objects`, [
      known.length > 0 ? `groups there: ${firstNames(known)}` : invalid,
    ]);
  return new CliError('no group among these objects has a spec.powerState, so a run would do nothing', [
    known.length > 0
      ? `name a power state to plan for: --to PoweredOn (groups: ${firstNames(known)})`
      : invalid,
  ]);
}
