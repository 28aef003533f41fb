/** Reports VMs to watches: after each change, and when the passing of time changes what is known. */
import type { VirtualMachineRef } from '../../contract';
import { isLower, timerDelay, type ResourceCache } from '../../kubernetes';
import { refOf, type NewestObjects, type VmListener } from '../on-kubernetes';
import type { VirtualMachineState, WatchSink } from '../platform';
import type { Instances } from './instances';
import type { TrackedNames } from './names';
import type { KubevirtMachine, KubevirtNode } from './objects';
import { observe, type Circumstances } from './observe';
import type { Pursuits } from './pursuits';
import { recordedOperationOf } from './record';

/** What {@link Reports} reads. */
export interface ReportsSources {
  vms: NewestObjects<KubevirtMachine>;
  instances: Instances;
  nodes: ResourceCache<KubevirtNode>;
  pursuits: Pursuits;
  /** Absent: VMs have their own uids. */
  names: TrackedNames | undefined;
  patience: number;
}

/** Runs until `close`. */
export class Reports implements VmListener {
  readonly #sources: () => ReportsSources;
  readonly #sinks = new Set<WatchSink>();
  readonly #changedAt = new Map<string, number>();
  /** Since when nothing works on an operation, by key. */
  readonly #idle = new Map<string, { id: string; since: number }>();
  readonly #reviews = new Map<string, NodeJS.Timeout>();

  constructor(sources: () => ReportsSources) {
    this.#sources = sources;
  }

  /** Reports all VMs to a sink, then every change; returns the function that ends that. */
  addSink(sink: WatchSink): () => void {
    for (const key of this.#sources().vms.keys()) this.#report(key, [sink]);
    sink.synced();
    this.#sinks.add(sink);
    return () => void this.#sinks.delete(sink);
  }

  /** The state of a VM, as it is known now; undefined: there is none of that key, or no manifest means it. */
  stateOf(key: string): VirtualMachineState | undefined {
    const { vms, names } = this.#sources();
    const object = vms.newest(key);
    const vm = object && (names ? names.of(key) : refOf(object));
    return vm && { vm, ...this.#observe(key, object).state };
  }

  changed(key: string): void {
    this.#changedAt.set(key, this.#sources().vms.now());
    this.#sources().pursuits.noticed(key);
    this.#report(key, this.#sinks);
  }

  /** Reports without that the VM has changed. */
  again(key: string): void {
    this.#report(key, this.#sinks);
  }

  deleted(key: string, ref: VirtualMachineRef): void {
    this.#cancelReview(key);
    this.#changedAt.delete(key);
    this.#idle.delete(key);
    const { names, instances } = this.#sources();
    instances.forget(key);
    const vm = names ? names.of(key) : ref;
    if (vm) this.forget(vm);
  }

  /** A manifest no longer means a VM. */
  forget(vm: VirtualMachineRef): void {
    for (const sink of this.#sinks) sink.deleted(vm);
  }

  close(): void {
    for (const timer of this.#reviews.values()) clearTimeout(timer);
    this.#reviews.clear();
  }

  #observe(key: string, object: KubevirtMachine): ReturnType<typeof observe> {
    const { vms, instances, nodes, pursuits, patience } = this.#sources();
    const vmi = instances.get(key);
    const { nodeName } = vmi?.status ?? {};
    const id = recordedOperationOf(object)?.id;
    const own = id === undefined ? undefined : pursuits.of(key, id);
    const idle = this.#idle.get(key);
    const now = vms.now();
    const observation = observe(object, vmi, {
      now,
      patience,
      at: this.#changedAt.get(key) ?? vms.arrivedAt(object),
      version: highest(object.metadata.resourceVersion, instances.versionOf(key)),
      ...(nodeName !== undefined && { node: nodeOf(nodeName, nodes) }),
      ...(own && { own }),
      ...(idle && idle.id === id && { idleSince: idle.since }),
    });
    if (!observation.idle || id === undefined) this.#idle.delete(key);
    else if (idle?.id !== id) this.#idle.set(key, { id, since: now });
    return observation;
  }

  #report(key: string, sinks: Iterable<WatchSink>): void {
    const state = this.stateOf(key);
    this.#cancelReview(key);
    if (!state) return;
    const { vms, patience } = this.#sources();
    const idle = this.#idle.get(key);
    const reviewAt = idle && idle.since + patience;
    if (reviewAt !== undefined && reviewAt > vms.now()) {
      const timer = setTimeout(() => this.again(key), timerDelay(reviewAt - vms.now() + 1));
      this.#reviews.set(key, timer.unref());
    }
    for (const sink of sinks) sink.changed(state);
  }

  #cancelReview(key: string): void {
    clearTimeout(this.#reviews.get(key));
    this.#reviews.delete(key);
  }
}

/**
 * What was last seen of a node, also while the watch is broken: one that was lost is not taken for ready because nothing more is heard of it. Where
 * nodes may not be read there are none.
 */
function nodeOf(name: string, nodes: ResourceCache<KubevirtNode>): NonNullable<Circumstances['node']> {
  const node = nodes.get(name);
  if (node) return { name, ...node };
  return nodes.live && nodes.size > 0 ? { name, ready: false, isGone: true } : { name, ready: true };
}

function highest(one: string | undefined, other: string | undefined): string | undefined {
  return one === undefined || isLower(one, other) ? other : one;
}
