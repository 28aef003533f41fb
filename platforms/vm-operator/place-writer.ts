/** Writes the places of VMs on the VMs, and takes back what must not stay. */
import pMap from 'p-map';
import type { Placement } from '../../api';
import type { PlacementResult, VirtualMachineRef } from '../../contract';
import type { VirtualMachineObject } from '../../kubernetes';
import { refOf, WRITES } from '../on-kubernetes';
import { PlatformError, type PlaceOptions } from '../platform';
import { PLACEMENT } from './annotations';
import type { Places } from './choose-places';
import { patchForPlace, patchToTakeBack, type PlaceIntent } from './place-patch';
import type { Candidate } from './placement-problem';
import type { NewestVirtualMachines } from './vm-reports';

/** A VM on which a new place may have been written. */
export interface WrittenPlace {
  vm: VirtualMachineRef;
  intent: PlaceIntent;
  /** Text of the annotation that it had. */
  before: string | undefined;
}

/** VMs whose place is written at the same time. */
const WRITERS = 10;

/** Writes the places that were chosen or kept. */
export class PlaceWriter {
  readonly #vms: NewestVirtualMachines;

  constructor(vms: NewestVirtualMachines) {
    this.#vms = vms;
  }

  /** Writes the places by namespace. Adds to `written` the VMs that may have a new one. */
  async writeAll(
    candidates: readonly Candidate[],
    places: ReadonlyMap<string, Places>,
    options: PlaceOptions,
    signal: AbortSignal | undefined,
    written: WrittenPlace[] = [],
  ): Promise<PlacementResult[]> {
    const results: PlacementResult[] = [];
    await forEachVm(candidates, async ({ request: { vm }, object }, index) => {
      const { placements, fresh, zones, notes, unplaced } = places.get(vm.namespace) as Places;
      const message = unplaced.get(vm.uid);
      if (message !== undefined) {
        results[index] = { vm, unplaced: message };
        return;
      }
      const isFresh = fresh.has(vm.uid);
      const chosen = isFresh ? placements.get(vm.uid) : undefined;
      const intent: PlaceIntent = { ...options, zones, ...(chosen && { chosen }) };
      signal?.throwIfAborted();
      if (isFresh) written.push({ vm, intent, before: object.metadata.annotations?.[PLACEMENT] });
      const placement = await this.#write(object, intent, signal);
      const note = notes.get(vm.uid);
      results[index] = { vm, placement, ...(note !== undefined && { note }) };
    });
    return results;
  }

  /** Records a VM's place on the VM; VMOPERATOR-2. */
  #write(object: VirtualMachineObject, intent: PlaceIntent, signal?: AbortSignal): Promise<Placement> {
    const vm = refOf(object);
    return this.#vms.update<Placement>(
      vm,
      object,
      (version) => {
        if (!version) throw gone(vm);
        const { placement, patch } = patchForPlace(version, intent);
        return patch
          ? { type: 'Patch', patch, result: () => placement }
          : { type: 'Done', result: placement };
      },
      { what: 'place', signal },
    );
  }

  /** What cannot be taken back now, the next attempt of the call checks. */
  async takeBack(written: readonly WrittenPlace[]): Promise<void> {
    await forEachVm(written, async ({ vm, intent, before }) => {
      for (let tries = 1; tries <= WRITES; tries += 1) {
        const object = await this.#vms.fetch(vm).catch(() => undefined);
        const patch = object && patchToTakeBack(object, intent, before);
        if (!patch || (await this.#vms.write(vm, patch).catch(() => undefined))) return;
      }
    });
  }
}

/** Does `work` with a few items at a time. After a failure no other is begun, and the running ones are waited for. */
export async function forEachVm<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  const mapper = async (item: T, index: number): Promise<void> => {
    if (failures.length === 0) await work(item, index).catch((error: unknown) => failures.push(error));
  };
  await pMap(items, mapper, { concurrency: WRITERS });
  if (failures.length > 0) throw failures[0];
}

/** The error for a VM that must be placed but no longer exists. */
export function gone({ namespace, name, uid }: VirtualMachineRef): PlatformError {
  return new PlatformError(
    'Transient',
    `VirtualMachine ${namespace}/${name} (uid ${uid}) no longer exists, so it cannot be placed`,
  );
}
