/**
 * Where VMs are, or would be started: by DRS, on the host that the solver chose, or where they are registered. No I/O.
 *
 * VSPHERE-8: a promised place holds until the next operation on record: a power-on makes it firm, a power-off frees it. A host that cannot be used
 *     now is no VM's place.
 */
import type { Placement } from '../../../api';
import { readPlace, shortId, type OperationRecord, type PlaceRecord } from '../../tracked';
import type { VmFacts } from '../facts';
import type { Inventory } from '../inventory';
import type { Recorder } from '../recorder';
import type { ManagedObject } from '../soap';

/** Who chooses the host of a VM. `Registered`: no one, it has one. */
export type Placer = 'Drs' | 'Solver' | 'Registered';

/** What homes are known by. */
export interface HomesOptions {
  inventory: Inventory;
  /** Reads the places on record. */
  recorder: Recorder;
  /** The newest operation on record of a VM. */
  operationOf(vm: VmFacts): OperationRecord | undefined;
  /** DRS places VMs also where its automation level leaves that to people. */
  overrideDrs: boolean;
  /** Rules of DRS are made from affinity rules, so that VMs that are off are placed first. */
  drsRules: boolean;
}

/** Where VMs are. */
export class Homes {
  readonly #options: HomesOptions;
  /** What was read or written directly, until the stream shows something newer. */
  readonly #newest = new Map<string, PlaceRecord>();

  constructor(options: HomesOptions) {
    this.#options = options;
  }

  /** Who chooses the host of a VM. */
  placerOf(vm: string): Placer {
    const { inventory, overrideDrs } = this.#options;
    const level = inventory.drsLevel(vm);
    if (level !== undefined && (level !== 'manual' || overrideDrs)) return 'Drs';
    return inventory.hostsOf(inventory.cluster(vm)).length > 1 ? 'Solver' : 'Registered';
  }

  /** What is on record of the place of a VM. */
  recordOf(vm: VmFacts): PlaceRecord | undefined {
    const record = this.#newestOf(vm);
    const operation = this.#options.operationOf(vm);
    if (!record || record.after === (operation && shortId(operation.id))) return record;
    const { host, released, hosts, at } = record;
    const firm = operation?.to !== 'PoweredOff' && host !== undefined;
    return { hosts, at, ...(firm && { host }), ...(released && { released }) };
  }

  #newestOf(vm: VmFacts): PlaceRecord | undefined {
    const shown = readPlace(this.#options.recorder.textOf(vm), vm.uuid);
    const known = this.#newest.get(vm.id);
    if (!shown || (known && known.at > shown.at)) return known;
    this.#newest.set(vm.id, shown);
    return shown;
  }

  /** A record was written, which the stream is about to show. */
  wrote(vm: string, record: PlaceRecord): void {
    this.#newest.set(vm, record);
  }

  /** The VM is gone. */
  forget(vm: string): void {
    this.#newest.delete(vm);
  }

  /** Where a VM is, or would be started; undefined: it must be placed first. */
  placementOf(vm: VmFacts): Placement | undefined {
    const { inventory, drsRules } = this.#options;
    const place = inventory.place(vm.id);
    if (!place) return undefined;
    const { cluster: zoneID, host } = place;
    const here = { zoneID, ...(host !== undefined && { node: host }) };
    if (vm.power !== 'PoweredOff') return here;
    const placer = this.placerOf(vm.id);
    if (placer === 'Registered' || (placer === 'Drs' && !drsRules)) return here;
    const chosen = placer === 'Solver' ? this.hostOf(vm) : undefined;
    return chosen && { zoneID, node: chosen.name };
  }

  /** The host that was chosen for a VM that is off; undefined: none was. */
  hostOf(vm: VmFacts): (ManagedObject & { name: string }) | undefined {
    const { host } = this.recordOf(vm) ?? {};
    const { inventory } = this.#options;
    const chosen = inventory
      .hostsOf(inventory.cluster(vm.id))
      .find(({ name, usable }) => usable && name === host);
    return chosen && { type: 'HostSystem', id: chosen.id, name: chosen.name };
  }

  /** What a record of the place of a VM is written after. */
  after(vm: VmFacts): { after?: string } {
    const operation = this.#options.operationOf(vm);
    return operation ? { after: shortId(operation.id) } : {};
  }
}
