/** Reports VMs to watches: after each change, and when the passing of time changes what a version means. */
import type { VirtualMachineRef } from '../../contract';
import { timerDelay, type CacheChange, type VirtualMachineObject } from '../../kubernetes';
import type { VirtualMachineState, WatchSink } from '../platform';
import { vmKey, type NewestObjects, type VmListener } from '../on-kubernetes';
import { observe } from './observe';
import { notAhead, type Warning } from './warnings';

/** The newest versions of the VMs. */
export type NewestVirtualMachines = NewestObjects<VirtualMachineObject>;

/** Runs until `close`. */
export class VmReports implements VmListener {
  readonly #vms: () => NewestVirtualMachines;
  readonly #patience: number;
  readonly #sinks = new Set<WatchSink>();
  /** The last warning on each VM, by uid, with the key of its event. */
  readonly #warnings = new Map<string, Warning & { event: string }>();
  readonly #reviews = new Map<string, NodeJS.Timeout>();

  /** @param patience Milliseconds that VM Operator has to recover after a warning. */
  constructor(vms: () => NewestVirtualMachines, patience: number) {
    this.#vms = vms;
    this.#patience = patience;
  }

  /** Reports all VMs to a sink, then every change; returns the function that ends that. */
  addSink(sink: WatchSink): () => void {
    for (const key of this.#vms().keys()) this.#report(key, [sink]);
    sink.synced();
    this.#sinks.add(sink);
    return () => void this.#sinks.delete(sink);
  }

  /** What one version of a VM says. */
  stateOf(object: VirtualMachineObject): VirtualMachineState {
    return this.#observe(object).state;
  }

  changed(key: string): void {
    this.#report(key, this.#sinks);
  }

  deleted(key: string, vm: VirtualMachineRef): void {
    this.#cancelReview(key);
    for (const sink of this.#sinks) sink.deleted(vm);
  }

  /** Takes a change of a Warning event. */
  warned({ key, object, previous }: CacheChange<Warning>): void {
    if (!object) {
      if (this.#warnings.get(previous.vm.uid)?.event === key) this.#warnings.delete(previous.vm.uid);
      return;
    }
    const warning = notAhead(object, this.#vms().now());
    const { uid } = warning.vm;
    const known = this.#warnings.get(uid);
    if (known && known.event !== key && known.last > warning.last) return;
    const first = Math.min(warning.first, known?.first ?? Infinity);
    this.#warnings.set(uid, { ...warning, first, event: key });
    this.changed(vmKey(warning.vm));
  }

  close(): void {
    for (const timer of this.#reviews.values()) clearTimeout(timer);
    this.#reviews.clear();
  }

  #observe(object: VirtualMachineObject): ReturnType<typeof observe> {
    const now = this.#vms().now();
    return observe(object, {
      at: this.#vms().arrivedAt(object),
      now,
      warning: this.#warnings.get(object.metadata.uid ?? ''),
      patience: this.#patience,
    });
  }

  #report(key: string, sinks: Iterable<WatchSink>): void {
    const object = this.#vms().newest(key);
    if (!object) return;
    const { state, reviewAt } = this.#observe(object);
    this.#cancelReview(key);
    if (reviewAt !== undefined) {
      const timer = setTimeout(() => this.changed(key), timerDelay(reviewAt - this.#vms().now()));
      this.#reviews.set(key, timer.unref());
    }
    for (const sink of sinks) sink.changed(state);
  }

  #cancelReview(key: string): void {
    clearTimeout(this.#reviews.get(key));
    this.#reviews.delete(key);
  }
}
