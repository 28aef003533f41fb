/** The simulated platform's console: what a person does behind the group's back, for demonstrations and drills. */
import type { PowerState, SimulatedFault, SimulatedInventory } from '../../api';
import { PlatformError, type FailureClass, type VirtualMachineState } from '../platform';
import type { JournalLine } from './journal-lines';
import { Caller } from './http-call';
import { JOURNAL_PAGE, type PlatformVm } from './protocol';

/** Names a VM whatever its uid. */
export interface NamedVm {
  namespace: string;
  name: string;
}

/** Every method rejects with a `PlatformError`: `Permanent` where the platform has no such VM, `Transient` where it is not reached. */
export class SimulatorConsole {
  readonly #caller: Caller;

  constructor(address: string) {
    this.#caller = new Caller(address, 10_000);
  }

  /** Changes a VM's power state at once. */
  async power(vm: NamedVm, powerState: PowerState): Promise<VirtualMachineState> {
    const body = { vm: { namespace: vm.namespace, name: vm.name }, powerState };
    const answer = await this.#caller.json({ method: 'POST', path: '/v1/console/power', body });
    return (answer as { state: VirtualMachineState }).state;
  }

  /** Lets the operation in progress on a VM fail. */
  async fail(vm: NamedVm, failureClass: FailureClass, message: string): Promise<void> {
    const body = { vm: { namespace: vm.namespace, name: vm.name }, class: failureClass, message };
    await this.#caller.json({ method: 'POST', path: '/v1/console/fail', body });
  }

  /** Takes a VM off the platform. */
  async delete(vm: NamedVm): Promise<void> {
    const body = { vm: { namespace: vm.namespace, name: vm.name } };
    await this.#caller.json({ method: 'POST', path: '/v1/console/delete', body });
  }

  /** Replaces the faults; one that stays the same keeps its count of hits. */
  async setFaults(faults: SimulatedFault[]): Promise<void> {
    await this.#caller.json({ method: 'PUT', path: '/v1/faults', body: faults });
  }

  /** Replaces hosts, datastores and behaviour; VMs keep their places. */
  async setInventory(inventory: SimulatedInventory): Promise<void> {
    await this.#caller.json({ method: 'PUT', path: '/v1/inventory', body: inventory });
  }

  /** What the platform consists of and how it behaves. */
  async inventory(): Promise<SimulatedInventory> {
    const answer = await this.#caller.json({ method: 'GET', path: '/v1/inventory' });
    return (answer as { inventory: SimulatedInventory }).inventory;
  }

  /** All VMs on the platform. */
  async list(): Promise<PlatformVm[]> {
    const answer = await this.#caller.json({ method: 'GET', path: '/v1/vms' });
    return (answer as { vms: PlatformVm[] }).vms;
  }

  /** The journal's lines after line number `since`, all at once. */
  async journal(since = 0): Promise<JournalLine[]> {
    const lines: JournalLine[] = [];
    for await (const line of this.journalLines(since)) lines.push(line);
    return lines;
  }

  /** The journal's lines after line number `since`, read page by page. */
  async *journalLines(since = 0): AsyncGenerator<JournalLine> {
    let last = since;
    for (;;) {
      const page = await this.#journalPage(last);
      yield* page;
      if (page.length < JOURNAL_PAGE) return;
      last = page.at(-1)?.n ?? last;
    }
  }

  async #journalPage(since: number): Promise<JournalLine[]> {
    const text = await this.#caller.text({ method: 'GET', path: `/v1/journal?since=${since}` });
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => journalLine(line, this.#caller.address));
  }

  close(): void {
    this.#caller.close();
  }
}

function journalLine(text: string, address: string): JournalLine {
  try {
    const line: unknown = JSON.parse(text);
    if (typeof line === 'object' && line !== null && 'n' in line) return line as JournalLine;
  } catch {
    // The same error as for everything else that is not a line.
  }
  const message = `GET ${address}/v1/journal: an answer that is no journal; is the simulated platform running?`;
  throw new PlatformError('Transient', message);
}
