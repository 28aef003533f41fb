/** RESTRICTED-1, COMPANION-4: what is written next to VM Operator's group controller, and what is never written. */
import { companionWrites } from '../../cli/runtime/companion-writes';
import { forbiddenIn, RESOURCES, restrictedWrites, type ApiServer } from '../../kubernetes';

const { virtualMachines, virtualMachineGroups, leases, events } = RESOURCES;
const rules = companionWrites();

describe('what is allowed', () => {
  test.each([
    ['a power operation', virtualMachines, { spec: { powerState: 'PoweredOn', powerOffMode: 'Hard' } }],
    [
      'its record, for one version of the VM',
      virtualMachines,
      { metadata: { resourceVersion: '7', annotations: { 'vmgroup.dev/operation': '{}' } } },
    ],
    [
      'a report',
      virtualMachineGroups,
      { metadata: { uid: 'u', annotations: { 'vmgroup.dev/status': '{}' } } },
    ],
    ['nothing', virtualMachines, {}],
  ])('%s', (_what, resource, patch) => {
    expect(forbiddenIn({ resource, verb: 'merge', patch }, rules)).toBeUndefined();
  });

  test('leases and events', () => {
    expect(forbiddenIn({ resource: leases, verb: 'create' }, rules)).toBeUndefined();
    expect(forbiddenIn({ resource: events, verb: 'merge', patch: { series: {} } }, rules)).toBeUndefined();
  });
});

describe('what is refused', () => {
  const APPLY_TIME = 'vmoperator.vmware.com.protected/apply-power-state-time';
  test.each([
    [{ spec: { powerState: 'PoweredOn' } }, virtualMachineGroups, 'spec.powerState'],
    [{ metadata: { finalizers: [] } }, virtualMachineGroups, 'metadata.finalizers'],
    [{ metadata: { ownerReferences: [] } }, virtualMachines, 'metadata.ownerReferences'],
    [
      { metadata: { annotations: { [APPLY_TIME]: null } } },
      virtualMachines,
      `metadata.annotations.${APPLY_TIME}`,
    ],
    [{ metadata: { annotations: {} } }, virtualMachines, 'metadata.annotations'],
    [{ metadata: null }, virtualMachines, 'metadata'],
    [{ spec: { powerState: 'PoweredOn', groupName: 'x' } }, virtualMachines, 'spec.groupName'],
    [{ status: {} }, virtualMachines, 'status'],
  ])('%j', (patch, resource, path) => {
    const found = forbiddenIn({ resource, verb: 'merge', patch }, rules);
    expect(found).toBe(`merge ${resource.plural}.${resource.group}: ${path}`);
  });

  test.each(['create', 'replace', 'apply', 'delete'] as const)('%s of a group or a VM', (verb) => {
    for (const resource of [virtualMachineGroups, virtualMachines])
      expect(forbiddenIn({ resource, verb }, rules)).toContain(verb);
  });

  test('a status', () => {
    const write = {
      resource: virtualMachineGroups,
      verb: 'merge',
      subresource: 'status',
      patch: {},
    } as const;
    expect(forbiddenIn(write, rules)).toBe('merge virtualmachinegroups.vmoperator.vmware.com/status');
  });
});

test('a refused write is not sent; reads and others pass', async () => {
  const sent: unknown[] = [];
  const api = {
    address: 'https://127.0.0.1:1',
    get: async () => undefined,
    merge: async (_resource: unknown, _key: unknown, patch: object) => (
      sent.push(patch),
      { metadata: { name: 'a' } }
    ),
    delete: async () => void sent.push('delete'),
    invoke: async () => void sent.push('invoke'),
    read: async () => undefined,
  } as unknown as ApiServer;
  const restricted = restrictedWrites(api, rules);
  await expect(
    restricted.merge(virtualMachineGroups, { name: 'a' }, { spec: { powerState: 'PoweredOn' } }),
  ).rejects.toThrow('spec.powerState was not sent: this process never writes it');
  await expect(restricted.delete(virtualMachines, { name: 'a' })).rejects.toThrow('delete virtualmachines');
  await expect(restricted.invoke(virtualMachines, { name: 'a' }, 'start', {})).rejects.toThrow(
    'invoke virtualmachines',
  );
  expect(sent).toEqual([]);
  await restricted.merge(virtualMachines, { name: 'a' }, { spec: { powerState: 'PoweredOn' } });
  expect(await restricted.get(virtualMachines, { name: 'a' })).toBeUndefined();
  expect(sent).toEqual([{ spec: { powerState: 'PoweredOn' } }]);
});
