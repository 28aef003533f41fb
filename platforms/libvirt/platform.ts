/**
 * VMs of one or more libvirt hosts.
 *
 * PLATFORM-1, PLATFORM-2: every accepted operation is recorded in the metadata of the domain before its power is touched, see operation.ts. The
 *     record holds for every process and outlives each.
 * PLATFORM-3: see observe.ts.
 * PLATFORM-4: see tracked/place-record.ts.
 */
import type { PowerState } from '../../api';
import { orAborted } from '../../limits';
import type { PlacementRequest, PlacementResult, VirtualMachineRef } from '../../contract';
import { solveInThread, type PlacementAnswer, type Solve } from '../../placement';
import { CAPABILITIES } from '../capabilities';
import {
  PlatformError,
  virtualMachineKey,
  type PlaceOptions,
  type Platform,
  type PowerRequest,
  type ReleaseOptions,
  type VirtualMachineState,
  type WatchSink,
} from '../platform';
import { superseded } from '../superseded';
import { earlierIds, names, relay, Turns, untilOpen, type Places } from '../tracked';
import { platformError } from './faults';
import { Fleet } from './fleet';
import type { HostOptions } from './host';
import type { Machine } from './machines';
import type { Observations } from './observations';
import { Operation } from './operation';

/** What {@link LibvirtPlatform} works with. */
export interface LibvirtOptions {
  /** One at least, each with a name of its own. */
  hosts: readonly HostOptions[];
  /** Finds places; absent: the solver, in a thread. */
  solve?: Solve;
  /** Called each time a host is lost, with the milliseconds until it is tried again. */
  onBroken?: (error: unknown, retryIn: number) => void;
  /** Called when a VM cannot be read, with its path: `/HOST/NAME`. */
  onUnreadable?: (path: string, error: unknown) => void;
}

/** Milliseconds in which the hosts are read for the first time. */
const OPENING = 60_000;

/** A {@link Platform} on libvirt hosts. Runs from the start until `close`. */
export class LibvirtPlatform implements Platform {
  readonly name = 'libvirt';
  readonly capabilities = CAPABILITIES.libvirt;
  readonly #fleet: Fleet;
  readonly #observations: Observations;
  readonly #places: Places<Machine>;
  readonly #turns = new Turns();

  constructor(options: LibvirtOptions) {
    const {
      hosts,
      solve = solveInThread,
      onBroken = () => undefined,
      onUnreadable = () => undefined,
    } = options;
    this.#fleet = new Fleet(hosts, { onBroken, onUnreadable }, solve);
    this.#observations = this.#fleet.observations;
    this.#places = this.#fleet.places;
  }

  async watch(sink: WatchSink, signal: AbortSignal): Promise<void> {
    const observations = this.#observations;
    await this.#ready(signal, () => observations.live);
    if (signal.aborted) return;
    await relay(observations, sink, signal, (reason) => transient(reason, 'the watch of libvirt'));
  }

  track(vms: readonly VirtualMachineRef[], all = false): void {
    this.#observations.track(vms, all);
  }

  mayHave(vm: VirtualMachineRef): boolean {
    return !this.#observations.bindings.isMissing(vm) || this.#fleet.mayHave(vm);
  }

  async read(vm: VirtualMachineRef, signal?: AbortSignal): Promise<VirtualMachineState | undefined> {
    const bound = await this.#find(vm, signal);
    const machine = bound && (await this.#fetchFor(vm, bound.uuid, signal));
    return machine && this.#knownState(vm, machine);
  }

  async power(request: PowerRequest, signal?: AbortSignal): Promise<VirtualMachineState> {
    const bound = await this.#find(request.vm, signal);
    if (!bound) return this.#absent(request);
    return this.#turns.take(bound.uuid, () => this.#accept(bound.uuid, request, signal));
  }

  async place(
    requests: PlacementRequest[],
    options: PlaceOptions,
    signal?: AbortSignal,
  ): Promise<PlacementResult[]> {
    signal?.throwIfAborted();
    await this.#ready(signal, () => this.#observations.synced);
    for (const { vm, optional } of requests)
      if (!optional && 'missing' in this.#observations.bindings.resolve(vm)) this.#fleet.refuseUnseen(vm);
    return orAborted(this.#places.place(requests, options, signal), signal).catch((error: unknown) => {
      throw platformError(error, `places of ${requests.length} VMs`);
    });
  }

  async preview(
    requests: PlacementRequest[],
    options: Pick<PlaceOptions, 'seed' | 'beside'>,
    signal?: AbortSignal,
  ): Promise<PlacementAnswer> {
    await this.#ready(signal, () => this.#observations.synced);
    return orAborted(this.#places.preview(requests, options, signal), signal).catch((error: unknown) => {
      throw platformError(error, `places of ${requests.length} VMs`);
    });
  }

  async release(
    vms: readonly VirtualMachineRef[],
    options: ReleaseOptions,
    signal?: AbortSignal,
  ): Promise<VirtualMachineRef[]> {
    signal?.throwIfAborted();
    await this.#ready(signal, () => this.#observations.synced);
    return orAborted(this.#places.release(vms, options, signal), signal).catch((error: unknown) => {
      throw platformError(error, `places of ${vms.length} VMs`);
    });
  }

  async close(): Promise<void> {
    this.#observations.close();
    await this.#fleet.close();
  }

  // ---- Power ------------------------------------------------------------------------------------------------------------------------

  async #accept(
    vm: string,
    request: PowerRequest,
    signal: AbortSignal | undefined,
  ): Promise<VirtualMachineState> {
    const fresh = await this.#fetchFor(request.vm, vm, signal);
    if (!fresh) return this.#absent(request);
    const held = fresh.on.find(({ facts }) => facts.transient);
    if (held && fresh.power !== request.powerState) throw transientDomain(request, held.host);
    const operation = held ? undefined : this.#decide(fresh, request);
    if (operation) {
      try {
        await orAborted(operation.start(fresh), signal);
      } catch (error: unknown) {
        throw platformError(error, `VM ${virtualMachineKey(request.vm)}`);
      }
    }
    return this.#knownState(request.vm, this.#observations.machines.get(vm) ?? fresh);
  }

  /** The operation to carry out; undefined: it was asked for before. @throws PlatformError `Superseded` */
  #decide(fresh: Machine, request: PowerRequest): Operation | undefined {
    const { operations } = this.#observations.standings;
    const { powerState, mode, guestShutdownTimeout, caller, operation } = request;
    const own = operations.get(fresh.uuid);
    const record = this.#observations.standings.recordOf(fresh);
    const mine = own && (own.recorded || own.active) ? own.record : undefined;
    const newest = mine && !(record && record.sequence >= mine.sequence) ? mine : record;
    if (newest && newest.sequence > operation.sequence) throw superseded(request, newest);
    if (own?.active && own.record.id === operation.id) return undefined;
    if (names(newest, operation.id)) return undefined;
    const softly = powerState !== 'PoweredOn' && mode !== 'Hard';
    const is = fresh.power ?? this.#observations.lastPower(fresh.uuid);
    const next = new Operation(this.#fleet, fresh.uuid, request, {
      ...operation,
      to: targetOf(powerState, is),
      caller,
      at: Date.now(),
      guest: softly ? guestShutdownTimeout : 0,
      earlier: earlierIds(newest, operation.sequence),
    });
    own?.end();
    operations.set(fresh.uuid, next);
    return next;
  }

  // ---- Reading ----------------------------------------------------------------------------------------------------------------------

  /** The VM that a manifest means; undefined: there is none. @throws PlatformError where that is not known */
  async #find(vm: VirtualMachineRef, signal: AbortSignal | undefined): Promise<Machine | undefined> {
    const observations = this.#observations;
    signal?.throwIfAborted();
    await this.#ready(signal, () => observations.synced);
    const found = observations.bindings.vmOf(vm);
    if (!found) this.#fleet.refuseUnseen(vm);
    else if (!observations.bindings.tracks(vm)) observations.track([vm]);
    return found;
  }

  async #fetchFor(
    vm: VirtualMachineRef,
    uuid: string,
    signal: AbortSignal | undefined,
  ): Promise<Machine | undefined> {
    try {
      const machine = await this.#fleet.fetch(uuid, signal);
      if (!machine) this.#fleet.refuseUnseen(vm);
      return machine;
    } catch (error: unknown) {
      throw platformError(error, `VM ${virtualMachineKey(vm)}`);
    }
  }

  #knownState(vm: VirtualMachineRef, machine: Machine): VirtualMachineState {
    const state = this.#observations.stateOf(vm, machine);
    this.#observations.tell(machine.uuid);
    if (state) return state;
    throw new PlatformError('Transient', `VM ${virtualMachineKey(vm)} is between two states: ask again`);
  }

  /** A VM that does not exist is off. @throws PlatformError on a request to power it on */
  #absent({ vm, operation, powerState }: PowerRequest): VirtualMachineState {
    if (powerState === 'PoweredOn') {
      const binding = this.#observations.bindings.resolve(vm);
      const why = 'missing' in binding ? binding.missing : 'it is gone';
      throw new PlatformError('Permanent', `VM ${virtualMachineKey(vm)} is on no host: ${why}`);
    }
    const status = { powerState: 'PoweredOff' as const, at: Date.now() };
    return { vm, status, operation: { ...operation, phase: 'Done' } };
  }

  /** Resolves once the hosts have been read, or `signal` aborts. @throws PlatformError where none can be reached */
  async #ready(signal: AbortSignal | undefined, is: () => boolean): Promise<void> {
    const observations = this.#observations;
    if (is()) return;
    const what = 'libvirt';
    if (observations.error !== undefined) throw transient(observations.error, what);
    const late = `no host answered within ${OPENING} ms`;
    await untilOpen({ observations, is, limit: OPENING, late, signal }).catch((error: unknown) => {
      throw signal?.aborted ? platformError(error, what) : transient(error, what);
    });
  }
}

/** The state that a VM is brought to: one that is off stays off on a request to suspend it. */
function targetOf(wanted: PowerState, is: PowerState | undefined): PowerState {
  return wanted === 'Suspended' && is === 'PoweredOff' ? 'PoweredOff' : wanted;
}

function transientDomain({ vm }: PowerRequest, host: string): PlatformError {
  const key = virtualMachineKey(vm);
  const message = `VM ${key} is transient on ${host}: it has no configuration that would hold a record of the operation, as after virsh migrate without --persistent; give it one with virsh dumpxml and virsh define, or stop it by hand`;
  return new PlatformError('Permanent', message);
}

/** A host that refuses us may take us once its settings are corrected. */
function transient(error: unknown, what: string): PlatformError {
  const { message } = platformError(error, what);
  return new PlatformError('Transient', message, undefined, { cause: error });
}
