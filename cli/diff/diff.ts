/** `vmgroup diff`: what a change of manifests would do against what runs, by the planner that would run it. */
import type { ObjectName } from '../../api';
import { driverOf, indexManifests, objectKey } from '../../bridge/manifests';
import type { Plan } from '../../contract';
import { openProgress } from '../../insight';
import { CliError } from '../errors';
import { groupName } from '../groups';
import * as lazy from '../lazy';
import { isOnCluster } from '../options';
import { firstNames, print } from '../output';
import { previews } from '../plan';
import { groupDiff, type DiffWorld, type GroupDiffWithPlaces } from './group-diff';
import type { Running, RunningOptions } from './running';
import { readOnCluster } from './running-cluster';
import { readFolder } from './running-folder';
import { lookedFor, subjectOf } from './subject';
import { diffText, type ShownDiff } from './text';
import { usualDurations } from './usual';

/** Options of `diff`. */
export interface DiffOptions extends RunningOptions {
  filename?: string[];
  group?: ObjectName[];
  output: 'table' | 'json';
}

/**
 * Prints what the changed manifests would do, and changes nothing.
 *
 * @throws CliError if they are invalid, there is no such group, or what runs cannot be read.
 */
export async function diff(what: string[], options: DiffOptions): Promise<void> {
  const { paths, groups } = subjectOf(what, options);
  const running = isOnCluster(options)
    ? await readOnCluster(paths, options)
    : await readFolder(paths, options);
  const plans = { before: plansOf(running, 'before'), after: plansOf(running, 'after') };
  const names = chosen(running, plans, { groups, what });
  const shown = await withPlaces(running, plans.after, await compared(running, plans, names, options));
  print(options.output, shown, diffText);
}

type When = 'before' | 'after';
type Plans = Map<string, Plan>;

/** The plan of each group that starts runs, with VMs as they are now. */
function plansOf({ observe, placesAhead, names, ...running }: Running, when: When): Plans {
  const manifests = running[when];
  const platforms = names[when];
  const plans = lazy.plans().resolveTrees(manifests, {
    observe,
    placesAhead,
    ...(platforms && { platformOf: platforms.of, probesItself: platforms.probesItself }),
  });
  return new Map(plans.map((plan) => [`${plan.namespace}/${plan.name}`, plan]));
}

/** Names of the groups to show: those that have runs of their own, or that drive one that was named. */
function chosen(
  running: Running,
  plans: Record<When, Plans>,
  { groups, what }: { groups: readonly ObjectName[]; what: readonly string[] },
): string[] {
  const all = [...new Set([...plans.before.keys(), ...plans.after.keys()])].sort();
  if (groups.length === 0) return all;
  const wanted = groups.flatMap((group) => {
    const name = `${group.namespace}/${group.name}`;
    if (all.includes(name)) return [name];
    const drivers = [driverIn(running, 'before', group), driverIn(running, 'after', group)];
    const found = drivers.filter((driver) => driver !== undefined && all.includes(driver));
    if (found.length === 0)
      throw new CliError(
        `${lookedFor(name, what)}${name} has no run of its own, before or after the change`,
        [
          all.length > 0
            ? `groups with runs: ${firstNames(all)}`
            : 'check the manifests: vmgroup validate PATH',
        ],
      );
    return found;
  });
  return all.filter((name) => wanted.includes(name));
}

/** Name of the group whose run drives another one. */
function driverIn(
  { placesAhead, ...running }: Running,
  when: When,
  { namespace, name }: ObjectName,
): string | undefined {
  const index = indexManifests(running[when]);
  const group = index.groups.get(objectKey({ namespace, name }));
  const driver = group && driverOf(index, group, placesAhead);
  return driver && `${driver.namespace}/${driver.name}`;
}

/** The differences of some groups. The past is read of those that have steps. */
async function compared(
  { views }: Running,
  { before, after }: Record<When, Plans>,
  names: readonly string[],
  options: DiffOptions,
): Promise<GroupDiffWithPlaces[]> {
  const now = Date.now();
  const worlds = names.map((name): DiffWorld => {
    const view = views.find((each) => groupName(each) === name);
    const isOpen = view?.run !== undefined && view.run.endedAt === undefined;
    return { now, openRun: openRuns(views, before.get(name), now), ...(isOpen && { phase: view.phase }) };
  });
  const compare = (at: number, more: Partial<DiffWorld> = {}): GroupDiffWithPlaces => {
    const name = names[at] as string;
    return groupDiff(before.get(name), after.get(name), { ...(worlds[at] as DiffWorld), ...more });
  };
  const found = names.map((_, at) => compare(at));
  const changing = found.flatMap(({ group, steps }) =>
    steps.length > 0 ? [after.get(group) ?? []].flat() : [],
  );
  const usual = await usualDurations(changing, options);
  return found.map((each, at) => {
    const durationOf = usual?.(each.group);
    return durationOf ? compare(at, { durationOf }) : each;
  });
}

/** The open runs of a tree under its plan in force, by the name of the group. */
function openRuns(
  views: Running['views'],
  plan: Plan | undefined,
  now: number,
): NonNullable<DiffWorld['openRun']> {
  const plans = new Map(
    lazy
      .plans()
      .plansOf(plan)
      .map((each) => [each.name, each]),
  );
  const namespace = plan?.namespace ?? '';
  return (name) => {
    const view = views.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
    const progress = view && openProgress(view);
    const inForce = plans.get(name);
    return progress && inForce && lazy.workflows().seenRun(inForce, progress, now);
  };
}

/** With where their VMs would be placed, by the code of `plan`: group after group. */
async function withPlaces(
  { names, place }: Running,
  after: Plans,
  diffs: readonly GroupDiffWithPlaces[],
): Promise<ShownDiff[]> {
  const preview = new (previews().PlacementPreview)(names.after, place);
  const shown: ShownDiff[] = [];
  try {
    for (const { places, ...each } of diffs) {
      const plan = after.get(each.group);
      shown.push({ ...each, ...(plan && (await preview.of(plan, places))) });
    }
  } finally {
    await preview.close();
  }
  return shown;
}
