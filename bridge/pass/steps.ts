/**
 * What to send to the runs of one tree of groups. Pure.
 *
 * PASS-1: nothing is decided about a driver before the last runs of all groups that it drives are known, and while one of them could be
 *     deleted unnoticed.
 */
import type { Group } from '../../api';
import type { Plan, RunOutcome } from '../../contract';
import { driverOf, objectKey } from '../manifests';
import { resolvePlan, type World } from '../plans';
import { chooseSend, type SendDecision } from '../reconcile';
import { syncAsker, type Asker } from '../requests';
import { lastChange } from './last-change';
import { lastRun, type GroupFacts, type TreeFacts } from './facts';

/** One driver of a tree. */
export interface DriverStep {
  driver: Group;
  plan: Plan;
  /** Who asks for a run; the decision takes it into account. */
  asked?: Asker;
  /** Absent: PASS-1. */
  decision?: SendDecision;
  /** Milliseconds until the message may be sent. */
  sendIn: number;
}

/** What to send to the runs of a tree. */
export interface TreeSteps {
  drivers: DriverStep[];
  /** Groups with an open run and without a driver. */
  undriven: Group[];
}

/** Decides about a tree. `claimed`: the groups of it that cannot be deleted before they are released. */
export function stepsOf(facts: TreeFacts, claimed: ReadonlySet<Group>): TreeSteps {
  const { index, tree, placesAhead, groups } = facts;
  const drivenBy = new Map<Group, Group[]>();
  const undriven: Group[] = [];
  for (const group of tree) {
    const driver = driverOf(index, group, placesAhead);
    if (driver) drivenBy.set(driver, [...(drivenBy.get(driver) ?? []), group]);
    else if (groups.get(objectKey(group))?.run?.phase === 'Open') undriven.push(group);
  }
  const isKnown = (group: Group): boolean =>
    groups.get(objectKey(group))?.run !== undefined && claimed.has(group);
  return {
    // In the order of the tree; a driver is part of the tree that it drives.
    drivers: tree.flatMap((group) => {
      const driven = drivenBy.get(group);
      return driven ? (driverStep(facts, group, driven.every(isKnown)) ?? []) : [];
    }),
    undriven,
  };
}

function driverStep(facts: TreeFacts, driver: Group, isKnown: boolean): DriverStep | undefined {
  const known = facts.groups.get(objectKey(driver));
  const plan = resolvePlan(facts.index, driver, worldOf(facts, known));
  if (!plan || !known) return undefined;
  const { asked, sent, sendIn } = known;
  const isTurned = sent?.powerState !== plan.powerState;
  return {
    driver,
    plan,
    ...(asked && { asked }),
    ...(isKnown && { decision: decide(facts, driver, known, plan) }),
    sendIn: asked || isTurned ? 0 : sendIn,
  };
}

function decide(facts: TreeFacts, driver: Group, known: GroupFacts, plan: Plan): SendDecision {
  const { sent, asked, refusedFor } = known;
  const asker = syncAsker(facts.index, driver, sent?.forceSync);
  const changedBy = lastChange(facts.index, driver);
  return chooseSend(plan, {
    runOf: (name) => lastRun(facts.groups, { namespace: driver.namespace, name }),
    isNews: (name) => facts.machines.get(objectKey({ namespace: driver.namespace, name }))?.isNews ?? true,
    ...(sent && { sent }),
    ...(asked && { asked }),
    ...(asker && { syncAsker: asker }),
    ...(changedBy && { changedBy }),
    ...(refusedFor !== undefined && { refusedFor }),
  });
}

function worldOf(
  { groups, machines, mayLosePlace, placesAhead }: TreeFacts,
  driver: GroupFacts | undefined,
): World {
  return {
    observe: (vm) => machines.get(objectKey(vm))?.status,
    isUnseen: (vm) => machines.get(objectKey(vm))?.isUnseen ?? false,
    reportedAfter: (vm) => machines.get(objectKey(vm))?.reportedAfter,
    platformOf: (vm) => machines.get(objectKey(vm))?.platform,
    mayLosePlace: ({ name }) => mayLosePlace(name),
    probesItself: (vm) => machines.get(objectKey(vm))?.probesItself ?? false,
    isWatchBehind: (group) => (groups.get(objectKey(group))?.watchBehindFor ?? 0) > 0,
    isRunning: (group) => lastRun(groups, group).phase === 'Open',
    placesAhead,
    released: (group) => lastOutcome(groups, group)?.released,
    // An operator who asks wants everything tried again, also what earlier runs left alone.
    ...(!driver?.asked && { lastOutcome: (group: Group) => lastOutcome(groups, group) }),
  };
}

function lastOutcome(groups: TreeFacts['groups'], group: Group): RunOutcome | undefined {
  const run = lastRun(groups, group);
  return run.phase === 'Closed' ? run.outcome : undefined;
}

/** Milliseconds until the tree has to be reconciled again although nothing changes; undefined: never. */
export function returnIn({ groups, machines }: TreeFacts, { drivers }: TreeSteps): number | undefined {
  const waits = drivers.map(({ decision, sendIn }) => (decision?.send ? sendIn : 0));
  const retries = drivers.map(({ decision }) => decision?.refused?.retryIn ?? 0);
  const watches = [...groups.values()].map(({ watchBehindFor }) => watchBehindFor);
  const unseen = [...machines.values()].some(({ isUnseen }) => isUnseen) ? [UNSEEN_PAUSE] : [];
  const times = [
    ...waits,
    ...unseen,
    ...[...watches, ...retries].map((time) => (time > 0 ? time + MARGIN : 0)),
  ];
  const least = Math.min(...times.filter((time) => time > 0));
  return least < Infinity ? least : undefined;
}

/** Milliseconds after which it is asked again whether a platform has its VMs: one that comes back reports only those that it has. */
const UNSEEN_PAUSE = 5_000;

/** Milliseconds after the end of a pause at which it is over by any clock. */
const MARGIN = 50;
