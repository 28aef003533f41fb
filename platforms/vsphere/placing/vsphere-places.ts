/**
 * Places of VMs, by who chooses them: DRS, which receives affinity rules on request, or the solver, over the hosts of a cluster where DRS does not
 * place. A VM with one host stays there.
 */
import type { PlacementRequest, PlacementResult, VirtualMachineRef } from '../../../contract';
import type { PlacementAnswer, RuleOutcome, Solve, VmPlacement } from '../../../placement';
import type { PlaceOptions, ReleaseOptions } from '../../platform';
import { nextAt, Places, writePlace, type Bindings } from '../../tracked';
import { readProperties } from '../stream';
import type { VmFacts } from '../facts';
import type { Inventory } from '../inventory';
import type { Recorder } from '../recorder';
import { placeOf } from '../replies';
import type { SoapClient } from '../soap';
import type { Stream } from '../stream';
import { DrsRules } from './drs-rules';
import type { Homes, Placer } from './homes';
import { movableBeside, readRoom, readStanding } from './room';

/** What places work with. */
export interface VspherePlacesOptions {
  client: SoapClient;
  stream: () => Stream;
  solve: Solve;
  bindings: Bindings<VmFacts>;
  inventory: Inventory;
  homes: Homes;
  /** Writes places on record. */
  recorder: Recorder;
  /** Reads VMs again, and has them reported; those that are gone are left out. */
  fetch(ids: readonly string[], signal: AbortSignal | undefined): Promise<ReadonlyMap<string, VmFacts>>;
  /** Has a VM reported. */
  changed(vm: string): void;
  /** Rules of DRS are made from affinity rules. */
  drsRules: boolean;
}

/** What a call for places finds of one kind. */
type ByPlacer = Record<Placer | 'Missing', PlacementRequest[]>;

/** Gives places, and takes them back. */
export class VspherePlaces {
  readonly #options: VspherePlacesOptions;
  readonly #places: Places<VmFacts>;
  readonly #rules: DrsRules;

  constructor(options: VspherePlacesOptions) {
    const { client, stream, inventory, homes, recorder } = options;
    this.#options = options;
    this.#rules = new DrsRules({ client, stream, inventory, homes, idOf: (vm) => this.#idOf(vm) });
    this.#places = new Places({
      solve: options.solve,
      resolve: (vm) => options.bindings.resolve(vm),
      fetch: (ids, signal) => options.fetch(ids, signal),
      recordOf: (vm) => homes.recordOf(vm),
      placementOf: (vm) => homes.placementOf(vm),
      isMovable: ({ id, power }) => power === 'PoweredOff' && homes.placerOf(id) === 'Solver',
      world: (asked, signal) => readRoom({ client, inventory, homes }, asked, signal),
      review: async (own, _hosts, signal) => {
        // Told of, so that the inventory has what others have promised since.
        await options.fetch(movableBeside(own, inventory, homes), signal);
        return readStanding({ client, inventory, homes }, signal);
      },
      write: async (vm, place, signal) => {
        const at = nextAt(homes.recordOf(vm), Date.now());
        const record = { ...place, ...homes.after(vm), hosts: [], at };
        // Only the version of the VM that was read last can be written there, and each write makes another one.
        const isVersioned = recorder.place === 'ExtraConfig';
        const newest = isVersioned ? ((await options.fetch([vm.id], signal)).get(vm.id) ?? vm) : vm;
        await recorder.write(newest, writePlace(record, vm.uuid), signal);
        homes.wrote(vm.id, record);
        options.changed(vm.id);
      },
    });
  }

  /** As {@link Platform.place}. @throws PlatformError, VimFault, TransportError */
  async place(
    requests: readonly PlacementRequest[],
    options: PlaceOptions,
    signal: AbortSignal | undefined,
  ): Promise<PlacementResult[]> {
    const by = this.#byPlacer(requests);
    const others = [...by.Registered, ...by.Missing, ...by.Drs];
    await this.#askFor(
      others.map(({ vm }) => vm),
      signal,
    );
    const given = others.map((request) => this.#standsOf(request));
    const chosen = by.Solver.length > 0 ? await this.#places.place(by.Solver, options, signal) : [];
    const results = new Map([...given, ...chosen].map((result) => [result.vm.uid, result]));
    if (this.#options.drsRules && by.Drs.length > 0) {
      const { notes } = await this.#rules.keep(requests, options, signal);
      for (const { vm } of by.Drs) {
        const said = notes.get(this.#idOf(vm) ?? '');
        const result = results.get(vm.uid);
        if (said && result?.placement)
          results.set(vm.uid, { ...result, note: [result.note, ...said].filter((each) => each).join('; ') });
      }
    }
    return requests.flatMap(({ vm }) => results.get(vm.uid) ?? []);
  }

  /** The places that {@link place} would give, which are not given. @throws PlatformError, VimFault, TransportError */
  async preview(
    requests: readonly PlacementRequest[],
    options: Pick<PlaceOptions, 'seed' | 'beside'>,
    signal: AbortSignal | undefined,
  ): Promise<PlacementAnswer> {
    const by = this.#byPlacer(requests);
    const answer = await this.#places.preview(by.Solver, options, signal);
    if (answer.type !== 'Placed') return answer;
    const given = [...by.Registered, ...by.Missing, ...by.Drs].map((request) => this.#standsOf(request));
    const places = given.flatMap(({ vm, placement }): VmPlacement[] =>
      placement ? [{ namespace: vm.namespace, name: vm.name, uid: vm.uid, placement }] : [],
    );
    const left = by.Drs.flatMap(({ vm, affinity = [] }): RuleOutcome[] =>
      affinity.map(({ effect, strength, topologyKey, path }) => ({
        vm,
        effect,
        strength,
        topologyKey,
        path,
        outcome: 'LeftToPlatform',
      })),
    );
    return {
      ...answer,
      placements: [...answer.placements, ...places],
      rules: [...answer.rules, ...left],
    };
  }

  /** As {@link Platform.release}. @throws PlatformError, VimFault, TransportError */
  async release(
    vms: readonly VirtualMachineRef[],
    options: ReleaseOptions,
    signal: AbortSignal | undefined,
  ): Promise<VirtualMachineRef[]> {
    const isSolved = (vm: VirtualMachineRef): boolean => this.#placerOf(vm) === 'Solver';
    const others = vms.filter((vm) => !isSolved(vm));
    const there = await this.#askFor(others, signal);
    const freed = await this.#places.release(vms.filter(isSolved), options, signal);
    const off = others.filter((vm) => {
      const id = this.#idOf(vm);
      if (id === undefined || !there.has(id)) return true;
      const facts = this.#options.inventory.vm(id);
      const placed = facts && this.#options.homes.placementOf(facts);
      if (!placed) this.poweredOff(id);
      return !placed;
    });
    const free = new Set([...freed, ...off].map(({ uid }) => uid));
    return vms.filter(({ uid }) => free.has(uid));
  }

  /** Removes the rules of DRS for a caller, also where none are made now. @throws VimFault, TransportError */
  forget(caller: string, signal: AbortSignal | undefined): Promise<void> {
    return this.#rules.forget(caller, signal);
  }

  /** A VM is off, or is about to be: rules of DRS that are ours are no longer about it. */
  poweredOff(vm: string): void {
    if (this.#options.drsRules) this.#rules.poweredOff(vm);
  }

  /** Ids of those VMs that the server has now. */
  async #askFor(
    vms: readonly VirtualMachineRef[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlySet<string>> {
    if (vms.length === 0) return new Set();
    const objects = vms.flatMap((vm) => {
      const id = this.#idOf(vm);
      return id === undefined ? [] : [{ type: 'VirtualMachine', id }];
    });
    return new Set((await readProperties(this.#options.client, objects, ['runtime.host'], signal)).keys());
  }

  #byPlacer(requests: readonly PlacementRequest[]): ByPlacer {
    const by: ByPlacer = { Drs: [], Solver: [], Registered: [], Missing: [] };
    for (const request of requests) by[this.#placerOf(request.vm)].push(request);
    return by;
  }

  #placerOf(vm: VirtualMachineRef): Placer | 'Missing' {
    const id = this.#idOf(vm);
    return id === undefined ? 'Missing' : this.#options.homes.placerOf(id);
  }

  #idOf(vm: VirtualMachineRef): string | undefined {
    const binding = this.#options.bindings.resolve(vm);
    return 'vm' in binding ? binding.vm.id : undefined;
  }

  /** Where a VM is that is not placed by us. @throws PlatformError where one that is not optional does not exist */
  #standsOf(request: PlacementRequest): PlacementResult {
    const { bindings, inventory, homes, client } = this.#options;
    return placeOf(request, { bindings, inventory, homes }, client.host);
  }
}
