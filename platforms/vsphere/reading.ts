/** Reads the current state of single VMs, in addition to what the stream shows. */
import type { VirtualMachineRef } from '../../contract';
import { virtualMachineKey, type VirtualMachineState } from '../platform';
import { untilOpen } from '../tracked';
import type { VmFacts } from './facts';
import { platformError } from './faults';
import type { Observations } from './observations';
import type { Homes } from './placing';
import type { Reader } from './reader';
import { refuseUnread, unknownState } from './replies';

/** Milliseconds in which the inventory is read for the first time. */
const OPENING = 60_000;

/** What {@link Reading} works with. */
export interface ReadingOptions {
  /** Name of the server, as messages have it. */
  host: string;
  observations: Observations;
  reader: Reader;
  homes: Homes;
}

/** Reads VMs. The watch reports whatever it reads, too. */
export class Reading {
  readonly #options: ReadingOptions;

  constructor(options: ReadingOptions) {
    this.#options = options;
  }

  /** The VM that a manifest means, which is followed from now on; undefined: there is none. @throws PlatformError as {@link ready} */
  async find(vm: VirtualMachineRef, signal: AbortSignal | undefined): Promise<VmFacts | undefined> {
    const { observations } = this.#options;
    await this.known([vm], signal);
    const found = observations.bindings.vmOf(vm);
    if (found && !observations.bindings.tracks(vm)) observations.track([vm]);
    return found;
  }

  /**
   * Resolves once it is known which VMs manifests mean. PLATFORM-3: that there is none says only an inventory to which changes arrive.
   *
   * @throws PlatformError as {@link ready}
   */
  async known(vms: readonly VirtualMachineRef[], signal: AbortSignal | undefined): Promise<void> {
    const { observations } = this.#options;
    await this.ready(signal, () => observations.synced);
    const missing = (): VirtualMachineRef[] =>
      vms.filter((vm) => 'missing' in observations.bindings.resolve(vm));
    if (missing().length === 0) return;
    await this.ready(signal, () => observations.live);
    for (const vm of missing()) refuseUnread(vm, observations.inventory);
  }

  /** The VM of an id as it is now; undefined: it is gone. @throws PlatformError where it cannot be read */
  async fetch(
    vm: VirtualMachineRef,
    id: string,
    signal: AbortSignal | undefined,
  ): Promise<VmFacts | undefined> {
    try {
      return (await this.#options.reader.read([id], signal)).get(id);
    } catch (error: unknown) {
      throw platformError(error, `VM ${virtualMachineKey(vm)}`);
    }
  }

  /** Reads VMs, with the places on record, and has them reported. */
  async fetchTold(
    ids: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, VmFacts>> {
    const { reader, homes, observations } = this.#options;
    const vms = await reader.read(ids, signal);
    for (const vm of vms.values()) {
      homes.recordOf(vm);
      observations.tell(vm.id);
    }
    return vms;
  }

  /** What is known of a VM that was read at a moment, milliseconds since the epoch. @throws PlatformError where that is nothing */
  stateOf(vm: VirtualMachineRef, facts: VmFacts, at: number): VirtualMachineState {
    const { observations } = this.#options;
    const state = observations.stateOf(vm, facts, at);
    observations.tell(facts.id);
    if (!state) throw unknownState(vm, facts);
    return state;
  }

  /**
   * Resolves once the inventory has been read, or `signal` aborts.
   *
   * @throws PlatformError where the server cannot be reached, or refuses
   */
  async ready(signal: AbortSignal | undefined, is: () => boolean): Promise<void> {
    const { observations, host } = this.#options;
    if (is()) return;
    const what = `the inventory of ${host}`;
    if (observations.error !== undefined) throw platformError(observations.error, what);
    const late = `it was not read within ${OPENING} ms`;
    await untilOpen({ observations, is, limit: OPENING, late, signal }).catch((error: unknown) => {
      throw platformError(error, what);
    });
  }
}
