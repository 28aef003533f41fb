/** Stands in for DRS: finds places for VMs of a tree together, all or none. Pure. */
import { readResource, type Placement } from '../../api';
import type { VirtualMachineObject } from '../../kubernetes';
import { solvePlacement } from '../../placement';
import { placementProblem, placementVm } from '../engine';
import type { Machine } from '../machine';
import type { Size } from '../vm-controller/facts';

/**
 * Places for VMs, by their uid.
 *
 * @throws Error if there is no room for one of them.
 */
export function findPlaces(
  machine: Pick<Machine, 'inventory' | 'list'>,
  machines: readonly VirtualMachineObject[],
  sizeOf: (machine: VirtualMachineObject) => Size | undefined,
): Map<string, Placement> {
  const vms = machines.map((object) => {
    const { namespace = '', name, uid = '', labels = {} } = object.metadata;
    const { read } = readResource(object);
    const affinity = read?.kind === 'VirtualMachine' ? read.object.affinity : [];
    const { cpus, memory } = sizeOf(object) ?? { cpus: 1, memory: 1 };
    return { object: placementVm({ vm: { namespace, name, uid }, cpus, memory, labels, affinity }), uid };
  });
  const asked = new Set(vms.map(({ object }) => object.uid));
  const placed = machine.list().flatMap(({ state: { vm, status }, cpus, memory, labels, affinity }) => {
    const seen = placementVm({ vm, cpus, memory, ...(labels && { labels }), ...(affinity && { affinity }) });
    return status.placement && !asked.has(seen.uid) ? [{ ...seen, placement: status.placement }] : [];
  });
  const answer = solvePlacement(
    placementProblem(
      machine.inventory,
      vms.map(({ object }) => object),
      placed,
    ),
  );
  if (answer.type !== 'Placed') throw new Error(answer.message);
  const found = new Map(answer.placements.map(({ uid, placement }) => [uid, placement]));
  return new Map(
    vms.flatMap(({ object, uid }) => {
      const placement = found.get(object.uid);
      return placement ? [[uid, placement] as const] : [];
    }),
  );
}
