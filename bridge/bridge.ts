/**
 * The bridge: keeps each group's run in step with the group's desired state, and its status with both.
 *
 * B1: two bridges at once do no harm. Everything that is sent may be sent twice: a run takes the same plan as one, and there is one
 *     open run of a group at most.
 * B2: a restart loses nothing. What is wanted stands in the source, what is in the observations, what runs in Temporal; what was
 *     sent is kept with the status, and forgetting it costs one more message.
 * B3: an invalid edit changes nothing but the problems that are shown.
 * B4: nothing is started before the source was read, the observations are complete and the last run is known, and nothing twice for
 *     the same desired state.
 */
import type { Client } from '@temporalio/client';
import type { Group, Problem, VirtualMachine, VirtualMachineStatus } from '../api';
import { memberKey, type Plan, type PlanMember, type RunOutcome } from '../workflows/messages';
import { newestStatus } from './desired';
import {
  groupObject,
  manifestEvents,
  problemEvents,
  viewEvents,
  type BridgeEvent,
  type EventObject,
  type Happening,
} from './events';
import { groupRuns, type GroupName } from './group-runs';
import {
  driverOf,
  objectKey,
  parentOf,
  splitKey,
  topOf,
  treeOf,
  type ManifestIndex,
  type ObjectKey,
} from './manifest-index';
import type { Ownership } from './ownership';
import { decide, type Decision, type RunState } from './reconcile';
import { plansOf, resolvePlan, resolveTiers, type World } from './resolve';
import type { RunRequest } from './run-requests';
import type { Source, SourceState, UnusableGroup } from './source';
import { groupView, runOfView, unusableView, type GroupView } from './status';
import type { StatusStore } from './status-store';
import { syncAsker, type Asker } from './sync-asker';
import { temporalRuns, type TemporalRuns } from './temporal-runs';
import { workQueue } from './work-queue';

/** Names one VM. */
export interface VirtualMachineName {
  namespace: string;
  name: string;
}

/** What is observed of VMs, by whoever watches the platform. */
export interface Observations {
  /** What was last observed; undefined: the platform does not have the VM. */
  get(vm: VirtualMachineName & { uid: string }): VirtualMachineStatus | undefined;
  /** What keeps the VM's open operation from taking effect, as far as the platform can tell. */
  holdOf?(vm: VirtualMachineName & { uid: string }): string | undefined;
  /** Calls back with each VM that changed; returns how to stop that. */
  onChange(listener: (vm: VirtualMachineName) => void): () => void;
  /** Resolves once every VM of the platform was reported. */
  synced(): Promise<void>;
}

/** What the bridge tells a log. pino's loggers fit. */
export interface BridgeLogger {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

/** What {@link startBridge} needs. */
export interface BridgeOptions {
  source: Source;
  client: Client;
  taskQueue: string;
  observations: Observations;
  statusStore: StatusStore;
  /** VMs come into being on the platform only once they are placed: see {@link World.placesAhead}. */
  placesAhead?: boolean;
  /** Where the source's objects can carry marks of the group that they belong to. */
  ownership?: Ownership;
  logger: BridgeLogger;
  /** Told of each event once. */
  onEvent?: (event: BridgeEvent) => void;
  /** Told of each view that changed; undefined: the group is gone. */
  onView?: (group: GroupName, view: GroupView | undefined) => void;
}

/** Whether the bridge does its work, and if not, why. */
export interface Readiness {
  ready: boolean;
  /** What it waits for. */
  message: string;
}

/** A bridge at work. */
export interface Bridge {
  ready(): Readiness;
  /** The views of all groups, by namespace and name. */
  views(): GroupView[];
  /** What is wrong with the manifests now. */
  problems(): readonly Problem[];
  /** Looks at every group again: what may be written has changed. */
  refresh(): void;
  /**
   * Asks for a run of a group whether one is needed or not: members that were parked or left alone are tried again. Resolves once its
   * driver's run has been told, rejects where there is no such group or nobody drives it.
   */
  ask(request: RunRequest): Promise<void>;
  /** Stops watching, following and writing; runs go on. */
  stop(): Promise<void>;
}

/** Milliseconds that changes of one tree are gathered before it is looked at, at least. */
const GATHER = 50;
/** While a large tree changes all the time, the bridge works one part of this many of the time. */
const SHARE = 5;
/** Trees and groups that are looked up at the same time. */
const LOOKUPS = 20;

interface Asked extends Asker {
  sent: () => void;
}

/** Starts a bridge; resolves once it watches. Rejects if the source cannot be read at all. */
export function startBridge(options: BridgeOptions): Promise<Bridge> {
  return startBridgeWith(temporalRuns(options.client, options.taskQueue), options);
}

/** {@link startBridge} with Temporal as given. */
export async function startBridgeWith(
  temporal: TemporalRuns,
  options: Omit<BridgeOptions, 'client' | 'taskQueue'>,
): Promise<Bridge> {
  const { source, observations, statusStore, logger, placesAhead = false } = options;
  const views = new Map<ObjectKey, GroupView>();
  const stored = await statusStore.load();
  for (const view of stored) views.set(objectKey(view.metadata), view);
  const asked = new Map<ObjectKey, Asked>();
  /** When each nested group's run was looked up last, as the state of its parent's run. */
  const lookedUpFor = new Map<ObjectKey, string>();
  /** Since when a VM is known not to be on the platform, or to be another one than before. */
  const absentSince = new Map<ObjectKey, number>();
  const uids = new Map<ObjectKey, string>();
  const startedAt = Date.now();
  /** Revision of each group that was told of; undefined where only the group is remembered. */
  const known = new Map<ObjectKey, string | undefined>(
    stored.map((view) => [objectKey(view.metadata), view.sent?.revision]),
  );
  let state: SourceState | undefined;
  let problemsOf: ReadonlyMap<ObjectKey, Problem[]> = new Map();
  let index: ManifestIndex | undefined;
  let synced = false;
  let stopped = false;
  /** Milliseconds that the last look at a tree kept the thread. */
  let lastPass = 0;

  const runs = groupRuns({
    temporal,
    remembered: (group) => runOfView(views.get(objectKey(group))),
    onChange: (group) => touch(group),
    onReachable: (reachable, error) => {
      tell(reachable ? REACHABLE : unreachable(error));
      if (reachable) touchAll();
    },
  });
  const pace = sendPace();
  const queue = workQueue(work, (key, error, retryIn) =>
    logger.warn({ group: key, error: describe(error), retryIn }, 'the group could not be brought in step'),
  );

  function tell(happening: Happening): void {
    const event: BridgeEvent = { time: Date.now(), ...happening };
    const details = { reason: event.reason, object: event.object };
    if (event.type === 'Warning') logger.warn(details, event.message);
    else logger.info(details, event.message);
    options.onEvent?.(event);
  }

  /** Something about a group changed: its tree is looked at soon. */
  function touch(group: GroupName, delay = Math.max(GATHER, SHARE * lastPass)): void {
    if (!index || !synced) return;
    const found = index.groups.get(objectKey(group));
    // A group that is gone is its own topmost one.
    queue.add(objectKey(found ? topOf(index, found) : group), delay);
  }

  function touchAll(): void {
    for (const key of new Set([
      ...(index?.groups.keys() ?? []),
      ...views.keys(),
      ...(state?.changed ?? []),
      ...(state?.leaving ?? []),
      ...groupsThatAreGone(),
    ])) {
      touch(splitKey(key), 0);
    }
  }

  /** Groups that members still name: a run of one may be open that nobody has withdrawn. */
  function groupsThatAreGone(): ObjectKey[] {
    if (!index || source.listsAllGroups !== true) return [];
    const { groups, childMachines, childGroups } = index;
    return [...childMachines.keys(), ...childGroups.keys()].filter(
      (key) => !groups.has(key) && !state?.unusable?.has(key),
    );
  }

  function onSource(next: SourceState): void {
    for (const event of manifestEvents(known, next.index.groups, next.changed)) tell(event);
    for (const key of next.changed ?? new Set([...known.keys(), ...next.index.groups.keys()])) {
      const group = next.index.groups.get(key);
      if (group) known.set(key, group.revision);
      else known.delete(key);
    }
    if (next.problems !== state?.problems) {
      for (const event of problemEvents(state?.problems ?? [], next.problems)) tell(event);
      problemsOf = problemsByGroup(next.problems);
    }
    const first = state === undefined;
    state = next;
    index = next.index;
    if (!synced) return;
    if (first || !next.changed) touchAll();
    else for (const key of next.changed) touch(splitKey(key), 0);
  }

  function onObservation(vm: VirtualMachineName): void {
    const found = index?.virtualMachines.get(objectKey(vm));
    if (!found) return;
    if (!observations.get(found)) absentSince.set(objectKey(vm), Date.now());
    if (found.groupName === undefined) return;
    const group = { namespace: found.namespace, name: found.groupName };
    touch(group);
  }

  /** What is known of a VM: the observations, or what the last run saw of it where that is newer. */
  function observe(vm: VirtualMachine): VirtualMachineStatus | undefined {
    const seen = observations.get(vm);
    const key = objectKey(vm);
    // Runs report by name: what they said was of the VM that had this name then.
    if ((uids.get(key) ?? vm.uid) !== vm.uid) absentSince.set(key, Date.now());
    uids.set(key, vm.uid);
    const run =
      vm.groupName === undefined ? undefined : runs.get({ namespace: vm.namespace, name: vm.groupName });
    const reported = run?.phase === 'Closed' ? run.outcome?.observed[vm.name] : undefined;
    if (!reported) return seen;
    if (!seen && reported.at <= (absentSince.get(key) ?? startedAt)) return undefined;
    return newestStatus(seen, reported);
  }

  function runOf(group: GroupName): RunState {
    return runs.get(group) ?? runOfView(views.get(objectKey(group)));
  }

  function lastOutcome(group: Group): RunOutcome | undefined {
    const run = runOf(group);
    return run.phase === 'Closed' ? run.outcome : undefined;
  }

  function worldOf(): World {
    return {
      observe,
      isRunning: (group) => runOf(group).phase === 'Open',
      placesAhead,
    };
  }

  /** Brings one tree in step; `key` is its topmost group. */
  async function work(key: ObjectKey): Promise<void> {
    if (!index || stopped) return;
    const now = index;
    const top = now.groups.get(key);
    const unusable = state?.unusable?.get(key);
    if (!top) return unusable ? showUnusable(unusable) : removeGroup(key);
    if (topOf(now, top) !== top) return touch(topOf(now, top), 0);
    const tree = treeOf(now, top);
    let failure: unknown;
    const decisions = new Map<ObjectKey, Decision>();
    try {
      await lookUpRuns(now, tree);
    } catch (error: unknown) {
      failure = error;
    }
    const claimed = await claim(tree, (error) => (failure ??= error));
    for (const driver of tree.filter((group) => driverOf(now, group, placesAhead) === group)) {
      // B4: without its last run, or while its deletion could pass unnoticed, a group is shown, and nothing is decided about it.
      const mayDrive = (group: Group): boolean => runs.get(group) !== undefined && claimed.has(group);
      if (tree.some((group) => driverOf(now, group, placesAhead) === driver && !mayDrive(group))) continue;
      try {
        decisions.set(objectKey(driver), await driveGroup(now, driver));
      } catch (error: unknown) {
        failure ??= error;
      }
    }
    await withdrawUndriven(now, tree).catch((error: unknown) => (failure ??= error));
    if (stopped) return;
    const before = performance.now();
    const plans = showTree(now, tree, decisions);
    // Deciding takes about as long as showing.
    lastPass = 2 * (performance.now() - before);
    await mark(now, tree, plans).catch((error: unknown) => (failure ??= error));
    if (failure !== undefined) throw failure instanceof Error ? failure : new Error(describe(failure));
  }

  /** The groups of a tree of which runs may be started. */
  async function claim(tree: Group[], onError: (error: unknown) => void): Promise<ReadonlySet<Group>> {
    const claimed = new Set<Group>();
    await inBatches(tree, LOOKUPS, async (group) => {
      try {
        if ((await options.ownership?.claim(group)) ?? true) claimed.add(group);
      } catch (error: unknown) {
        onError(error);
      }
    });
    return claimed;
  }

  /** Looks up the runs that nobody has looked up yet, and those of nested groups whose parents have asked for them. */
  async function lookUpRuns(now: ManifestIndex, tree: Group[]): Promise<void> {
    const due = tree.filter((group) => {
      const parent = parentOf(now, group);
      const run = runs.get(group);
      if (!run) return true;
      if (!parent || run.phase === 'Open') return false;
      const asks = askState(runOf(parent), group.name);
      return asks !== lookedUpFor.get(objectKey(group));
    });
    await inBatches(due, LOOKUPS, async (group) => {
      const parent = parentOf(now, group);
      const asks = parent ? askState(runOf(parent), group.name) : '';
      await runs.lookUp(group);
      // A parent that asks at this moment may not have started it yet.
      const pending = asks.startsWith('InProgress') && runs.get(group)?.phase !== 'Open';
      if (pending) lookedUpFor.delete(objectKey(group));
      else lookedUpFor.set(objectKey(group), asks);
    });
  }

  async function driveGroup(now: ManifestIndex, driver: Group): Promise<Decision> {
    const key = objectKey(driver);
    const request = asked.get(key);
    const world: World = {
      ...worldOf(),
      // Who asks wants everything tried again: what earlier runs left alone is forgotten.
      ...(!request && { lastOutcome }),
    };
    const plan = resolvePlan(now, driver, world);
    if (!plan) throw new Error(`group ${key} has no power state`);
    const sent = views.get(key)?.sent;
    const asker = syncAsker(now, driver, sent?.forceSync);
    const decision = decide(plan, {
      runOf: (name) => runOf({ namespace: driver.namespace, name }),
      ...(sent && { sent }),
      ...(request && { asked: { actor: request.actor, reason: request.reason } }),
      ...(asker && { syncAsker: asker }),
    });
    if (!decision.sent) return decision;
    if (!decision.send) {
      const run = runOf(driver);
      keepSent(driver, { ...decision.sent, ...(run.phase !== 'None' && { runId: run.runId }) });
      return decision;
    }
    const wait =
      request || sent?.powerState !== plan.powerState ? 0 : pace.wait(key, runOf(driver).phase === 'Open');
    if (wait > 0) {
      touch(driver, wait);
      return decision;
    }
    const runId = await runs.send(decision.send);
    pace.sent(key);
    keepSent(driver, { ...decision.sent, runId });
    tell({
      type: decision.send.cause === 'Drift' ? 'Warning' : 'Normal',
      reason: decision.send.cause === 'Drift' ? 'DriftSeen' : 'PlanSent',
      object: groupObject(driver),
      message: `${decision.send.cause}: ${decision.why}`,
    });
    if (request && asked.get(key) === request) {
      asked.delete(key);
      request.sent();
    }
    return decision;
  }

  const sentPlans = new Map<ObjectKey, NonNullable<GroupView['sent']>>();
  function keepSent(driver: Group, sent: NonNullable<GroupView['sent']>): void {
    const key = objectKey(driver);
    sentPlans.set(key, sent);
    const view = views.get(key);
    if (view) views.set(key, { ...view, sent });
  }

  /** A run that is open while nobody wants a power state of its group has lost its purpose. */
  async function withdrawUndriven(now: ManifestIndex, tree: Group[]): Promise<void> {
    for (const group of tree) {
      const run = runs.get(group);
      if (run?.phase !== 'Open' || driverOf(now, group, placesAhead)) continue;
      await runs.withdraw(group, 'the group has no power state any more');
    }
  }

  async function removeGroup(key: ObjectKey): Promise<void> {
    const view = views.get(key);
    const group = splitKey(key);
    if (!runs.get(group)) await runs.lookUp(group);
    if (runs.get(group)?.phase === 'Open') await runs.withdraw(group, 'the group was deleted');
    if (index?.groups.has(key)) return;
    await options.ownership?.release(group);
    // A run that has not taken the signal yet is followed to its end, so that it is not found and withdrawn again.
    if (runs.get(group)?.phase !== 'Open') runs.forget(group);
    lookedUpFor.delete(key);
    sentPlans.delete(key);
    pace.forget(key);
    asked.delete(key);
    views.delete(key);
    statusStore.remove(group);
    if (view) options.onView?.(group, undefined);
  }

  /** Puts on the objects what they are to carry. */
  async function mark(now: ManifestIndex, tree: Group[], plans: ReadonlyMap<ObjectKey, Plan>): Promise<void> {
    const { ownership } = options;
    if (!ownership) return;
    for (const group of tree) await ownership.own(group, resolveTiers(now, group));
    for (const plan of plans.values()) {
      for (const member of plan.tiers.flatMap((tier) => tier.members)) {
        const group = now.groups.get(objectKey({ namespace: plan.namespace, name: member.name }));
        const { powerState } = plan;
        if (powerState === 'Unchanged' || !member.plan || !group) continue;
        if (isReached(plan, member, runOf(plan))) await ownership.inherit(group, powerState);
      }
    }
  }

  /** Shows every group of a tree; returns the plans in force, by group. */
  function showTree(
    now: ManifestIndex,
    tree: Group[],
    decisions: Map<ObjectKey, Decision>,
  ): ReadonlyMap<ObjectKey, Plan> {
    const world: World = { ...worldOf(), lastOutcome };
    const plans = new Map(
      tree
        .filter((group) => driverOf(now, group, placesAhead) === group)
        .flatMap((driver) => plansOf(resolvePlan(now, driver, world)))
        .map((plan) => [objectKey(plan), plan]),
    );
    // Nested groups first: their readiness shows in their parents.
    for (const group of [...tree].reverse()) {
      const key = objectKey(group);
      const driver = driverOf(now, group, placesAhead);
      const driverKey = driver && objectKey(driver);
      const decision = driverKey === undefined ? undefined : decisions.get(driverKey);
      const plan = plans.get(key);
      const sent = sentPlans.get(key) ?? views.get(key)?.sent;
      const previous = views.get(key);
      show(
        group,
        groupView({
          group,
          tiers: resolveTiers(now, group),
          ...(plan && { plan }),
          observe,
          holdOf: (vm) => observations.holdOf?.(vm),
          run: runOf(group),
          ...(driver && { driverRun: runOf(driver) }),
          ...(decision && driverKey === key && { decision }),
          moving: decision?.send !== undefined || (driver !== undefined && runOf(driver).phase === 'Open'),
          childView: (name) => views.get(objectKey({ namespace: group.namespace, name })),
          parentExists: parentOf(now, group) !== undefined,
          ...(previous && { previous }),
          problems: problemsOf.get(key) ?? [],
          ...(sent && { sent }),
          now: Date.now(),
        }),
      );
    }
    return plans;
  }

  /** Nothing is done with it, and what was written of its members stays. */
  function showUnusable(group: UnusableGroup): void {
    const key = objectKey(group);
    const previous = views.get(key);
    const problems = problemsOf.get(key) ?? [];
    show(group, unusableView({ group, problems, ...(previous && { previous }), now: Date.now() }));
  }

  function show(group: GroupName, view: GroupView): void {
    const key = objectKey(group);
    const before = views.get(key);
    views.set(key, view);
    statusStore.save(view);
    if (before && JSON.stringify(before) === JSON.stringify(view)) return;
    for (const event of viewEvents(before, view)) tell(event);
    options.onView?.(group, view);
  }

  async function ask(request: RunRequest): Promise<void> {
    const group = index?.groups.get(objectKey(request));
    if (!index || !group) throw new Error(`There is no group ${request.namespace}/${request.name}.`);
    const driver = driverOf(index, group, placesAhead);
    if (!driver) {
      throw new Error(
        `Group ${request.namespace}/${request.name} has no power state, so there is nothing to run. Set spec.powerState first.`,
      );
    }
    await new Promise<void>((sent) => {
      const key = objectKey(driver);
      const earlier = asked.get(key);
      asked.set(key, {
        actor: request.actor,
        reason: request.reason,
        sent: () => {
          earlier?.sent();
          sent();
        },
      });
      touch(driver, 0);
    });
  }

  function isKnown(key: ObjectKey): boolean {
    return index?.groups.has(key) === true || state?.unusable?.has(key) === true;
  }

  function ready(): Readiness {
    if (!state) return { ready: false, message: 'the source has not been read yet' };
    const trouble = source.trouble?.();
    if (trouble !== undefined) return { ready: false, message: trouble };
    if (!synced) return { ready: false, message: 'the platform has not reported all VMs yet' };
    if (!runs.reachable()) return { ready: false, message: 'Temporal does not answer' };
    const unknown = [...(index?.groups.values() ?? [])].filter((group) => !runs.get(group)).length;
    if (unknown > 0) return { ready: false, message: `the last runs of ${unknown} groups are not known yet` };
    return { ready: true, message: 'ready' };
  }

  const stopObserving = observations.onChange(onObservation);
  await source.start(onSource);
  void observations.synced().then(
    () => {
      synced = true;
      touchAll();
    },
    (error: unknown) => logger.warn({ error: describe(error) }, 'the platform cannot be watched'),
  );

  return {
    ready,
    views: () =>
      [...views.values()]
        .filter(({ metadata }) => isKnown(objectKey(metadata)))
        .sort((a, b) => (objectKey(a.metadata) < objectKey(b.metadata) ? -1 : 1)),
    problems: () => state?.problems ?? [],
    refresh: touchAll,
    ask,
    stop: async () => {
      stopped = true;
      stopObserving();
      await source.stop();
      await Promise.all([queue.stop(), runs.stop()]);
      await statusStore.flush();
    },
  };
}

const BRIDGE: EventObject = { kind: 'Bridge', namespace: '', name: 'bridge' };

const REACHABLE: Happening = {
  type: 'Normal',
  reason: 'TemporalReachable',
  object: BRIDGE,
  message: 'Temporal answers again',
};

function unreachable(error: unknown): Happening {
  return {
    type: 'Warning',
    reason: 'TemporalUnreachable',
    object: BRIDGE,
    message: `Temporal does not answer (${describe(error)}); trying again until it does`,
  };
}

/** Milliseconds between two plans for the same open run where members come one after the other: doubles from one to the other. */
const FIRST_GAP = 100;
const LONGEST_GAP = 2_000;

/**
 * Gathers what comes to an open run in quick succession: a thousand VMs that are made one by one are not a thousand plans in its history. A
 * run that is not open is started at once.
 */
function sendPace(): {
  wait(key: ObjectKey, open: boolean): number;
  sent(key: ObjectKey): void;
  forget(key: ObjectKey): void;
} {
  const last = new Map<ObjectKey, { at: number; gap: number }>();
  return {
    wait: (key, open) => {
      const before = last.get(key);
      return before && open ? before.at + before.gap - Date.now() : 0;
    },
    sent: (key) => {
      const before = last.get(key);
      const quiet = !before || Date.now() - before.at > 2 * LONGEST_GAP;
      last.set(key, { at: Date.now(), gap: quiet ? FIRST_GAP : Math.min(before.gap * 2, LONGEST_GAP) });
    },
    forget: (key) => void last.delete(key),
  };
}

/** What a parent's run makes of a nested group, as a token that changes whenever the group's own run may have. */
function askState(parent: RunState, name: string): string {
  if (parent.phase === 'None') return '';
  if (parent.phase === 'Closed') return `Closed ${parent.runId}`;
  const member = parent.progress?.members.find((each) => each.member === `VirtualMachineGroup/${name}`);
  return member ? `${member.phase} ${member.since} ${member.activityId ?? ''}` : '';
}

/** Whether a nested group is in its parent's desired state, or the parent's run has come to it. */
function isReached(plan: Plan, member: PlanMember, run: RunState): boolean {
  if (member.convergedAt !== undefined) return true;
  if (run.phase !== 'Open' || !run.progress || run.progress.powerState !== plan.powerState) return false;
  const known = run.progress.members.find((each) => each.member === memberKey(member));
  return known?.phase === 'InProgress' || known?.phase === 'Done' || known?.phase === 'Parked';
}

/** The problems of each group's own manifest. */
function problemsByGroup(problems: readonly Problem[]): Map<ObjectKey, Problem[]> {
  const found = new Map<ObjectKey, Problem[]>();
  for (const problem of problems) {
    if (problem.object?.kind !== 'VirtualMachineGroup') continue;
    const key = objectKey(problem.object);
    found.set(key, [...(found.get(key) ?? []), problem]);
  }
  return found;
}

async function inBatches<T>(items: T[], size: number, each: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += size) await Promise.all(items.slice(at, at + size).map(each));
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
