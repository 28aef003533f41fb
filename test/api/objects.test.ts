/** One object a file: what is wrong with it, where, and what would be right. */
import { documents, group, inventory, parse, policy, problemsOf, vm } from './support';

const versions = (from: number): string =>
  `known versions are ${[1, 2, 3, 4, 5, 6]
    .slice(from - 1)
    .map((version) => `vmoperator.vmware.com/v1alpha${version}`)
    .join(', ')}`;
const nameRule =
  'a name has lower case letters, digits, "-" and ".", and begins and ends with a letter or digit';
const preferred = 'preferredDuringSchedulingIgnoredDuringExecution';
const required = 'requiredDuringSchedulingIgnoredDuringExecution';
const shipped = 'requiredDuringSchedulingPreferredDuringExecution';
const vmAffinity = (line: string): string =>
  vm('a', 'groupName: g', `affinity: {vmAffinity: {${required}: ${line}}}`) + documents('', group('g'));
const at = `spec.affinity.vmAffinity.${required}`;

type Row = [title: string, text: string, problems: string[]];

const groups: Row[] = [
  [
    'unknown field with a near one',
    group('g', 'powerstate: PoweredOn'),
    ['5:3: spec.powerstate: unknown field; did you mean "powerState"?'],
  ],
  [
    'unknown field far from all',
    group('g', 'bootOrder:', '- colour: red'),
    [
      '6:5: spec.bootOrder[0].colour: unknown field; the fields here are delay, members, powerOffDelay, powerOnDelay',
    ],
  ],
  ['unknown field at the top', group('g') + 'sepc: {}\n', ['4:1: sepc: unknown field; did you mean "spec"?']],
  [
    'unknown field of metadata',
    'apiVersion: vmoperator.vmware.com/v1alpha4\nkind: VirtualMachineGroup\nmetadata:\n  name: g\n  label: {}\n',
    ['5:3: metadata.label: unknown field; did you mean "labels"?'],
  ],
  [
    'list where a mapping belongs',
    group('g', 'bootOrder: {}'),
    ['5:14: spec.bootOrder: expected a list, found a mapping'],
  ],
  [
    'number where a string belongs',
    group('g', 'groupName: 12'),
    ['5:14: spec.groupName: expected a string, found the number 12; put it in quotes'],
  ],
  [
    'member that is nothing',
    group('g', 'bootOrder:', '- members:', '  -'),
    ['7:6: spec.bootOrder[0].members[0]: expected a mapping, found nothing'],
  ],
  [
    'member without a name',
    group('g', 'bootOrder:', '- members:', '  - kind: VirtualMachine'),
    ['7:7: spec.bootOrder[0].members[0].name: required field is missing'],
  ],
  [
    'duration without a unit',
    group('g', 'bootOrder:', '- delay: "30"'),
    ['6:12: spec.bootOrder[0].delay: invalid duration "30": a unit is missing; did you mean "30s"?'],
  ],
  [
    'duration that is a number',
    group('g', 'bootOrder:', '- delay: 30'),
    [
      '6:12: spec.bootOrder[0].delay: expected a duration such as "30s" or "1m30s", found the number 30; write "30s"',
    ],
  ],
  [
    'negative durations, each named',
    group('g', 'bootOrder:', '- {delay: -1s, powerOnDelay: -2s, powerOffDelay: -3s}'),
    [
      '6:13: spec.bootOrder[0].delay: invalid duration "-1s": must not be negative',
      '6:32: spec.bootOrder[0].powerOnDelay: invalid duration "-2s": must not be negative',
      '6:52: spec.bootOrder[0].powerOffDelay: invalid duration "-3s": must not be negative',
    ],
  ],
  [
    'unknown power state',
    group('g', 'powerState: on'),
    ['5:15: spec.powerState: unsupported value "on"; did you mean "PoweredOn"?'],
  ],
  [
    'power state far from all',
    group('g', 'powerState: running'),
    [
      '5:15: spec.powerState: unsupported value "running": supported values are PoweredOn, PoweredOff, Suspended',
    ],
  ],
  [
    'unknown modes',
    group('g', 'powerOffMode: soft', 'suspendMode: TrySofd'),
    [
      '5:17: spec.powerOffMode: unsupported value "soft"; did you mean "Soft"?',
      '6:16: spec.suspendMode: unsupported value "TrySofd"; did you mean "TrySoft"?',
    ],
  ],
  [
    'time of a forced sync',
    group('g', 'nextForcePowerStateSyncTime: tomorrow'),
    ['5:32: spec.nextForcePowerStateSyncTime: unsupported value "tomorrow": may only be set to "now"'],
  ],
  [
    'unknown member kind',
    group('g', 'bootOrder:', '- members: [{name: a, kind: virtualmachine}]'),
    [
      '6:31: spec.bootOrder[0].members[0].kind: unsupported value "virtualmachine"; did you mean "VirtualMachine"?',
    ],
  ],
  [
    'name that is none',
    group('Web_Server'),
    [`3:18: metadata.name: invalid name "Web_Server": ${nameRule}; did you mean "web-server"?`],
  ],
  [
    'names of members and of the parent',
    group('g', 'groupName: -x', 'bootOrder:', '- members: [{name: a..b}]'),
    [
      `5:14: spec.groupName: invalid name "-x": ${nameRule}; did you mean "x"?`,
      `7:22: spec.bootOrder[0].members[0].name: invalid name "a..b": ${nameRule}`,
    ],
  ],
  [
    'name that is too long',
    group('x'.repeat(254)),
    ['3:18: metadata.name: invalid name: 254 characters long, at most 253 are allowed'],
  ],
  [
    'namespace with a dot',
    'apiVersion: vmoperator.vmware.com/v1alpha4\nkind: VirtualMachineGroup\nmetadata: {name: g, namespace: a.b}\n',
    ['3:32: metadata.namespace: invalid namespace "a.b": it cannot hold a "."'],
  ],
  [
    'no name',
    'apiVersion: vmoperator.vmware.com/v1alpha4\nkind: VirtualMachineGroup\nmetadata: {}\n',
    ['3:1: metadata.name: required field is missing'],
  ],
  [
    'version that is none of the kind',
    group('g').replace('v1alpha4', 'v1alpha1'),
    [
      `1:13: apiVersion: "vmoperator.vmware.com/v1alpha1" is no version of VirtualMachineGroup: ${versions(2)}`,
    ],
  ],
  [
    'API group that does not exist',
    group('g').replace('vmoperator.vmware.com', 'vmware.com'),
    [`1:13: apiVersion: "vmware.com/v1alpha4" is no version of VirtualMachineGroup: ${versions(2)}`],
  ],
  [
    'no apiVersion',
    'kind: VirtualMachine\nmetadata: {name: a}\n',
    [`1:1: apiVersion: required: ${versions(1)}`],
  ],
  [
    'misspelt kind',
    group('g').replace('VirtualMachineGroup', 'VirtualMachineGrup'),
    ['2:7: kind: unknown kind "VirtualMachineGrup"; did you mean "VirtualMachineGroup"?'],
  ],
  [
    'unknown kind of our own',
    policy('p').replace('SequencePolicy', 'Thing'),
    [
      '2:7: kind: unknown kind "Thing"; kinds of vmgroup.dev are SequencePolicy, SimulatedInventory, Platform',
    ],
  ],
  [
    'a list of something else',
    '- {op: replace, path: /spec}\n',
    ['1:1: warning: no manifest: it has neither kind nor metadata nor spec; ignored'],
  ],
  [
    'a list of manifests',
    '- {op: replace, path: /spec}\n- {kind: VirtualMachine}\n',
    ['1:1: a manifest is a mapping with apiVersion, kind and metadata'],
  ],
  [
    'no manifest at all',
    'services: {db: {image: postgres}}\n',
    ['1:1: warning: no manifest: it has neither kind nor metadata nor spec; ignored'],
  ],
  [
    'no kind',
    'apiVersion: v1\nspec: {}\n',
    [
      '1:1: kind: required: one of VirtualMachineGroup, VirtualMachine, VirtualMachineClass, SequencePolicy, SimulatedInventory, Platform',
    ],
  ],
  [
    'every problem at once',
    group('g', 'colour: red', 'powerState: off', 'bootOrder: [{delay: soon}]'),
    [
      '5:3: spec.colour: unknown field; the fields here are bootOrder, groupName, nextForcePowerStateSyncTime, powerOffMode, powerState, suspendMode',
      '6:15: spec.powerState: unsupported value "off"; did you mean "PoweredOff"?',
      '7:23: spec.bootOrder[0].delay: invalid duration "soon": write numbers with units (h, m, s, ms, us, ns), such as "30s", "1m30s" or "1.5h"',
    ],
  ],
];

const virtualMachines: Row[] = [
  [
    'label that is a number',
    'apiVersion: vmoperator.vmware.com/v1alpha4\nkind: VirtualMachine\nmetadata: {name: a, labels: {tier: 1}}\n',
    ['3:36: metadata.labels.tier: expected a string, found the number 1; put it in quotes'],
  ],
  [
    'power state of a VM',
    vm('a', 'powerState: poweredOn'),
    ['5:15: spec.powerState: unsupported value "poweredOn"; did you mean "PoweredOn"?'],
  ],
  [
    'unknown kind of rule',
    vm('a', 'affinity: {vmAfinity: {}}'),
    ['5:14: spec.affinity.vmAfinity: unknown field; did you mean "vmAffinity"?'],
  ],
  [
    'unknown verb',
    vm('a', 'affinity: {vmAffinity: {requiredDuringSchedulingIgnoreDuringExecution: []}}'),
    [
      `5:27: spec.affinity.vmAffinity.requiredDuringSchedulingIgnoreDuringExecution: unknown field; did you mean "${required}"?`,
    ],
  ],
  [
    'rule that is no mapping',
    vmAffinity('3'),
    [`6:75: ${at}: expected a mapping or a list of mappings, found the number 3`],
  ],
  [
    'unknown field of a term',
    vmAffinity('[{topologyKeys: kubernetes.io/hostname}]'),
    [`6:77: ${at}[0].topologyKeys: unknown field; did you mean "topologyKey"?`],
  ],
  [
    'unknown field of a selector in a list',
    vmAffinity('{topologyKey: kubernetes.io/hostname, labelSelector: [{matchLabel: {a: b}}]}'),
    [`6:130: ${at}.labelSelector[0].matchLabel: unknown field; did you mean "matchLabels"?`],
  ],
  [
    'bad topology key',
    vmAffinity('{topologyKey: kubernetes.io/hostnam, labelSelector: {}}'),
    [
      `6:89: ${at}.topologyKey: unsupported value "kubernetes.io/hostnam"; did you mean "kubernetes.io/hostname"?`,
    ],
  ],
  [
    'topology key of something else',
    vmAffinity('{topologyKey: rack, labelSelector: {}}'),
    [
      `6:89: ${at}.topologyKey: unsupported value "rack": supported values are kubernetes.io/hostname, topology.kubernetes.io/zone`,
    ],
  ],
  [
    'no topology key',
    vmAffinity('[{labelSelector: {}}]'),
    [
      `6:76: ${at}[0].topologyKey: required: supported values are kubernetes.io/hostname, topology.kubernetes.io/zone`,
    ],
  ],
  [
    'zone rule over hosts',
    documents(
      vm(
        'a',
        'groupName: g',
        `affinity: {zoneAntiAffinity: {${preferred}: {topologyKey: kubernetes.io/hostname, labelSelector: [{}]}}}`,
      ),
      group('g'),
    ),
    [
      `6:96: spec.affinity.zoneAntiAffinity.${preferred}.topologyKey: a zoneAntiAffinity rule is about zones (topology.kubernetes.io/zone); for hosts use vmAntiAffinity`,
    ],
  ],
  [
    'rule without a selector',
    vmAffinity('[{topologyKey: kubernetes.io/hostname}]'),
    [`6:76: ${at}[0]: warning: without a labelSelector this rule selects no VM and has no effect`],
  ],
  [
    'expressions',
    vmAffinity(
      '[{topologyKey: kubernetes.io/hostname, labelSelector: {matchExpressions: [{key: a, operator: In}, {key: a, operator: Exists, values: [b]}, {key: a, operator: in}]}}]',
    ),
    [
      `6:233: ${at}[0].labelSelector.matchExpressions[2].operator: unsupported value "in"; did you mean "In"?`,
    ],
  ],
  [
    'values of expressions',
    vmAffinity(
      '[{topologyKey: kubernetes.io/hostname, labelSelector: {matchExpressions: [{key: a, operator: In}, {key: a, operator: Exists, values: [b]}]}}]',
    ),
    [
      `6:149: ${at}[0].labelSelector.matchExpressions[0].values: required: the operator In needs one value or more`,
      `6:208: ${at}[0].labelSelector.matchExpressions[1].values: must be empty: the operator Exists takes no values`,
    ],
  ],
];

const ours: Row[] = [
  [
    'policy',
    policy(
      'p',
      'gate: ready',
      'gateTimeout: 0s',
      'quorum: 0',
      'whenParked: Wait',
      'maxConcurrentOperations: 1.5',
      'retry: {maximumAttempts: 0, initialInterval: 3}',
      'drift: {action: enforce, maxCorrections: -1}',
      'tiers: [{tier: -1, quorum: 101%}, {quorum: "0%"}, {tier: 0, quorum: true}]',
      'optionalMembers: [a]',
      'deletion: Delete',
    ),
    [
      '5:9: spec.gate: unsupported value "ready"; did you mean "Ready"?',
      '6:16: spec.gateTimeout: invalid duration "0s": must be longer than 0s',
      '7:11: spec.quorum: must be at least 1, found the number 0',
      '8:15: spec.whenParked: unsupported value "Wait": supported values are Hold, Continue, Fail',
      '9:28: spec.maxConcurrentOperations: expected a whole number, found the number 1.5',
      '10:28: spec.retry.maximumAttempts: must be at least 1, found the number 0',
      '10:48: spec.retry.initialInterval: expected a duration such as "30s" or "1m30s", found the number 3; write "3s"',
      '11:19: spec.drift.action: unsupported value "enforce"; did you mean "Enforce"?',
      '11:44: spec.drift.maxCorrections: must be at least 0, found the number -1',
      '12:18: spec.tiers[0].tier: must be at least 0, found the number -1',
      '12:30: spec.tiers[0].quorum: invalid quorum "101%": write a whole number from 1, or a share from "1%" to "100%"',
      '12:37: spec.tiers[1].tier: required field is missing',
      '12:46: spec.tiers[1].quorum: invalid quorum "0%": write a whole number from 1, or a share from "1%" to "100%"',
      '12:71: spec.tiers[2].quorum: invalid quorum true: write a whole number from 1, or a share from "1%" to "100%"',
      '13:21: spec.optionalMembers[0]: expected a mapping, found "a"',
      '14:13: spec.deletion: unsupported value "Delete": supported values are Orphan, Cascade',
    ],
  ],
  [
    'policy whose fields contradict each other',
    policy('p', 'retry: {initialInterval: 1m, maximumInterval: 2s}', 'tiers: [{tier: 1}, {tier: 1}]'),
    [
      '5:49: spec.retry.maximumInterval: must not be shorter than initialInterval (1m)',
      '6:29: spec.tiers[1].tier: duplicate value: tier 1 is set by spec.tiers[0] already',
    ],
  ],
  [
    'inventory',
    inventory(
      'i',
      'hosts: [{name: h, zone: z, cpus: many, memory: 3Gb}]',
      'datastores: []',
      'behavior:',
      '  powerOnTime: 3',
      '  readyTime: {min: 1s}',
      '  powerOffTime: soon',
      '  faults: [{type: Stuk, probability: 2}]',
    ),
    [
      '5:36: spec.hosts[0].cpus: expected a number, found "many"',
      '5:50: spec.hosts[0].memory: invalid quantity "3Gb": write a number of bytes with a unit, such as "512Mi" or "64Gi"',
      '6:15: spec.datastores: must have at least 1 item',
      '8:18: spec.behavior.powerOnTime: expected a duration such as "2s", or a distribution: {min: 1s, max: 3s} or {mean: 2s, deviation: 500ms}',
      '9:5: spec.behavior.readyTime.max: required: a duration such as "30s" or "1m30s"',
      '10:19: spec.behavior.powerOffTime: invalid duration "soon": write numbers with units (h, m, s, ms, us, ns), such as "30s", "1m30s" or "1.5h"',
      '11:21: spec.behavior.faults[0].type: unsupported value "Stuk"; did you mean "Stuck"?',
      '11:40: spec.behavior.faults[0].probability: must be at most 1, found the number 2',
    ],
  ],
  [
    'inventory whose parts do not fit',
    inventory(
      'i',
      'hosts: [{name: h, zone: z, cpus: 1, memory: 1}, {name: h, zone: z, cpus: 1, memory: 1}]',
      'datastores: [{name: d, zones: [y], capacity: 1Ti}]',
      'behavior: {readyTime: {min: 2s, max: 1s}}',
    ),
    [
      '5:58: spec.hosts[1].name: duplicate value: "h" is the name of spec.hosts[0] already',
      '6:34: spec.datastores[0].zones[0]: no host is in zone "y": zones are z',
      '7:40: spec.behavior.readyTime.max: must not be shorter than min (2s)',
    ],
  ],
  [
    'class without hardware',
    'apiVersion: vmoperator.vmware.com/v1alpha5\nkind: VirtualMachineClass\nmetadata: {name: c}\nspec: {hardware: {cpus: 2}}\n',
    ['4:8: spec.hardware.memory: required: a quantity such as "64Gi" or a number of bytes'],
  ],
];

describe.each([
  ['groups', groups],
  ['VMs', virtualMachines],
  ['our own kinds', ours],
])('%s', (_, rows) => {
  test.each(rows)('%s', (_title, text, problems) => {
    expect(problemsOf(text)).toEqual(problems.map((problem) => `a.yaml:${problem}`));
  });
});

describe('what passes', () => {
  test.each([
    [
      'other fields, status and metadata of a VM',
      vm('a', 'image: {kind: X, name: y}', 'volumes: [1]') + 'status: {phase: 3}\n',
    ],
    [
      'status and standard metadata of a group',
      'apiVersion: vmoperator.vmware.com/v1alpha6\nkind: VirtualMachineGroup\nmetadata:\n  name: g\n  uid: u\n  generation: 3\n  resourceVersion: "1"\n  creationTimestamp: 2024-01-15T10:30:00Z\n  managedFields: [{manager: m}]\n  ownerReferences: []\n  finalizers: [f]\nstatus: {members: [{anything: 1}]}\n',
    ],
    ['keys without a value', group('g', 'groupName:', 'bootOrder:', 'powerState:')],
    [
      'a time put there by a webhook',
      group('g', 'nextForcePowerStateSyncTime: 2026-01-15T10:30:00.123456789Z'),
    ],
    ['kinds of others', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: A_B}\ndata: {a: 1}\n'],
    [
      'kinds of others in the same API group',
      group('x').replace('VirtualMachineGroup', 'VirtualMachineService'),
    ],
    ['the VirtualMachine of another product', 'apiVersion: example.com/v1\nkind: VirtualMachine\nspec: 3\n'],
    ['comments only', '# nothing\n---\n# here\n'],
    ['nothing', ''],
    ['a byte order mark and CRLF', '\uFEFF' + group('g', 'powerState: PoweredOn').replace(/\n/g, '\r\n')],
  ])('%s', (_title, text) => {
    expect(problemsOf(text)).toEqual([]);
  });

  test('the shipped verbs', () => {
    const rule = `[{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {a: b}}}]`;
    const text = documents(
      vm('a', 'groupName: g', `affinity: {vmAffinity: {${shipped}: ${rule}}}`),
      group('g'),
    );
    expect(problemsOf(text)).toEqual([]);
  });
});

test('MANIFESTS-3: an invalid object is left out, the others in its file are not', () => {
  const { manifests, problems } = parse(
    documents(
      group('bad', 'powerState: on'),
      group('good', 'powerState: PoweredOn'),
      vm('a', 'groupName: bad'),
    ),
  );
  expect(manifests.groups.map(({ name }) => name)).toEqual(['good']);
  expect(manifests.virtualMachines.map(({ name }) => name)).toEqual(['a']);
  expect(problems).toHaveLength(1);
  expect(problems[0]?.object).toEqual({ kind: 'VirtualMachineGroup', namespace: 'default', name: 'bad' });
});
