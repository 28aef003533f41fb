/**
 * Groups whose runs may hold places of VMs that have left them.
 *
 * Guarantees: G6.
 */
import type { Group, VirtualMachine } from '../../../api';
import { indexManifests } from '../../../bridge';
import { DesiredState } from '../../../bridge/observed';
import { group, manifests, NS, tier, vm } from '../fixtures';

function states(...all: { groups: Group[]; virtualMachines: VirtualMachine[] }[]): DesiredState {
  const desired = new DesiredState(true);
  for (const each of all) desired.update({ index: indexManifests(manifests(each)), problems: [], readAt: 0 });
  return desired;
}

const app = group('app', [tier(['a'])], { groupName: 'site' });
const other = group('other', [tier(['a'])], { powerState: 'PoweredOn' });

test.each<[string, Partial<Group>]>([
  ['that powers its VMs', { powerState: 'PoweredOn' }],
  ['that only places its VMs, as it has no power state', {}],
])(
  'a VM leaves a tree %s: the group on top may hold its place until its run is known to have ended',
  (_, top) => {
    const groups = [group('site', [tier(['g:app'])], top), app, other];
    const desired = states(
      { groups, virtualMachines: [vm('a', 'app')] },
      { groups, virtualMachines: [vm('a', 'other')] },
    );
    expect([...desired.formerOwners]).toEqual([`${NS}/site`]);
    desired.settle(`${NS}/site`);
    expect([...desired.formerOwners]).toEqual([]);
  },
);

test('a deleted group may hold places', () => {
  const desired = states(
    { groups: [other], virtualMachines: [vm('a', 'other')] },
    { groups: [], virtualMachines: [vm('a', 'other')] },
  );
  expect([...desired.formerOwners]).toEqual([`${NS}/other`]);
});
