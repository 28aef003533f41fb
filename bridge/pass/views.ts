/**
 * What to show of one tree of groups. Pure.
 *
 * PASS-2: every group has a view, even if its run could not be looked up or sent to.
 */
import type { Group } from '../../api';
import type { Plan } from '../../contract';
import { contestOf, driverOf, objectKey, parentOf, type ObjectKey } from '../manifests';
import { plansOf } from '../plans';
import { groupView, type GroupView } from '../status';
import { lastRun, type TreeFacts } from './facts';
import type { DriverStep, TreeSteps } from './steps';

/** The views of all groups of a tree, nested groups before their parents. */
export function viewsOf(facts: TreeFacts, steps: TreeSteps): GroupView[] {
  const plans = plansIn(steps);
  const stepOf = new Map(steps.drivers.map((step) => [step.driver, step]));
  const views = new Map<ObjectKey, GroupView>();
  // The readiness of a nested group shows in its parent.
  for (const group of [...facts.tree].reverse()) {
    const driver = driverOf(facts.index, group, facts.placesAhead);
    const step = driver && stepOf.get(driver);
    const view = viewOf(facts, group, views, { driver, step, plan: plans.get(objectKey(group)) });
    if (view) views.set(objectKey(group), view);
  }
  return [...views.values()];
}

/** What drives a group. */
interface Driven {
  driver: Group | undefined;
  step: DriverStep | undefined;
  /** The group's own part of the driver's plan. */
  plan: Plan | undefined;
}

function viewOf(
  { index, groups, machines, now }: TreeFacts,
  group: Group,
  views: ReadonlyMap<ObjectKey, GroupView>,
  { driver, step, plan }: Driven,
): GroupView | undefined {
  const known = groups.get(objectKey(group));
  if (!known) return undefined;
  const { tiers, view: previous, sent, problems } = known;
  const driverRun = driver && lastRun(groups, driver);
  const decision = step?.decision;
  const contest = contestOf(index, group);
  return groupView({
    group,
    ...(contest !== undefined && { contest }),
    tiers,
    ...(plan && { plan }),
    observe: (vm) => machines.get(objectKey(vm))?.status,
    isUnseen: (vm) => machines.get(objectKey(vm))?.isUnseen ?? false,
    holdOf: (vm) => machines.get(objectKey(vm))?.hold,
    run: lastRun(groups, group),
    ...(driverRun && { driverRun }),
    ...(decision && driver === group && { decision }),
    moving: decision?.send !== undefined || driverRun?.phase === 'Open',
    childView: (name) => {
      const child = objectKey({ namespace: group.namespace, name });
      return views.get(child) ?? groups.get(child)?.view;
    },
    parentExists: parentOf(index, group) !== undefined,
    ...(previous && { previous }),
    problems,
    ...(sent && { sent }),
    now,
  });
}

/** The plan of each group of a tree that has a driver. */
export function plansIn({ drivers }: TreeSteps): ReadonlyMap<ObjectKey, Plan> {
  return new Map(drivers.flatMap(({ plan }) => plansOf(plan)).map((plan) => [objectKey(plan), plan]));
}
