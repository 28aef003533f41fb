/** Where runs would place VMs: the solver is asked as the simulated platform asks it. */
import { DEFAULT_INVENTORY, type Manifests, type ParsedManifests, type SimulatedInventory } from '../../api';
import type { PlaceInput } from '../../contract';
import type { PlacedVm, PlacementAnswer, RuleOutcome, VmPlacement } from '../../placement';
import * as lazy from '../lazy';
import { inventoryOf } from '../manifests/inventory';
import { table } from '../output/output';

/** What nobody could be asked, and why. */
export interface NotKnown {
  type: 'NotKnown';
  message: string;
}

/** Where VMs would be placed. */
export type PlannedPlacement = PlacementAnswer | NotKnown;

/** Places VMs group after group; each counts those that came before. */
export type Placer = (asked: PlaceInput) => PlannedPlacement | Promise<PlannedPlacement>;

/**
 * A placer on the inventory among the manifests, else the built-in one; VMs whose status has `uniqueID` and `zone` stand where they are. Where
 * a file could not be read an inventory may be in it, so no place is known.
 *
 * @throws CliError as {@link inventoryOf}.
 */
export function placerOf(parsed: Pick<ParsedManifests, 'manifests' | 'problems'>): Placer {
  const inventory = inventoryOf(parsed);
  const unread = parsed.problems.find(({ severity, object }) => severity === 'Error' && !object);
  if (!inventory && unread)
    return () => ({
      type: 'NotKnown',
      message: `${unread.file} could not be read, and a SimulatedInventory may be in it`,
    });
  return placerOn(inventory ?? DEFAULT_INVENTORY, standingVms(parsed.manifests));
}

/** A placer on an inventory, on which some VMs stand. What is said of those beside the VMs to be placed counts from then on. */
export function placerOn(inventory: SimulatedInventory, there: readonly PlacedVm[]): Placer {
  const { placementProblem, placementVm } = lazy.simulator();
  const standing = new Map(there.map((vm) => [vm.uid, vm]));
  return ({ requests, beside = [] }) => {
    for (const { vm, labels = {}, affinity = [] } of beside) {
      const known = standing.get(`${vm.namespace}/${vm.name}`);
      if (known) standing.set(known.uid, { ...known, labels, affinity });
    }
    const vms = requests.map(placementVm);
    const placing = new Set(vms.map(({ uid }) => uid));
    const placed = [...standing.values()].filter(({ uid }) => !placing.has(uid));
    const answer = lazy.placement().solvePlacement(placementProblem(inventory, vms, placed));
    if (answer.type !== 'Placed') return answer;
    const asked = new Map(vms.map((vm) => [vm.uid, vm]));
    for (const { uid, placement } of answer.placements) {
      const vm = asked.get(uid);
      if (vm) standing.set(uid, { ...vm, placement });
    }
    return answer;
  };
}

function standingVms({ virtualMachines, classes }: Manifests): PlacedVm[] {
  const { placementVm } = lazy.simulator();
  return virtualMachines.flatMap(({ namespace, name, uid, className, labels, affinity, placed }) => {
    if (!placed) return [];
    const asks = classes.find((each) => each.namespace === namespace && each.name === className);
    const { cpus = 0, memory = 0 } = asks ?? {};
    const request = { vm: { namespace, name, uid }, cpus, memory, labels, affinity };
    return [{ ...placementVm(request), placement: placed }];
  });
}

/** A placement as text: by zone and host, then what each rule did; or why there is none. */
export function placementText(answer: PlannedPlacement): string {
  if (answer.type === 'NotKnown') return `  placement: not known: ${answer.message}\n`;
  if (answer.type !== 'Placed') return `  placement: ${answer.message}\n`;
  const places = [...answer.placements].sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
  const shown = table<VmPlacement>(
    [
      { head: 'ZONE', of: ({ placement }) => placement.zoneID },
      { head: 'HOST', of: ({ placement }) => placement.node },
      { head: 'VM', of: ({ name }) => name },
      { head: 'DATASTORE', of: ({ placement }) => placement.datastores?.map(({ name }) => name).join(', ') },
    ],
    places,
  );
  const left = (answer.unplaced ?? []).map(
    ({ name, message }) => `  no place for optional ${name}: ${message}\n`,
  );
  const clock = answer.search.stoppedByClock ? `\n  ${lazy.placement().STOPPED_BY_CLOCK}\n` : '';
  const note = left.join('') + clock;
  if (answer.rules.length === 0) return shown + note;
  const rules = table<RuleOutcome>(
    [
      { head: 'RULE OF', of: ({ vm }) => vm.name },
      { head: 'OUTCOME', of: ({ outcome }) => outcome },
      { head: 'STRENGTH', of: ({ strength }) => strength },
      { head: 'RULE', of: ({ path }) => path },
    ],
    answer.rules,
  );
  return `${shown}\n${rules}${note}`;
}

function placeOf({ name, placement: { zoneID, node = '' } }: VmPlacement): string {
  return JSON.stringify([zoneID, node, name]);
}
