/** What operations work with: the server, and what is known of its VMs. */
import type { PowerState } from '../../api';
import type { VmFacts } from './facts';
import type { DrsOptions } from './power-calls';
import type { ManagedObject, SoapClient } from './soap';
import type { Stream } from './stream';

/** What operations work with. */
export interface Ground {
  client: SoapClient;
  stream(): Stream;
  /** What the stream last reported of a VM; undefined once it is gone. */
  facts(vm: string): VmFacts | undefined;
  /** Resolves once the stream says what satisfies `met`, or that the VM is gone. @throws the reason of `signal` */
  until(vm: string, met: (facts: VmFacts) => boolean, signal: AbortSignal): Promise<VmFacts | undefined>;
  /** How to ask DRS to power a VM on; undefined if DRS does not place it. */
  drs(vm: string): DrsOptions | undefined;
  /** The host that was chosen for a VM; undefined: it starts where DRS says, or where it is registered. */
  home(vm: VmFacts): ManagedObject | undefined;
  /** Whether the stream has to show a record before the power is touched: no server compares what was written. */
  verify(): boolean;
  /**
   * Reads a VM, and has the record of our operation written again if an older one has replaced it.
   *
   * @returns whether there was nothing to write. @throws VimFault, TransportError
   */
  recordStands(vm: string, signal: AbortSignal): Promise<boolean>;
  /** Something about the operation has changed. */
  changed(vm: string): void;
}

/** The power state that a task leads to; undefined for other tasks. `what`: such as `VirtualMachine.powerOn`. */
export function effectOf(what: string): PowerState | undefined {
  if (/poweron/i.test(what)) return 'PoweredOn';
  if (/poweroff/i.test(what)) return 'PoweredOff';
  return /suspend/i.test(what) ? 'Suspended' : undefined;
}

/** The state that a VM is brought to: one that is off stays off on a request to suspend it. */
export function targetOf(wanted: PowerState, is: PowerState): PowerState {
  return wanted === 'Suspended' && is === 'PoweredOff' ? 'PoweredOff' : wanted;
}
