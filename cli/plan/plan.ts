/** `vmgroup plan`: what a run would do, asked of the same planner that runs it. */
import type { Group, Manifests, PowerState, VirtualMachine, VirtualMachineStatus } from '../../api';
import { formatDuration, formatProblem } from '../../api';
import type { Forecast, ForecastStep } from '../../workflows';
import type { Plan } from '../../contract';
import type { PlanOptions } from '../commands/manifests';
import type { GroupName } from '../get';
import { CliError } from '../errors';
import * as lazy from '../lazy';
import { formatLiveProblem, readCluster } from '../manifests/cluster';
import { readManifests, usesFiles } from '../manifests/files';
import { table } from '../output/output';
import { placementText, placerOf, type PlannedPlacement, type Placer } from './placement';
import { lookAtPlatform, type PlatformView } from './platform';

/** The forecast of one driver. */
interface GroupPlan {
  group: string;
  powerState: Plan['powerState'];
  /** What the VMs are taken to be before the run; on a cluster it is known of each. */
  from: PowerState | 'Observed';
  forecast: Omit<Forecast, 'places'>;
  /** Where VMs without a place would be placed; absent: all have one. */
  placement?: PlannedPlacement;
}

/** What is known of VMs; nothing where there are only manifests. */
type Known = Partial<Pick<PlatformView, 'observe' | 'placesAhead'>>;

/**
 * Prints what a run of each group would do, by its manifest or by its object on a cluster, and changes nothing. Without a cluster VMs are
 * taken to be off where they are to be powered on, and on otherwise, and are placed on the inventory among the manifests. On a cluster its
 * platform is looked at. The VMs of one group are placed after those of another.
 *
 * @throws CliError when there is nothing to plan, or the inventory is invalid.
 */
export async function planPaths(paths: string[], options: PlanOptions): Promise<void> {
  const { manifests, known, place } = usesFiles('plan', paths, options)
    ? await fromFiles(paths)
    : await fromCluster(options);
  const plans: GroupPlan[] = [];
  for (const { plan, from } of choose(manifests, options, known)) {
    const { places, ...forecast } = lazy.workflows().forecast(plan, 0);
    const [asked] = places;
    plans.push({
      group: `${plan.namespace}/${plan.name}`,
      powerState: plan.powerState,
      from,
      forecast,
      ...(asked && { placement: await place(asked) }),
    });
  }
  process.stdout.write(render(plans, options.output));
}

interface Given {
  manifests: Manifests;
  known: Known;
  place: Placer;
}

async function fromFiles(paths: string[]): Promise<Given> {
  const parsed = await readManifests(paths, { streams: true });
  for (const problem of parsed.problems) process.stderr.write(formatProblem(problem) + '\n');
  return { manifests: parsed.manifests, known: {}, place: placerOf(parsed) };
}

async function fromCluster(options: PlanOptions): Promise<Given> {
  const cluster = await readCluster(options);
  const { manifests, problems } = cluster;
  for (const problem of problems) process.stderr.write(formatLiveProblem(problem) + '\n');
  const platform = await lookAtPlatform(cluster, options);
  return { manifests, known: platform, place: platform.place };
}

function render(plans: GroupPlan[], output: PlanOptions['output']): string {
  switch (output) {
    case 'json':
      return JSON.stringify(plans, undefined, 2) + '\n';
    case 'mermaid':
      return plans.map(mermaid).join('\n');
    case 'table':
      return plans.map(asTable).join('\n');
  }
}

/** The plan of each driver, or of the one group. */
function choose(
  manifests: Manifests,
  { group, to }: PlanOptions,
  { observe, placesAhead = false }: Known,
): { plan: Plan; from: GroupPlan['from'] }[] {
  const { driverOf, indexManifests, resolvePlan } = lazy.bridge();
  const index = indexManifests(manifests);
  const chosen = group
    ? manifests.groups.filter(({ namespace, name }) => namespace === group.namespace && name === group.name)
    : manifests.groups.filter((each) =>
        to === undefined ? driverOf(index, each, placesAhead) === each : each.groupName === undefined,
      );
  if (chosen.length === 0) throw nothingToPlan(manifests, group);
  return chosen.map((each) => {
    const powerState = to ?? driverOf(index, each)?.powerState;
    if (powerState === undefined && !placesAhead) {
      throw new CliError(`${each.namespace}/${each.name} has no spec.powerState, so nothing is done to it`, [
        'say what it would be: --to PoweredOn',
      ]);
    }
    const from: PowerState = powerState === 'PoweredOn' ? 'PoweredOff' : 'PoweredOn';
    const plan = resolvePlan(index, wanted(each, powerState), {
      observe: observe ?? ((vm) => taken(vm, from)),
      placesAhead,
    });
    if (!plan) throw nothingToPlan(manifests, group);
    return { plan, from: observe ? 'Observed' : from };
  });
}

function wanted(group: Group, powerState: PowerState | undefined): Group {
  return powerState === undefined ? group : { ...group, powerState };
}

/** A VM that has its place keeps it. */
function taken({ placed }: VirtualMachine, powerState: PowerState): VirtualMachineStatus | undefined {
  if (powerState === 'PoweredOff' && !placed) return undefined;
  return { powerState, at: 0, ...(placed && { placement: placed }) };
}

function nothingToPlan(manifests: Manifests, group: GroupName | undefined): CliError {
  const known = manifests.groups.map(({ namespace, name }) => `${namespace}/${name}`);
  if (group)
    return new CliError(`there is no valid group ${group.namespace}/${group.name} among these objects`, [
      known.length > 0 ? `groups there: ${known.join(', ')}` : 'see what is wrong: vmgroup validate PATH',
    ]);
  return new CliError('no group among these objects has a spec.powerState, so nothing would be done', [
    known.length > 0
      ? `say what it would be: --to PoweredOn (groups: ${known.join(', ')})`
      : 'see what is wrong: vmgroup validate PATH',
  ]);
}

function asTable({ group, powerState, from, forecast, placement }: GroupPlan): string {
  const steps = table<ForecastStep>(
    [
      { head: 'AT LEAST', of: ({ at }) => `+${formatDuration(at)}` },
      { head: 'GROUP', of: (step) => step.group },
      { head: 'TIER', of: ({ tier }) => (tier < 0 ? undefined : tier + 1) },
      { head: 'STEP', of: ({ action }) => action },
      { head: 'MEMBER', of: ({ member }) => member },
      { head: 'WHY', of: ({ why }) => why },
    ],
    forecast.steps,
  );
  const waits = forecast.waits.map((wait) => `  waits: ${wait}\n`).join('');
  const before = from === 'Observed' ? 'as observed' : from;
  const after = powerState === 'Unchanged' ? 'power left alone' : powerState;
  const head = `${group}: ${before} → ${after}, at least ${formatDuration(forecast.end)} and the time that the VMs take\n\n`;
  const places = placement ? `\n${placementText(placement)}` : '';
  return `${head}${forecast.steps.length === 0 ? '  nothing to do\n' : steps}${waits}${places}`;
}

/** A flow chart: one box a moment, its operations inside, what is waited for on the arrows. */
function mermaid({ group, powerState, forecast }: GroupPlan): string {
  const moments: { steps: ForecastStep[]; wait: string }[] = [];
  let wait = '';
  for (const step of forecast.steps) {
    if (step.action === 'Wait') {
      wait = step.why;
      continue;
    }
    const last = moments.at(-1);
    const first = last?.steps[0];
    if (
      last &&
      first &&
      wait === '' &&
      first.at === step.at &&
      first.tier === step.tier &&
      first.group === step.group
    )
      last.steps.push(step);
    else moments.push({ steps: [step], wait });
    wait = '';
  }
  const boxes = moments.flatMap(({ steps }, at) => [
    `  subgraph s${at}["${label(steps[0])}"]`,
    ...steps.map(
      ({ action, member }, index) =>
        `    s${at}m${index}["${action}${member === undefined ? '' : ` ${member}`}"]`,
    ),
    '  end',
  ]);
  const arrows = moments
    .slice(1)
    .map(
      ({ wait: text }, at) =>
        `  s${at} -->${text === '' ? '' : `|"${text.replaceAll('"', "'")}"|`} s${at + 1}`,
    );
  return (
    [`---`, `title: ${group} to ${powerState}`, `---`, 'flowchart LR', ...boxes, ...arrows].join('\n') + '\n'
  );
}

function label(step: ForecastStep | undefined): string {
  if (!step) return '';
  const tier = step.tier < 0 ? 'placement' : `tier ${step.tier + 1}`;
  return `${step.group}, ${tier}, +${formatDuration(step.at)}`;
}
