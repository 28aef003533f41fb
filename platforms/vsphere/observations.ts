/** What is known of all VMs, and who is notified: the stream's listener. */
import type { VirtualMachineStatus } from '../../api';
import type { VirtualMachineRef } from '../../contract';
import type { VirtualMachineState, WatchSink } from '../platform';
import { findableIn, type Scope } from './scope';
import type { VmFacts } from './facts';
import { Inventory } from './inventory';
import type { Homes } from './placing';
import { observe, type OwnStanding } from './observe';
import { Audience, type Bindings } from '../tracked';
import type { Recorder } from './recorder';
import { Standings, type StandingsOptions } from './standings';
import type { ObjectUpdate, StreamListener } from './stream';

/** Changes of these paths change which VM a manifest means. */
const IDENTITY = ['name', 'parent', 'parentVApp', 'resourcePool', 'config.instanceUuid', 'config.template'];

/** What observations work with. */
export interface ObservationOptions extends Omit<StandingsOptions, 'changed'> {
  scope: Scope;
  /** Of places. */
  placeRecorder: Recorder;
  homes: () => Homes;
  onBroken: (error: unknown, retryIn: number) => void;
}

/** Keeps the inventory, and reports VMs that manifests mean. */
export class Observations implements StreamListener {
  readonly inventory = new Inventory();
  readonly bindings: Bindings<VmFacts>;
  /** What counts on each VM. */
  readonly standings: Standings;
  readonly #options: ObservationOptions;
  readonly #audience: Audience<VmFacts>;
  readonly #arrived = new Map<string, number>();
  readonly #lastStatus = new Map<string, VirtualMachineStatus>();
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
    this.standings = new Standings({ ...options, changed: (vm) => this.#noticedKnown(vm) });
  }

  /** Whether all VMs have been reported once. */
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

  track(refs: readonly VirtualMachineRef[], all = false): void {
    this.#audience.track(refs, all);
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

  /** The state of a VM as it was read at `at`. */
  stateOf(ref: VirtualMachineRef, facts: VmFacts, at: number): VirtualMachineState | undefined {
    return this.#observe(ref, facts, at, this.standings.afterRead(facts.id));
  }

  /** Reports a VM, if it has changed since it was last reported. */
  tell(vm: string): void {
    this.#audience.tell(vm);
  }

  close(): void {
    this.standings.close();
  }

  #state(ref: VirtualMachineRef, facts: VmFacts): VirtualMachineState | undefined {
    return this.#observe(
      ref,
      facts,
      this.#arrived.get(facts.id) ?? Date.now(),
      this.standings.ofOwn(facts.id),
    );
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
      record: this.standings.recordOf(facts),
      other: this.standings.ofOther(id),
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
    this.standings.noticed(facts);
    this.#audience.noticed(vm);
  }

  #gone(vm: string): void {
    this.#identities = true;
    this.standings.gone(vm);
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
