/**
 * Where VMs go on the simulated platform.
 *
 * PLACING-1: what stands on a host never exceeds its `cpus` and `memory`; the reservation lasts as long as the VM exists, on or off.
 * PLACING-2: no VM is placed where a required rule of its own, or of a VM that is there, would be broken.
 */
import type { SimulatedInventory } from '../../api';
import type { PlacedVm, PlacementProblem, PlacementVm } from '../../placement';
import type { PlacementRequest } from '../../contract';

/** A VM as the solver is told of it. Its name stands for its uid: no name is there twice, and under a new uid it takes the old one's place. */
export function placementVm({
  vm: { namespace, name },
  cpus,
  memory,
  zone,
  labels = {},
  affinity = [],
  optional,
}: PlacementRequest): PlacementVm {
  return {
    ...{ namespace, name, uid: `${namespace}/${name}`, labels, cpus, memory, affinity },
    ...(zone !== undefined && { zone }),
    ...(optional && { optional }),
  };
}

/** What the solver is asked for VMs on an inventory. */
export function placementProblem(
  { hosts, datastores }: SimulatedInventory,
  vms: PlacementVm[],
  placed: PlacedVm[],
): PlacementProblem {
  return {
    vms,
    placed,
    hosts,
    datastores: datastores.map(({ name, id, zones, capacity }) => ({ name, id, zones, free: capacity })),
  };
}
