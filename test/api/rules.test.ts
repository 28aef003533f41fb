/** Rules between objects: messages, places, and what is left out. */
import fc from 'fast-check';
import {
  checkRules,
  formatProblem,
  manifestsOf,
  parseManifests,
  sameToRules,
  type Manifests,
  type ReadObject,
} from '../../api';
import { documents, group, parse, policy, problemsOf, vm } from './support';
import { propertyRuns } from '../support/property-runs';

/** Names of the groups that were accepted. */
function accepted(text: string, previous?: Manifests): string[] {
  return parse(text, previous).manifests.groups.map(({ name }) => name);
}

function expectProblems(text: string, problems: string[]): void {
  expect(problemsOf(text)).toEqual(problems.map((problem) => `a.yaml:${problem}`));
}

const lists = (...members: string[]): string[] => [
  'bootOrder:',
  `- members: [${members.map((name) => `{kind: VirtualMachineGroup, name: ${name}}`).join(', ')}]`,
];

describe('a group within itself', () => {
  const self = 'invalid value "a": a group cannot have itself as a member or group name';
  test('by groupName', () => {
    expectProblems(group('a', 'groupName: a'), [`5:14: spec.groupName: ${self}`]);
  });
  test('by bootOrder', () => {
    const text = group('a', ...lists('a'));
    expectProblems(text, [`6:49: spec.bootOrder[0].members[0].name: ${self}`]);
    expect(accepted(text)).toEqual([]);
  });
  test('a VM of the same name is no group', () => {
    expectProblems(documents(group('a', 'bootOrder: [{members: [{name: a}]}]'), vm('a', 'groupName: a')), []);
  });
});

describe('cycles', () => {
  const advice = '(each group contains the next): take one of these memberships out';

  test('by groupName, each group with the route from itself', () => {
    const text = documents(
      group('a', 'groupName: c'),
      group('b', 'groupName: a'),
      group('c', 'groupName: b'),
    );
    expectProblems(text, [
      `5:14: spec.groupName: cycle of groups: a -> b -> c -> a ${advice}`,
      `11:14: spec.groupName: cycle of groups: b -> c -> a -> b ${advice}`,
      `17:14: spec.groupName: cycle of groups: c -> a -> b -> c ${advice}`,
    ]);
    expect(accepted(text)).toEqual([]);
  });

  test('by bootOrder', () => {
    expectProblems(documents(group('a', ...lists('b')), group('b', ...lists('a'))), [
      `6:49: spec.bootOrder[0].members[0].name: cycle of groups: a -> b -> a ${advice}`,
      `13:49: spec.bootOrder[0].members[0].name: cycle of groups: b -> a -> b ${advice}`,
    ]);
  });

  test('by both, and written in other objects only', () => {
    // a is in b by its own word; c is in a and contains b by the words of a and b.
    const text = documents(group('a', 'groupName: b', ...lists('c')), group('b', 'groupName: c'), group('c'));
    const { problems } = parse(text);
    expect(problems.map(({ path, line }) => [path, line])).toEqual([
      ['spec.groupName', 5],
      ['spec.groupName', 13],
      ['metadata.name', 17],
    ]);
    expect(problems.map(({ message }) => message)).toEqual([
      `cycle of groups: a -> c -> b -> a ${advice}`,
      `cycle of groups: b -> a -> c -> b ${advice}`,
      `cycle of groups: c -> b -> a -> c ${advice}`,
    ]);
  });

  test('groups above and below a cycle are kept, and so are those between two', () => {
    const text = documents(
      group('top', ...lists('a')),
      group('a', 'groupName: b'),
      group('b', 'groupName: a', ...lists('between')),
      group('between', ...lists('c')),
      group('c', 'groupName: d'),
      group('d', 'groupName: c'),
      group('below', 'groupName: d'),
    );
    expect(accepted(text)).toEqual(['top', 'between', 'below']);
  });

  test('in namespaces of their own nothing meets', () => {
    const other = group('b', 'groupName: a').replace('{name: b}', '{name: b, namespace: other}');
    expect(accepted(documents(group('a', 'groupName: b'), other))).toEqual(['a', 'b']);
  });

  test('of a great length: in time, in short, and without running out of stack', () => {
    const names = Array.from({ length: 5_000 }, (_, index) => `g${index}`);
    const text = documents(...names.map((name, index) => group(name, `groupName: ${names.at(index - 1)}`)));
    const { manifests, problems } = parse(text);
    expect(manifests.groups).toEqual([]);
    expect(problems).toHaveLength(5_000);
    expect(problems[0]?.message).toBe(
      'cycle of groups: g0 -> g1 -> g2 -> g3 -> g4 -> g5 -> g6 -> g7 -> g8 -> (4983 more) -> ' +
        `g4992 -> g4993 -> g4994 -> g4995 -> g4996 -> g4997 -> g4998 -> g4999 -> g0 ${advice}`,
    );
  });
});

describe('depth', () => {
  const chain = (length: number): string =>
    documents(
      ...Array.from({ length }, (_, i) => group(`g${i + 1}`, ...(i > 0 ? [`groupName: g${i}`] : []))),
    );

  test('16 groups are deep enough', () => {
    expect(problemsOf(chain(16))).toEqual([]);
    expect(accepted(chain(16))).toHaveLength(16);
  });

  test('the 17th is refused, and what is below it', () => {
    const route = Array.from({ length: 17 }, (_, i) => `g${i + 1}`).join(' -> ');
    expect(problemsOf(chain(18))[0]).toBe(
      `a.yaml:99:14: spec.groupName: nested 17 groups deep, at most 16 are allowed: ${route}`,
    );
    expect(accepted(chain(18))).toHaveLength(16);
  });

  test('the longest way counts', () => {
    const text = documents(chain(17), group('short', ...lists('g17')));
    expect(accepted(text)).not.toContain('g17');
  });
});

describe('members', () => {
  test('listed twice in one boot group and in two', () => {
    const text = group('g', 'bootOrder:', '- members: [{name: a}, {name: a}]', '- members: [{name: a}]');
    expectProblems(text, [
      '6:33: spec.bootOrder[0].members[1].name: duplicate member VirtualMachine/a: spec.bootOrder[0].members[0] lists it already',
      '7:22: spec.bootOrder[1].members[0].name: duplicate member VirtualMachine/a: spec.bootOrder[0].members[0] lists it already',
    ]);
    expect(accepted(text)).toEqual([]);
  });

  test('a VM and a group of one name are two members', () => {
    const members = '- members: [{name: a}, {name: a, kind: VirtualMachineGroup}]';
    expectProblems(group('g', 'bootOrder:', members), []);
  });

  test('listed by two groups: both are refused, each names the other place', () => {
    const text = documents(
      group('g', 'bootOrder: [{members: [{name: a}]}]'),
      group('h', 'bootOrder: [{members: [{name: b}, {name: a}]}]'),
      group('i'),
    );
    expectProblems(text, [
      '5:33: spec.bootOrder[0].members[0].name: VirtualMachine/a is a member of group "h" too (spec.bootOrder[0].members[1] at a.yaml:11:37): only one group can list it',
      '11:44: spec.bootOrder[0].members[1].name: VirtualMachine/a is a member of group "g" too (spec.bootOrder[0].members[0] at a.yaml:5:26): only one group can list it',
    ]);
    expect(accepted(text)).toEqual(['i']);
  });

  test('that do not name their group are worth a warning; that do not exist yet are not', () => {
    const text = documents(
      group('g', 'bootOrder: [{members: [{name: a}, {name: b}, {name: later}]}]'),
      vm('a'),
      vm('b', 'groupName: h'),
      group('h'),
    );
    expectProblems(text, [
      '5:33: spec.bootOrder[0].members[0].name: warning: VirtualMachine/a has no spec.groupName and is not touched: set it to "g" to link it',
      '5:44: spec.bootOrder[0].members[1].name: warning: VirtualMachine/b has spec.groupName "h" and is not touched: set it to "g" to link it',
    ]);
    expect(accepted(text)).toEqual(['g', 'h']);
  });
});

describe('references', () => {
  test('among hundreds of groups no other name is suggested: each missing one would be compared with all', () => {
    const many = Array.from({ length: 501 }, (_, index) => group(`three-tier-${index}`));
    expectProblems(documents(vm('a', 'groupName: tree-tier-1'), ...many), [
      '5:14: spec.groupName: warning: there is no VirtualMachineGroup "tree-tier-1" in namespace "default"',
    ]);
  });

  test('a VM and a group that name a group which does not exist are kept', () => {
    const text = documents(vm('a', 'groupName: tree-tier'), group('three-tier', 'groupName: x'));
    expectProblems(text, [
      '5:14: spec.groupName: warning: there is no VirtualMachineGroup "tree-tier" in namespace "default"; did you mean "three-tier"?',
      '11:14: spec.groupName: warning: there is no VirtualMachineGroup "x" in namespace "default"',
    ]);
    expect(parse(text).manifests.virtualMachines).toHaveLength(1);
    expect(accepted(text)).toEqual(['three-tier']);
  });

  test('a group that is there and invalid has its own error, and no warning besides', () => {
    expectProblems(documents(vm('a', 'groupName: g'), group('g', 'powerState: on')), [
      '11:15: spec.powerState: unsupported value "on"; did you mean "PoweredOn"?',
    ]);
  });

  test('a policy that does not exist', () => {
    const metadata = 'metadata:\n  name: g\n  annotations:\n    vmgroup.dev/policy: carefull\n';
    const text = documents(group('g').replace('metadata: {name: g}\n', metadata), policy('careful'));
    expectProblems(text, [
      '6:25: metadata.annotations[vmgroup.dev/policy]: warning: there is no SequencePolicy "carefull" in namespace "default"; did you mean "careful"?',
    ]);
    expect(parse(text).manifests.groups[0]?.policyName).toBe('carefull');
  });

  test('two VMs that mean the same VM of a platform', () => {
    const meaning = (name: string, locator: string, platform = 'west'): string =>
      vm(name).replace(
        `metadata: {name: ${name}}\n`,
        `metadata:\n  name: ${name}\n  annotations:\n    vmgroup.dev/platform: ${platform}\n    vmgroup.dev/platform-vm: ${locator}\n`,
      );
    const uuid = '4f8b2c1a-9d3e-4b7a-8c6d-1e2f3a4b5c6d';
    const text = documents(
      meaning('a', `uuid:${uuid}`),
      meaning('b', `uuid:${uuid.toUpperCase()}`),
      meaning('c', `uuid:${uuid}`, 'east'),
      meaning('d', 'path:/DC0/vm/x'),
      meaning('e', 'path:DC0/vm/x'),
    );
    const at = (line: number, other: string, locator: string): string =>
      `${line}:30: metadata.annotations[vmgroup.dev/platform-vm]: warning: VirtualMachine default/${other} means ${locator} too: a VM can be that of one manifest only`;
    expectProblems(text, [
      at(7, 'b', `uuid:${uuid}`),
      at(15, 'a', `uuid:${uuid.toUpperCase()}`),
      at(31, 'e', 'path:/DC0/vm/x'),
      at(39, 'd', 'path:DC0/vm/x'),
    ]);
    expect(parse(text).manifests.virtualMachines).toHaveLength(5);
  });

  test('affinity without groupName: the VM is left out', () => {
    const rule = '[{topologyKey: kubernetes.io/hostname, labelSelector: {}}]';
    const text = vm('a', `affinity: {vmAffinity: {requiredDuringSchedulingIgnoredDuringExecution: ${rule}}}`);
    expectProblems(text, [
      '5:3: spec.affinity: affinity rules need spec.groupName: name the group of this VM there, or take the rules out',
    ]);
    expect(parse(text).manifests.virtualMachines).toEqual([]);
    expect(problemsOf(vm('a', 'affinity: {}'))).toEqual([]);
  });
});

describe('a power state taken back', () => {
  const before = parse(group('g', 'powerState: PoweredOn')).manifests;
  const message =
    "cannot set powerState to empty once it's been set: it was PoweredOn, write that or another power state";

  test.each([
    ['no spec', group('g'), `1:1: spec.powerState: ${message}`],
    ['no key', group('g', 'powerOffMode: Hard'), `4:1: spec.powerState: ${message}`],
    ['no value', group('g', 'powerState:'), `5:3: spec.powerState: ${message}`],
    [
      'an empty text',
      group('g', 'powerState: ""'),
      '5:15: spec.powerState: unsupported value "": supported values are PoweredOn, PoweredOff, Suspended',
    ],
  ])('%s', (_, text, problem) => {
    expect(problemsOf(text, before)).toEqual([`a.yaml:${problem}`]);
    expect(accepted(text, before)).toEqual([]);
  });

  test.each([
    ['another power state', group('g', 'powerState: Suspended'), before],
    ['never set', group('g'), parse(group('g')).manifests],
    ['another object of the same name', group('g').replace('{name: g}', '{name: g, uid: new}'), before],
    ['a VM may lose its own', vm('a'), parse(vm('a', 'powerState: PoweredOn')).manifests],
  ])('is allowed: %s', (_, text, previous) => {
    expect(problemsOf(text, previous)).toEqual([]);
  });
});

describe('objects that are there twice', () => {
  test('both are refused, in the same file or not, and each names the other', () => {
    const { manifests, problems } = parseManifests([
      { path: 'a.yaml', text: group('g', 'powerState: PoweredOn') },
      { path: 'b.yaml', text: documents(vm('g'), group('g', 'powerState: PoweredOff')) },
    ]);
    expect(problems.map(formatProblem)).toEqual([
      'a.yaml:3:18: metadata.name: duplicate object: VirtualMachineGroup default/g is at b.yaml:7:18 too; neither is used until one is taken out or renamed',
      'b.yaml:7:18: metadata.name: duplicate object: VirtualMachineGroup default/g is at a.yaml:3:18 too; neither is used until one is taken out or renamed',
    ]);
    expect(manifests.groups).toEqual([]);
    expect(manifests.virtualMachines).toHaveLength(1);
  });

  test('namespaces keep them apart', () => {
    const other = group('g').replace('{name: g}', '{name: g, namespace: other}');
    expect(problemsOf(documents(group('g'), other))).toEqual([]);
  });
});

test('the rules work on the internal form alone, with paths instead of places', () => {
  const { manifests } = parse(group('g'));
  const [one] = manifests.groups;
  if (!one) throw new Error('no group');
  const tiers = [
    { members: [{ kind: 'VirtualMachine' as const, name: 'a' }], powerOnDelay: 0, powerOffDelay: null },
  ];
  const findings = checkRules({
    ...manifests,
    groups: [
      { ...one, tiers },
      { ...one, name: 'h', tiers },
    ],
  });
  expect(findings).toEqual([
    {
      severity: 'Error',
      at: 'value',
      object: { kind: 'VirtualMachineGroup', namespace: 'default', name: 'g' },
      path: ['spec', 'bootOrder', 0, 'members', 0, 'name'],
      message:
        'VirtualMachine/a is a member of group "h" too (spec.bootOrder[0].members[0]): only one group can list it',
      key: 'elsewhere VirtualMachine/a',
    },
    expect.objectContaining({ object: { kind: 'VirtualMachineGroup', namespace: 'default', name: 'h' } }),
  ]);
});

describe('a member by name alone', () => {
  const member = vm('x', 'groupName: g');
  const shop = (...spec: string[]): string => group('g', ...spec);

  test('of a group with an order is a warning', () => {
    expect(problemsOf(documents(shop('bootOrder:', '- members: [{name: z}]'), member))).toEqual([
      'a.yaml:12:14: spec.groupName: warning: group "g" does not list VirtualMachine/x in its bootOrder: it is powered after the last boot group',
    ]);
  });

  test('of a group without one is as meant', () => {
    expect(problemsOf(documents(shop(), member))).toEqual([]);
  });
});

test('an edit that does not matter to the rules leaves their findings unchanged', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
    fc.option(value, { nil: undefined });
  const kind = fc.constantFrom('VirtualMachine' as const, 'VirtualMachineGroup' as const);
  const common = {
    namespace: fc.constant('default'),
    uid: fc.constantFrom('1', '2'),
    labels: fc.constant({}),
  };
  const groups = fc.record({
    ...common,
    tiers: fc.array(
      fc.record({
        members: fc.array(fc.record({ kind, name }), { maxLength: 2 }),
        powerOnDelay: fc.constantFrom(0, 1_000),
        powerOffDelay: fc.constant(null),
      }),
      { maxLength: 2 },
    ),
    groupName: maybe(name),
    powerState: maybe(fc.constantFrom('PoweredOn' as const, 'PoweredOff' as const)),
    policyName: maybe(name),
    nextForcePowerStateSyncTime: maybe(fc.constant('now')),
  });
  const machines = fc.record({
    ...common,
    groupName: maybe(name),
    className: maybe(name),
    affinity: fc.constantFrom([], [RULE]),
    locator: maybe(fc.constantFrom('path:/x' as const, 'path:x' as const)),
    powerState: maybe(fc.constant('PoweredOn' as const)),
  });
  const object = fc.oneof(
    groups.map((spec) => ({ kind: 'VirtualMachineGroup' as const, spec })),
    machines.map((spec) => ({ kind: 'VirtualMachine' as const, spec })),
  );
  const asRead = (name: string, { kind, spec }: { kind: string; spec: object }): ReadObject =>
    ({
      kind,
      object: { name, generation: 1, revision: '1', annotations: {}, ...spec },
    }) as unknown as ReadObject;
  const world = fc.tuple(object, object, object);
  // A third of the edits change only what no rule reads: two random objects are rarely the same to the rules.
  const ignored = fc.record({ labels: fc.constant({ app: 'x' }), nextForcePowerStateSyncTime: maybe(name) });
  const change = fc.oneof(object, object, ignored);
  const seen = { same: 0, other: 0 };
  fc.assert(
    fc.property(world, world, fc.nat(2), change, (previous, now, at, changed) => {
      const names = ['a', 'b', 'c'];
      const read = now.map((each, index) => asRead(names[index] ?? '', each));
      const old = now[at] ?? now[0];
      const edit = 'kind' in changed ? changed : { ...old, spec: { ...old.spec, ...changed } };
      const edited = [...read];
      edited[at] = asRead(names[at] ?? '', edit);
      const context = {
        previous: manifestsOf(previous.map((each, index) => asRead(names[index] ?? '', each))),
      };
      const same = sameToRules(read[at], edited[at]);
      seen[same ? 'same' : 'other'] += 1;
      if (same)
        expect(checkRules(manifestsOf(edited), context)).toEqual(checkRules(manifestsOf(read), context));
    }),
    { numRuns: propertyRuns(3_000) },
  );
  expect(Math.min(seen.same, seen.other)).toBeGreaterThan(propertyRuns(500));
});

const RULE = {
  effect: 'AntiAffinity' as const,
  strength: 'Required' as const,
  topologyKey: 'kubernetes.io/hostname' as const,
  selector: { matchLabels: { app: 'a' }, matchExpressions: [] },
  path: 'spec.affinity',
};
