/** What is known of all VMs, and who is notified: the listener of all hosts. */
import type { VirtualMachineStatus } from '../../api';
import type { VirtualMachineRef } from '../../contract';
import type { VirtualMachineState, WatchSink } from '../platform';
import { Audience, type Bindings } from '../tracked';
import type { DomainFacts } from './facts';
import type { Host, HostListener } from './host';
import { homeOf, Machines, type Machine } from './machines';
import { observe } from './observe';
import { Standings } from './standings';
import type { UnreadableDomain } from './unreadable';

/** What observations work with. */
export interface ObservationOptions {
  hosts: () => ReadonlyMap<string, Host>;
  onBroken: (error: unknown, retryIn: number) => void;
  /** Called with the path of a VM that cannot be read, `/HOST/NAME`. */
  onUnreadable: (path: string, error: unknown) => void;
}

/** Keeps the VMs of all hosts, and reports those that manifests mean. */
export class Observations implements HostListener {
  readonly machines: Machines;
  readonly bindings: Bindings<Machine>;
  /** What counts on each VM. */
  readonly standings = new Standings((vm) => this.tell(vm));
  readonly #options: ObservationOptions;
  readonly #audience: Audience<Machine>;
  readonly #lastStatus = new Map<string, VirtualMachineStatus>();
  /** Hosts that were listed, or could not be reached. */
  readonly #tried = new Set<string>();
  #synced = false;

  constructor(names: readonly string[], options: ObservationOptions) {
    this.#options = options;
    this.machines = new Machines(names);
    this.#audience = new Audience({
      inventory: this.machines,
      get: (vm) => this.machines.get(vm),
      stateOf: (ref, machine) => this.stateOf(ref, machine),
    });
    this.bindings = this.#audience.bindings;
  }

  /** Whether each host has been listed once, or could not be reached while another one could. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Whether changes arrive, of one host at least. */
  get live(): boolean {
    return this.#synced && this.#hosts.some(({ live }) => live);
  }

  /** Why no host is live; undefined where one is, or that is not known yet. */
  get error(): unknown {
    return this.#hosts.some(({ live }) => live) ? undefined : this.#hosts.find(({ error }) => error)?.error;
  }

  /** Calls `listener` when the first host is live, and with the reason when the last one breaks. Returns what ends that. */
  onLive(listener: (error?: { reason: unknown }) => void): () => void {
    return this.#audience.onLive(listener);
  }

  /** Reports all VMs, then each change. Returns what ends that. */
  addSink(sink: WatchSink): () => void {
    return this.#audience.addSink(sink);
  }

  track(refs: readonly VirtualMachineRef[], all = false): void {
    this.#audience.track(refs, all);
    if (this.#synced) this.#audience.rebind();
  }

  // ---- Hosts ------------------------------------------------------------------------------------------------------------------------

  domain(host: Host, uuid: string, facts: DomainFacts | undefined): void {
    this.took(host.name, uuid, facts);
  }

  /** Takes over what a host says of a domain. */
  took(host: string, uuid: string, facts: DomainFacts | undefined): void {
    const before = this.machines.get(uuid);
    const known = before?.on.find((each) => each.host === host)?.facts;
    if (facts && known && known.reading > facts.reading) return;
    this.machines.update(host, uuid, facts);
    const now = this.machines.get(uuid);
    if (!now) this.#gone(uuid);
    if (this.#synced && before?.name !== now?.name) this.#audience.rebind();
    this.#noticed(uuid);
  }

  unreadable(host: Host, { domain, error }: UnreadableDomain): void {
    this.#options.onUnreadable(`/${host.name}/${domain.name}`, error);
    this.#noticed(domain.uuid);
  }

  listed(host: Host): void {
    this.#tried.add(host.name);
    this.#hostsChanged();
  }

  broken(host: Host, error: unknown, retryIn: number): void {
    this.#tried.add(host.name);
    this.#options.onBroken(error, retryIn);
    this.#hostsChanged();
    if (this.#hosts.some(({ live }) => live)) return;
    this.#audience.live({ reason: error });
  }

  #hostsChanged(): void {
    const all = this.#hosts.every(({ name }) => this.#tried.has(name));
    if (!this.#synced && all && this.#hosts.some(({ live }) => live)) this.#synced = true;
    if (!this.#synced) return;
    this.#audience.rebind();
    for (const vm of this.#audience.vms()) this.#noticed(vm);
    if (this.live) this.#audience.live();
  }

  get #hosts(): Host[] {
    return [...this.#options.hosts().values()];
  }

  // ---- One VM -----------------------------------------------------------------------------------------------------------------------

  /** Resolves once the VM satisfies `met`; undefined once it is gone. @throws the reason of `signal` */
  until(vm: string, met: (machine: Machine) => boolean, signal: AbortSignal): Promise<Machine | undefined> {
    return this.#audience.until(vm, met, signal);
  }

  /** The last power state that was known. */
  lastPower(vm: string): VirtualMachineStatus['powerState'] | undefined {
    return this.#lastStatus.get(vm)?.powerState;
  }

  stateOf(ref: VirtualMachineRef, machine: Machine): VirtualMachineState | undefined {
    const state = observe(ref, machine, {
      own: this.standings.ofOwn(machine.uuid),
      record: this.standings.recordOf(machine),
      overdue: this.standings.isOverdue(machine.uuid),
      unreachable: this.#unreachable(machine),
      last: this.#lastStatus.get(machine.uuid),
    });
    if (state) this.#lastStatus.set(machine.uuid, state.status);
    return state;
  }

  /** Reports a VM, if it has changed since it was last reported. */
  tell(vm: string): void {
    this.#audience.tell(vm);
  }

  close(): void {
    this.standings.close();
  }

  #unreachable(machine: Machine): string | undefined {
    const home = homeOf(machine) ?? machine.on[0];
    const host = home && this.#options.hosts().get(home.host);
    if (!host) return undefined;
    const unreadable = host.unreadable.get(machine.uuid);
    if (unreadable) return `it cannot be read on ${host.name}: ${unreadable.error.message}`;
    if (host.live) return undefined;
    const why = host.error instanceof Error ? `: ${host.error.message}` : '';
    return `host ${host.name} cannot be reached${why}`;
  }

  #noticed(vm: string): void {
    const machine = this.machines.get(vm);
    if (machine) this.standings.noticed(machine);
    this.#audience.noticed(vm);
  }

  #gone(vm: string): void {
    this.standings.gone(vm);
    this.#lastStatus.delete(vm);
    this.#audience.gone(vm);
  }
}
