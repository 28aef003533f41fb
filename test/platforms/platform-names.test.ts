/** Which platform each VM is on. */
import { parseManifests, type PlatformObject } from '../../api';
import { platformNames } from '../../platforms';

function parse(spec: string, name = 'west'): ReturnType<typeof parseManifests> {
  const text = `apiVersion: vmgroup.dev/v1alpha1\nkind: Platform\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
  return parseManifests([{ path: 'p.yaml', text }]);
}

const platform = (name: string, namespaces: string[] = []): PlatformObject => ({
  ...(parse('{simulated: {address: "http://127.0.0.1:1"}}', name).manifests.platforms[0] as PlatformObject),
  namespaces,
});

const messages = (spec: string, name?: string): string[] =>
  parse(spec, name).problems.map(({ path, message }) => `${path}: ${message}`);

describe('a VM is on', () => {
  const names = platformNames([platform('east', ['prod']), platform('west')], 'east');

  test.each([
    ['the platform that it names', { namespace: 'prod', platform: 'west' }, 'west'],
    ['the one that has its namespace', { namespace: 'prod' }, undefined],
    ['the default one otherwise', { namespace: 'test' }, undefined],
    ['the default one by its name', { namespace: 'test', platform: 'east' }, undefined],
    ['none, if it names one that is not described', { namespace: 'test', platform: 'south' }, 'south'],
  ])('%s', (_, vm, expected) => expect(names.of(vm)).toBe(expected));

  test('the platform that has its namespace, if that is not the default one', () => {
    expect(platformNames([platform('west', ['dr'])], 'simulated').of({ namespace: 'dr' })).toBe('west');
  });
});

test('the type of that platform, and who asks readiness probes there', () => {
  const west = platform('west', ['dr']);
  const names = platformNames([west], 'vm-operator', 'vm-operator');
  const all = (vm: Parameters<typeof names.of>[0]) => [names.typeOf(vm), names.probesItself(vm)];
  expect(all({ namespace: 'prod' })).toEqual(['vm-operator', true]);
  expect(all({ namespace: 'dr' })).toEqual(['simulated', false]);
  expect(all({ namespace: 'prod', platform: 'south' })).toEqual([undefined, false]);
  expect(platformNames([west], 'west').typeOf({ namespace: 'prod' })).toBe('simulated');
  expect(platformNames([west], undefined).typeOf({ namespace: 'prod' })).toBeUndefined();
});

test('two platforms of one name, or with one namespace, are refused', () => {
  expect(() => platformNames([platform('west'), platform('west')], 'west')).toThrow(
    'two platforms are named west',
  );
  expect(() => platformNames([platform('a', ['prod']), platform('b', ['prod'])], 'a')).toThrow(
    'platforms a and b both have namespace prod',
  );
});

test.each([
  ['{}', 'spec: a platform has exactly one of'],
  ['{simulated: {address: "http://h:1"}, vmOperator: {}}', 'this one has 2'],
  ['{simulated: {address: "h:1"}}', 'spec.simulated.address: invalid address'],
  ['{simulated: {address: "http://user:secret@h:1"}}', 'spec.simulated.address: invalid address'],
  ['{vsphere: {address: "https://user:secret@h"}}', 'spec.vsphere.address: invalid address'],
  ['{vsphere: {address: "https://:secret@h"}}', 'spec.vsphere.address: invalid address'],
  ['{vmOperator: {}, namespaces: [prod, prod]}', 'spec.namespaces[1]: duplicate value'],
])('%s is refused', (spec, message) => {
  expect(messages(spec).join('\n')).toContain(message);
  expect(messages(spec).join('\n')).not.toContain('secret');
  expect(parse(spec).manifests.platforms).toEqual([]);
});

test('a name that does not fit into the name of a task queue is refused', () => {
  expect(messages('{vmOperator: {}}', 'w'.repeat(64)).join()).toContain('metadata.name: too long');
});

test.each([
  ['vmgroup.dev/platform', 'No Platform!', 'invalid name of a platform "No Platform!"'],
  ['vmgroup.dev/platform-vm', 'web', 'invalid locator "web"'],
  ['vmgroup.dev/platform-vm', 'uuid:; drop', 'invalid locator'],
])('the annotation %s: %s is refused', (annotation, value, message) => {
  const text =
    `apiVersion: vmoperator.vmware.com/v1alpha5\nkind: VirtualMachine\n` +
    `metadata: {name: web, annotations: {${annotation}: ${JSON.stringify(value)}}}\n`;
  const { problems } = parseManifests([{ path: 'vm.yaml', text }]);
  expect(problems.map((problem) => problem.message).join()).toContain(message);
});
