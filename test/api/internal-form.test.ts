/** What manifests become: one form for every version and spelling. */
import { DEFAULT_INVENTORY, DEFAULT_POLICY, parseManifests, type AffinityTerm, type Group } from '../../api';
import { documents, group, inventory, parse, policy, vm } from './support';

function groupOf(text: string): Group {
  const { manifests, problems } = parse(text);
  expect(problems).toEqual([]);
  const [first] = manifests.groups;
  if (!first) throw new Error('no group');
  return first;
}

function affinityOf(rules: string): AffinityTerm[] {
  const { manifests, problems } = parse(documents(vm('a', 'groupName: g', `affinity: ${rules}`), group('g')));
  expect(problems).toEqual([]);
  return manifests.virtualMachines[0]?.affinity ?? [];
}

describe('groups', () => {
  test('a group with everything', () => {
    const text = group(
      'g',
      'groupName: ""',
      'powerState: PoweredOff',
      'powerOffMode: Soft',
      'suspendMode: Hard',
      'nextForcePowerStateSyncTime: NOW',
      'bootOrder:',
      '- {members: [{name: a}, {name: b, kind: VirtualMachineGroup}], delay: 30s, powerOnDelay: 5s}',
      '- {members: [{name: c, kind: VirtualMachine}], powerOnDelay: 1m, powerOffDelay: 10s, delay: 9h}',
    );
    expect(groupOf(text)).toEqual({
      namespace: 'default',
      name: 'g',
      uid: expect.stringMatching(
        /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/,
      ) as string,
      generation: 0,
      revision: expect.stringMatching(/^[0-9a-f]{12}$/) as string,
      labels: {},
      annotations: {},
      powerState: 'PoweredOff',
      powerOffMode: 'Soft',
      suspendMode: 'Hard',
      nextForcePowerStateSyncTime: 'now',
      tiers: [
        {
          members: [
            { kind: 'VirtualMachine', name: 'a' },
            { kind: 'VirtualMachineGroup', name: 'b' },
          ],
          powerOnDelay: 5_000,
          powerOffDelay: null,
        },
        { members: [{ kind: 'VirtualMachine', name: 'c' }], powerOnDelay: 90_000, powerOffDelay: 10_000 },
      ],
    });
  });

  test.each(['v1alpha2', 'v1alpha3', 'v1alpha4', 'v1alpha5', 'v1alpha6'])(
    'both spellings are the same in %s',
    (version) => {
      const versioned = (text: string): string => text.replace('v1alpha4', version);
      const documented = group(
        'g',
        'bootOrder:',
        '- {members: [{name: a}], delay: 30s}',
        '- {members: [{name: b}]}',
      );
      const shipped = group(
        'g',
        'bootOrder:',
        '- {members: [{name: a}]}',
        '- {members: [{name: b}], powerOnDelay: 30s}',
      );
      expect(groupOf(versioned(documented)).tiers).toEqual(groupOf(versioned(shipped)).tiers);
    },
  );

  test('only what a manifest says is in it', () => {
    expect(Object.keys(groupOf(group('g'))).sort()).toEqual(
      ['annotations', 'generation', 'labels', 'name', 'namespace', 'revision', 'tiers', 'uid'].sort(),
    );
  });
});

describe('identity', () => {
  const text =
    'apiVersion: vmoperator.vmware.com/v1alpha4\nkind: VirtualMachineGroup\nmetadata:\n  name: g\n  labels: {b: x, a: y}\nspec: {powerState: PoweredOn}\n';
  const same =
    '# a comment\nspec:\n  powerState: "PoweredOn"\n  groupName:\nkind: VirtualMachineGroup\nmetadata:\n  labels:\n    a: y\n    b: x\n  namespace: default\n  name: g\n  resourceVersion: "7"\napiVersion: vmoperator.vmware.com/v1alpha4\nstatus: {a: 1}\n';

  test('the revision is that of the desired state alone', () => {
    expect(groupOf(same).revision).toBe(groupOf(text).revision);
  });

  test.each([
    ['spec', text.replace('PoweredOn', 'PoweredOff')],
    ['labels', text.replace('b: x', 'b: z')],
    ['name', text.replace('name: g', 'name: h')],
  ])('the revision tells a change of %s', (_, changed) => {
    expect(groupOf(changed).revision).not.toBe(groupOf(text).revision);
  });

  test('the uid depends on kind, namespace and name; one that is given is kept', () => {
    expect(groupOf(same.replace('PoweredOn', 'PoweredOff')).uid).toBe(groupOf(text).uid);
    expect(groupOf(text.replace('name: g', 'name: h')).uid).not.toBe(groupOf(text).uid);
    expect(groupOf(text.replace('name: g', 'name: g\n  uid: abc')).uid).toBe('abc');
  });

  test('the generation is when the file was changed, else that of the object', () => {
    const exported = text.replace('name: g', 'name: g\n  generation: 4');
    const generation = (changedAt?: number): number | undefined =>
      parseManifests([{ path: 'a', text: exported, ...(changedAt !== undefined && { changedAt }) }]).manifests
        .groups[0]?.generation;
    expect(generation()).toBe(4);
    expect(generation(1_700_000_000_000)).toBe(1_700_000_000_000);
    expect(groupOf(text).generation).toBe(0);
  });
});

describe('VMs', () => {
  test('a VM with everything', () => {
    const text =
      'apiVersion: vmoperator.vmware.com/v1alpha6\nkind: VirtualMachine\nmetadata:\n  name: a\n  namespace: n\n' +
      '  labels: {topology.kubernetes.io/zone: zone-a}\nspec: {className: c, powerState: Suspended, powerOffMode: TrySoft, suspendMode: Hard}\n' +
      'status: {uniqueID: vm-1, zone: zone-b, nodeName: host-1}\n';
    expect(parse(text).manifests.virtualMachines[0]).toMatchObject({
      namespace: 'n',
      className: 'c',
      powerState: 'Suspended',
      powerOffMode: 'TrySoft',
      suspendMode: 'Hard',
      affinity: [],
      zone: 'zone-a',
      placed: { zoneID: 'zone-b', node: 'host-1' },
    });
  });

  test.each(['{uniqueID: vm-1}', '{zone: zone-b, nodeName: h}', '{uniqueID: "", zone: z}'])(
    'status %s is not placed yet',
    (status) => {
      expect(parse(`${vm('a')}status: ${status}\n`).manifests.virtualMachines[0]?.placed).toBeUndefined();
    },
  );
});

describe('affinity', () => {
  const host = 'kubernetes.io/hostname';
  const zone = 'topology.kubernetes.io/zone';
  const web = { matchLabels: { tier: 'web' }, matchExpressions: [] };
  const app = {
    matchLabels: {},
    matchExpressions: [{ key: 'tier', operator: 'In' as const, values: ['app'] }],
  };

  test('documented: each selector of the list is a term', () => {
    const verb = 'preferredDuringSchedulingIgnoredDuringExecution';
    const selectors =
      '[{matchLabels: {tier: web}}, {matchExpressions: [{key: tier, operator: In, values: [app]}]}]';
    const path = `spec.affinity.vmAntiAffinity.${verb}.labelSelector`;
    const term = { effect: 'AntiAffinity', strength: 'Preferred', topologyKey: host };
    expect(
      affinityOf(`{vmAntiAffinity: {${verb}: {labelSelector: ${selectors}, topologyKey: ${host}}}}`),
    ).toEqual([
      { ...term, selector: web, path: `${path}[0]` },
      { ...term, selector: app, path: `${path}[1]` },
    ]);
  });

  test('shipped: a list of terms', () => {
    const verb = 'requiredDuringSchedulingPreferredDuringExecution';
    const terms = `[{labelSelector: {matchLabels: {tier: web}}, topologyKey: ${zone}}]`;
    expect(affinityOf(`{vmAffinity: {${verb}: ${terms}}}`)).toEqual([
      {
        effect: 'Affinity',
        strength: 'Required',
        topologyKey: zone,
        selector: web,
        path: `spec.affinity.vmAffinity.${verb}[0]`,
      },
    ]);
  });

  test.each(['zoneAffinity', 'zoneAntiAffinity'])('%s is about zones without saying so', (effect) => {
    const verb = 'requiredDuringSchedulingIgnoredDuringExecution';
    expect(affinityOf(`{${effect}: {${verb}: {labelSelector: [{matchLabels: {tier: web}}]}}}`)).toMatchObject(
      [
        {
          effect: effect === 'zoneAffinity' ? 'Affinity' : 'AntiAffinity',
          strength: 'Required',
          topologyKey: zone,
        },
      ],
    );
  });

  test('either shape under either name', () => {
    const verbs = [
      'requiredDuringSchedulingIgnoredDuringExecution',
      'requiredDuringSchedulingPreferredDuringExecution',
    ];
    const term = `{labelSelector: {matchLabels: {tier: web}}, topologyKey: ${host}}`;
    const shapes = [
      term,
      `[${term}]`,
      term.replace('{matchLabels: {tier: web}}', '[{matchLabels: {tier: web}}]'),
    ];
    const all = verbs.flatMap((verb) =>
      shapes.map((shape) => affinityOf(`{vmAffinity: {${verb}: ${shape}}}`)),
    );
    for (const [only, ...others] of all) {
      expect(others).toEqual([]);
      expect(only).toMatchObject({
        effect: 'Affinity',
        strength: 'Required',
        topologyKey: host,
        selector: web,
      });
    }
  });
});

describe('classes', () => {
  test.each([
    ['16Gi', 16 * 2 ** 30],
    ['1000', 1_000],
  ])('memory %s', (memory, bytes) => {
    const text = `apiVersion: vmoperator.vmware.com/v1alpha4\nkind: VirtualMachineClass\nmetadata: {name: c}\nspec: {hardware: {cpus: 4, memory: ${memory}, devices: {}}, policies: {}}\n`;
    expect(parse(text).manifests.classes[0]).toMatchObject({ cpus: 4, memory: bytes });
  });
});

test('only the annotation vmgroup.dev/test with the value true makes runs rehearsals', () => {
  const annotated = (value: string): Group =>
    groupOf(group('g').replace('name: g', `name: g, annotations: {vmgroup.dev/test: "${value}"}`));
  expect(annotated('true').test).toBe(true);
  expect(annotated('yes').test).toBeUndefined();
});

describe('policies', () => {
  test('recovery targets of the run and of tiers, in milliseconds', () => {
    const text = policy('p', 'targets: {rto: 30m}', 'tiers: [{tier: 0, targets: {rto: 90s}}, {tier: 1}]');
    const spec = parse(text).manifests.policies[0]?.spec;
    expect(spec?.targets).toEqual({ rto: 1_800_000 });
    expect(spec?.tiers).toEqual([{ tier: 0, targets: { rto: 90_000 } }, { tier: 1 }]);
    expect(parse(policy('p', 'targets: {rto: 0s}')).problems).toHaveLength(1);
    expect(parse(policy('p', 'targets: {}')).problems).toHaveLength(1);
  });

  test('what is left out has its built-in value', () => {
    expect(parse(policy('p')).manifests.policies[0]?.spec).toEqual(DEFAULT_POLICY);
    expect(
      parse(policy('p', 'drift: {action: Report}', 'retry: {maximumInterval: 1s}')).manifests.policies[0]
        ?.spec,
    ).toEqual({
      ...DEFAULT_POLICY,
      drift: { ...DEFAULT_POLICY.drift, action: 'Report' },
      retry: { maximumAttempts: 5, initialInterval: 1_000, maximumInterval: 1_000 },
    });
  });

  test('a gate on a condition; on the condition Ready it is the gate Ready', () => {
    const gates = (text: string): unknown => {
      const { gate, tiers } = parse(policy('p', ...text.split('\n'))).manifests.policies[0]?.spec ?? {};
      return [gate, tiers?.[0]?.gate];
    };
    expect(gates('gate: Condition/GuestCustomization\ntiers: [{tier: 0, gate: Condition/Ready}]')).toEqual([
      'Condition/GuestCustomization',
      'Ready',
    ]);
  });

  test('a policy with everything', () => {
    const text = policy(
      'p',
      'gate: Ready',
      'gateTimeout: 1m',
      'operationTimeout: 2m',
      'retry: {maximumAttempts: 1, initialInterval: 1s, maximumInterval: 3s}',
      'whenParked: Continue',
      'optionalMembers: [{name: a}, {kind: VirtualMachineGroup, name: b}]',
      'quorum: 75%',
      'maxConcurrentOperations: 7',
      'drift: {action: Report, maxCorrections: 0, window: 1h}',
      'guestShutdownTimeout: 0s',
      'deletion: Cascade',
      'tiers: [{tier: 1, gate: None, gateTimeout: 5s, quorum: 2, whenParked: Fail}]',
    );
    expect(parse(text).manifests.policies[0]?.spec).toEqual({
      gate: 'Ready',
      gateTimeout: 60_000,
      operationTimeout: 120_000,
      retry: { maximumAttempts: 1, initialInterval: 1_000, maximumInterval: 3_000 },
      whenParked: 'Continue',
      optionalMembers: [
        { kind: 'VirtualMachine', name: 'a' },
        { kind: 'VirtualMachineGroup', name: 'b' },
      ],
      quorum: '75%',
      maxConcurrentOperations: 7,
      drift: { action: 'Report', maxCorrections: 0, window: 3_600_000 },
      guestShutdownTimeout: 0,
      deletion: 'Cascade',
      tiers: [{ tier: 1, gate: 'None', gateTimeout: 5_000, quorum: 2, whenParked: 'Fail' }],
    });
  });
});

describe('inventories', () => {
  test('what is left out has its built-in value', () => {
    const { hosts, datastores, behavior } = DEFAULT_INVENTORY;
    expect(parse(inventory('i')).manifests.inventories[0]).toMatchObject({ hosts, datastores, behavior });
  });

  test('an inventory with everything', () => {
    const text = inventory(
      'i',
      'hosts: [{name: h, zone: z, cpus: 8, memory: 1Gi}, {name: i, zone: y, pool: p, cpus: 8, memory: 1024}]',
      'datastores: [{name: d, capacity: 1Ti}, {name: e, id: e-1, zones: [y], capacity: 1}]',
      'behavior:',
      '  seed: 7',
      '  powerOnTime: 1s',
      '  readyTime: {min: 1s, max: 2s}',
      '  powerOffTime: {mean: 1s, deviation: 500ms}',
      '  faults: [{type: Throttled, vm: n/a, operation: PoweredOn, times: 2, probability: 0.5, retryAfter: 3s}, {type: Slow, factor: 2}]',
    );
    expect(parse(text).manifests.inventories[0]).toMatchObject({
      hosts: [
        { name: 'h', zone: 'z', pool: 'z-pool', cpus: 8, memory: 2 ** 30 },
        { name: 'i', zone: 'y', pool: 'p', cpus: 8, memory: 1024 },
      ],
      datastores: [
        { name: 'd', id: 'd', zones: ['z', 'y'], capacity: 2 ** 40 },
        { name: 'e', id: 'e-1', zones: ['y'], capacity: 1 },
      ],
      behavior: {
        seed: 7,
        powerOnTime: 1_000,
        readyTime: { min: 1_000, max: 2_000 },
        powerOffTime: { mean: 1_000, deviation: 500 },
        guestShutdownTime: 2_000,
        faults: [
          {
            type: 'Throttled',
            vm: 'n/a',
            operation: 'PoweredOn',
            times: 2,
            probability: 0.5,
            retryAfter: 3_000,
          },
          { type: 'Slow', factor: 2 },
        ],
      },
    });
  });
});

describe('v1alpha1', () => {
  const first = (text: string): string => text.replace('v1alpha5', 'v1alpha1');

  test('a VM is read with its own spelling of power states and modes', () => {
    const spec = ['className: small', 'powerState: poweredOn', 'powerOffMode: trySoft', 'suspendMode: hard'];
    const { manifests, problems } = parse(
      first(vm('a', ...spec)) + 'status: {uniqueID: vm-1, zone: z, host: h}\n',
    );
    expect(problems).toEqual([]);
    expect(manifests.virtualMachines).toMatchObject([
      {
        name: 'a',
        className: 'small',
        powerState: 'PoweredOn',
        powerOffMode: 'TrySoft',
        suspendMode: 'Hard',
        placed: { zoneID: 'z', node: 'h' },
      },
    ]);
  });

  test('a VM can be in no group', () => {
    const { manifests, problems } = parse(documents(first(vm('a', 'groupName: g')), group('g')));
    expect(manifests.virtualMachines).toEqual([]);
    expect(problems.map(({ message }) => message)).toEqual([
      'v1alpha1 has no groupName: write v1alpha2 or a later version',
    ]);
  });

  test('a class is read', () => {
    const text =
      'apiVersion: vmoperator.vmware.com/v1alpha1\nkind: VirtualMachineClass\nmetadata: {name: c}\nspec: {hardware: {cpus: 2, memory: 4Gi}}\n';
    expect(parse(text)).toMatchObject({
      problems: [],
      manifests: { classes: [{ cpus: 2, memory: 4 * 2 ** 30 }] },
    });
  });
});
