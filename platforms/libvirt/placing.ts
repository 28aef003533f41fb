/**
 * The problem that VMs make for the solver: which of the hosts that have a VM it starts on. Pure.
 *
 * A host has the memory that libvirt counts, and CPUs for several vCPUs each, less what the VMs take that run there or were promised a place.
 */
import type { AffinityTerm } from '../../api';
import type { PlacedVm, PlacementHost, PlacementProblem, PlacementVm } from '../../placement';
import type { Neighbour, PlacementRequest } from '../../contract';
import type { HostSize } from './daemon';
import { placementOf, type Machine } from './machines';

/** A VM that needs a host. */
export interface Candidate {
  request: PlacementRequest;
  machine: Machine;
}

/** The world that VMs are placed into. */
export interface World {
  /** Hosts that can be reached. */
  hosts: ReadonlyMap<string, HostSize>;
  machines: Iterable<Machine>;
  beside: readonly Neighbour[];
  /** The UUID that a manifest means. */
  uuidOf(neighbour: Neighbour): string | undefined;
}

/** vCPUs that share a CPU of a host at most, as OpenStack's `cpu_allocation_ratio` has it. Memory is never shared. */
const VCPUS_OF_A_CPU = 16;

/** Label of the stand-in for a host, which VMs that it does not have keep away from. */
const LACKS = 'stands-for-host';
/** Namespace of the stand-ins; they are named by their host. */
const STAND_IN = 'vmgroup-libvirt-host';

/** The problem of placing `fresh`. */
export function problemOf(fresh: readonly Candidate[], world: World): PlacementProblem {
  const { hosts } = world;
  const placing = new Set(fresh.map(({ machine }) => machine.uuid));
  const rules = new Map(world.beside.map((each) => [world.uuidOf(each), each]));
  const namespaces = new Set(fresh.map(({ request }) => request.vm.namespace));
  return {
    vms: fresh.map((candidate) => toPlace(candidate, [...hosts.keys()])),
    placed: [
      ...standIns(namespaces, hosts.keys()),
      ...placedOn(
        [...world.machines].filter(({ uuid }) => !placing.has(uuid)),
        hosts,
        rules,
      ),
    ],
    hosts: [...hosts].map(([name, size]): PlacementHost => ({
      ...{ name, zone: name, memory: size.memory },
      cpus: size.cpus * VCPUS_OF_A_CPU,
    })),
    datastores: [],
  };
}

function toPlace({ request, machine }: Candidate, hosts: readonly string[]): PlacementVm {
  const { vm, labels = {}, affinity = [], zone, optional } = request;
  const [domain] = machine.on;
  const defined = new Set(machine.on.map(({ host }) => host));
  const lacking = hosts.filter((host) => !defined.has(host));
  return {
    ...{ namespace: vm.namespace, name: vm.name, uid: vm.uid, labels },
    ...{ cpus: domain?.facts.cpus ?? 1, memory: domain?.facts.memory ?? 0 },
    affinity: [...affinity, ...lacking.map((host) => away(host, vm.namespace))],
    ...(zone !== undefined && { zone }),
    ...(optional && { optional }),
  };
}

function away(host: string, namespace: string): AffinityTerm {
  return {
    ...{ effect: 'AntiAffinity', strength: 'Required', topologyKey: 'kubernetes.io/hostname' },
    selector: { matchLabels: { [LACKS]: `${namespace}/${host}` }, matchExpressions: [] },
    path: `it is not defined on ${host}`,
  };
}

function placedOn(
  machines: readonly Machine[],
  hosts: ReadonlyMap<string, HostSize>,
  rules: ReadonlyMap<string | undefined, Neighbour>,
): PlacedVm[] {
  return machines.flatMap((machine): PlacedVm[] => {
    const placement = placementOf(machine);
    if (!placement || !hosts.has(placement.zoneID)) return [];
    const neighbour = rules.get(machine.uuid);
    const takes = machine.at?.facts.running === true || machine.place?.host !== undefined;
    const { cpus = 0, memory = 0 } = takes ? ((machine.at ?? machine.on[0])?.facts ?? {}) : {};
    if (!takes && !neighbour) return [];
    const {
      vm = { namespace: '', name: machine.name, uid: machine.uuid },
      labels = {},
      affinity = [],
    } = neighbour ?? {};
    return [
      { namespace: vm.namespace, name: vm.name, uid: vm.uid, labels, affinity, cpus, memory, placement },
    ];
  });
}

/** Stand-ins of hosts for VMs of some namespaces: rules select within a namespace. */
function standIns(namespaces: ReadonlySet<string>, hosts: Iterable<string>): PlacedVm[] {
  return [...hosts].flatMap((host) =>
    [...namespaces].map((namespace) => ({
      ...{
        namespace,
        name: `${STAND_IN}/${host}`,
        uid: `${STAND_IN}/${namespace}/${host}`,
        cpus: 0,
        memory: 0,
      },
      ...{
        labels: { [LACKS]: `${namespace}/${host}` },
        affinity: [],
        placement: { zoneID: host, node: host },
      },
    })),
  );
}
