/** What the source of a folder with the VMs of a cluster says of itself. */
import { joinedSource, type Source } from '../../../bridge';
import { emptyCache, RESOURCES, type KubernetesObject, type ResourceCache } from '../../../kubernetes';

const folder: Source = {
  start: async () => undefined,
  trouble: () => 'the folder is gone',
  stop: async () => undefined,
};

type State = Partial<Pick<ResourceCache<KubernetesObject>, 'live' | 'lastContactAt'>>;

function troubleWith(machines: State, groups: State): string | undefined {
  return joinedSource({
    folder,
    here: 'vm-operator',
    machines: { ...emptyCache(RESOURCES.virtualMachines), ...machines },
    groups: { ...emptyCache(RESOURCES.virtualMachineGroups), ...groups },
  }).trouble?.();
}

test('it is behind while the VMs or the groups of the cluster cannot be watched', () => {
  const lost = { live: false, lastContactAt: Date.parse('2026-01-01T00:00:00Z') };
  const since = 'lost the watch on the API server at 2026-01-01T00:00:00.000Z';
  expect(troubleWith(lost, {})).toBe(`${since}: virtualmachines are not followed`);
  expect(troubleWith({}, lost)).toBe(`${since}: virtualmachinegroups are not followed`);
  expect(troubleWith({}, { live: false, lastContactAt: Date.now() })).toBe('the folder is gone');
  expect(troubleWith({}, {})).toBe('the folder is gone');
});
