/** A bridge at work: hands what comes in, from the source, the platform and operators, to the parts that it consists of. */
import type { ObjectName, Problem } from '../api';
import { errorText, type Announce, type ShownViews } from './execute';
import { contestOf, driverOf, objectKey, type ObjectKey } from './manifests';
import { OTHER_LEADS, type DesiredState, type GroupMemory, type ObservedVms } from './observed';
import type { Bridge, BridgeOptions, Readiness } from './options';
import { hasMember } from './plans';
import type { RunRequest } from './requests';
import type { GroupRuns } from './runs';
import type { SourceState } from './source';
import type { GroupView } from './status';
import type { TreeQueue } from './tree-queue';

/** Milliseconds before what was kept is read again, if that failed. */
const READ_PAUSE = 1_000;

/** One time of leading, from the moment at which this process learns of it. */
interface Term {
  /** Whether what the previous leader kept has been read (BRIDGE-1). */
  isRead: boolean;
}

/** What {@link RunningBridge} consists of. */
export interface RunningBridgeOptions extends Required<
  Pick<BridgeOptions, 'source' | 'observations' | 'logger' | 'placesAhead' | 'isLeader'>
> {
  announce: Announce;
  desired: DesiredState;
  memory: GroupMemory;
  vms: ObservedVms;
  views: ShownViews;
  runs: GroupRuns;
  queue: TreeQueue;
}

/** See {@link Bridge}. */
export class RunningBridge implements Bridge {
  readonly #with: RunningBridgeOptions;
  /** Whether the platform has reported all VMs. */
  isSynced = false;
  isStopped = false;
  /** Absent: at the last {@link refresh}, another process led. */
  #term: Term | undefined;
  /** The readings of all terms so far, one after the other, so that the latest one counts. */
  #reading: Promise<void> = Promise.resolve();
  #stopObserving: () => void = () => undefined;

  constructor(options: RunningBridgeOptions) {
    this.#with = options;
  }

  async start(): Promise<void> {
    const { source, observations, logger, desired, memory, views, isLeader } = this.#with;
    const term: Term = { isRead: false };
    if (isLeader()) this.#term = term;
    this.#reading = this.#remember();
    await this.#reading;
    term.isRead = true;
    for (const key of views.keys()) desired.remember(key, memory.sent(key)?.revision);
    this.#stopObserving = observations.onChange((vm) => this.#onObservation(vm));
    await source.start((state) => this.#onSource(state));
    const synced = async (): Promise<void> => {
      await observations.synced();
      this.isSynced = true;
      this.touchAll();
    };
    void synced().catch((error: unknown) =>
      logger.warn({ error: errorText(error) }, 'failed to watch the platform'),
    );
  }

  /** Whether this process leads and has read what the previous leader kept (BRIDGE-1). */
  get isCurrent(): boolean {
    return this.#term?.isRead === true;
  }

  ready(): Readiness {
    const { source, desired, runs, isLeader } = this.#with;
    const wait = (message: string): Readiness => ({ ready: false, message });
    if (!desired.isRead()) return wait('the source has not been read yet');
    const trouble = source.trouble?.();
    if (trouble !== undefined) return wait(trouble);
    if (!this.isSynced) return wait('the platform has not reported all VMs yet');
    if (!runs.reachable()) return wait('Temporal does not answer');
    if (!isLeader()) return { ready: true, message: 'ready to take over: another bridge leads' };
    if (!this.isCurrent) return wait('the state that the previous leader kept has not been read yet');
    const unknown = [...desired.index.groups.values()].filter((group) => !runs.get(group)).length;
    if (unknown > 0) return wait(`the last runs of ${unknown} groups are not known yet`);
    return { ready: true, message: 'ready' };
  }

  views(): GroupView[] {
    const { views, desired } = this.#with;
    return views.all().filter(({ metadata }) => desired.exists(objectKey(metadata)));
  }

  problems(): readonly Problem[] {
    return this.#with.desired.problems;
  }

  refresh(): void {
    const { views, memory, runs, isLeader } = this.#with;
    const leads = isLeader();
    if (leads === (this.#term !== undefined)) return this.touchAll();
    if (leads) {
      this.#term = { isRead: false };
      this.#reading = this.#catchUp(this.#term, this.#reading);
      return;
    }
    this.#term = undefined;
    views.stepDown();
    memory.stepDown();
    runs.forgetAll();
  }

  /** Asks for a pass over every tree. */
  touchAll(): void {
    this.#with.queue.touchAll(this.#keys());
  }

  queue(): TreeQueue['depth'] {
    return this.#with.queue.depth;
  }

  async ask(request: RunRequest): Promise<void> {
    const { namespace, name } = request;
    const { desired, memory, queue, placesAhead, isLeader } = this.#with;
    if (!isLeader()) throw new Error(OTHER_LEADS);
    const group = desired.group(objectKey(request));
    if (!group) throw new Error(`There is no group ${namespace}/${name}.`);
    if (request.member !== undefined && !hasMember(desired.index, group, request.member))
      throw new Error(`${request.member} is not a member of ${namespace}/${name}.`);
    const driver = driverOf(desired.index, group, placesAhead);
    const contest = contestOf(desired.index, group);
    if (contest !== undefined) throw new Error(`${contest}.`);
    if (!driver) {
      throw new Error(
        `Group ${namespace}/${name} has no power state, so there is nothing to run. Set spec.powerState first.`,
      );
    }
    const sent = memory.requests.add(objectKey(driver), request);
    queue.touch(driver, 0);
    await sent;
  }

  async stop(): Promise<void> {
    const { source, memory, queue, runs, views } = this.#with;
    this.isStopped = true;
    this.#stopObserving();
    memory.requests.dropAll('the bridge is stopping');
    await source.stop();
    await Promise.all([queue.stop(), runs.stop()]);
    await views.flush();
  }

  /** Reads what the previous leader kept, until that succeeds or the term is over, and then starts to act. */
  async #catchUp(term: Term, earlierReading: Promise<void>): Promise<void> {
    await earlierReading.catch(() => undefined);
    while (this.#term === term && !term.isRead && !this.isStopped) {
      term.isRead = await this.#tryToRemember();
      if (!term.isRead) await new Promise((resolve) => setTimeout(resolve, READ_PAUSE).unref());
    }
    this.touchAll();
  }

  /** Resolves to whether it could be read. */
  async #tryToRemember(): Promise<boolean> {
    try {
      await this.#remember();
      return true;
    } catch (error: unknown) {
      const fields = { error: errorText(error), retryIn: READ_PAUSE };
      this.#with.logger.warn(fields, 'failed to read the state that the previous leader kept, retrying');
      return false;
    }
  }

  /** Reads what this or another bridge kept with the status: what this process knew before it led is stale (BRIDGE-1). */
  async #remember(): Promise<void> {
    const { views, memory } = this.#with;
    for (const { metadata, sent } of await views.load()) if (sent) memory.keepSent(objectKey(metadata), sent);
  }

  #onSource(next: SourceState): void {
    const { desired, announce, queue, observations, vms } = this.#with;
    const isFirst = !desired.isRead();
    for (const happening of desired.update(next)) announce(happening);
    vms.retain(desired.index.virtualMachines);
    observations.track?.(desired.index.virtualMachines.values());
    queue.touchAll(isFirst || !next.changed ? this.#keys() : next.changed);
  }

  #onObservation(name: ObjectName): void {
    const { desired, vms, queue } = this.#with;
    const vm = desired.index.virtualMachines.get(objectKey(name));
    if (vm?.groupName === undefined) return;
    vms.changed(vm);
    queue.touch({ namespace: vm.namespace, name: vm.groupName });
  }

  #keys(): ObjectKey[] {
    const { desired, views } = this.#with;
    return [...desired.keys(), ...views.keys()];
  }
}
