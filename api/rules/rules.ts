/**
 * Rules between objects: pure, on the internal form, used for manifests and for admission.
 *
 * RULES-1: each group that breaks a rule gets its own error, so that removing the objects with errors removes the whole conflict: every group
 *     on a cycle, and both groups that list the same member.
 */
import type { Group, Manifests, MemberRef, VirtualMachine } from '../model';
import { didYouMean, LOCATOR_ANNOTATION, POLICY_ANNOTATION, type ReadObject } from '../kinds';
import { cyclesOf, depthsOf, graphOf, MAX_GROUP_DEPTH } from './group-graph';
import { formatPath, type Finding, type Locate, type ObjectRef, type Path, refKey } from '../problem';

/** What the rules need in addition to the objects. */
export interface RuleContext {
  /** The last valid state, for fields that must not become empty. */
  previous?: Manifests;
  /** Objects that exist but are invalid: references to them are not reported. */
  invalid?: readonly ObjectRef[];
  /** Finds the position of a path, so that a message can name the other place too. */
  locate?: Locate;
}

/** Every problem between objects that are valid by themselves, in no particular order. */
export function checkRules(manifests: Manifests, context: RuleContext = {}): Finding[] {
  const { groups, virtualMachines } = manifests;
  const errors = [
    ...groups.flatMap((group) => [...selfMembership(group), ...listedTwice(group)]),
    ...listedByTwoGroups(groups, context.locate),
    ...cycles(groups),
    ...tooDeep(groups),
    ...emptiedPowerState(groups, context.previous?.groups ?? []),
    ...virtualMachines.flatMap(affinityWithoutGroup),
  ];
  // No warnings about an object with an error: they would not help.
  const broken = new Set(errors.map(({ object }) => refKey(object)));
  const warnings = references(manifests, context.invalid ?? []);
  return [...errors, ...warnings.filter(({ object }) => !broken.has(refKey(object)))];
}

/**
 * Whether {@link checkRules} returns the same for two forms of an object: no field that the rules read differs. A caller that checks many
 * objects repeatedly can then keep its previous result.
 */
export function sameToRules(one: ReadObject | undefined, other: ReadObject | undefined): boolean {
  return one === other || JSON.stringify(seenByRules(one)) === JSON.stringify(seenByRules(other));
}

/** The fields of an object that the rules read. */
function seenByRules(read: ReadObject | undefined): unknown {
  if (!read) return undefined;
  switch (read.kind) {
    case 'VirtualMachineGroup': {
      const { namespace, name, uid, groupName, policyName, powerState, tiers } = read.object;
      const members = tiers.map((tier) => tier.members.map(label));
      return [read.kind, namespace, name, uid, groupName, policyName, powerState !== undefined, members];
    }
    case 'VirtualMachine': {
      const { namespace, name, groupName, affinity, platform, locator } = read.object;
      return [read.kind, namespace, name, groupName, affinity.length > 0, platform, locator];
    }
    default:
      return [read.kind, read.object.namespace, read.object.name];
  }
}

const GROUP = 'VirtualMachineGroup';

function groupRef({ namespace, name }: { namespace: string; name: string }): ObjectRef {
  return { kind: GROUP, namespace, name };
}

function vmRef({ namespace, name }: VirtualMachine): ObjectRef {
  return { kind: 'VirtualMachine', namespace, name };
}

function finding(object: ObjectRef, path: Path, message: string, options: Partial<Finding> = {}): Finding {
  return { severity: 'Error', at: 'value', ...options, object, path, message };
}

/** A member with its place in the group's boot order. */
interface Listed extends MemberRef {
  path: Path;
}

function membersOf(group: Group): Listed[] {
  return group.tiers.flatMap((tier, i) =>
    tier.members.map((member, j) => ({ ...member, path: ['spec', 'bootOrder', i, 'members', j] })),
  );
}

function label({ kind, name }: MemberRef): string {
  return `${kind}/${name}`;
}

const SELF = 'a group cannot have itself as a member or group name';

function selfMembership(group: Group): Finding[] {
  const own = membersOf(group)
    .filter(({ kind, name }) => kind === GROUP && name === group.name)
    .map(({ path }) =>
      finding(groupRef(group), [...path, 'name'], `invalid value ${JSON.stringify(group.name)}: ${SELF}`, {
        key: 'own member',
      }),
    );
  if (group.groupName !== group.name) return own;
  return [
    ...own,
    finding(groupRef(group), ['spec', 'groupName'], `invalid value ${JSON.stringify(group.name)}: ${SELF}`, {
      key: 'own parent',
    }),
  ];
}

function listedTwice(group: Group): Finding[] {
  const first = new Map<string, Path>();
  return membersOf(group).flatMap((member) => {
    const before = first.get(label(member));
    if (!before) {
      first.set(label(member), member.path);
      return [];
    }
    const message = `duplicate member ${label(member)}: ${formatPath(before)} lists it already`;
    return [finding(groupRef(group), [...member.path, 'name'], message, { key: `twice ${label(member)}` })];
  });
}

function listedByTwoGroups(groups: readonly Group[], locate: Locate | undefined): Finding[] {
  const listings = new Map<string, { group: Group; path: Path }[]>();
  for (const group of groups) {
    const seen = new Set<string>();
    for (const member of membersOf(group)) {
      const key = `${group.namespace}/${label(member)}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const before = listings.get(key);
      if (before) before.push({ group, path: member.path });
      else listings.set(key, [{ group, path: member.path }]);
    }
  }
  return [...listings.entries()].flatMap(([key, places]) => {
    const member = key.slice(key.indexOf('/') + 1);
    return places.length < 2
      ? []
      : places.map((place, index) => listedElsewhere(member, place, places[index === 0 ? 1 : 0], locate));
  });
}

function listedElsewhere(
  member: string,
  place: { group: Group; path: Path },
  other: { group: Group; path: Path } | undefined,
  locate: Locate | undefined,
): Finding {
  const object = groupRef(place.group);
  const there = other ? where(groupRef(other.group), other.path, locate) : '';
  const message = `${member} is a member of group ${JSON.stringify(other?.group.name)} too (${there}): only one group can list it`;
  return finding(object, [...place.path, 'name'], message, { key: `elsewhere ${member}` });
}

/** `spec.bootOrder[0].members[1] at app.yaml:12:9`. */
function where(object: ObjectRef, path: Path, locate: Locate | undefined): string {
  const at = locate?.(object, path, 'value');
  return at ? `${formatPath(path)} at ${at.file}:${at.line}:${at.column}` : formatPath(path);
}

function cycles(groups: readonly Group[]): Finding[] {
  return cyclesOf(graphOf(groups)).map(({ group, text, path }) => {
    const message = `cycle of groups: ${text} (each group contains the next): take one of these memberships out`;
    return finding(groupRef(group), path, message, { key: 'cycle' });
  });
}

function tooDeep(groups: readonly Group[]): Finding[] {
  return depthsOf(graphOf(groups))
    .filter(({ length }) => length > MAX_GROUP_DEPTH)
    .map(({ group, text, length, path }) => {
      const message = `nested ${length} groups deep, at most ${MAX_GROUP_DEPTH} are allowed: ${text}`;
      return finding(groupRef(group), path, message, { key: 'depth' });
    });
}

/** As in VM Operator's webhook. A VM may remove its own power state: that of the group applies then. */
function emptiedPowerState(groups: readonly Group[], previous: readonly Group[]): Finding[] {
  const before = new Map(previous.map((group) => [refKey(groupRef(group)), group]));
  return groups.flatMap((group) => {
    const old = before.get(refKey(groupRef(group)));
    if (!old?.powerState || group.powerState || old.uid !== group.uid) return [];
    const message = `cannot set powerState to empty once it's been set: it was ${old.powerState}, write that or another power state`;
    return [finding(groupRef(group), ['spec', 'powerState'], message, { at: 'key' })];
  });
}

function affinityWithoutGroup(vm: VirtualMachine): Finding[] {
  if (vm.affinity.length === 0 || vm.groupName !== undefined) return [];
  const message =
    'affinity rules need spec.groupName: name the group of this VM there, or take the rules out';
  return [finding(vmRef(vm), ['spec', 'affinity'], message, { at: 'key' })];
}

/** References to objects that do not exist, and members that do not name their group: allowed, as these may follow, but worth a warning. */
function references(manifests: Manifests, invalid: readonly ObjectRef[]): Finding[] {
  const known = namesByKind(manifests, invalid);
  const parents = [
    ...manifests.groups.map((object) => ({ ref: groupRef(object), object })),
    ...manifests.virtualMachines.map((object) => ({ ref: vmRef(object), object })),
  ].flatMap(({ ref, object }) =>
    missing(known, ref, ['spec', 'groupName'], {
      kind: GROUP,
      namespace: ref.namespace,
      name: object.groupName,
    }),
  );
  const policies = manifests.groups.flatMap((group) =>
    missing(known, groupRef(group), ['metadata', 'annotations', POLICY_ANNOTATION], {
      kind: 'SequencePolicy',
      namespace: group.namespace,
      name: group.policyName,
    }),
  );
  return [
    ...parents,
    ...policies,
    ...notLinked(manifests),
    ...notListed(manifests),
    ...sameMachine(manifests.virtualMachines),
  ];
}

/** VMs that name the same VM of a platform: the platform refuses all but one of them. */
function sameMachine(virtualMachines: readonly VirtualMachine[]): Finding[] {
  const meaning = new Map<string, VirtualMachine[]>();
  for (const vm of virtualMachines) {
    if (vm.locator === undefined) continue;
    const key = `${vm.platform ?? ''} ${plainLocator(vm.locator)}`;
    const before = meaning.get(key);
    if (before) before.push(vm);
    else meaning.set(key, [vm]);
  }
  return [...meaning.values()].flatMap((vms) =>
    vms.length < 2 ? [] : vms.map((vm, index) => meansSame(vm, vms[index === 0 ? 1 : 0] as VirtualMachine)),
  );
}

function plainLocator(locator: string): string {
  return locator.startsWith('uuid:')
    ? locator.toLowerCase().replaceAll('-', '')
    : locator.replace(/^path:\/+/, 'path:');
}

function meansSame(vm: VirtualMachine, other: VirtualMachine): Finding {
  const message = `VirtualMachine ${other.namespace}/${other.name} means ${vm.locator} too: a VM can be that of one manifest only`;
  const path = ['metadata', 'annotations', LOCATOR_ANNOTATION];
  return finding(vmRef(vm), path, message, {
    severity: 'Warning',
    key: `same VM as ${other.namespace}/${other.name}`,
  });
}

/** Names of all objects, including invalid ones, by kind and namespace. */
function namesByKind(
  { groups, policies }: Manifests,
  invalid: readonly ObjectRef[],
): Map<string, Set<string>> {
  const names = new Map<string, Set<string>>();
  const all = [
    ...groups.map(groupRef),
    ...policies.map((policy) => ({ ...policy, kind: 'SequencePolicy' })),
    ...invalid,
  ];
  for (const { kind, namespace, name } of all) {
    const key = `${kind}/${namespace}`;
    const known = names.get(key);
    if (known) known.add(name);
    else names.set(key, new Set([name]));
  }
  return names;
}

function missing(
  known: Map<string, Set<string>>,
  object: ObjectRef,
  path: Path,
  target: { kind: string; namespace: string; name: string | undefined },
): Finding[] {
  const { kind, namespace, name } = target;
  const names = known.get(`${kind}/${namespace}`);
  if (name === undefined || names?.has(name)) return [];
  const others = [...(names ?? [])].filter((other) => kind !== GROUP || other !== object.name);
  const message = `there is no ${kind} ${JSON.stringify(name)} in namespace ${JSON.stringify(namespace)}${didYouMean(name, others)}`;
  return [finding(object, path, message, { severity: 'Warning', key: `missing ${kind}/${name}` })];
}

/** Members that exist but do not name the group that lists them: they are left alone, which is rarely intended. */
function notLinked({ groups, virtualMachines }: Manifests): Finding[] {
  const parents = new Map<string, string | undefined>([
    ...groups.map((group) => [refKey(groupRef(group)), group.groupName] as const),
    ...virtualMachines.map((vm) => [refKey(vmRef(vm)), vm.groupName] as const),
  ]);
  return groups.flatMap((group) =>
    membersOf(group).flatMap(({ kind, name, path }) => {
      const key = refKey({ kind, namespace: group.namespace, name });
      const parent = parents.get(key);
      if (!parents.has(key) || parent === group.name || (kind === GROUP && name === group.name)) return [];
      const says =
        parent === undefined ? 'has no spec.groupName' : `has spec.groupName ${JSON.stringify(parent)}`;
      const message = `${kind}/${name} ${says} and is not touched: set it to ${JSON.stringify(group.name)} to link it`;
      return [
        finding(groupRef(group), [...path, 'name'], message, {
          severity: 'Warning',
          key: `not linked ${kind}/${name}`,
        }),
      ];
    }),
  );
}

/** Members that name their group but are not listed: they are powered last, which is rarely intended if the group has a boot order. */
function notListed({ groups, virtualMachines }: Manifests): Finding[] {
  const listed = new Map(
    groups.map((group) => [refKey(groupRef(group)), new Set(membersOf(group).map(label))] as const),
  );
  const members = [
    ...groups.map((group) => ({ ref: groupRef(group), groupName: group.groupName })),
    ...virtualMachines.map((vm) => ({ ref: vmRef(vm), groupName: vm.groupName })),
  ];
  return members.flatMap(({ ref, groupName }) => {
    if (groupName === undefined) return [];
    const order = listed.get(refKey(groupRef({ namespace: ref.namespace, name: groupName })));
    if (!order || order.size === 0 || order.has(`${ref.kind}/${ref.name}`)) return [];
    const message = `group ${JSON.stringify(groupName)} does not list ${ref.kind}/${ref.name} in its bootOrder: it is powered after the last boot group`;
    return [
      finding(ref, ['spec', 'groupName'], message, { severity: 'Warning', key: `not listed ${groupName}` }),
    ];
  });
}
