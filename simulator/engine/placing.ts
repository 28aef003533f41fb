/** The problem that VMs on the simulated platform make for the solver. */
import type { SimulatedInventory } from '../../api';
import type { PlacedVm, PlacementProblem, PlacementVm } from '../../placement';
import type { PlacementRequest } from '../../contract';

/** A VM of a problem. Its name stands for its uid: a VM of a new uid replaces the old one of its name. */
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
    namespace,
    name,
    uid: `${namespace}/${name}`,
    labels,
    cpus,
    memory,
    affinity,
    ...(zone !== undefined && { zone }),
    ...(optional && { optional }),
  };
}

/** The problem of placing `vms` on an inventory, next to `placed`. */
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
