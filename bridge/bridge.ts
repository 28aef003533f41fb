/**
 * The bridge: keeps each group's run in step with the group's desired state, and its status with both. Each look at a tree is one pass:
 * what is known goes into {@link stepsOf}, which decides; what is decided is carried out here; {@link viewsOf} says what to show.
 *
 * BRIDGE-1: two bridges at once do no harm. Only the one that leads looks at runs and sends; everything that is sent may be sent twice: a run
 *     takes the same plan as one, and there is one open run of a group at most.
 * BRIDGE-2: a restart loses nothing. What is wanted stands in the source, what is in the observations, what runs in Temporal; what was
 *     sent is kept with the status, and forgetting it costs one more message.
 * BRIDGE-3: an invalid edit changes nothing but the problems that are shown.
 * BRIDGE-4: nothing is started before the source was read, the observations are complete and the last run is known, and nothing twice for
 *     the same desired state.
 */
import type { Client } from '@temporalio/client';
import type { Group, Problem } from '../api';
import { WorkQueue } from '../kubernetes';
import { PendingRequests, type RunRequest } from './requests';
import {
  groupObject,
  manifestEvents,
  problemEvents,
  viewEvents,
  type BridgeEvent,
  type EventObject,
  type Happening,
} from './events';
import { groupRuns, type GroupName, type GroupRuns, temporalRuns, type TemporalRuns } from './runs';
import {
  driverOf,
  objectKey,
  splitKey,
  topOf,
  treeOf,
  emptyIndex,
  type ManifestIndex,
  type ObjectKey,
} from './manifests';
import { ObservedVms, type Observations, type VirtualMachineName } from './observed-vms';
import type { Ownership } from './ownership';
import {
  dueLookUps,
  inheritances,
  isAsking,
  stepsOf,
  viewsOf,
  type DriverStep,
  type TreeFacts,
  type TreeSteps,
} from './pass';
import type { SendDecision, SentPlan } from './reconcile';
import { resolveTiers } from './plans';
import { SendPace } from './send-pace';
import type { Source, SourceState, UnusableGroup } from './source';
import { runOfView, unusableView, type GroupView, type StatusStore } from './status';

export type { Observations, VirtualMachineName } from './observed-vms';

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
  /** Whether this process looks at runs, sends and writes now; left out: always. {@link Bridge.refresh} is to be called when it changes. */
  isLeader?: () => boolean;
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
  /** Looks at every group again: this process leads, or does not any more. */
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
/** Groups that are looked up at the same time. */
const LOOKUPS = 20;
/** Trees that are reconciled at the same time. */
const TREES = 200;

/** Starts a bridge; resolves once it watches. Rejects if the source cannot be read at all. */
export function startBridge(options: BridgeOptions): Promise<Bridge> {
  return startBridgeWith(temporalRuns(options.client, options.taskQueue), options);
}

/** {@link startBridge} with Temporal as given. */
export async function startBridgeWith(
  temporal: TemporalRuns,
  options: Omit<BridgeOptions, 'client' | 'taskQueue'>,
): Promise<Bridge> {
  const bridge = new RunningBridge(temporal, options);
  await bridge.start();
  return {
    ready: () => bridge.ready(),
    views: () => bridge.views(),
    problems: () => bridge.problems(),
    refresh: () => bridge.refresh(),
    ask: (request) => bridge.ask(request),
    stop: () => bridge.stop(),
  };
}

class RunningBridge implements Bridge {
  readonly #options: Omit<BridgeOptions, 'client' | 'taskQueue'>;
  readonly #runs: GroupRuns;
  readonly #vms: ObservedVms;
  readonly #queue: WorkQueue;
  readonly #asks = new PendingRequests();
  readonly #pace = new SendPace();
  /** What is shown of each group, and what was sent to its run last. */
  readonly #views = new Map<ObjectKey, GroupView>();
  readonly #sent = new Map<ObjectKey, SentPlan>();
  /** Revision of each group that was told of; undefined where only the group is remembered. */
  readonly #known = new Map<ObjectKey, string | undefined>();
  /** When each nested group's run was looked up last, as the state of its parent's run. */
  readonly #lookedUpFor = new Map<ObjectKey, string>();
  /** Since when an open run refuses its plan, by the process's own clock. */
  readonly #refused = new Map<ObjectKey, number>();
  #state: SourceState | undefined;
  #problemsOf: ReadonlyMap<ObjectKey, Problem[]> = new Map();
  #synced = false;
  #stopped = false;
  /** As of the last look. */
  #leading = false;
  /** Milliseconds that the last pass kept the thread. */
  #lastPass = 0;
  #stopObserving: () => void = () => undefined;

  constructor(temporal: TemporalRuns, options: Omit<BridgeOptions, 'client' | 'taskQueue'>) {
    this.#options = options;
    this.#vms = new ObservedVms(options.observations);
    this.#runs = groupRuns({
      temporal,
      remembered: (group) => runOfView(this.#views.get(objectKey(group))),
      onChange: (group) => this.#touch(group),
      onReachable: (reachable, error) => {
        this.#tell(reachable ? REACHABLE : unreachable(error));
        if (reachable) this.#touchAll();
      },
    });
    this.#queue = new WorkQueue({
      concurrency: TREES,
      work: (key) => this.#work(key),
      onError: (key, error, retryIn) =>
        options.logger.warn({ group: key, error: describe(error), retryIn }, 'reconcile failed, requeued'),
    });
  }

  async start(): Promise<void> {
    const { source, observations, logger } = this.#options;
    await this.#remember();
    for (const [key] of this.#views) this.#known.set(key, this.#sent.get(key)?.revision);
    this.#leading = this.#mayLead();
    this.#stopObserving = observations.onChange((vm) => this.#onObservation(vm));
    await source.start((state) => this.#onSource(state));
    void observations.synced().then(
      () => {
        this.#synced = true;
        this.#touchAll();
      },
      (error: unknown) => logger.warn({ error: describe(error) }, 'the platform cannot be watched'),
    );
  }

  ready(): Readiness {
    if (!this.#state) return { ready: false, message: 'the source has not been read yet' };
    const trouble = this.#options.source.trouble?.();
    if (trouble !== undefined) return { ready: false, message: trouble };
    if (!this.#synced) return { ready: false, message: 'the platform has not reported all VMs yet' };
    if (!this.#runs.reachable()) return { ready: false, message: 'Temporal does not answer' };
    if (!this.#mayLead()) return { ready: true, message: 'ready to take over: another bridge leads' };
    const unknown = [...this.#index.groups.values()].filter((group) => !this.#runs.get(group)).length;
    if (unknown > 0) return { ready: false, message: `the last runs of ${unknown} groups are not known yet` };
    return { ready: true, message: 'ready' };
  }

  views(): GroupView[] {
    return [...this.#views.values()]
      .filter(({ metadata }) => this.#exists(objectKey(metadata)))
      .sort((a, b) => (objectKey(a.metadata) < objectKey(b.metadata) ? -1 : 1));
  }

  problems(): readonly Problem[] {
    return this.#state?.problems ?? [];
  }

  refresh(): void {
    const leads = this.#mayLead();
    if (leads === this.#leading) return this.#touchAll();
    this.#leading = leads;
    if (leads) void this.#takeOver();
    else this.#stepDown();
  }

  async ask(request: RunRequest): Promise<void> {
    const group = this.#index.groups.get(objectKey(request));
    if (!group) throw new Error(`There is no group ${request.namespace}/${request.name}.`);
    const driver = driverOf(this.#index, group, this.#options.placesAhead);
    if (!driver) {
      throw new Error(
        `Group ${request.namespace}/${request.name} has no power state, so there is nothing to run. Set spec.powerState first.`,
      );
    }
    const sent = this.#asks.add(objectKey(driver), request);
    this.#touch(driver, 0);
    await sent;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopObserving();
    this.#asks.dropAll('the bridge stops');
    await this.#options.source.stop();
    await Promise.all([this.#queue.stop(), this.#runs.stop()]);
    await this.#options.statusStore.flush();
  }

  // ---- What is known ---------------------------------------------------------------------------------------------------------------

  get #index(): ManifestIndex {
    return this.#state?.index ?? NO_MANIFESTS;
  }

  #mayLead(): boolean {
    return this.#options.isLeader?.() ?? true;
  }

  /** Whether the group is there, valid or not. */
  #exists(key: ObjectKey): boolean {
    return this.#index.groups.has(key) || this.#state?.unusable?.has(key) === true;
  }

  /** Reads what a bridge, this one or another, has kept with the status. */
  async #remember(): Promise<void> {
    for (const view of await this.#options.statusStore.load()) {
      const key = objectKey(view.metadata);
      this.#views.set(key, view);
      if (view.sent) this.#sent.set(key, view.sent);
    }
  }

  /** BRIDGE-1: what this process knew before it led is old. */
  async #takeOver(): Promise<void> {
    await this.#remember();
    this.#touchAll();
  }

  /** What this process knows would be old when it leads again. */
  #stepDown(): void {
    for (const { metadata } of this.#views.values()) this.#options.statusStore.remove(metadata);
    this.#runs.forgetAll();
    this.#lookedUpFor.clear();
    this.#refused.clear();
  }

  #onSource(next: SourceState): void {
    const known = this.#known;
    for (const event of manifestEvents(known, next.index.groups, next.changed)) this.#tell(event);
    for (const key of next.changed ?? new Set([...known.keys(), ...next.index.groups.keys()])) {
      const group = next.index.groups.get(key);
      if (group) known.set(key, group.revision);
      else known.delete(key);
    }
    if (next.problems !== this.#state?.problems) {
      for (const event of problemEvents(this.#state?.problems ?? [], next.problems)) this.#tell(event);
      this.#problemsOf = problemsByGroup(next.problems);
    }
    const first = this.#state === undefined;
    this.#state = next;
    if (first || !next.changed) this.#touchAll();
    else for (const key of next.changed) this.#touch(splitKey(key), 0);
  }

  #onObservation(name: VirtualMachineName): void {
    const vm = this.#index.virtualMachines.get(objectKey(name));
    if (vm?.groupName === undefined) return;
    const group = { namespace: vm.namespace, name: vm.groupName };
    this.#vms.changed(vm, this.#runs.get(group));
    this.#touch(group);
  }

  #factsOf(index: ManifestIndex, tree: readonly Group[]): TreeFacts {
    return {
      index,
      tree,
      placesAhead: this.#options.placesAhead ?? false,
      runOf: (group) => this.#runs.get(group),
      viewOf: (key) => this.#views.get(key),
      sentOf: (key) => this.#sent.get(key),
      askedOf: (key) => this.#asks.of(key),
      refusedFor: (key) => {
        const since = this.#refused.get(key);
        return since === undefined ? undefined : performance.now() - since;
      },
      observe: (vm) => {
        const group =
          vm.groupName === undefined ? undefined : { namespace: vm.namespace, name: vm.groupName };
        return this.#vms.observe(vm, group && this.#runs.get(group));
      },
      holdOf: (vm) => this.#vms.holdOf(vm),
      problemsOf: (key) => this.#problemsOf.get(key) ?? [],
      isNews: (group) => this.#vms.isNews(this.#runs.get(group)),
      now: Date.now(),
    };
  }

  // ---- When to look ----------------------------------------------------------------------------------------------------------------

  /** Something about a group changed: its tree is looked at soon. */
  #touch(group: GroupName, delay = Math.max(GATHER, SHARE * this.#lastPass)): void {
    if (!this.#state || !this.#synced) return;
    const found = this.#index.groups.get(objectKey(group));
    // A group that is gone is its own topmost one.
    this.#queue.add(objectKey(found ? topOf(this.#index, found) : group), delay);
  }

  #touchAll(): void {
    const keys = [
      ...this.#index.groups.keys(),
      ...this.#views.keys(),
      ...(this.#state?.changed ?? []),
      ...(this.#state?.leaving ?? []),
      ...this.#goneGroups(),
    ];
    for (const key of new Set(keys)) this.#touch(splitKey(key), 0);
  }

  /** Groups that members still name: a run of one may be open that nobody has withdrawn. */
  #goneGroups(): ObjectKey[] {
    if (this.#options.source.listsAllGroups !== true) return [];
    const { childMachines, childGroups } = this.#index;
    return [...childMachines.keys(), ...childGroups.keys()].filter((key) => !this.#exists(key));
  }

  // ---- One pass --------------------------------------------------------------------------------------------------------------------

  /** Looks at one tree; `key` is its topmost group. What fails does not keep the rest from being done. */
  async #work(key: ObjectKey): Promise<void> {
    if (this.#stopped || !this.#mayLead()) return;
    const index = this.#index;
    const top = index.groups.get(key);
    const unusable = this.#state?.unusable?.get(key);
    if (!top) return unusable ? this.#showUnusable(unusable) : this.#removeGroup(key);
    if (topOf(index, top) !== top) return this.#touch(topOf(index, top), 0);
    const tree = treeOf(index, top);
    const errors: unknown[] = [];
    const attempt = async (work: () => Promise<void>): Promise<void> => {
      if (!this.#stopped && this.#mayLead()) await work().catch((error: unknown) => void errors.push(error));
    };

    await attempt(() => this.#lookUpRuns(this.#factsOf(index, tree)));
    const claimed = new Set<Group>();
    await inBatches([...tree], LOOKUPS, (group) =>
      attempt(async () => {
        if ((await this.#options.ownership?.claim(group)) ?? true) claimed.add(group);
      }),
    );
    const began = performance.now();
    const steps = stepsOf(this.#factsOf(index, tree), claimed);
    let thinking = performance.now() - began;
    for (const step of steps.drivers) await attempt(() => this.#drive(step));
    for (const group of steps.undriven) {
      await attempt(() => this.#runs.withdraw(group, 'the group has no power state any more'));
    }
    for (const group of tree) await attempt(() => this.#runs.reportPauses(group));
    if (this.#stopped || !this.#mayLead()) return;
    const shown = performance.now();
    for (const view of viewsOf(this.#factsOf(index, tree), steps)) this.#show(view.metadata, view);
    thinking += performance.now() - shown;
    this.#lastPass = thinking;
    await attempt(() => this.#mark(this.#factsOf(index, tree), steps));
    this.#comeBack(tree, steps);
    if (errors.length > 0) throw asError(errors[0]);
  }

  async #lookUpRuns(facts: TreeFacts): Promise<void> {
    const due = dueLookUps(facts, this.#lookedUpFor);
    await inBatches(due, LOOKUPS, async ({ group, asks }) => {
      await this.#runs.lookUp(group);
      // A parent that asks at this moment may not have started it yet.
      if (isAsking(asks) && this.#runs.get(group)?.phase !== 'Open')
        this.#lookedUpFor.delete(objectKey(group));
      else this.#lookedUpFor.set(objectKey(group), asks);
    });
  }

  async #drive({ driver, plan, asked, decision }: DriverStep): Promise<void> {
    if (!decision) return;
    const key = objectKey(driver);
    this.#noteRefusal(key, decision);
    const run = this.#runs.get(driver);
    if (!decision.send) {
      if (decision.sent)
        this.#sent.set(key, { ...decision.sent, ...(run && run.phase !== 'None' && { runId: run.runId }) });
      return;
    }
    const turned = this.#sent.get(key)?.powerState !== plan.powerState;
    const wait = asked || turned ? 0 : this.#pace.wait(key, run?.phase === 'Open');
    if (wait > 0) return this.#touch(driver, wait);
    const runId = await this.#runs.send(decision.send);
    this.#pace.sent(key);
    if (decision.sent) this.#sent.set(key, { ...decision.sent, runId });
    const { cause } = decision.send;
    this.#tell({
      type: cause === 'Drift' ? 'Warning' : 'Normal',
      reason: cause === 'Drift' ? 'DriftSeen' : 'PlanSent',
      object: groupObject(driver),
      message: `${cause}: ${decision.why}`,
    });
    if (asked) this.#asks.sent(key, asked);
  }

  #noteRefusal(key: ObjectKey, { refused }: SendDecision): void {
    if (!refused) this.#refused.delete(key);
    else if (!this.#refused.has(key)) this.#refused.set(key, performance.now());
  }

  /** What changes by the passing of time alone. */
  #comeBack(tree: readonly Group[], { drivers }: TreeSteps): void {
    const news = tree.map((group) => this.#vms.newsEnds(this.#runs.get(group)));
    const retries = drivers.map(({ decision }) => decision?.refused?.retryIn ?? 0);
    const times = [...news, ...retries].filter((time) => time > 0);
    const [top] = tree;
    if (top && times.length > 0) this.#touch(top, Math.min(...times) + GATHER);
  }

  /** The group does not exist. */
  async #removeGroup(key: ObjectKey): Promise<void> {
    const group = splitKey(key);
    if (!this.#runs.get(group)) await this.#runs.lookUp(group);
    await this.#runs.withdraw(group, 'the group was deleted');
    if (this.#exists(key)) return;
    await this.#options.ownership?.release(group);
    // A run that has not taken the signal yet is followed to its end, so that it is not found and withdrawn again.
    if (this.#runs.get(group)?.phase !== 'Open') this.#runs.forget(group);
    for (const memory of [this.#lookedUpFor, this.#sent, this.#refused]) memory.delete(key);
    this.#pace.forget(key);
    this.#asks.drop(key, `group ${key} was deleted`);
    this.#options.statusStore.remove(group);
    if (this.#views.delete(key)) this.#options.onView?.(group, undefined);
  }

  /** Puts on the objects what they are to carry. */
  async #mark(facts: TreeFacts, steps: TreeSteps): Promise<void> {
    const { ownership } = this.#options;
    if (!ownership) return;
    for (const group of facts.tree) await ownership.own(group, resolveTiers(facts.index, group));
    for (const { group, powerState } of inheritances(facts, steps)) {
      await ownership.inherit(group, powerState);
    }
  }

  /** Nothing is done with it, and what was written of its members stays. */
  #showUnusable(group: UnusableGroup): void {
    const key = objectKey(group);
    const previous = this.#views.get(key);
    const problems = this.#problemsOf.get(key) ?? [];
    this.#show(group, unusableView({ group, problems, ...(previous && { previous }), now: Date.now() }));
  }

  #show(group: GroupName, view: GroupView): void {
    const key = objectKey(group);
    const before = this.#views.get(key);
    this.#views.set(key, view);
    this.#options.statusStore.save(view);
    if (before && JSON.stringify(before) === JSON.stringify(view)) return;
    for (const event of viewEvents(before, view)) this.#tell(event);
    this.#options.onView?.(group, view);
  }

  #tell(happening: Happening): void {
    const { logger, onEvent } = this.#options;
    const event: BridgeEvent = { time: Date.now(), ...happening };
    const details = { reason: event.reason, object: event.object };
    if (event.type === 'Warning') logger.warn(details, event.message);
    else logger.info(details, event.message);
    onEvent?.(event);
  }
}

const NO_MANIFESTS = emptyIndex();

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

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
