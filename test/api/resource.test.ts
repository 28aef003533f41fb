/** One object as an API server sends it. */
import { formatPath, manifestsOf, readResource, reviewAdmission } from '../../api';

const metadata = {
  name: 'web',
  namespace: 'prod',
  uid: '0b5a2f0e-3c52-4a53-9d2c-5a1c6f8f3f10',
  generation: 7,
  resourceVersion: '4711',
  creationTimestamp: '2026-01-01T00:00:00Z',
  deletionTimestamp: '2026-01-02T00:00:00Z',
  deletionGracePeriodSeconds: 0,
  finalizers: ['vmoperator.vmware.com/virtualmachinegroup'],
  ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'a', uid: 'b' }],
  managedFields: [
    { manager: 'kubectl', operation: 'Apply', fieldsType: 'FieldsV1', fieldsV1: { 'f:spec': {} } },
  ],
};
const group = {
  apiVersion: 'vmoperator.vmware.com/v1alpha6',
  kind: 'VirtualMachineGroup',
  metadata,
  spec: { powerState: 'PoweredOn', bootOrder: [{ members: [{ kind: 'VirtualMachine', name: 'a' }] }] },
  status: { observedGeneration: 6, conditions: [{ type: 'Ready', status: 'False' }] },
};
const ref = { kind: 'VirtualMachineGroup', namespace: 'prod', name: 'web' };

/** What is wrong, as text. */
function wordsOf(value: unknown): string[] {
  return readResource(value).findings.map(
    ({ severity, path, message }) => `${severity}: ${formatPath(path)}: ${message}`,
  );
}

test('its revision is uid:generation, and nothing that a server adds is wrong', () => {
  expect(readResource(group)).toMatchObject({
    ref,
    read: {
      kind: 'VirtualMachineGroup',
      object: {
        uid: metadata.uid,
        generation: 7,
        revision: `${metadata.uid}:7`,
        tiers: [{ members: [{ kind: 'VirtualMachine', name: 'a' }] }],
      },
    },
    findings: [],
  });
});

test('a field that only the server knows is a warning', () => {
  const later = {
    ...group,
    metadata: { ...metadata, shard: 'a' },
    spec: { powerState: 'PoweredOff', maintenance: { from: 'now' }, bootOrder: [{ weight: 1, members: [] }] },
  };
  expect(wordsOf(later)).toEqual([
    expect.stringMatching(/^Warning: metadata.shard: unknown field; .*\(left alone\)$/),
    expect.stringMatching(/^Warning: spec.bootOrder\[0\].weight: unknown field; .*\(left alone\)$/),
    expect.stringMatching(/^Warning: spec.maintenance: unknown field; .*\(left alone\)$/),
  ]);
  expect(readResource(later).read?.object).toMatchObject({
    powerState: 'PoweredOff',
    tiers: [{ members: [] }],
  });
});

test('other mistakes are errors, in addition to the warnings', () => {
  const wrong = { ...group, spec: { colour: 'red', powerState: 'On' } };
  expect(readResource(wrong)).toMatchObject({ ref });
  expect(readResource(wrong).read).toBeUndefined();
  expect(wordsOf(wrong)).toEqual([
    expect.stringContaining('Warning: spec.colour'),
    'Error: spec.powerState: unsupported value "On"; did you mean "PoweredOn"?',
  ]);
});

test('kinds of other products are left alone; what is no object is an error, and never throws', () => {
  expect(readResource({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } })).toEqual({
    ref: { kind: 'ConfigMap', namespace: 'default', name: 'a' },
    findings: [],
  });
  for (const value of [null, undefined, 7, 'text', [], {}, { kind: 'VirtualMachine' }])
    expect(wordsOf(value)).toHaveLength(1);
});

test('unknown fields are nested as deeply as an API server takes them, and stay in what was sent', () => {
  const nested = '['.repeat(9_000) + ']'.repeat(9_000);
  const rules = `{"powerState":"PoweredOff","later":${nested},"affinity":{"vmAffinity":{"later":${nested}},"later":1}}`;
  const sent = {
    apiVersion: group.apiVersion,
    kind: 'VirtualMachine',
    metadata: { name: 'db', namespace: 'prod' },
    spec: JSON.parse(rules) as Record<string, unknown>,
  };
  expect(wordsOf(sent)).toEqual([
    expect.stringContaining('Warning: spec.affinity.vmAffinity.later: unknown field'),
    expect.stringContaining('Warning: spec.affinity.later: unknown field'),
  ]);
  expect(readResource(sent).read).toMatchObject({ object: { powerState: 'PoweredOff', affinity: [] } });
  expect(Object.keys(sent.spec['affinity'] as object)).toEqual(['vmAffinity', 'later']);
  const verdict = reviewAdmission({ operation: 'UPDATE', object: sent, oldObject: sent }, manifestsOf([]));
  expect(verdict.allowed).toBe(true);
});
