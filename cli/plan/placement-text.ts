/** A planned placement as text. Pure. */
import type { RuleOutcome, VmPlacement } from '../../placement';
import * as lazy from '../lazy';
import { table } from '../output';
import type { PlannedPlacement } from './planned-placement';
import type { PlannedPlaces } from './preview';

/** Where the VMs of a plan would be placed, platform after platform; empty if none needs a place. */
export function placesText({ placement, elsewhere = [] }: PlannedPlaces): string {
  const here = placement ? `\n${placementText(placement)}` : '';
  const others = elsewhere.map(({ platform, vms, placement: there }) => {
    const head = `  placed on platform ${platform}: ${vms.join(', ')}\n`;
    return there ? `${head}${placementText(there)}` : head;
  });
  return `${here}${others.join('')}`;
}

/** The placement by zone and host with the outcome of each rule, or the reason why there is none. */
export function placementText(answer: PlannedPlacement): string {
  if (answer.type === 'LeftToPlatform') return `  placement: left to the platform: ${answer.message}\n`;
  if (answer.type === 'NotKnown') return `  placement: unknown: ${answer.message}\n`;
  if (answer.type !== 'Placed') return `  placement: ${answer.message}\n`;
  const unplaced = (answer.unplaced ?? []).map(
    ({ name, message }) => `  no place for optional ${name}: ${message}\n`,
  );
  const clock = answer.search.stoppedByClock ? `\n  ${lazy.placement().STOPPED_BY_CLOCK}\n` : '';
  const rules = answer.rules.length === 0 ? '' : `\n${rulesTable(answer.rules)}`;
  return `${placesTable(answer.placements)}${rules}${unplaced.join('')}${clock}`;
}

function placesTable(placements: readonly VmPlacement[]): string {
  return table<VmPlacement>(
    [
      { head: 'ZONE', of: ({ placement }) => placement.zoneID },
      { head: 'HOST', of: ({ placement }) => placement.node },
      { head: 'VM', of: ({ name }) => name },
      { head: 'DATASTORE', of: ({ placement }) => placement.datastores?.map(({ name }) => name).join(', ') },
    ],
    [...placements].sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1)),
  );
}

function rulesTable(rules: RuleOutcome[]): string {
  return table<RuleOutcome>(
    [
      { head: 'RULE OF', of: ({ vm }) => vm.name },
      { head: 'OUTCOME', of: ({ outcome }) => outcome },
      { head: 'STRENGTH', of: ({ strength }) => strength },
      { head: 'RULE', prose: true, of: ({ path }) => path },
    ],
    rules,
  );
}

function sortKey({ name, placement: { zoneID, node = '' } }: VmPlacement): string {
  return JSON.stringify([zoneID, node, name]);
}
