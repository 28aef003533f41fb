/** Manifests for what a platform has already: tiers, delays, gates, nested groups, names, and the notes on what is left out. */
import fc from 'fast-check';
import { parseManifests, type Manifests } from '../../../api';
import { manifestsFrom, type Imported, type ImportTarget } from '../../../cli/import/manifests';
import { fits, validName } from '../../../cli/import/names';
import type { ExistingInventory, ExistingOrder, ExistingVm } from '../../../platforms';
import { propertyRuns } from '../../support/property-runs';
import { anyCharacter } from '../../support/any-character';

/** An instance UUID for a text. */
const uuid = (text: string): `uuid:${string}` =>
  `uuid:00000000-0000-4000-8000-${Buffer.from(text).toString('hex').padStart(12, '0').slice(-12)}`;
const vm = (name: string, over: Partial<ExistingVm> = {}): ExistingVm => ({
  id: `id-${name}`,
  name,
  path: `/DC/vm/${name}`,
  locator: uuid(name),
  ...over,
});
const of = (...names: string[]): { vm: string }[] => names.map((name) => ({ vm: `id-${name}` }));
const order = (over: Partial<ExistingOrder>): ExistingOrder => ({
  what: 'vApp',
  name: 'shop',
  tiers: [],
  notes: [],
  ...over,
});

function imported(inventory: Partial<ExistingInventory>, over: Partial<ImportTarget> = {}): Imported {
  const target = { platform: 'dc', namespace: 'prod', group: 'rest', selected: () => true, ...over };
  return manifestsFrom({ vms: [], orders: [], notes: [], ...inventory }, target);
}

/** The manifests as vmgroup reads them. */
function read({ files }: Imported): Manifests {
  const parsed = parseManifests(files.map(({ name, text }) => ({ path: name, text })));
  expect(parsed.problems).toEqual([]);
  return parsed.manifests;
}

test('an order becomes tiers with delays, gates, and the reverse walk of a power-off; IMPORT-3', () => {
  const shop = order({
    tiers: [
      { members: [{ vm: 'id-db', powerOffMode: 'TrySoft' }], gate: 'Ready', delay: 0 },
      { members: of('app-1', 'app-2'), gate: 'PoweredOn', delay: 20_000 },
      { members: of('web'), gate: 'PoweredOn', delay: 90_000 },
    ],
    stop: { inReverse: true, guestShutdownTimeout: 60_000 },
  });
  const result = imported({ vms: ['db', 'app-1', 'app-2', 'web'].map((name) => vm(name)), orders: [shop] });
  expect(result).toMatchObject({ groups: ['prod/shop'], vms: 4, notes: [] });
  const { groups, virtualMachines, policies } = read(result);
  expect(groups).toHaveLength(1);
  expect(groups[0]).not.toHaveProperty('powerState');
  expect(groups[0]?.tiers).toEqual([
    { members: [{ kind: 'VirtualMachine', name: 'db' }], powerOnDelay: 0, powerOffDelay: 0 },
    {
      members: ['app-1', 'app-2'].map((name) => ({ kind: 'VirtualMachine', name })),
      powerOnDelay: 0,
      powerOffDelay: 0,
    },
    { members: [{ kind: 'VirtualMachine', name: 'web' }], powerOnDelay: 20_000, powerOffDelay: 0 },
  ]);
  expect(policies[0]?.spec).toMatchObject({
    guestShutdownTimeout: 60_000,
    tiers: [{ tier: 0, gate: 'Ready' }],
  });
  expect(groups[0]?.policyName).toBe(policies[0]?.name);
  expect(virtualMachines.find(({ name }) => name === 'db')).toMatchObject({
    platform: 'dc',
    locator: uuid('db'),
    groupName: 'shop',
    powerOffMode: 'TrySoft',
  });
});

test('an order in another one becomes a nested group', () => {
  const inner = order({ name: 'inner', tiers: [{ members: of('b'), gate: 'PoweredOn', delay: 0 }] });
  const outer = order({
    name: 'outer',
    tiers: [
      { members: of('a'), gate: 'PoweredOn', delay: 1_000 },
      { members: [{ order: inner }], gate: 'PoweredOn', delay: 0 },
    ],
  });
  const result = imported({ vms: [vm('a'), vm('b')], orders: [outer] });
  expect(result.files.map(({ name }) => name)).toEqual(['outer.yaml']);
  const { groups } = read(result);
  expect(groups.find(({ name }) => name === 'inner')).toMatchObject({ groupName: 'outer' });
  expect(groups.find(({ name }) => name === 'outer')?.tiers[1]?.members).toEqual([
    { kind: 'VirtualMachineGroup', name: 'inner' },
  ]);
});

test('the notes state what is not carried over: VMs of two orders, VMs that are not selected, notes; IMPORT-1, IMPORT-2', () => {
  const tiers = [{ members: of('a', 'b', 'ghost'), gate: 'PoweredOn' as const, delay: 0 }];
  const orders = [
    order({ tiers, notes: ['it sings'] }),
    order({ what: 'autostart of host', name: 'h', tiers: [{ ...tiers[0]!, members: of('a', 'c') }] }),
  ];
  const result = imported(
    { vms: [vm('a'), vm('b'), vm('c'), vm('d')], orders, notes: ['one more'] },
    { selected: ({ name }) => name !== 'b' },
  );
  expect(result.notes).toEqual([
    'one more',
    'vApp shop: it sings',
    'vApp shop: /DC/vm/b is not selected, and is left out',
    'vApp shop: a VM of it cannot be seen, and is left out',
    'autostart of host h: /DC/vm/a is in the group of the vApp shop already',
  ]);
  const members = read(result).groups.map(({ name, tiers: [tier] }) => [
    name,
    tier?.members.map((member) => member.name),
  ]);
  expect(members).toEqual([
    ['shop', ['a']],
    ['h', ['c']],
    ['rest', ['d']],
  ]);
});

test('VMs with a namespace of their own keep it, and are grouped in it', () => {
  const { groups } = read(imported({ vms: [vm('a', { namespace: 'x' }), vm('b', { namespace: 'y' })] }));
  expect(groups.map(({ namespace, name }) => `${namespace}/${name}`)).toEqual(['x/rest', 'y/rest']);
});

test('whatever names people give, the manifests are valid and each VM is there once', () => {
  const names = fc.array(
    fc.oneof(fc.string({ unit: anyCharacter }), fc.constantFrom('Web 1', 'web-1', 'WEB_1')),
    {
      maxLength: 12,
    },
  );
  fc.assert(
    fc.property(names, (given) => {
      const vms = given.map((name, index) => vm(name, { id: `${index}`, locator: uuid(`${index}`) }));
      const { virtualMachines } = read(imported({ vms }));
      expect(virtualMachines.map(({ locator }) => locator).sort()).toEqual(
        vms.map(({ locator }) => locator).sort(),
      );
    }),
    { numRuns: propertyRuns(50) },
  );
});

test('names and patterns', () => {
  expect(validName('Größe & Co. (alt)')).toBe('gro-e-co-alt');
  expect(validName('名前')).toBe('vm');
  expect([fits('web-1', 'WEB-*'), fits('web-1', 'web-?'), fits('web-12', 'web-?'), fits('a', '')]).toEqual([
    ...[true, true, false, false],
  ]);
  expect(fits('ab'.repeat(2_000), `${'*a'.repeat(2_000)}c`)).toBe(false);
});
