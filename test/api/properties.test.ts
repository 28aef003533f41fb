/** MANIFESTS-1, YAML-1: nothing is thrown, whatever the text; both spellings of one group are one group. */
import fc from 'fast-check';
import { stringify } from 'yaml';
import { formatDuration, formatProblem, parseManifests } from '../../api';
import { propertyRuns } from '../support/property-runs';
import { anyCharacter } from '../support/any-character';

/** Texts that look like manifests and go wrong in many ways. */
const piece = fc.constantFrom(
  'apiVersion: vmoperator.vmware.com/v1alpha4\n',
  'kind: VirtualMachineGroup\n',
  'metadata: {name: g}\n',
  'metadata:\n  name: g\n',
  'spec:\n',
  '  bootOrder:\n',
  '  - members:\n',
  '    - name: a\n',
  '  powerState: PoweredOn\n',
  '  delay: -1s\n',
  '---\n',
  '...\n',
  '%YAML 1.1\n',
  '&a ',
  '*a',
  '<<: *a\n',
  '? ',
  ': ',
  '- ',
  '[',
  ']',
  '{',
  '}',
  '"',
  "'",
  '|\n',
  '>-\n',
  '!!binary ',
  '!x ',
  '#',
  ',',
  '\t',
  '\r\n',
  '\0',
  '\uFEFF',
  'null',
  '~',
  '1e999',
  '.nan',
  '__proto__: {a: 1}\n',
  'constructor: 1\n',
  'toString: {}\n',
);

/** Values where manifests have others. */
const value = fc.jsonValue({ maxDepth: 4 });

function check(text: string): void {
  const { manifests, problems } = parseManifests([{ path: 'a.yaml', text }]);
  const lines = text.split(/\n/).length;
  for (const problem of problems) {
    expect(problem.message).not.toBe('');
    expect(problem.message).not.toMatch(/undefined|\[object|Invalid input/);
    expect(problem.line).toBeGreaterThanOrEqual(1);
    expect(problem.line).toBeLessThanOrEqual(lines);
    expect(problem.column).toBeGreaterThanOrEqual(1);
    expect(formatProblem(problem)).toMatch(/^a\.yaml:\d+:\d+: /);
  }
  // Plain JSON, as it travels in payloads.
  expect(JSON.parse(JSON.stringify(manifests))).toEqual(manifests);
}

test('any text', () => {
  fc.assert(fc.property(fc.string({ unit: anyCharacter, maxLength: 200 }), check), {
    numRuns: propertyRuns(500),
  });
});

test('pieces of YAML', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => check(pieces.join(''))),
    { numRuns: propertyRuns(2_000) },
  );
});

test('manifests with any value in any place', () => {
  const kind = fc.constantFrom(
    ['vmoperator.vmware.com/v1alpha5', 'VirtualMachineGroup'],
    ['vmoperator.vmware.com/v1alpha5', 'VirtualMachine'],
    ['vmoperator.vmware.com/v1alpha5', 'VirtualMachineClass'],
    ['vmgroup.dev/v1alpha1', 'SequencePolicy'],
    ['vmgroup.dev/v1alpha1', 'SimulatedInventory'],
  );
  const fields = fc.dictionary(
    fc.constantFrom(
      'groupName',
      'bootOrder',
      'powerState',
      'affinity',
      'hardware',
      'retry',
      'tiers',
      'quorum',
      'hosts',
      'behavior',
      'drift',
      'datastores',
      'optionalMembers',
    ),
    fc.oneof(
      value,
      fc.array(fc.dictionary(fc.constantFrom('members', 'delay', 'name', 'tier', 'vmAffinity'), value)),
    ),
  );
  fc.assert(
    fc.property(
      kind,
      fc.oneof(value, fields),
      value,
      fc.record({ isOdd: fc.boolean(), isJson: fc.boolean() }),
      ([apiVersion, kind], spec, odd, { isOdd, isJson }) => {
        const object = {
          apiVersion,
          kind,
          metadata: isOdd ? odd : { name: 'g' },
          spec,
          status: odd,
        };
        check(isJson ? JSON.stringify(object) : stringify(object, { aliasDuplicateObjects: true }));
      },
    ),
    { numRuns: propertyRuns(1_000) },
  );
});

test('the documented and the shipped spelling of one group are one group', () => {
  const delay = fc.integer({ min: 0, max: 10_000_000 });
  const tier = fc.record({ size: fc.integer({ min: 0, max: 4 }), after: delay, before: delay });
  fc.assert(
    fc.property(fc.array(tier, { maxLength: 8 }), (tiers) => {
      const members = (size: number, index: number): object[] =>
        Array.from({ length: size }, (_, member) => ({ name: `vm-${index}-${member}` }));
      const documented = tiers.map(({ size, after, before }, index) => ({
        members: members(size, index).map((member) => ({ ...member, kind: 'VirtualMachine' })),
        delay: formatDuration(after),
        powerOnDelay: formatDuration(before),
      }));
      const shipped = tiers.map(({ size, before }, index) => ({
        members: members(size, index),
        powerOnDelay: formatDuration(before + (tiers[index - 1]?.after ?? 0)),
      }));
      const read = (bootOrder: object[]): unknown => {
        const object = {
          apiVersion: 'vmoperator.vmware.com/v1alpha6',
          kind: 'VirtualMachineGroup',
          metadata: { name: 'g' },
          spec: { bootOrder },
        };
        const { manifests, problems } = parseManifests([{ path: 'a.yaml', text: stringify(object) }]);
        expect(problems).toEqual([]);
        return manifests.groups[0]?.tiers;
      };
      expect(read(documented)).toEqual(read(shipped));
    }),
  );
});
