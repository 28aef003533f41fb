/** Where runs would place VMs: the same solver that a run asks. */
import { DEFAULT_INVENTORY, type Manifests, type ParsedManifests, type SimulatedInventory } from '../../api';
import type { PlaceInput } from '../../contract';
import type { PlacedVm, PlacementAnswer } from '../../placement';
import type { PlatformType } from '../../platforms';
import * as lazy from '../lazy';
import { inventoryOf } from '../manifests';

/** The placement is unknown; the message says why. */
export interface UnknownPlacement {
  type: 'NotKnown';
  message: string;
}

/** The platform chooses the places itself; the message says how. */
export interface LeftPlacement {
  type: 'LeftToPlatform';
  message: string;
}

/** Where VMs would be placed. */
export type PlannedPlacement = PlacementAnswer | UnknownPlacement | LeftPlacement;

/** Places VMs, group after group. Each call counts the VMs of those before it. */
export type Placer = (input: PlaceInput) => PlannedPlacement | Promise<PlannedPlacement>;

/** A placement that is unknown. */
export function unknownPlacement(message: string): UnknownPlacement {
  return { type: 'NotKnown', message };
}

/** A placer for a type of platform of which nothing can be asked here; undefined: one on an inventory answers for it. */
export function placerOfType(type: PlatformType | undefined): Placer | undefined {
  if (type === 'kubevirt')
    return () => leftPlacement('the scheduler of the cluster chooses nodes when VMs start');
  if (type === 'vsphere' || type === 'libvirt')
    return () =>
      unknownPlacement('nothing describes the platform, which is asked: name its Platform, by --platforms');
  return undefined;
}

function leftPlacement(message: string): LeftPlacement {
  return { type: 'LeftToPlatform', message };
}

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
