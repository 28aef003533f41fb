/** The examples that people start from. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { parseManifests, type ManifestFile, type Manifests } from '../../api';

const root = join(__dirname, '../../examples');

function filesOf(example: string): ManifestFile[] {
  const folder = join(root, example);
  return readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => ({ path: `${example}/${file}`, text: readFileSync(join(folder, file), 'utf8') }));
}

function read(example: string): Manifests {
  const { manifests, problems } = parseManifests(filesOf(example));
  expect(problems).toEqual([]);
  return manifests;
}

const examples = readdirSync(root).filter((example) => filesOf(example).length > 0);

test('the manual has these', () => {
  expect(examples).toEqual(
    expect.arrayContaining([
      'affinity',
      'companion',
      'dev-environment',
      'dr-site',
      'e-commerce-platform',
      'mixed-members',
      'nested',
      'probes',
      'three-tier-app',
      'two-sites',
      'vm-operator',
      'vsphere',
    ]),
  );
});

test('all of them side by side have no problem, and no warning', () => {
  expect(parseManifests(examples.flatMap(filesOf)).problems).toEqual([]);
});

describe.each(examples)('%s', (example) => {
  test('has no problem, and no warning', () => {
    expect(read(example).groups.length).toBeGreaterThan(0);
  });

  test('has every member and every class that it names', () => {
    const { groups, virtualMachines, classes } = read(example);
    const names = { VirtualMachine: virtualMachines, VirtualMachineGroup: groups };
    for (const { kind, name } of groups.flatMap(({ tiers }) => tiers.flatMap(({ members }) => members))) {
      expect(names[kind].map((object) => object.name)).toContain(name);
    }
    // On a cluster of VM Operator classes belong to the administrator of the namespace.
    // On a vCenter and on hosts of libvirt the VMs exist; KubeVirt's have no classes of ours.
    if (['vm-operator', 'companion', 'vsphere', 'libvirt', 'kubevirt'].includes(example))
      return expect(classes).toEqual([]);
    for (const vm of virtualMachines) expect(classes.map(({ name }) => name)).toContain(vm.className);
  });
});

test.each([
  ['three-tier-app', 'three-tier-app', 'production', 'PoweredOn', [0, 30_000, 20_000], [2, 3, 2]],
  ['mixed-members', 'mixed-members', 'mixed-members', 'PoweredOn', [0, 60_000], [1, 2]],
  ['nested', 'parent-application-group', 'nested', 'PoweredOn', [0, 60_000, 30_000], [1, 1, 1]],
  ['nested', 'database-tier', 'nested', 'PoweredOn', [0, 10_000], [1, 2]],
  ['e-commerce-platform', 'e-commerce-platform', 'e-commerce', 'PoweredOn', [0, 45_000, 30_000], [2, 3, 2]],
  ['dev-environment', 'dev-environment', 'development', 'PoweredOff', [0, 20_000], [2, 2]],
  ['dr-site', 'dr-site', 'disaster-recovery', 'PoweredOff', [0, 60_000, 30_000], [1, 2, 1]],
  ['probes', 'order-desk', 'probes', 'PoweredOn', [0, 0], [1, 2]],
  ['vsphere', 'webshop', 'webshop', 'PoweredOn', [0, 5_000, 0], [1, 2, 1]],
  ['two-sites', 'checkout', 'two-sites', 'PoweredOn', [0, 0, 2_000], [1, 1, 2]],
  ['vm-operator', 'order-service', 'orders', 'PoweredOn', [0, 30_000, 20_000], [1, 2, 2]],
])('%s: %s has its state, delays and tiers', (example, name, namespace, powerState, delays, sizes) => {
  const group = read(example).groups.find((one) => one.name === name);
  expect(group).toMatchObject({ namespace, powerState });
  expect(group?.tiers.map(({ powerOnDelay }) => powerOnDelay)).toEqual(delays);
  expect(group?.tiers.map(({ members }) => members.length)).toEqual(sizes);
});

test('affinity: one rule of each kind', () => {
  const rules = read('affinity').virtualMachines.map(({ name, affinity }) => [
    name,
    ...affinity.map(({ effect, strength, topologyKey }) => `${strength} ${effect} ${topologyKey}`),
  ]);
  expect(rules).toEqual([
    ...['app-server-1', 'app-server-2', 'app-server-3'].map((name) => [
      name,
      'Preferred AntiAffinity kubernetes.io/hostname',
    ]),
    ['app-cache', 'Required Affinity kubernetes.io/hostname'],
    ...['web-server-1', 'web-server-2', 'web-server-3'].map((name) => [
      name,
      'Required AntiAffinity topology.kubernetes.io/zone',
    ]),
  ]);
});

describe("vm-operator: fields of VM Operator's own definitions, and no other", () => {
  // As VM Operator ships them in v1alpha5, where they are checked strictly.
  const rule = z.array(
    z.strictObject({
      labelSelector: z.strictObject({ matchLabels: z.record(z.string(), z.string()) }),
      topologyKey: z.literal('topology.kubernetes.io/zone'),
    }),
  );
  const rules = z.strictObject({
    requiredDuringSchedulingPreferredDuringExecution: rule.optional(),
    preferredDuringSchedulingPreferredDuringExecution: rule.optional(),
  });
  const metadata = z.strictObject({
    name: z.string(),
    namespace: z.string(),
    labels: z.record(z.string(), z.string()).optional(),
  });
  const schema = z.discriminatedUnion('kind', [
    z.strictObject({
      apiVersion: z.literal('vmoperator.vmware.com/v1alpha5'),
      kind: z.literal('VirtualMachineGroup'),
      metadata,
      spec: z.strictObject({
        powerState: z.enum(['PoweredOn', 'PoweredOff', 'Suspended']),
        bootOrder: z.array(
          z.strictObject({
            powerOnDelay: z.string().optional(),
            members: z.array(z.strictObject({ kind: z.literal('VirtualMachine'), name: z.string() })),
          }),
        ),
      }),
    }),
    z.strictObject({
      apiVersion: z.literal('vmoperator.vmware.com/v1alpha5'),
      kind: z.literal('VirtualMachine'),
      metadata,
      spec: z.strictObject({
        groupName: z.string(),
        className: z.string(),
        imageName: z.string(),
        storageClass: z.string(),
        affinity: z
          .strictObject({ vmAffinity: rules.optional(), vmAntiAffinity: rules.optional() })
          .optional(),
      }),
    }),
  ]);
  const documents = filesOf('vm-operator').flatMap(({ text }) =>
    parseAllDocuments(text).map((one) => one.toJS() as unknown),
  );

  test.each(documents.map((document, index) => [index, document]))('document %i', (_, document) => {
    expect(schema.safeParse(document).error).toBeUndefined();
  });
});
