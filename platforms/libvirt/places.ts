/**
 * Places of VMs that several hosts have: chosen by the solver, and recorded on the VM on each of them.
 *
 * LIBVIRT-16: within the process one call for places at a time; each counts the places on record and the VMs that run.
 */
import type { PlacementRequest, PlacementResult, VirtualMachineRef } from '../../contract';
import type { Solve } from '../../placement';
import { virtualMachineKey } from '../observer';
import { lateCallMessage, PlatformError, type PlaceOptions, type ReleaseOptions } from '../platform';
import type { Binding } from '../tracked';
import type { Daemon, HostSize } from './daemon';
import { elementOf, NAMESPACES } from './facts';
import { homeOf, placementOf, type Machine } from './machines';
import { isLate, isReleasedBy, writePlace, type PlaceRecord } from './place-record';
import { problemOf, type Candidate } from './placing';

/** What places work with. */
export interface PlacesOptions {
  solve: Solve;
  resolve(vm: VirtualMachineRef): Binding<Machine>;
  machines(): Iterable<Machine>;
  /** The hosts that have a VM, as far as that is known. */
  hostsOf(machine: Machine): string[];
  /** Hosts that can be reached. */
  sizes(): ReadonlyMap<string, HostSize>;
  daemon(host: string): Promise<Daemon>;
  /** Reads a VM anew, and has it told of. */
  fetch(vm: string, signal: AbortSignal | undefined): Promise<Machine | undefined>;
}

/** Gives places and takes them back. */
export class Places {
  readonly #options: PlacesOptions;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  /** As {@link Platform.place}. */
  place(
    requests: readonly PlacementRequest[],
    options: PlaceOptions,
    signal: AbortSignal | undefined,
  ): Promise<PlacementResult[]> {
    return this.#inTurn(() => this.#place(requests, options, signal));
  }

  /** As {@link Platform.release}. */
  release(
    vms: readonly VirtualMachineRef[],
    options: ReleaseOptions,
    signal: AbortSignal | undefined,
  ): Promise<VirtualMachineRef[]> {
    return this.#inTurn(async () => {
      const free: VirtualMachineRef[] = [];
      for (const vm of vms) if (await this.#release(vm, options, signal)) free.push(vm);
      return free;
    });
  }

  /** Writes the place of a VM on each of its hosts. */
  async write(
    machine: Machine,
    place: Omit<PlaceRecord, 'hosts' | 'at'>,
    signal?: AbortSignal,
  ): Promise<void> {
    const hosts = this.#options.hostsOf(machine);
    const text = writePlace({ ...place, hosts, at: Date.now() }, machine.uuid);
    for (const { host, facts } of machine.on) {
      const daemon = await this.#options.daemon(host);
      await daemon.setMetadata(facts.domain, NAMESPACES.place, elementOf('place', text), signal);
    }
  }

  async #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(step, step);
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  async #place(
    requests: readonly PlacementRequest[],
    options: PlaceOptions,
    signal: AbortSignal | undefined,
  ): Promise<PlacementResult[]> {
    const results = new Map<string, PlacementResult>();
    const fresh: Candidate[] = [];
    for (const request of requests) {
      const found = await this.#find(request, signal);
      if ('unplaced' in found) results.set(request.vm.uid, found);
      else {
        this.#refuseLate(request.vm, found, options);
        const placement = placementOf(found);
        if (!placement) fresh.push({ request, machine: found });
        else results.set(request.vm.uid, await this.#kept(request.vm, found, options, signal));
      }
    }
    if (fresh.length > 0) await this.#solve(fresh, options, results, signal);
    return requests.map(({ vm }) => results.get(vm.uid) ?? { vm, unplaced: 'no place was found' });
  }

  /** A place that was only promised is promised to whoever asks last. */
  async #kept(
    vm: VirtualMachineRef,
    machine: Machine,
    { caller, sequence }: PlaceOptions,
    signal: AbortSignal | undefined,
  ): Promise<PlacementResult> {
    const { place, at, on } = machine;
    const newer = place?.caller !== caller || (sequence ?? 0) > (place.sequence ?? 0);
    if (!at && on.length > 1 && place?.caller !== undefined && newer)
      await this.write(machine, { ...place, caller, ...(sequence !== undefined && { sequence }) }, signal);
    return { vm, placement: placementOf(machine) ?? { zoneID: '' } };
  }

  async #solve(
    fresh: readonly Candidate[],
    { caller, sequence, seed, beside = [] }: PlaceOptions,
    results: Map<string, PlacementResult>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const given = this.#options;
    const problem = problemOf(fresh, {
      hosts: given.sizes(),
      machines: given.machines(),
      beside,
      uuidOf: ({ vm }) => {
        const binding = given.resolve(vm);
        return 'vm' in binding ? binding.vm.uuid : undefined;
      },
    });
    const answer = await given.solve({ ...problem, ...(seed !== undefined && { seed }) }, signal);
    if (answer.type !== 'Placed') throw new PlatformError('NoCapacity', answer.message);
    const byUid = new Map(fresh.map((each) => [each.request.vm.uid, each]));
    for (const { uid, message } of answer.unplaced ?? []) {
      const vm = byUid.get(uid)?.request.vm;
      if (vm) results.set(uid, { vm, unplaced: message });
    }
    for (const { uid, placement } of answer.placements) {
      const { request, machine } = byUid.get(uid) ?? {};
      if (!request || !machine) continue;
      const host = placement.node ?? placement.zoneID;
      const { released } = machine.place ?? {};
      const claim = {
        host,
        caller,
        ...(sequence !== undefined && { sequence }),
        ...(released && { released }),
      };
      await this.write(machine, claim, signal);
      await this.#options.fetch(machine.uuid, signal);
      results.set(uid, { vm: request.vm, placement: { zoneID: host, node: host } });
    }
  }

  /** PLATFORM-4. Whether the VM has no place now. */
  async #release(
    vm: VirtualMachineRef,
    options: ReleaseOptions,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const binding = this.#options.resolve(vm);
    if (!('vm' in binding)) return true;
    const machine = await this.#options.fetch(binding.vm.uuid, signal);
    if (!machine) return true;
    if (machine.on.length === 1 || machine.at) return false;
    const { place } = machine;
    if (homeOf(machine) && !(place && isReleasedBy(place, options))) return false;
    const { caller, sequence } = options;
    const { released } = place ?? {};
    if (released?.caller !== caller || released.sequence < sequence) {
      await this.write(machine, { released: { caller, sequence } }, signal);
      await this.#options.fetch(machine.uuid, signal);
    }
    return true;
  }

  #refuseLate(vm: VirtualMachineRef, { place }: Machine, options: PlaceOptions): void {
    if (isLate(place, options))
      throw new PlatformError('Superseded', lateCallMessage(options.caller, virtualMachineKey(vm)));
  }

  /** @throws PlatformError where a VM that is not optional does not exist */
  async #find(
    { vm, optional }: PlacementRequest,
    signal: AbortSignal | undefined,
  ): Promise<Machine | { vm: VirtualMachineRef; unplaced: string }> {
    const binding = this.#options.resolve(vm);
    const machine = 'vm' in binding ? await this.#options.fetch(binding.vm.uuid, signal) : undefined;
    if (machine) return machine;
    const why =
      'missing' in binding ? binding.missing : 'ambiguous' in binding ? binding.ambiguous : 'it is gone';
    const unplaced = `VM ${virtualMachineKey(vm)} has no place: ${why}`;
    if (optional) return { vm, unplaced };
    throw new PlatformError('Permanent', unplaced);
  }
}
