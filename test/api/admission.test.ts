/** Admission without a server: ADMISSION-1 to ADMISSION-3 of `api/admission.ts`. */
import fc from 'fast-check';
import {
  checkRules,
  patchAdmission,
  readResource,
  reviewAdmission,
  type AdmissionVerdict,
  type Manifests,
} from '../../api';
import { propertyRuns } from '../support/property-runs';

interface Written {
  apiVersion: string;
  kind: string;
  metadata: Record<string, unknown>;
  spec: Record<string, unknown>;
}

function object(kind: string, name: string, spec: Record<string, unknown>, metadata = {}): Written {
  const apiVersion = kind === 'SequencePolicy' ? 'vmgroup.dev/v1alpha1' : 'vmoperator.vmware.com/v1alpha6';
  return {
    apiVersion,
    kind,
    metadata: { name, namespace: 'n', uid: `uid-${name}`, generation: 1, ...metadata },
    spec,
  };
}

const group = (name: string, ...members: string[]): Written =>
  object('VirtualMachineGroup', name, {
    bootOrder: members.map((member) => ({
      members: [
        member.startsWith('group:')
          ? { kind: 'VirtualMachineGroup', name: member.slice(6) }
          : { kind: 'VirtualMachine', name: member },
      ],
    })),
  });
const vm = (name: string, spec: Record<string, unknown> = {}): Written =>
  object('VirtualMachine', name, spec);
const child = (of: string, written: Written): Written => ({
  ...written,
  spec: { ...written.spec, groupName: of },
});

function known(...objects: Written[]): Manifests {
  const manifests: Manifests = {
    groups: [],
    virtualMachines: [],
    classes: [],
    policies: [],
    inventories: [],
    platforms: [],
  };
  for (const written of objects) {
    const { read } = readResource(written);
    if (read?.kind === 'VirtualMachineGroup') manifests.groups.push(read.object);
    if (read?.kind === 'VirtualMachine') manifests.virtualMachines.push(read.object);
  }
  return manifests;
}

const create = (written: unknown, ...others: Written[]): AdmissionVerdict =>
  reviewAdmission({ operation: 'CREATE', object: written }, known(...others));
/** An update of an object that is among those known, as it was. */
const update = (old: Written, written: Written, ...others: Written[]): AdmissionVerdict =>
  reviewAdmission({ operation: 'UPDATE', object: written, oldObject: old }, known(old, ...others));

const fine = { allowed: true, problems: [], warnings: [] };
const affinity = {
  vmAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      labelSelector: [{ matchLabels: { a: 'b' } }],
      topologyKey: 'kubernetes.io/hostname',
    },
  },
};

describe('what the request brings denies it', () => {
  const chain = Array.from({ length: 16 }, (_, index) =>
    group(`g${index}`, ...(index < 15 ? [`group:g${index + 1}`] : [])),
  );
  const rows: [title: string, verdict: AdmissionVerdict, problems: string[]][] = [
    [
      'itself as a member',
      create(group('a', 'group:a')),
      [
        'spec.bootOrder[0].members[0].name: invalid value "a": a group cannot have itself as a member or group name',
      ],
    ],
    [
      'itself as its parent',
      create(child('a', group('a'))),
      ['spec.groupName: invalid value "a": a group cannot have itself as a member or group name'],
    ],
    [
      'a member listed twice',
      create(group('a', 'x', 'y', 'x')),
      [
        'spec.bootOrder[2].members[0].name: duplicate member VirtualMachine/x: spec.bootOrder[0].members[0] lists it already',
      ],
    ],
    [
      'a member of another group',
      create(group('a', 'x'), group('b', 'x')),
      [
        'spec.bootOrder[0].members[0].name: VirtualMachine/x is a member of group "b" too (spec.bootOrder[0].members[0]): only one group can list it',
      ],
    ],
    [
      'a cycle',
      create(group('a', 'group:b'), child('b', group('b', 'group:a'))),
      [
        'spec.bootOrder[0].members[0].name: cycle of groups: a -> b -> a (each group contains the next): take one of these memberships out',
      ],
    ],
    [
      'a longer cycle',
      update(group('c'), group('c', 'group:a'), group('a', 'group:b'), group('b', 'group:c')),
      [
        'spec.bootOrder[0].members[0].name: cycle of groups: c -> a -> b -> c (each group contains the next): take one of these memberships out',
      ],
    ],
    [
      'too deep, at the bottom',
      create(child('g15', group('g16')), ...chain),
      [
        'spec.groupName: nested 17 groups deep, at most 16 are allowed: g0 -> g1 -> g2 -> g3 -> g4 -> g5 -> g6 -> g7 -> g8 -> g9 -> g10 -> g11 -> g12 -> g13 -> g14 -> g15 -> g16',
      ],
    ],
    [
      'too deep, at the top',
      create(group('top', 'group:g0'), ...chain),
      [
        expect.stringMatching(
          /^VirtualMachineGroup n\/g15: metadata.name: nested 17 groups deep, .* top -> g0 /,
        ),
      ],
    ],
    [
      'affinity without a group',
      create(vm('x', { affinity })),
      [
        'spec.affinity: affinity rules need spec.groupName: name the group of this VM there, or take the rules out',
      ],
    ],
    [
      'a group that a VM with affinity leaves',
      update(vm('x', { groupName: 'a', affinity }), vm('x', { affinity })),
      [
        'spec.affinity: affinity rules need spec.groupName: name the group of this VM there, or take the rules out',
      ],
    ],
    [
      'a power state emptied',
      update(object('VirtualMachineGroup', 'a', { powerState: 'Suspended' }), group('a')),
      [
        "spec.powerState: cannot set powerState to empty once it's been set: it was Suspended, write that or another power state",
      ],
    ],
    [
      'what an affinity rule holds',
      create(
        vm('x', {
          groupName: 'a',
          affinity: {
            vmAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'rack' }] },
          },
        }),
      ),
      [
        'spec.affinity.vmAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: unsupported value "rack": supported values are kubernetes.io/hostname, topology.kubernetes.io/zone',
      ],
    ],
    [
      'a duration longer than Go can hold',
      create(object('VirtualMachineGroup', 'a', { bootOrder: [{ delay: '9999999h' }] })),
      ['spec.bootOrder[0].delay: invalid duration "9999999h": longer than 292 years'],
    ],
    [
      'several at once',
      create(group('a', 'group:a', 'x', 'x')),
      [expect.stringContaining('cannot have itself'), expect.stringContaining('duplicate member')],
    ],
  ];
  test.each(rows)('%s', (_, { allowed, problems }, expected) => {
    expect(problems).toEqual(expected);
    expect(allowed).toBe(false);
  });

  test('of a great many the first are reported', () => {
    const { problems } = create(group('a', ...Array.from({ length: 40 }, () => 'x')));
    expect(problems).toHaveLength(11);
    expect(problems.at(-1)).toBe('and 29 more');
  });
});

describe('warnings', () => {
  const rows: [title: string, verdict: AdmissionVerdict, warnings: string[]][] = [
    [
      'a group that is not there',
      create(vm('x', { groupName: 'shop' }), group('shops')),
      ['spec.groupName: there is no VirtualMachineGroup "shop" in namespace "n"; did you mean "shops"?'],
    ],
    [
      'a group that does not list the VM',
      create(vm('x', { groupName: 'a' }), group('a', 'y')),
      [
        'spec.groupName: group "a" does not list VirtualMachine/x in its bootOrder: it is powered after the last boot group',
      ],
    ],
    [
      'a group that does not list the group',
      create(child('a', group('b')), group('a', 'y')),
      [
        'spec.groupName: group "a" does not list VirtualMachineGroup/b in its bootOrder: it is powered after the last boot group',
      ],
    ],
    ['a group without an order', create(vm('x', { groupName: 'a' }), group('a')), []],
    [
      'listed, and names no group',
      create(vm('x'), group('a', 'x')),
      [
        'VirtualMachineGroup n/a: spec.bootOrder[0].members[0].name: VirtualMachine/x has no spec.groupName and is not touched: set it to "a" to link it',
      ],
    ],
    [
      'lists a VM that names another',
      create(group('a', 'x'), vm('x', { groupName: 'b' })),
      [
        'spec.bootOrder[0].members[0].name: VirtualMachine/x has spec.groupName "b" and is not touched: set it to "a" to link it',
      ],
    ],
    [
      'a policy that is not there',
      create({
        ...group('a'),
        metadata: { name: 'a', namespace: 'n', annotations: { 'vmgroup.dev/policy': 'p' } },
      }),
      ['metadata.annotations[vmgroup.dev/policy]: there is no SequencePolicy "p" in namespace "n"'],
    ],
    [
      'a field that only the server knows',
      create(vm('x', { groupName: 'a', affinity: { podAffinity: {} } }), group('a', 'x')),
      [expect.stringMatching(/^spec.affinity.podAffinity: unknown field; .*\(left alone\)$/)],
    ],
    [
      'nothing that was there before',
      update(vm('x', { groupName: 'b' }), vm('x', { groupName: 'b', powerState: 'PoweredOn' })),
      [],
    ],
  ];
  test.each(rows)('%s', (_, verdict, expected) => {
    expect(verdict).toEqual({ allowed: true, problems: [], warnings: expected });
  });
});

test('ADMISSION-1: the part of the namespace that is looked at gives the answer that all of it would', () => {
  const name = fc.constantFrom('g0', 'g1', 'g2', 'g3', 'g4');
  const member = fc.oneof(
    fc.constantFrom('x', 'z'),
    name.map((child) => `group:${child}`),
  );
  const form = fc.record({ members: fc.array(member, { maxLength: 3 }), parent: fc.option(name) });
  const written = (at: string, { members, parent }: { members: string[]; parent: string | null }): Written =>
    parent === null ? group(at, ...members) : child(parent, group(at, ...members));
  const errorsOf = (objects: Written[]): string[] =>
    checkRules(known(...objects))
      .filter(({ severity }) => severity === 'Error')
      .map(({ object, key }) => `${object.name} ${key}`)
      .sort();
  fc.assert(
    fc.property(fc.array(form, { minLength: 5, maxLength: 5 }), form, (forms, next) => {
      const [old, ...others] = forms.map((one, index) => written(`g${index}`, one)) as [
        Written,
        ...Written[],
      ];
      const wanted = written('g0', next);
      const before = errorsOf([old, ...others]);
      const brought = errorsOf([wanted, ...others]).filter((error) => {
        const at = before.indexOf(error);
        if (at >= 0) before.splice(at, 1);
        return at < 0;
      });
      expect(update(old, wanted, ...others).allowed).toBe(brought.length === 0);
    }),
    { numRuns: propertyRuns(500) },
  );
});

describe('ADMISSION-1: a problem that another object introduced does not deny it', () => {
  const [a, b] = [group('a', 'x', 'y'), group('b', 'x')];

  test('an update that makes nothing worse passes, with a warning', () => {
    const suspended = { ...a, spec: { ...a.spec, powerState: 'Suspended' } };
    expect(update(a, suspended, b)).toEqual({
      allowed: true,
      problems: [],
      warnings: [
        expect.stringMatching(
          /^still wrong: spec.bootOrder\[0\].*VirtualMachine\/x is a member of group "b" too/,
        ),
      ],
    });
  });

  test('also where the boot order is turned round', () => {
    expect(update(a, group('a', 'y', 'x'), b).allowed).toBe(true);
  });

  test('one of two cycles is removed, and the message about the other one changes', () => {
    const old = child('b', group('a', 'group:b', 'group:c'));
    const others = [group('b', 'group:a'), group('c', 'group:d'), group('d', 'group:a')];
    expect(update(old, group('a', 'group:c'), ...others).allowed).toBe(true);
  });

  test('an update that fixes it passes without a warning', () => {
    expect(update(a, group('a', 'y'), b)).toEqual(fine);
  });

  test('an update that breaks something else is denied for that alone', () => {
    const { allowed, problems } = update(a, group('a', 'x', 'y', 'y'), b);
    expect(allowed).toBe(false);
    expect(problems).toEqual([expect.stringContaining('duplicate member VirtualMachine/y')]);
  });

  test('others that are broken among themselves are none of its business', () => {
    expect(create(group('c', 'z'), a, b)).toEqual(fine);
  });

  test('an object that was never valid can get better step by step', () => {
    const broken = object('VirtualMachineGroup', 'a', { powerState: 'On', suspendMode: 'x' });
    const better = object('VirtualMachineGroup', 'a', { powerState: 'On' });
    expect(reviewAdmission({ operation: 'UPDATE', object: better, oldObject: broken }, known())).toEqual({
      allowed: true,
      problems: [],
      warnings: ['still wrong: spec.powerState: unsupported value "On"; did you mean "PoweredOn"?'],
    });
    expect(reviewAdmission({ operation: 'UPDATE', object: broken, oldObject: better }, known()).allowed).toBe(
      false,
    );
  });
});

test('ADMISSION-2: deletes, and updates of what is being deleted, are allowed', () => {
  const broken = group('a', 'group:a');
  expect(reviewAdmission({ operation: 'DELETE', object: null, oldObject: broken }, known())).toEqual(fine);
  const leaving = { ...broken, metadata: { ...broken.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
  expect(update(group('a'), leaving)).toEqual(fine);
});

test.each([
  null,
  undefined,
  7,
  'text',
  [],
  {},
  { operation: 'CREATE' },
  { operation: 'UPDATE', object: [], oldObject: 7 },
])('ADMISSION-3: a request that is %j does not throw', (request) => {
  const asked = Object(request) as object;
  expect(typeof reviewAdmission(asked, known()).allowed).toBe('boolean');
  expect(patchAdmission(asked, 0)).toEqual([]);
});

describe('nextForcePowerStateSyncTime', () => {
  const at = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  const stamped = '2026-01-02T03:04:05.678Z';
  const old = '2025-12-31T00:00:00Z';
  const asking = (value?: string): Written =>
    object('VirtualMachineGroup', 'a', value === undefined ? {} : { nextForcePowerStateSyncTime: value });
  const path = '/spec/nextForcePowerStateSyncTime';

  test.each(['now', 'NOW'])('%s becomes the present time', (value) => {
    const patch = [{ op: 'replace', path, value: stamped }];
    expect(patchAdmission({ operation: 'CREATE', object: asking(value) }, at)).toEqual(patch);
    expect(
      patchAdmission({ operation: 'UPDATE', object: asking(value), oldObject: asking(old) }, at),
    ).toEqual(patch);
  });

  test('emptied, it keeps the old value', () => {
    const patch = [{ op: 'add', path, value: old }];
    for (const object of [asking(), asking('')])
      expect(patchAdmission({ operation: 'UPDATE', object, oldObject: asking(old) }, at)).toEqual(patch);
    const bare = { ...asking(), spec: undefined };
    expect(patchAdmission({ operation: 'UPDATE', object: bare, oldObject: asking(old) }, at)).toEqual([
      { op: 'add', path: '/spec', value: { nextForcePowerStateSyncTime: old } },
    ]);
  });

  test('all else is left as it is', () => {
    expect(patchAdmission({ operation: 'UPDATE', object: asking(old), oldObject: asking(old) }, at)).toEqual(
      [],
    );
    expect(patchAdmission({ operation: 'CREATE', object: asking('') }, at)).toEqual([]);
    expect(patchAdmission({ operation: 'DELETE', oldObject: asking('now') }, at)).toEqual([]);
    expect(
      patchAdmission({ operation: 'CREATE', object: vm('x', { nextForcePowerStateSyncTime: 'now' }) }, at),
    ).toEqual([]);
  });
});
