/** COMPANION-1, COMPANION-2: how annotations describe a group next to VM Operator's group controller. */
import { readBesideVmOperator, type Group } from '../../api';

function written(annotations: Record<string, string>, spec: object = {}): object {
  return {
    apiVersion: 'vmoperator.vmware.com/v1alpha6',
    kind: 'VirtualMachineGroup',
    metadata: { namespace: 'team', name: 'shop', uid: 'u-1', generation: 3, annotations },
    spec: { bootOrder: [{ members: [{ name: 'db' }] }, { members: [{ name: 'web' }] }], ...spec },
  };
}

function group(annotations: Record<string, string>, spec: object = {}): Group {
  const { read, findings } = readBesideVmOperator(written(annotations, spec));
  expect(findings).toEqual([]);
  if (read?.kind !== 'VirtualMachineGroup') throw new Error('not read');
  return read.object;
}

/** The findings as `path: message`. */
function wrong(annotations: Record<string, string>): string[] {
  const { read, findings } = readBesideVmOperator(written(annotations));
  expect(read).toBeUndefined();
  return findings.map(({ path, message }) => `${path.at(-1)}: ${message}`);
}

test('power state, modes and delays come from annotations, and never from the spec', () => {
  const read = group({
    'vmgroup.dev/power-state': 'PoweredOn',
    'vmgroup.dev/power-off-mode': 'Hard',
    'vmgroup.dev/suspend-mode': 'Soft',
    'vmgroup.dev/power-off-delay': '30s',
    'vmgroup.dev/sync': '2026-01-01T00:00:00Z',
  });
  expect(read).toMatchObject({
    powerState: 'PoweredOn',
    powerOffMode: 'Hard',
    suspendMode: 'Soft',
    nextForcePowerStateSyncTime: '2026-01-01T00:00:00Z',
  });
  expect(read.tiers.map(({ powerOffDelay }) => powerOffDelay)).toEqual([30_000, 30_000]);
  const bare = group({}, { powerOffMode: 'Hard', suspendMode: 'Hard', nextForcePowerStateSyncTime: 'now' });
  expect(bare).not.toHaveProperty('powerState');
  expect(bare).not.toHaveProperty('powerOffMode');
  expect(bare).not.toHaveProperty('suspendMode');
  expect(bare).not.toHaveProperty('nextForcePowerStateSyncTime');
  expect(bare.tiers.map(({ powerOffDelay }) => powerOffDelay)).toEqual([null, null]);
});

test('a boot group keeps a delay of its own', () => {
  const bootOrder = [{ members: [{ name: 'db' }], powerOffDelay: '5s' }, { members: [{ name: 'web' }] }];
  const { tiers } = group({ 'vmgroup.dev/power-off-delay': '0s' }, { bootOrder });
  expect(tiers.map(({ powerOffDelay }) => powerOffDelay)).toEqual([5_000, 0]);
});

test('a group with spec.powerState is contested, and keeps what its annotations say', () => {
  const read = group({ 'vmgroup.dev/power-state': 'PoweredOn' }, { powerState: 'PoweredOff' });
  expect(read.powerState).toBe('PoweredOn');
  expect(read.contestedBy).toContain('spec.powerState of VirtualMachineGroup team/shop is PoweredOff');
  expect(group({}).contestedBy).toBeUndefined();
});

test('an edit of an annotation of ours is another revision; our report and others are not', () => {
  const before = group({ 'vmgroup.dev/power-off-mode': 'Hard' }).revision;
  expect(group({ 'vmgroup.dev/power-off-mode': 'Soft' }).revision).not.toBe(before);
  const more = {
    'vmgroup.dev/power-off-mode': 'Hard',
    'vmgroup.dev/status': '{}',
    'example.com/team': 'blue',
  };
  expect(group(more).revision).toBe(before);
  expect(group(more).annotations).not.toHaveProperty('vmgroup.dev/status');
  expect(group({}).revision).toBe('u-1:3');
});

test('who asked counts for the value of sync that was written with it, and for no later one', () => {
  const asked = { 'vmgroup.dev/asked-by': 'anna', 'vmgroup.dev/asked-for-revision': 't1' };
  const revision = (sync: string): string | undefined =>
    group({ ...asked, 'vmgroup.dev/sync': sync }).annotations['vmgroup.dev/asked-for-revision'];
  expect(revision('t1')).toBe('u-1:3');
  expect(revision('t2')).toBeUndefined();
});

test('a policy stands in an annotation, as YAML or JSON', () => {
  const yaml = group({ 'vmgroup.dev/policy-spec': 'gate: Ready\nwhenParked: Continue\n' }).policy?.spec;
  const json = group({ 'vmgroup.dev/policy-spec': '{"gate":"Ready","whenParked":"Continue"}' }).policy?.spec;
  expect(yaml).toMatchObject({ gate: 'Ready', whenParked: 'Continue', gateTimeout: 600_000 });
  expect(json).toEqual(yaml);
  expect(group({ 'vmgroup.dev/policy-spec': ' ' }).policy).toBeUndefined();
});

test('slips stand at their annotation', () => {
  expect(wrong({ 'vmgroup.dev/power-state': 'On' })[0]).toContain('vmgroup.dev/power-state: ');
  expect(wrong({ 'vmgroup.dev/power-off-mode': 'hard' })[0]).toContain('vmgroup.dev/power-off-mode: ');
  expect(wrong({ 'vmgroup.dev/power-off-delay': 'soon' })).toEqual([
    'vmgroup.dev/power-off-delay: invalid duration "soon": write 30s or 0s',
  ]);
  expect(wrong({ 'vmgroup.dev/power-off-delay': '-5s' })).toHaveLength(1);
  expect(wrong({ 'vmgroup.dev/sync': 'two words' })[0]).toContain('write 1 to 64 of the characters');
  expect(wrong({ 'vmgroup.dev/policy-spec': 'gate: [' })).toHaveLength(1);
  expect(wrong({ 'vmgroup.dev/policy-spec': 'gat: Ready' })[0]).toContain('spec');
  expect(wrong({ 'vmgroup.dev/policy-spec': 'gate: Ready\n---\ngate: None' })).toEqual([
    'vmgroup.dev/policy-spec: write one document',
  ]);
  expect(wrong({ 'vmgroup.dev/policy-spec': `gate: Ready # ${'x'.repeat(20_000)}` })).toEqual([
    'vmgroup.dev/policy-spec: longer than 16384 bytes',
  ]);
});

test('anything else is read as it is on a server; nothing throws', () => {
  const vm = {
    apiVersion: 'vmoperator.vmware.com/v1alpha6',
    kind: 'VirtualMachine',
    metadata: { namespace: 'team', name: 'db', uid: 'u-2' },
    spec: { powerState: 'PoweredOff' },
  };
  expect(readBesideVmOperator(vm).read?.object).toMatchObject({ powerState: 'PoweredOff' });
  for (const value of [
    undefined,
    null,
    7,
    [],
    {},
    { kind: 'VirtualMachineGroup' },
    { ...written({}), metadata: 7 },
  ])
    expect(readBesideVmOperator(value).read).toBeUndefined();
});
