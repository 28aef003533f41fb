/**
 * The VMs of all hosts: a domain that several hosts have under one UUID is one VM. Pure.
 *
 * LIBVIRT-10: a VM is on the host where QEMU runs, also without a configuration there, else where its memory is saved. It is off only if no host
 *     says otherwise.
 */
import type { Placement, PowerState } from '../../api';
import type { VirtualMachineRef } from '../../contract';
import { readPlace, type Findable, type FoundVm, type PlaceRecord } from '../tracked';
import type { DomainFacts } from './facts';

/** A domain on one host. */
export interface OnHost {
  host: string;
  facts: DomainFacts;
}

/** A VM. */
export interface Machine extends FoundVm {
  /** Where it is defined, in the order of the hosts. */
  on: readonly OnHost[];
  /** Undefined while it is between two states. */
  power: PowerState | undefined;
  /** Where it runs or is saved; undefined: it is off. */
  at: OnHost | undefined;
  place: PlaceRecord | undefined;
  /** What is wrong with it, for people. */
  trouble?: string;
}

/** What several hosts say of one UUID. `on` is not empty. */
export function machineOf(on: readonly OnHost[]): Machine {
  const { uuid, name } = (on[0] as OnHost).facts.domain;
  const running = on.filter(({ facts }) => facts.running);
  const at = running[0] ?? on.find(({ facts }) => facts.saved);
  const places = on.flatMap(({ facts }) => readPlace(facts.place, uuid) ?? []);
  const trouble = troubleOf(running, at);
  return {
    id: uuid,
    name,
    uuid,
    on,
    at,
    power: at ? at.facts.power : on.some(({ facts }) => facts.power === undefined) ? undefined : 'PoweredOff',
    place: places.reduce<PlaceRecord | undefined>(
      (newest, each) => (newest && newest.at >= each.at ? newest : each),
      undefined,
    ),
    ...(trouble !== undefined && { trouble }),
  };
}

function troubleOf(running: readonly OnHost[], at: OnHost | undefined): string | undefined {
  if (running.length > 1)
    return `it runs on several hosts at once (${running.map(({ host }) => host).join(', ')}): its disks may be damaged; stop all but one`;
  return at?.facts.paused === undefined ? undefined : `it is paused on ${at.host}: ${at.facts.paused}`;
}

/** The host that a VM is on, or would be started on; undefined: it must be placed first. */
export function homeOf(machine: Machine): OnHost | undefined {
  const { at, on, place } = machine;
  if (at) return at;
  return on.length === 1 ? on[0] : on.find(({ host }) => host === place?.host);
}

/** The same as a placement. */
export function placementOf(machine: Machine): Placement | undefined {
  const home = homeOf(machine);
  return home && { zoneID: home.host, node: home.host };
}

/** All domains of all hosts. */
export class Machines implements Findable<Machine> {
  readonly #hosts: readonly string[];
  readonly #domains = new Map<string, Map<string, DomainFacts>>();
  readonly #machines = new Map<string, Machine>();

  /** @param hosts Names, in order. */
  constructor(hosts: readonly string[]) {
    this.#hosts = hosts;
  }

  /** Takes over what a host says of a domain; undefined: it does not have it. */
  update(host: string, uuid: string, facts: DomainFacts | undefined): void {
    const domains = this.#domains.get(uuid) ?? new Map<string, DomainFacts>();
    if (facts) domains.set(host, facts);
    else domains.delete(host);
    if (domains.size > 0) this.#domains.set(uuid, domains);
    else this.#domains.delete(uuid);
    this.#machines.delete(uuid);
  }

  get(uuid: string): Machine | undefined {
    const domains = this.#domains.get(uuid);
    if (!domains) return undefined;
    const known = this.#machines.get(uuid) ?? machineOf(this.#ordered(domains));
    this.#machines.set(uuid, known);
    return known;
  }

  *vms(): Generator<Machine> {
    for (const uuid of this.#domains.keys()) {
      const machine = this.get(uuid);
      if (machine) yield machine;
    }
  }

  path(uuid: string): string {
    const machine = this.get(uuid);
    return machine ? `/${machine.on[0]?.host}/${machine.name}` : '';
  }

  mayMean(_ref: VirtualMachineRef, _vm: Machine): boolean {
    return true;
  }

  whereOf(): string {
    return ` on ${this.#hosts.slice(0, 5).join(', ')}`;
  }

  #ordered(domains: ReadonlyMap<string, DomainFacts>): OnHost[] {
    return this.#hosts.flatMap((host) => {
      const facts = domains.get(host);
      return facts ? [{ host, facts }] : [];
    });
  }
}
