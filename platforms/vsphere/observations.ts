/** What is known of all VMs, and who is told: the stream's listener. */
import type { VirtualMachineStatus } from '../../api';
import type { VirtualMachineRef } from '../../contract';
import type { VirtualMachineState, WatchSink } from '../platform';
import { findableIn, type Scope } from './scope';
import { Evidence } from './evidence';
import type { VmFacts } from './facts';
import { Inventory } from './inventory';
import type { Homes } from './placing';
import { compareRecords, observe, outranks, type OwnStanding } from './observe';
import type { Operation } from './operation';
import { Audience, readRecord, type Bindings, type OperationRecord } from '../tracked';
import type { Recorder } from './recorder';
import type { ObjectUpdate, Stream, StreamListener } from './stream';

/** Changes of these paths change which VM a manifest means. */
const IDENTITY = ['name', 'parent', 'parentVApp', 'resourcePool', 'config.instanceUuid', 'config.template'];

/** What observations work with. */
export interface ObservationOptions {
  scope: Scope;
  recorder: Recorder;
  /** Of places. */
  placeRecorder: Recorder;
  homes: () => Homes;
  stream: () => Stream;
  /** Nothing is looked into: the process only watches. */
  watchOnly: boolean;
  /** The record on a VM was overwritten by an older operation. */
  onOverwritten: (operation: Operation, facts: VmFacts) => void;
  onBroken: (error: unknown, retryIn: number) => void;
}

/** Keeps the inventory, and reports VMs that manifests mean. */
export class Observations implements StreamListener {
  readonly inventory = new Inventory();
  readonly bindings: Bindings<VmFacts>;
  /** The last operation of this process on each VM. */
  readonly operations = new Map<string, Operation>();
  readonly #options: ObservationOptions;
  readonly #evidence: Evidence;
  readonly #audience: Audience<VmFacts>;
  readonly #arrived = new Map<string, number>();
  readonly #lastStatus = new Map<string, VirtualMachineStatus>();
  readonly #newest = new Map<string, OperationRecord>();
  #changed = new Set<string>();
  #identities = false;
  /** Something that VMs stand in has changed, and with it perhaps where they would be started. */
  #frames = false;
  #synced = false;
  #live = false;
  #error: unknown;

  constructor(options: ObservationOptions) {
    this.#options = options;
    this.#audience = new Audience({
      inventory: findableIn(this.inventory, options.scope),
      get: (vm) => this.inventory.vm(vm),
      stateOf: (ref, vm) => this.#state(ref, vm),
    });
    this.bindings = this.#audience.bindings;
    this.#evidence = new Evidence(options.stream, (vm) => this.#noticedKnown(vm));
  }

  /** Whether all VMs have been told of once. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Whether changes arrive. */
  get live(): boolean {
    return this.#live;
  }

  /** What broke the stream last; undefined while it is live. */
  get error(): unknown {
    return this.#error;
  }

  /** Calls `listener` when the stream is live, and with the reason each time it breaks. Returns the function that ends that. */
  onLive(listener: (error?: { reason: unknown }) => void): () => void {
    return this.#audience.onLive(listener);
  }

  /** Reports all VMs, then each change. Returns the function that ends that. */
  addSink(sink: WatchSink): () => void {
    return this.#audience.addSink(sink);
  }

  track(refs: readonly VirtualMachineRef[]): void {
    this.#audience.track(refs);
    if (this.#synced) this.#rebind();
  }

  // ---- The stream -----------------------------------------------------------------------------------------------------------------

  updated(update: ObjectUpdate): void {
    const vm = this.inventory.update(update);
    const { kind, changes } = update;
    if (kind !== 'modify' || IDENTITY.some((path) => changes.has(path))) this.#identities = true;
    if (vm === undefined) {
      this.#frames = true;
      return;
    }
    this.#arrived.set(vm, Date.now());
    this.#changed.add(vm);
    if (kind === 'leave') this.#gone(vm);
  }

  settled(): void {
    if (!this.#synced) return;
    if (this.#identities) this.#rebind();
    const changed = this.#changed;
    this.#changed = new Set();
    for (const vm of changed) this.#noticed(vm);
    if (this.#frames) for (const vm of this.#audience.vms()) this.tell(vm);
    this.#frames = false;
  }

  listed(ids: ReadonlySet<string>): void {
    for (const vm of this.inventory.keep(ids)) this.#gone(vm);
    this.#identities = true;
    this.#synced = true;
    this.#live = true;
    this.#error = undefined;
    this.settled();
    this.#audience.live();
  }

  broken(error: unknown, retryIn: number): void {
    this.#live = false;
    this.#error = error;
    this.#options.onBroken(error, retryIn);
    this.#audience.live({ reason: error });
  }

  // ---- One VM ---------------------------------------------------------------------------------------------------------------------

  /** Resolves once the VM satisfies `met`; undefined once it is gone. @throws the reason of `signal` */
  until(vm: string, met: (facts: VmFacts) => boolean, signal: AbortSignal): Promise<VmFacts | undefined> {
    return this.#audience.until(vm, met, signal);
  }

  /** The newest record that the server has shown: an older operation may have been written over it. */
  recordOf(facts: VmFacts): OperationRecord | undefined {
    const shown = readRecord(this.#options.recorder.textOf(facts), facts.uuid);
    const known = this.#newest.get(facts.id);
    if (!shown || (known && outranks(known, shown))) return known;
    this.#newest.set(facts.id, shown);
    return shown;
  }

  /** The state of a VM as it was read at `at`. */
  stateOf(ref: VirtualMachineRef, facts: VmFacts, at: number): VirtualMachineState | undefined {
    const own = this.operations.get(facts.id);
    // It was read after the record was written.
    const standing: OwnStanding | undefined = own && { ...standingOf(own), seen: own.seen || own.reached };
    return this.#observe(ref, facts, at, standing);
  }

  /** VSPHERE-7: whether the record of our operation stands on a VM that was just read; an older one in its place is written over. */
  recordStands(facts: VmFacts): boolean {
    const own = this.operations.get(facts.id);
    if (!own) return true;
    const standing = compareRecords(readRecord(this.#options.recorder.textOf(facts), facts.uuid), own.record);
    if (standing !== 'Own') this.#replaced(own, facts, standing);
    return standing === 'Own';
  }

  /** Reports a VM, if it has changed since it was last reported. */
  tell(vm: string): void {
    this.#audience.tell(vm);
  }

  close(): void {
    for (const operation of this.operations.values()) operation.end();
    this.#evidence.close();
  }

  #state(ref: VirtualMachineRef, facts: VmFacts): VirtualMachineState | undefined {
    const own = this.operations.get(facts.id);
    return this.#observe(ref, facts, this.#arrived.get(facts.id) ?? Date.now(), own && standingOf(own));
  }

  #observe(
    ref: VirtualMachineRef,
    facts: VmFacts,
    at: number,
    own: OwnStanding | undefined,
  ): VirtualMachineState | undefined {
    const { id } = facts;
    const state = observe(ref, facts, {
      at,
      own,
      record: this.recordOf(facts),
      other: this.#evidence.of(id),
      placement: this.#options.homes().placementOf(facts),
      last: this.#lastStatus.get(id),
    });
    if (state) this.#lastStatus.set(id, state.status);
    return state;
  }

  #noticed(vm: string): void {
    const facts = this.inventory.vm(vm);
    if (!facts) return;
    const { recorder, placeRecorder } = this.#options;
    for (const each of [recorder, placeRecorder])
      if (each.isUnsure(facts)) void each.lookAgain(facts).then(() => this.#noticedKnown(vm));
    this.#noticedKnown(vm);
  }

  #noticedKnown(vm: string): void {
    const facts = this.inventory.vm(vm);
    if (!facts) return;
    const own = this.operations.get(vm);
    if (own) this.#compare(own, facts);
    this.#lookInto(facts, own);
    this.#audience.noticed(vm);
  }

  /** What the stream says of an operation of ours. */
  #compare(own: Operation, facts: VmFacts): void {
    const text = this.#options.recorder.textOf(facts);
    const standing = compareRecords(readRecord(text, facts.uuid), own.record);
    if (standing === 'Own') own.seen = true;
    // Until the record has been shown, the one before is what the stream has not caught up with.
    else if (own.seen || (own.recorded && text !== own.before)) this.#replaced(own, facts, standing);
    if (own.seen && !own.active && facts.power === own.record.to) own.reached = true;
  }

  #replaced(own: Operation, facts: VmFacts, by: 'Newer' | 'Older'): void {
    if (by === 'Newer') own.end();
    else this.#options.onOverwritten(own, facts);
  }

  #lookInto(facts: VmFacts, own: Operation | undefined): void {
    if (this.#options.watchOnly) return;
    const record = this.recordOf(facts);
    const finished = !record || record.to === facts.power || facts.power === undefined;
    const inHand =
      own && !(record && outranks(record, own.record)) && (own.active || own.failure || own.reached);
    if (finished || inHand) this.#evidence.finished(facts.id);
    else this.#evidence.unfinished(facts.id, record.id, record.guest, facts.recentTasks);
  }

  #gone(vm: string): void {
    this.#identities = true;
    this.operations.get(vm)?.end();
    this.operations.delete(vm);
    this.#evidence.finished(vm);
    this.#newest.delete(vm);
    this.#options.homes().forget(vm);
    this.#arrived.delete(vm);
    this.#lastStatus.delete(vm);
    this.#audience.gone(vm);
  }

  #rebind(): void {
    this.#identities = false;
    this.#audience.rebind();
  }
}

function standingOf({ record, seen, active, reached, failure, hold }: Operation): OwnStanding {
  return {
    ...{ record, seen, active, reached },
    ...(failure && { failure }),
    ...(hold !== undefined && { hold }),
  };
}
