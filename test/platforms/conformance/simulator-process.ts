/** The simulator in a process of its own, which a test kills and starts again. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { PowerState, SimulatedFault, SimulatedInventory } from '../../../api';
import type { VirtualMachineRef } from '../../../contract';
import { SimulatorConsole, type JournalLine } from '../../../platforms/simulated';
import type { VmRecord } from './platform-under-test';

/** What a {@link SimulatorProcess} runs with. */
export interface SimulatorProcessOptions {
  folder: string;
  inventory: SimulatedInventory;
  /** It stands in for VM Operator on this API server. */
  kubeconfig?: string;
  namespaces?: readonly string[];
  /** Milliseconds that VM Operator gives the guest. */
  guestPatience?: number;
}

/** A power call that counts as an operation of ours. */
export type IsOurs = (call: JournalLine & { type: 'call' }) => boolean;

/** One simulator, always on the same folder and port. */
export class SimulatorProcess {
  readonly #options: SimulatorProcessOptions;
  #child: ChildProcess | undefined;
  #console: SimulatorConsole | undefined;
  #address = '';
  #faults: SimulatedFault[] = [];

  constructor(options: SimulatorProcessOptions) {
    this.#options = options;
  }

  /** `http://127.0.0.1:PORT`. */
  get address(): string {
    return this.#address;
  }

  /** The console, which reaches the simulator directly. */
  get console(): SimulatorConsole {
    if (!this.#console) throw new Error('the simulator is not started');
    return this.#console;
  }

  /** Starts it, or starts it again with its journal. */
  async start(): Promise<void> {
    const { folder, ...options } = this.#options;
    const port = this.#address === '' ? 0 : Number(new URL(this.#address).port);
    const inventory = {
      ...options.inventory,
      behavior: { ...options.inventory.behavior, faults: this.#faults },
    };
    const more = JSON.stringify({ ...options, port, inventory });
    const child = fork(join(__dirname, '../../simulator/simulator-child.js'), [folder, more], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    const ended = once(child, 'exit').then(() => Promise.reject(new Error('the simulator ended')));
    const [address] = (await Promise.race([once(child, 'message'), ended])) as [string];
    ended.catch(() => undefined);
    this.#address = address;
    this.#console?.close();
    this.#console = new SimulatorConsole(address);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async stop(): Promise<void> {
    this.#console?.close();
    await this.kill();
  }

  /** Adds a fault. */
  async addFault(fault: SimulatedFault): Promise<void> {
    this.#faults = [...this.#faults, fault];
    await this.console.setFaults(this.#faults);
  }

  /** Removes the faults of one VM. */
  async heal({ namespace, name }: VirtualMachineRef): Promise<void> {
    this.#faults = this.#faults.filter(({ vm }) => vm !== `${namespace}/${name}`);
    await this.console.setFaults(this.#faults);
  }

  /** Operations on each of these VMs take about half a second from now on. */
  async slow(vms: readonly VirtualMachineRef[]): Promise<void> {
    const faults = vms.map(({ namespace, name }) => ({
      type: 'Slow' as const,
      vm: `${namespace}/${name}`,
      factor: 25,
    }));
    this.#faults = [...this.#faults, ...faults];
    await this.console.setFaults(this.#faults);
  }

  /** What the journal has of each VM. */
  async records(vms: readonly VirtualMachineRef[], isOurs: IsOurs): Promise<VmRecord[]> {
    const records = new Map(
      vms.map((vm) => [keyOf(vm), { operations: 0, effects: [] as PowerState[] } satisfies VmRecord]),
    );
    for (const line of await this.console.journal()) {
      const record = 'uid' in line ? records.get(`${line.vm}/${line.uid}`) : undefined;
      if (!record) continue;
      if (line.type === 'call' && line.answer === 'Accepted' && isOurs(line)) record.operations += 1;
      if (line.type === 'effect' && line.effect !== 'Ready') record.effects.push(line.effect);
    }
    return vms.map((vm) => records.get(keyOf(vm)) ?? { operations: 0, effects: [] });
  }
}

function keyOf({ namespace, name, uid }: VirtualMachineRef): string {
  return `${namespace}/${name}/${uid}`;
}
