/**
 * One look at one tree of groups: what to send, and what to show. Pure: what is known goes in, what is to be done comes out.
 *
 * PASS-1: nothing is decided about a driver before the last runs of all groups that it drives are known, and while one of them could be
 *     deleted unnoticed.
 * PASS-2: what is shown is shown of every group, whatever could not be looked up or sent.
 */
import type { Group, PowerState, Problem, VirtualMachine, VirtualMachineStatus } from '../../api';
import { memberKey, type Plan, type PlanMember, type RunOutcome } from '../../contract';
import { driverOf, objectKey, parentOf, type ManifestIndex, type ObjectKey } from '../manifests';
import { chooseSend, type SendDecision, type SentPlan } from '../reconcile';
import type { RunState } from '../runs';
import { plansOf, resolvePlan, resolveTiers, type World } from '../plans';
import { groupView, runOfView, type GroupView } from '../status';
import { syncAsker, type Asker } from '../requests';

/** What is known of one tree. */
export interface TreeFacts {
  index: ManifestIndex;
  /** The topmost group and all below it, parents first. */
  tree: readonly Group[];
  placesAhead: boolean;
  /** The last run of a group; undefined: not looked up yet. */
  runOf: (group: { namespace: string; name: string }) => RunState | undefined;
  /** What was shown of a group last. */
  viewOf: (key: ObjectKey) => GroupView | undefined;
  /** What was sent to a group's run last. */
  sentOf: (key: ObjectKey) => SentPlan | undefined;
  /** Who asks for a run of a driver. */
  askedOf: (key: ObjectKey) => Asker | undefined;
  /** Milliseconds since the open run of a driver was first seen to refuse its plan. */
  refusedFor: (key: ObjectKey) => number | undefined;
  observe: (vm: VirtualMachine) => VirtualMachineStatus | undefined;
  holdOf: (vm: VirtualMachine) => string | undefined;
  problemsOf: (key: ObjectKey) => Problem[];
  /** See {@link World.isNews}. */
  isNews: (group: Group) => boolean;
  /** Milliseconds since the epoch. */
  now: number;
}

/** One driver of a tree. */
export interface DriverStep {
  driver: Group;
  plan: Plan;
  /** Who asks for a run; the decision takes it into account. */
  asked?: Asker;
  /** Absent: PASS-1. */
  decision?: SendDecision;
}

/** What is to be done about a tree. */
export interface TreeSteps {
  drivers: DriverStep[];
  /** Groups whose open runs nobody drives any more. */
  undriven: Group[];
}

/** Decides about a tree, of which these groups cannot go without being released. */
export function stepsOf(facts: TreeFacts, claimed: ReadonlySet<Group>): TreeSteps {
  const { index, tree, placesAhead } = facts;
  const drivers = new Map<Group, Group[]>();
  const undriven: Group[] = [];
  for (const group of tree) {
    const driver = driverOf(index, group, placesAhead);
    if (driver) drivers.set(driver, [...(drivers.get(driver) ?? []), group]);
    else if (facts.runOf(group)?.phase === 'Open') undriven.push(group);
  }
  // In the order of the tree; a driver is part of the tree that it drives.
  const steps = tree.flatMap((group) => {
    const driven = drivers.get(group);
    const plan = driven && resolvePlan(index, group, worldOf(facts, group));
    if (!plan) return [];
    const known = driven.every((each) => facts.runOf(each) !== undefined && claimed.has(each));
    const asked = facts.askedOf(objectKey(group));
    return [
      {
        driver: group,
        plan,
        ...(asked && { asked }),
        ...(known && { decision: decideDriver(facts, group, plan) }),
      },
    ];
  });
  return { drivers: steps, undriven };
}

function worldOf(facts: TreeFacts, driver: Group): World {
  const { placesAhead, observe, isNews } = facts;
  return {
    observe,
    isNews,
    isRunning: (group) => runOf(facts, group).phase === 'Open',
    placesAhead,
    // A person who asks wants everything tried again: what earlier runs left alone is forgotten.
    ...(!facts.askedOf(objectKey(driver)) && { lastOutcome: (group) => lastOutcome(facts, group) }),
  };
}

/** The last run of a group, or what was remembered of it. */
function runOf(facts: TreeFacts, group: { namespace: string; name: string }): RunState {
  return facts.runOf(group) ?? runOfView(facts.viewOf(objectKey(group)));
}

function lastOutcome(facts: TreeFacts, group: Group): RunOutcome | undefined {
  const run = runOf(facts, group);
  return run.phase === 'Closed' ? run.outcome : undefined;
}

function decideDriver(facts: TreeFacts, driver: Group, plan: Plan): SendDecision {
  const key = objectKey(driver);
  const sent = facts.sentOf(key);
  const asked = facts.askedOf(key);
  const asker = syncAsker(facts.index, driver, sent?.forceSync);
  const refusedFor = facts.refusedFor(key);
  return chooseSend(plan, {
    runOf: (name) => runOf(facts, { namespace: driver.namespace, name }),
    ...(sent && { sent }),
    ...(asked && { asked }),
    ...(asker && { syncAsker: asker }),
    ...(refusedFor !== undefined && { refusedFor }),
  });
}

/** The views of all groups of a tree, nested groups before their parents. */
export function viewsOf(facts: TreeFacts, steps: TreeSteps): GroupView[] {
  const { index, placesAhead, observe, holdOf } = facts;
  const plans = plansIn(steps);
  const stepOf = new Map(steps.drivers.map((step) => [step.driver, step]));
  const views = new Map<ObjectKey, GroupView>();
  // Their readiness shows in their parents.
  for (const group of [...facts.tree].reverse()) {
    const key = objectKey(group);
    const driver = driverOf(index, group, placesAhead);
    const decision = driver && stepOf.get(driver)?.decision;
    const plan = plans.get(key);
    const previous = facts.viewOf(key);
    const sent = facts.sentOf(key);
    const childView = (name: string): GroupView | undefined => {
      const child = objectKey({ namespace: group.namespace, name });
      return views.get(child) ?? facts.viewOf(child);
    };
    const view = groupView({
      group,
      tiers: resolveTiers(index, group),
      ...(plan && { plan }),
      observe,
      holdOf,
      run: runOf(facts, group),
      ...(driver && { driverRun: runOf(facts, driver) }),
      ...(decision && driver === group && { decision }),
      moving: decision?.send !== undefined || (driver !== undefined && runOf(facts, driver).phase === 'Open'),
      childView,
      parentExists: parentOf(index, group) !== undefined,
      ...(previous && { previous }),
      problems: facts.problemsOf(key),
      ...(sent && { sent }),
      now: facts.now,
    });
    views.set(key, view);
  }
  return [...views.values()];
}

function plansIn({ drivers }: TreeSteps): ReadonlyMap<ObjectKey, Plan> {
  return new Map(drivers.flatMap(({ plan }) => plansOf(plan)).map((plan) => [objectKey(plan), plan]));
}

/** The nested groups that are in their parents' power states, or that their parents' runs have come to, with those states. */
export function inheritances(facts: TreeFacts, steps: TreeSteps): { group: Group; powerState: PowerState }[] {
  return [...plansIn(steps).values()].flatMap((plan) => {
    const { powerState } = plan;
    if (powerState === 'Unchanged') return [];
    const run = runOf(facts, plan);
    return plan.tiers.flatMap((tier) =>
      tier.members.flatMap((member) => {
        const group = facts.index.groups.get(objectKey({ namespace: plan.namespace, name: member.name }));
        return member.plan && group && isReached(plan, member, run) ? [{ group, powerState }] : [];
      }),
    );
  });
}

function isReached(plan: Plan, member: PlanMember, run: RunState): boolean {
  if (member.convergedAt !== undefined) return true;
  if (run.phase !== 'Open' || !run.progress || run.progress.powerState !== plan.powerState) return false;
  const known = run.progress.members.find((each) => each.member === memberKey(member));
  return known?.phase === 'InProgress' || known?.phase === 'Done' || known?.phase === 'Parked';
}

/**
 * The groups whose last runs are to be looked up, with what their parents' runs make of them: all that nobody has looked up yet, and nested
 * ones whose parents' runs have asked for them since `lookedUpFor`.
 */
export function dueLookUps(
  facts: TreeFacts,
  lookedUpFor: ReadonlyMap<ObjectKey, string>,
): { group: Group; asks: string }[] {
  return facts.tree.flatMap((group) => {
    const parent = parentOf(facts.index, group);
    const run = facts.runOf(group);
    const asks = parent ? askState(runOf(facts, parent), group.name) : '';
    const due = !run || (parent && run.phase !== 'Open' && asks !== lookedUpFor.get(objectKey(group)));
    return due ? [{ group, asks }] : [];
  });
}

/** What a parent's run makes of a nested group, as a token that changes whenever the group's own run may have. */
function askState(parent: RunState, name: string): string {
  if (parent.phase === 'None') return '';
  if (parent.phase === 'Closed') return `Closed ${parent.runId}`;
  const member = parent.progress?.members.find((each) => each.member === `VirtualMachineGroup/${name}`);
  return member ? `${member.phase} ${member.since} ${member.activityId ?? ''}` : '';
}

/** Whether a parent's run asks for a nested group at this moment, and may not have started its run yet. */
export function isAsking(asks: string): boolean {
  return asks.startsWith('InProgress');
}
