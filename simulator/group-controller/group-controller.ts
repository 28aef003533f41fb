/**
 * Stands in for VM Operator's group controller and its webhook for groups: links members, places those of a tree together, and with
 * `spec.powerState` writes the power state to all members at once, with a timetable. It has the faults of the original where tests need them:
 * no tier waits for another one, a timetable that was superseded stays, and a member that joins later is not powered.
 *
 * STANDIN-8: it writes what VM Operator's writes, as the field manager `manager`: finalizer, owner references, status, and power of members.
 * STANDIN-9: with `spec.powerState` unset it writes no power state.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { GROUP_FINALIZER, parseDuration, readResource } from '../../api';
import {
  isBeingDeleted,
  KubernetesError,
  RESOURCES,
  resourceCache,
  virtualMachineCache,
  WorkQueue,
  type ApiServer,
  type KubernetesObject,
  type ResourceCache,
  type VirtualMachineObject,
} from '../../kubernetes';
import { APPLY_TIME } from '../../platforms/vm-operator';
import type { Machine } from '../machine';
import type { Size } from '../vm-controller/facts';
import { isFalse, isTrue, type WantedCondition } from '../vm-controller/status';
import { findPlaces } from './drs';
import { assessMembers, MEMBER, withoutTime } from './members';
import { duePush, webhookPatch } from './power-push';
import { holds, isSameMember, readGroup, type ReadGroup, type WantedEntry } from './shape';
import { GroupWriter } from './group-writer';
import { placingTree, withPlaces } from './tree';

/** What a {@link GroupController} works with. */
export interface GroupControllerOptions {
  api: ApiServer;
  /** Absent: all namespaces. */
  namespaces?: readonly string[];
  machine: Machine;
  /** Milliseconds that DRS takes; absent: none. */
  placementTime?: number;
  /** Why DRS refuses now; undefined: it does not. */
  fault?: () => string | undefined;
  /** Called when a call to the API server failed; it is retried. */
  onError?: (error: unknown, about: string) => void;
}

/** What the webhook knew of a group at its last change. */
interface SeenByWebhook {
  powerState?: string | undefined;
  applyTime?: string | undefined;
}

/** Retries as controller-runtime makes them, milliseconds. */
const FIRST_RETRY = 5;
const LONGEST_RETRY = 1_000_000;

/** Runs from the start until `stop`. */
export class GroupController {
  readonly #options: GroupControllerOptions;
  readonly #groups: ResourceCache<KubernetesObject>;
  readonly #machines: ResourceCache<VirtualMachineObject>;
  readonly #classes: ResourceCache<Size>;
  readonly #queue: WorkQueue;
  readonly #writer: GroupWriter;
  /** By uid. */
  readonly #seen = new Map<string, SeenByWebhook>();
  readonly #closing = new AbortController();

  constructor(options: GroupControllerOptions) {
    this.#options = options;
    this.#writer = new GroupWriter(options.api);
    const { api, namespaces, onError = () => undefined } = options;
    const common = { api, ...(namespaces && { namespaces }) };
    this.#queue = new WorkQueue({
      // As VM Operator's default is.
      concurrency: 1,
      work: (key) => this.#reconcile(key),
      onError: (key, error) => {
        if (!(error instanceof KubernetesError && error.isConflict)) onError(error, `group ${key}`);
      },
      pause: (failures) => Math.min(FIRST_RETRY * 2 ** Math.min(failures, 20), LONGEST_RETRY),
    });
    this.#groups = resourceCache({
      ...common,
      resource: RESOURCES.virtualMachineGroups,
      optional: true,
      trim: (object) => object,
    });
    this.#machines = virtualMachineCache(common);
    this.#classes = resourceCache({
      ...common,
      resource: RESOURCES.virtualMachineClasses,
      optional: true,
      trim: sizeOf,
    });
    this.#groups.onChange(({ key, object, previous }) => this.#onGroup(key, object, previous));
    this.#machines.onChange(({ object, previous }) => this.#onMachine(object, previous));
  }

  async stop(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#groups.stop(), this.#machines.stop(), this.#classes.stop()]);
    await this.#queue.stop();
  }

  // ---- What wakes a group -----------------------------------------------------------------------------------------------------

  #onGroup(key: string, object: KubernetesObject | undefined, previous: KubernetesObject | undefined): void {
    this.#queue.add(key);
    for (const each of [object, previous]) {
      const { groupName } = (each?.spec ?? {}) as { groupName?: string };
      if (each && groupName && isLinked(each)) this.#queue.add(`${each.metadata.namespace}/${groupName}`);
    }
    if (!object) return;
    const { namespace, spec } = this.#read(object);
    for (const { kind, name } of spec.bootOrder.flatMap(({ members }) => members))
      if (kind === 'VirtualMachineGroup') this.#queue.add(`${namespace}/${name}`);
  }

  /** Only a VM that says itself that it is linked. */
  #onMachine(object: VirtualMachineObject | undefined, previous: VirtualMachineObject | undefined): void {
    for (const each of [object, previous]) {
      const { groupName } = each?.spec ?? {};
      if (each && groupName && isLinked(each)) this.#queue.add(`${each.metadata.namespace}/${groupName}`);
    }
  }

  // ---- One group --------------------------------------------------------------------------------------------------------------

  async #reconcile(key: string): Promise<void> {
    const [namespace = '', name = ''] = key.split('/');
    // The cache may not have our own last write.
    const found = await this.#options.api.get(RESOURCES.virtualMachineGroups, { namespace, name });
    if (!found || this.#closing.signal.aborted) return;
    const finalizers = found.metadata.finalizers ?? [];
    if (isBeingDeleted(found)) {
      const left = finalizers.filter((each) => each !== GROUP_FINALIZER);
      if (left.length < finalizers.length)
        await this.#writer.merge(RESOURCES.virtualMachineGroups, found, { metadata: { finalizers: left } });
      return;
    }
    const object = await this.#admitted(found);
    if (!finalizers.includes(GROUP_FINALIZER)) {
      await this.#writer.merge(RESOURCES.virtualMachineGroups, object, {
        metadata: { finalizers: [...finalizers, GROUP_FINALIZER] },
      });
      return;
    }
    await this.#reconcileMembers(this.#read(object));
  }

  /** What the mutating webhook would have made of the group before it was stored. */
  async #admitted(object: KubernetesObject): Promise<KubernetesObject> {
    const group = this.#read(object);
    const patch = webhookPatch(group, this.#seen.get(group.uid), Date.now());
    const after = patch ? await this.#writer.merge(RESOURCES.virtualMachineGroups, object, patch) : object;
    const applyTime = new Map(Object.entries(after.metadata.annotations ?? {})).get(APPLY_TIME);
    this.#seen.set(group.uid, { powerState: group.spec.powerState, applyTime });
    return after;
  }

  async #reconcileMembers(group: ReadGroup): Promise<void> {
    const link = this.#linkOf(group);
    if (link && link.status !== 'True') {
      const error = 'failed to reconcile group name: group is not linked to its parent group';
      const entries = group.entries.map((entry) => ({
        ...entry,
        conditions: entry.conditions.map(withoutTime),
      }));
      await this.#writer.writeStatus(group, entries, link, error);
      throw new Error(error);
    }
    const push = duePush(group);
    const assessed = await Promise.all(
      assessMembers(group, this.#around(group), push).map((member) =>
        this.#writer.patchMember(group, member, push !== undefined),
      ),
    );
    const errors = assessed.flatMap(({ error }) => error ?? []);
    const pushedAt = push && errors.length === 0 ? wholeSeconds(Date.now()) : undefined;
    const entries = assessed.map(({ entry }) => entry);
    if (errors.length > 0 || link) {
      await this.#writer.writeStatus(group, entries, link, errors.join(', ') || undefined, pushedAt);
      return;
    }
    await this.#place(group, entries, pushedAt);
  }

  /** Placement of the tree of a topmost group. */
  async #place(group: ReadGroup, entries: WantedEntry[], pushedAt: string | undefined): Promise<void> {
    try {
      const around = { ...this.#around(group), read: (object: KubernetesObject) => this.#read(object) };
      const tree = placingTree({ group, entries }, around);
      const places = await this.#askDrs(tree.machines);
      const [root, ...children] = withPlaces(tree, places);
      for (const child of children) await this.#writer.writeEntries(child.group, child.entries);
      await this.#writer.writeStatus(group, root?.entries ?? entries, undefined, undefined, pushedAt);
    } catch (error: unknown) {
      const message = error instanceof Error ? error.message : String(error);
      await this.#writer.writeStatus(group, entries, undefined, message, pushedAt);
      throw error;
    }
  }

  async #askDrs(machines: readonly VirtualMachineObject[]): Promise<ReturnType<typeof findPlaces>> {
    if (machines.length === 0) return new Map();
    const { placementTime = 0, fault, machine } = this.#options;
    await sleep(placementTime, undefined, { signal: this.#closing.signal });
    const refusal = fault?.();
    if (refusal !== undefined) throw new Error(refusal);
    return findPlaces(machine, machines, ({ metadata, spec }) =>
      this.#classes.get(`${metadata.namespace}/${spec.className}`),
    );
  }

  #linkOf({ namespace, name, spec: { groupName } }: ReadGroup): WantedCondition | undefined {
    if (!groupName) return undefined;
    const parent = this.#groups.get(`${namespace}/${groupName}`);
    if (!parent) return isFalse(MEMBER.linked, 'NotFound');
    const listed = this.#read(parent).spec.bootOrder.flatMap(({ members }) => members);
    const isListed = listed.some((each) => isSameMember(each, { kind: 'VirtualMachineGroup', name }));
    return isListed ? isTrue(MEMBER.linked) : isFalse(MEMBER.linked, 'NotMember');
  }

  #around({ namespace }: ReadGroup): {
    machine: (name: string) => VirtualMachineObject | undefined;
    group: (name: string) => KubernetesObject | undefined;
  } {
    return {
      machine: (name) => this.#machines.get(`${namespace}/${name}`),
      group: (name) => this.#groups.get(`${namespace}/${name}`),
    };
  }

  #read(object: KubernetesObject): ReadGroup {
    return readGroup(object, parseDuration);
  }
}

/** Its own `GroupLinked`. */
function isLinked({ status }: KubernetesObject): boolean {
  const { conditions = [] } = (status ?? {}) as { conditions?: { type: string; status: string }[] };
  return holds(conditions, MEMBER.linked);
}

function wholeSeconds(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** Undefined for a class that cannot be read. */
function sizeOf(object: KubernetesObject): Size | undefined {
  const { read } = readResource(object);
  return read?.kind === 'VirtualMachineClass'
    ? { cpus: read.object.cpus, memory: read.object.memory }
    : undefined;
}
