/**
 * Resolves groups, VMs, classes and policies into the plan of each run. Pure.
 *
 * RESOLVE-1: the driver of a tree is the topmost group with a power state; all groups below it get that state, whatever they say themselves.
 * RESOLVE-2: only members that name the group are linked; a listed object that names no group or another one is never touched.
 * RESOLVE-3: a member that names the group and is not listed is powered after the last tier.
 * RESOLVE-4: on a platform that creates VMs only once they are placed, a tree without a driver is driven by its topmost group, which leaves
 *     power alone and leaves out the groups below it that have a power state: they are drivers of their own.
 * RESOLVE-5: a place that the run of a group which the VM has left may still give back does not count: whoever asks for it again keeps it.
 */
import type { Group, Manifests } from '../../api';
import type { Plan } from '../../contract';
import { compareNames, driverOf, indexManifests, objectKey, type ManifestIndex } from '../manifests';
import { neighboursOf } from './neighbours';
import { planOf } from './plan';
import type { World } from './world';

/** The plans of all drivers, in order of namespace and name. */
export function resolveTrees(manifests: Manifests, world: World = {}): Plan[] {
  const index = indexManifests(manifests);
  return [...index.groups.values()]
    .filter((group) => driverOf(index, group, world.placesAhead) === group)
    .sort((a, b) => compareNames(objectKey(a), objectKey(b)))
    .flatMap((group) => resolvePlan(index, group, world) ?? []);
}

/** The plan of one group as its own driver; undefined if it has no power state, unless RESOLVE-4 holds. */
export function resolvePlan(index: ManifestIndex, group: Group, world: World = {}): Plan | undefined {
  const powerState = group.powerState ?? (world.placesAhead ? 'Unchanged' : undefined);
  if (powerState === undefined) return undefined;
  const plan = planOf({ index, world }, group, {
    powerState,
    root: group.name,
    lineage: [],
    generation: 0,
    above: [],
  });
  return { ...plan, beside: neighboursOf(index, group.namespace, plansOf(plan)) };
}

/** A plan and the plans nested in it. */
export function plansOf(plan: Plan | undefined): Plan[] {
  if (!plan) return [];
  return [plan, ...plan.tiers.flatMap((tier) => tier.members.flatMap((member) => plansOf(member.plan)))];
}
