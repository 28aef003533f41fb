/** Which VMs have a place, and which need one. */
import type { Placement } from '../../api';
import type { PlacementRequest, VirtualMachineRef } from '../../contract';
import { PlatformError, virtualMachineKey } from '../platform';
import type { Binding, FoundVm } from './bindings';
import type { Asked } from './claims';
import type { PlaceRecord } from './place-record';

/** What {@link PlaceLookup} works with. */
export interface PlaceLookupOptions<T extends FoundVm> {
  resolve(vm: VirtualMachineRef): Binding<T>;
  /** Reads VMs again, and has them reported; those that are gone are left out. */
  fetch(ids: readonly string[], signal: AbortSignal | undefined): Promise<ReadonlyMap<string, T>>;
  /** What is on record of its place. */
  recordOf(vm: T): PlaceRecord | undefined;
  /** Where it is, or would be started; undefined: it must be placed first. */
  placementOf(vm: T): Placement | undefined;
  /** Whether it could be started elsewhere: it is off, and has several hosts. */
  isMovable(vm: T): boolean;
}

/** What {@link PlaceLookup.look} found. */
export interface Looked<T extends FoundVm> {
  kept: (Asked<T> & { placement: Placement })[];
  fresh: Asked<T>[];
  unplaced: { request: PlacementRequest; why: string }[];
}

/** Looks VMs up, and their places. */
export class PlaceLookup<T extends FoundVm> {
  readonly #options: PlaceLookupOptions<T>;

  constructor(options: PlaceLookupOptions<T>) {
    this.#options = options;
  }

  /** VMs that have a place, that need one, and that there are none of. @throws PlatformError where a VM that is not optional does not exist */
  async look(requests: readonly PlacementRequest[], signal: AbortSignal | undefined): Promise<Looked<T>> {
    const read = await this.fetch(
      requests.map(({ vm }) => vm),
      signal,
    );
    const found = requests.map((request) => this.#found(request, read));
    const there = found.flatMap((each) => ('vm' in each ? [each] : []));
    return {
      kept: there.flatMap((each) => {
        const placement = this.#placementOf(each.vm);
        return placement ? [{ ...each, placement }] : [];
      }),
      fresh: there.filter(({ vm }) => !this.#placementOf(vm)),
      unplaced: found.flatMap((each) => ('why' in each ? [each] : [])),
    };
  }

  /** Its place; a tentative one does not count yet. */
  #placementOf(vm: T): Placement | undefined {
    const given = this.#options;
    return given.isMovable(vm) && given.recordOf(vm)?.tentative ? undefined : given.placementOf(vm);
  }

  /** Id of a VM; undefined: there is none, or several. */
  idOf(vm: VirtualMachineRef): string | undefined {
    const binding = this.#options.resolve(vm);
    return 'vm' in binding ? binding.vm.id : undefined;
  }

  /** Reads VMs again; those that are gone are left out. */
  fetch(vms: readonly VirtualMachineRef[], signal: AbortSignal | undefined): Promise<ReadonlyMap<string, T>> {
    return this.#options.fetch(
      vms.flatMap((vm) => this.idOf(vm) ?? []),
      signal,
    );
  }

  /** @throws PlatformError where a VM that is not optional does not exist */
  #found(
    request: PlacementRequest,
    read: ReadonlyMap<string, T>,
  ): Asked<T> | { request: PlacementRequest; why: string } {
    const { vm: ref, optional } = request;
    const binding = this.#options.resolve(ref);
    const vm = 'vm' in binding ? read.get(binding.vm.id) : undefined;
    if (vm) return { request, vm };
    const reason =
      'missing' in binding ? binding.missing : 'ambiguous' in binding ? binding.ambiguous : 'it is gone';
    const why = `VM ${virtualMachineKey(ref)} has no place: ${reason}`;
    if (optional) return { request, why };
    throw new PlatformError('Permanent', why);
  }
}
