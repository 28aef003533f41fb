/**
 * What VMs ask of hosts, and what hosts have. Pure.
 *
 * A host has the memory that libvirt counts, and CPUs for several vCPUs each, less what the VMs take that run there or were promised a place.
 */
import type { PlacementHost } from '../../placement';
import type { Asked, Candidate, Standing } from '../tracked';
import type { HostSize } from './daemon';
import { placementOf, type Machine } from './machines';

/** vCPUs that share a CPU of a host at most, as OpenStack's `cpu_allocation_ratio` has it. Memory is never shared. */
const VCPUS_OF_A_CPU = 16;

/** A VM that needs one of the hosts. */
export function candidateOf({ request, vm }: Asked<Machine>, hosts: Iterable<string>): Candidate {
  const { cpus = 1, memory = 0 } = vm.on[0]?.facts ?? {};
  const defined = new Set(vm.on.map(({ host }) => host));
  const lacking = [...hosts].filter((host) => !defined.has(host));
  const away = new Map(lacking.map((host) => [host, `it is not defined on ${host}`]));
  return { request, id: vm.id, cpus, memory, away };
}

/** The hosts, for the solver. */
export function hostsOf(sizes: ReadonlyMap<string, HostSize>): PlacementHost[] {
  return [...sizes].map(([name, { memory, cpus }]) => ({
    name,
    zone: name,
    memory,
    cpus: cpus * VCPUS_OF_A_CPU,
  }));
}

/** The VMs that have a place on one of the hosts. */
export function standingOn(machines: Iterable<Machine>, hosts: ReadonlyMap<string, HostSize>): Standing[] {
  return [...machines].flatMap((machine): Standing[] => {
    const placement = placementOf(machine);
    if (!placement || !hosts.has(placement.zoneID)) return [];
    const takes = machine.at?.facts.running === true || machine.place?.host !== undefined;
    const { cpus = 0, memory = 0 } = takes ? ((machine.at ?? machine.on[0])?.facts ?? {}) : {};
    const { id, name } = machine;
    return [{ id, name, placement, cpus, memory }];
  });
}
