/** Places VMs on an inventory, with the same solver that a run asks. */
import { DEFAULT_INVENTORY, type Manifests, type ParsedManifests, type SimulatedInventory } from '../../api';
import type { PlacedVm } from '../../placement';
import * as lazy from '../lazy';
import { inventoryOf } from '../manifests';
import { unknownPlacement, type Placer } from './planned-placement';

/**
 * A placer on the inventory among the manifests, otherwise on the built-in one. VMs whose status has `uniqueID` and `zone` keep their
 * place. If a file could not be read, it may have had an inventory, so every placement is unknown.
 *
 * @throws CliError as {@link inventoryOf}.
 */
export function placerOf(parsed: Pick<ParsedManifests, 'manifests' | 'problems'>): Placer {
  const inventory = inventoryOf(parsed);
  const unread = parsed.problems.find(({ severity, object }) => severity === 'Error' && !object);
  if (!inventory && unread)
    return () => unknownPlacement(`${unread.file} could not be read, and may contain a SimulatedInventory`);
  return placerOn(inventory ?? DEFAULT_INVENTORY, placedVms(parsed.manifests));
}

/** A placer on an inventory with some VMs on it. Labels and affinity of neighbours that a call names hold from that call on. */
export function placerOn(inventory: SimulatedInventory, present: readonly PlacedVm[]): Placer {
  const { placementProblem, placementVm } = lazy.simulator();
  const standing = new Map(present.map((vm) => [vm.uid, vm]));
  return ({ requests, beside = [] }) => {
    for (const { vm, labels = {}, affinity = [] } of beside) {
      const neighbour = standing.get(`${vm.namespace}/${vm.name}`);
      if (neighbour) standing.set(neighbour.uid, { ...neighbour, labels, affinity });
    }
    const vms = requests.map(placementVm);
    const placing = new Set(vms.map(({ uid }) => uid));
    const placed = [...standing.values()].filter(({ uid }) => !placing.has(uid));
    const answer = lazy.placement().solvePlacement(placementProblem(inventory, vms, placed));
    if (answer.type !== 'Placed') return answer;
    const byUid = new Map(vms.map((vm) => [vm.uid, vm]));
    for (const { uid, placement } of answer.placements) {
      const vm = byUid.get(uid);
      if (vm) standing.set(uid, { ...vm, placement });
    }
    return answer;
  };
}

function placedVms({ virtualMachines, classes }: Manifests): PlacedVm[] {
  const { placementVm } = lazy.simulator();
  return virtualMachines.flatMap(({ namespace, name, uid, className, labels, affinity, placed }) => {
    if (!placed) return [];
    const size = classes.find((each) => each.namespace === namespace && each.name === className);
    const { cpus = 0, memory = 0 } = size ?? {};
    const request = { vm: { namespace, name, uid }, cpus, memory, labels, affinity };
    return [{ ...placementVm(request), placement: placed }];
  });
}
