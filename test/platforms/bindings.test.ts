/** Which VM a manifest means, while manifests come, go and are renamed. */
import type { VirtualMachineRef } from '../../contract';
import { Observer, type Platform } from '../../platforms';
import { Audience, Bindings, relay, type FoundVm } from '../../platforms/tracked';
import { until } from '../support/until';

const UUID = '50000000-0000-4000-8000-000000000001';
const inventory: FoundVm[] = [
  { id: 'vm-1', name: 'db', uuid: UUID },
  { id: 'vm-2', name: 'web', uuid: UUID.replace('1', '2') },
];
const ref = (name: string, locator?: VirtualMachineRef['locator']): VirtualMachineRef => ({
  namespace: 'prod',
  name,
  uid: `uid-${name}`,
  ...(locator !== undefined && { locator }),
});

test('BINDING-1: a manifest is missing its VM only where none fits, held by another manifest or not', () => {
  const twins = [...inventory, { id: 'vm-3', name: 'db', uuid: UUID.replace('1', '3') }];
  const bindings = new Bindings<FoundVm>({
    vms: () => twins,
    path: (id) => `/dc/${id}`,
    mayMean: () => true,
    whereOf: () => '',
  });
  const held = ref('held', `uuid:${UUID}`);
  bindings.track([held]);
  bindings.rebind();
  const found = [held, ref('db'), ref('other', `uuid:${UUID}`), ref('x', 'path:/dc/vm-2'), ref('web')];
  expect(found.map((each) => bindings.isMissing(each))).toEqual(found.map(() => false));
  const missing = [ref('bd'), ref('x', 'path:/dc/vm-9'), { ...held, uid: 'another' }];
  expect(missing.map((each) => bindings.isMissing(each))).toEqual(missing.map(() => true));
  for (const each of missing) expect(bindings.resolve(each)).toHaveProperty('missing');
  for (const each of found) expect(bindings.resolve(each)).not.toHaveProperty('missing');
});

test('BINDING-2: a manifest that is renamed takes its VM along, by uuid:, by path: and in its namespace', async () => {
  const audience = new Audience<FoundVm>({
    inventory: {
      vms: () => inventory,
      path: (id) => `/dc/${inventory.find((vm) => vm.id === id)?.name}`,
      mayMean: () => true,
      whereOf: () => '',
    },
    get: (id) => inventory.find((vm) => vm.id === id),
    stateOf: (vm) => ({ vm, status: { powerState: 'PoweredOn', at: 1 } }),
  });
  const platform: Partial<Platform> = {
    watch: (sink, signal) => relay(audience, sink, signal, () => new Error('broken')),
    track: (vms, all) => {
      audience.track(vms, all);
      audience.rebind();
    },
  };
  const observer = new Observer(platform as Platform);
  await observer.synced();
  const shown = (): string[] => observer.list().map(({ vm }) => `${vm.namespace}/${vm.name}`);
  try {
    for (const [before, after] of [
      [ref('db', `uuid:${UUID}`), ref('database', `uuid:${UUID}`)],
      [ref('db', 'path:/dc/db'), ref('database', 'path:/dc/db')],
      [ref('db'), { ...ref('db'), namespace: 'stage' }],
    ] as const) {
      observer.track([before, ref('web')]);
      await until(() => shown().includes(`${before.namespace}/${before.name}`));
      observer.track([after, ref('web')]);
      expect(shown().sort()).toEqual([`${after.namespace}/${after.name}`, 'prod/web'].sort());
      expect(audience.bindings.resolve(after)).toMatchObject({ vm: { id: 'vm-1' } });
    }
    // A process that is told of single manifests cannot know which are gone.
    platform.track?.([ref('other', `uuid:${UUID}`)]);
    expect(audience.bindings.resolve(ref('other', `uuid:${UUID}`))).toMatchObject({
      ambiguous: expect.stringMatching(/the manifest stage\/db already: .*restart this process/) as string,
    });
  } finally {
    await observer.close();
  }
});
