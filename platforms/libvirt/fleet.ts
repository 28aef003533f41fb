/** All hosts of a platform, and what operations and places do with their VMs. */
import { listed, type PowerState } from '../../api';
import type { VirtualMachineRef } from '../../contract';
import type { Solve } from '../../placement';
import { PlatformError, virtualMachineKey } from '../platform';
import {
  isNamedBy,
  nextAt,
  writePlace,
  type OperationRecord,
  type PlaceRecord,
  type Places,
} from '../tracked';
import type { Daemon, HostSize } from './daemon';
import { elementOf, NAMESPACES } from './facts';
import { platformError } from './faults';
import type { Ground } from './ground';
import { Host, type HostOptions } from './host';
import { homeOf, machineOf, type Machine, type OnHost } from './machines';
import { Observations, type ObservationOptions } from './observations';
import { placesOf } from './fleet-places';
import type { UnreadableDomain } from './unreadable';

/** Hosts that a message names. */
const SHOWN = 5;

/** The hosts, followed from the start until `close`. */
export class Fleet implements Ground {
  readonly observations: Observations;
  readonly places: Places<Machine>;
  readonly #hosts = new Map<string, Host>();

  constructor(
    hosts: readonly HostOptions[],
    listeners: Pick<ObservationOptions, 'onBroken' | 'onUnreadable'>,
    solve: Solve,
  ) {
    this.observations = new Observations(
      hosts.map(({ name }) => name),
      { hosts: () => this.#hosts, ...listeners },
    );
    this.places = placesOf(this, solve);
    for (const options of hosts) this.#hosts.set(options.name, new Host(options, this.observations));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#hosts.values()].map((host) => host.close()));
  }

  until(vm: string, met: (machine: Machine) => boolean, signal: AbortSignal): Promise<Machine | undefined> {
    return this.observations.until(vm, met, signal);
  }

  recordOf(machine: Machine): OperationRecord | undefined {
    return this.observations.standings.recordOf(machine);
  }

  changed(vm: string): void {
    this.observations.tell(vm);
  }

  /** A power-on makes a promised place firm, a power-off frees it. */
  async record(machine: Machine, text: string, to: PowerState, signal: AbortSignal): Promise<void> {
    for (const { host, facts } of machine.on) {
      const daemon = await this.daemon(host);
      await daemon.setMetadata(facts.domain, NAMESPACES.operation, elementOf('operation', text), signal);
    }
    if (this.#hosts.size === 1 || to === 'Suspended') return;
    const { place } = machine;
    const home = homeOf(machine)?.host;
    const host = to === 'PoweredOn' || machine.on.length === 1 ? home : undefined;
    const hosts = this.#hostsOf(machine);
    const stands =
      place?.host === host && place?.caller === undefined && place?.hosts.join() === hosts.join();
    if (stands) return;
    const { released } = place ?? {};
    const next = { ...(host !== undefined && { host }), ...(released && { released }) };
    await this.writePlace(machine, next, signal);
  }

  /** Writes the place of a VM on each of its hosts. */
  async writePlace(
    machine: Machine,
    place: Omit<PlaceRecord, 'hosts' | 'at'>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const at = nextAt(machine.place, Date.now());
    const text = writePlace({ ...place, hosts: this.#hostsOf(machine), at }, machine.uuid);
    for (const { host, facts } of machine.on) {
      const daemon = await this.daemon(host);
      await daemon.setMetadata(facts.domain, NAMESPACES.place, elementOf('place', text), signal);
    }
  }

  /** Those that have it now, and those on record that cannot be asked about it. */
  #hostsOf({ uuid, on, place }: Machine): string[] {
    const away = (place?.hosts ?? []).filter((name) => {
      const host = this.#hosts.get(name);
      return host && (!host.live || host.unreadable.has(uuid));
    });
    return [...new Set([...on.map(({ host }) => host), ...away])];
  }

  /** LIBVIRT-14: hosts that have the VM were read just now; others may have it while they are away. */
  refuseDouble(machine: Machine, host: string): void {
    for (const { name, unreadable } of this.#hosts.values()) {
      const hidden = name === host ? undefined : unreadable.get(machine.uuid);
      if (hidden)
        throw unreadableError(
          hidden,
          `VM ${machine.name} may run on ${name}, and is not started on ${host} while it cannot be read there`,
        );
    }
    const known = machine.place?.hosts ?? [];
    const away = [...this.#hosts.values()].filter(({ name, size, live }) => {
      if (name === host || live) return false;
      return known.includes(name) || (size === undefined && known.length === 0);
    });
    if (away.length === 0) return;
    const list = away.map(({ name }) => name).join(', ');
    throw new PlatformError(
      'Transient',
      `VM ${machine.name} may run on ${list}, which cannot be reached: it is not started on ${host} before that is known; bring the host back, or make sure that it is off and take it out of the Platform`,
    );
  }

  /** Hosts that cannot be asked. */
  get away(): Host[] {
    return [...this.#hosts.values()].filter(({ live }) => !live);
  }

  /** Whether a VM that no host shows may be there all the same. */
  mayHave(vm: VirtualMachineRef): boolean {
    return this.away.length > 0 || this.#unreadableAs(vm) !== undefined;
  }

  /** The domain that a manifest means, if that cannot be read, with its path. */
  #unreadableAs(vm: VirtualMachineRef): { path: string; unreadable: UnreadableDomain } | undefined {
    for (const host of this.#hosts.values()) {
      for (const unreadable of host.unreadable.values()) {
        const path = `/${host.name}/${unreadable.domain.name}`;
        if (isNamedBy(vm, unreadable.domain, path)) return { path, unreadable };
      }
    }
    return undefined;
  }

  /**
   * PLATFORM-3, LIBVIRT-16: a VM that no host shows may be on one that cannot be asked, or not be readable.
   *
   * @throws PlatformError where that is so
   */
  refuseUnseen(vm: VirtualMachineRef): void {
    const hidden = this.#unreadableAs(vm);
    if (hidden)
      throw unreadableError(hidden.unreadable, `VM ${virtualMachineKey(vm)}: ${hidden.path} cannot be read`);
    const { away } = this;
    if (away.length === 0) return;
    const names = away.map(({ name }) => name);
    const { error } = away[0] as Host;
    const why = error instanceof Error ? ` (${error.message})` : '';
    throw new PlatformError(
      'Transient',
      `VM ${virtualMachineKey(vm)} may be on ${listed(names, SHOWN, 'or')}, which cannot be reached${why}: bring the host back, or take it out of the Platform`,
    );
  }

  /** Reads a VM on all its hosts. One that a host says runs there runs there, whatever the others would say. */
  async fetch(uuid: string, signal: AbortSignal | undefined): Promise<Machine | undefined> {
    const known = this.observations.machines.get(uuid)?.on ?? [];
    const read = await Promise.allSettled(known.map(({ host }) => this.#host(host).read(uuid, signal)));
    const on: OnHost[] = [];
    const answered = new Set<string>();
    let failure: unknown;
    read.forEach((each, index) => {
      const { host, facts } = known[index] as OnHost;
      if (each.status === 'fulfilled') {
        answered.add(host);
        this.observations.took(host, uuid, each.value);
        if (each.value) on.push({ host, facts: each.value });
      } else {
        failure = each.reason;
        // What it said last.
        on.push({ host, facts });
      }
    });
    signal?.throwIfAborted();
    const [first] = on;
    const machine = first && machineOf(on);
    const certain = failure === undefined || (machine?.at && answered.has(machine.at.host));
    if (!certain) throw failure;
    return machine;
  }

  reachable(uuid: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        stop();
        signal.removeEventListener('abort', abort);
        settle();
      };
      const abort = (): void => end(() => reject(signal.reason as Error));
      const look = (): void => {
        const on = this.observations.machines.get(uuid)?.on ?? [];
        if (on.every(({ host }) => this.#hosts.get(host)?.live)) end(resolve);
      };
      const stop = this.observations.onLive(look);
      signal.addEventListener('abort', abort, { once: true });
      if (signal.aborted) abort();
      else look();
    });
  }

  #host(name: string): Host {
    const host = this.#hosts.get(name);
    if (!host) throw new Error(`there is no host ${name}`);
    return host;
  }

  async daemon(host: string): Promise<Daemon> {
    return this.#host(host).changes();
  }

  /** What the hosts that can be reached have. */
  sizes(): Map<string, HostSize> {
    return new Map(
      [...this.#hosts.values()].flatMap(({ name, live, size }) =>
        live && size ? [[name, size] as const] : [],
      ),
    );
  }
}

/** Rights that are missing may be given while the caller tries again. */
function unreadableError({ error }: UnreadableDomain, what: string): PlatformError {
  const { message } = platformError(error, what);
  return new PlatformError('Transient', message, undefined, { cause: error });
}
