/**
 * The source `kubernetes`: desired state as objects on an API server.
 *
 * U1: nothing is missed and nothing ends it (CACHE-1 and CACHE-2); what is read is the present state, not events.
 * U2: an object that is not valid changes nothing: its last valid form stays in force for as long as this process lives, and without one
 *     nothing is done with it but to say so.
 * U3: a change costs the work of its namespace, however many namespaces there are, and is told of as a change of the groups it concerns.
 *
 * An object that is being deleted counts as deleted; a group is then among those that are leaving, until it is gone.
 */
import { createHash } from 'node:crypto';
import {
  checkRules,
  manifestsOf,
  problemOf,
  readResource,
  refKey,
  sameToRules,
  type Finding,
  type Manifests,
  type ObjectFinding,
  type ObjectRef,
  type Problem,
  type ReadObject,
  type VirtualMachine,
} from '../../../api';
import type { KubernetesObject } from '../../../kubernetes';
import { emptyIndex, objectKey, withNamespace, type ObjectKey } from '../../manifests';
import type { Source, SourceState, UnusableGroup } from '../../source';
import type { ClusterObjects, Objects } from '../objects';
import { FINALIZER } from '../ownership';

/** A source that can tell what it knows of one namespace. */
export interface KubernetesSource extends Source {
  /** The valid objects of a namespace, for those who judge a new one. */
  known(namespace: string): Manifests;
}

/** What was read of one object. */
interface Entry {
  ref: ObjectRef;
  uid: string;
  generation: number;
  /** Absent: it has errors of its own. */
  read?: ReadObject;
  findings: ObjectFinding[];
  /** The last valid form, U2. */
  valid?: ReadObject;
  /** What the source goes by: where it stays the same nothing has changed. The finalizer counts, since no run starts without it. */
  mark: string;
}

/** What changed of one object since the last look, as it was then. */
interface Change {
  before: Entry | undefined;
  ref: ObjectRef;
}

/** One namespace. */
interface Space {
  entries: Map<string, Entry>;
  manifests: Manifests;
  /** What the rules between objects say. */
  rules: Finding[];
  problems: Problem[];
  /** Groups that list a member, by `Kind/name`. */
  listedBy: Map<string, ObjectKey[]>;
  unusable: Map<ObjectKey, UnusableGroup>;
}

/** Milliseconds in which changes are gathered. */
const GATHER = 2;
/** While changes come all the time, the source works for one millisecond in this many. */
const SHARE = 5;
/** Milliseconds of work that are done at once all the same: few changes are not to wait for each other. */
const AT_ONCE = 200;
/** Milliseconds without contact after which the source says that it may be behind. */
const PATIENCE = 10_000;

const KINDS = ['VirtualMachineGroup', 'VirtualMachine', 'VirtualMachineClass', 'SequencePolicy'] as const;
type SourceKind = (typeof KINDS)[number];

/** Makes a source of the objects of a cluster. `start` resolves once everything was listed. */
export function kubernetesSource(objects: ClusterObjects): KubernetesSource {
  const caches: Record<SourceKind, Objects> = {
    VirtualMachineGroup: objects.groups,
    VirtualMachine: objects.machines,
    VirtualMachineClass: objects.classes,
    SequencePolicy: objects.policies,
  };
  const spaces = new Map<string, Space>();
  /** What changed since the last look, by namespace. */
  const dirty = new Map<string, Map<string, Change>>();
  const leaving = new Set<ObjectKey>();
  const stopListening: (() => void)[] = [];
  let left = new Set<ObjectKey>();
  let index = emptyIndex();
  let problems: readonly Problem[] = [];
  let unusable: ReadonlyMap<ObjectKey, UnusableGroup> = new Map();
  let timer: NodeJS.Timeout | undefined;
  const pace = workPace();
  let started = false;
  let stopped = false;
  let onChange: (state: SourceState) => void = () => undefined;
  let brokenSince: number | undefined;

  function spaceOf(namespace: string): Space {
    let space = spaces.get(namespace);
    if (!space) {
      space = {
        entries: new Map(),
        manifests: NOTHING,
        rules: [],
        problems: [],
        listedBy: new Map(),
        unusable: new Map(),
      };
      spaces.set(namespace, space);
    }
    return space;
  }

  function changed(kind: SourceKind, key: ObjectKey, object: KubernetesObject | undefined): void {
    const [namespace = '', name = ''] = key.split('/');
    const ref = { kind, namespace, name };
    const { entries } = spaceOf(namespace);
    const id = refKey(ref);
    const before = entries.get(id);
    if (kind === 'VirtualMachineGroup') noteLeaving(key, object);
    const present = object && object.metadata.deletionTimestamp === undefined ? object : undefined;
    if (!present && !before) return schedule();
    if (present) {
      const entry = readEntry(ref, present, before);
      if (entry.mark === before?.mark) return;
      entries.set(id, entry);
    } else entries.delete(id);
    const changes = dirty.get(namespace) ?? new Map<string, Change>();
    dirty.set(namespace, changes);
    if (!changes.has(id)) changes.set(id, { before, ref });
    schedule();
  }

  function noteLeaving(key: ObjectKey, object: KubernetesObject | undefined): void {
    if (object?.metadata.deletionTimestamp !== undefined) {
      leaving.add(key);
      left.add(key);
    } else if (leaving.delete(key)) left.add(key);
  }

  function schedule(): void {
    if (!started || stopped || timer || (dirty.size === 0 && left.size === 0)) return;
    timer = setTimeout(look, Math.max(GATHER, pace.wait(performance.now())));
  }

  /** Reads what has changed and tells of it. */
  function look(): void {
    timer = undefined;
    const begun = performance.now();
    const touched = left;
    left = new Set();
    let problemsChanged = false;
    for (const [namespace, changes] of dirty) {
      const space = spaceOf(namespace);
      const before = { ...space };
      settle(space, [...changes.values()]);
      index = withNamespace(index, before.manifests, space.manifests);
      for (const change of changes.values()) concerned(change, before, space, touched);
      if (space.entries.size === 0) spaces.delete(namespace);
      if (JSON.stringify(before.problems) !== JSON.stringify(space.problems)) {
        problemsChanged = true;
        for (const { object } of [...before.problems, ...space.problems]) {
          if (object?.kind === 'VirtualMachineGroup') touched.add(objectKey(object));
        }
      }
    }
    dirty.clear();
    collect(problemsChanged);
    tell(touched);
    pace.worked(begun, performance.now());
  }

  /** Puts what the namespaces say together; the list of problems stays the same one while nothing of it changes. */
  function collect(problemsChanged: boolean): void {
    if (problemsChanged) problems = [...spaces.values()].flatMap((space) => space.problems);
    unusable = new Map([...spaces.values()].flatMap((space) => [...space.unusable]));
  }

  function tell(touched?: ReadonlySet<ObjectKey>): void {
    if (stopped || touched?.size === 0) return;
    const state: SourceState = { index, problems, unusable, leaving, readAt: Date.now() };
    onChange({ ...state, ...(touched && { changed: touched }) });
  }

  async function start(listener: (state: SourceState) => void): Promise<void> {
    onChange = listener;
    for (const kind of KINDS) {
      const cache = caches[kind];
      stopListening.push(
        cache.onChange(({ key, object }) => changed(kind, key, object)),
        cache.onLive(() => (brokenSince = allLive() ? undefined : (brokenSince ?? Date.now()))),
      );
      for (const [key, object] of cache.entries()) changed(kind, key, object);
    }
    await Promise.all(KINDS.map((kind) => caches[kind].synced()));
    if (stopped) return;
    for (const [namespace, changes] of dirty) {
      const space = spaceOf(namespace);
      settle(space, [...changes.values()]);
      index = withNamespace(index, NOTHING, space.manifests);
    }
    dirty.clear();
    left = new Set();
    collect(true);
    started = true;
    tell();
  }

  function allLive(): boolean {
    return KINDS.every((kind) => caches[kind].live);
  }

  function trouble(): string | undefined {
    if (brokenSince === undefined || Date.now() - brokenSince < PATIENCE) return undefined;
    const error = KINDS.map((kind) => caches[kind].error).find((each) => each !== undefined);
    const why = error instanceof Error ? error.message : 'a watch is not open';
    return `the API server cannot be followed since ${new Date(brokenSince).toISOString()}: ${why}`;
  }

  return {
    listsAllGroups: true,
    start,
    trouble,
    known: (namespace) => spaces.get(namespace)?.manifests ?? NOTHING,
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      for (const stop of stopListening) stop();
      await objects.stop();
    },
  };
}

const NOTHING: Manifests = { groups: [], virtualMachines: [], classes: [], policies: [], inventories: [] };

function readEntry(ref: ObjectRef, object: KubernetesObject, before: Entry | undefined): Entry {
  const { uid = '', generation = 0, finalizers = [] } = object.metadata;
  const { read, findings } = readResource(asOnServer(object));
  const slim = read && slimmed(read, object);
  // U2; another object of the same name starts anew.
  const valid = before?.uid === uid ? before.valid : undefined;
  return {
    ref,
    uid,
    generation,
    ...(slim && { read: slim }),
    ...(valid && { valid }),
    findings,
    mark: JSON.stringify([uid, findings, slim ? markOf(slim) : generation, finalizers.includes(FINALIZER)]),
  };
}

/** An object without what its cache keeps beside it. */
function asOnServer({ apiVersion, kind, metadata, spec, status }: KubernetesObject): KubernetesObject {
  return {
    ...(apiVersion !== undefined && { apiVersion }),
    ...(kind !== undefined && { kind }),
    metadata,
    ...(spec !== undefined && { spec }),
    ...(status !== undefined && { status }),
  };
}

/** What is kept of an object. The annotations of a VM are read by nobody, and there may be many of both. */
function slimmed(read: ReadObject, { spec }: KubernetesObject): ReadObject {
  if (read.kind === 'VirtualMachine') return { ...read, object: { ...read.object, annotations: {} } };
  if (read.kind !== 'VirtualMachineGroup' || read.object.groupName === undefined) return read;
  return { ...read, object: { ...read.object, revision: nestedRevision(read.object.uid, spec) } };
}

/**
 * A parent writes the power state of a nested group while its run is under way: that is no new version of what the group wants. (Whoever
 * compares revisions compares power states too.)
 */
function nestedRevision(uid: string, spec: unknown): string {
  const { powerState, ...rest } = (spec ?? {}) as Record<string, unknown>;
  return `${uid}:${createHash('sha256').update(JSON.stringify(rest)).digest('hex').slice(0, 12)}`;
}

/** The power state of a VM is its group's, and is written by the platform at every operation: a change of it is none here. */
function markOf(read: ReadObject): unknown {
  if (read.kind !== 'VirtualMachine') return read.object;
  const { generation, revision, powerState, ...mark } = read.object;
  return mark satisfies Partial<VirtualMachine>;
}

/** Works out the manifests and problems of a namespace from its entries, after changes of some. */
function settle(space: Space, changes: readonly Change[]): void {
  const entries = [...space.entries.values()];
  const changed = changes.flatMap(({ ref }) => space.entries.get(refKey(ref)) ?? []);
  // What comes, goes or is made anew under its name counts even where it is invalid: others may name it.
  const asBefore = changes.every(({ before, ref }) => {
    const now = space.entries.get(refKey(ref));
    return before && now && before.uid === now.uid && sameToRules(before.read, now.read);
  });
  if (!asBefore) {
    space.rules = checkRules(manifestsOf(entries.flatMap(({ read }) => read ?? [])), {
      previous: manifestsOf(entries.flatMap(({ valid }) => valid ?? [])),
      invalid: entries.filter(({ read }) => !read).map(({ ref }) => ref),
    });
  }
  const broken = new Set(
    space.rules.filter(({ severity }) => severity === 'Error').map(({ object }) => refKey(object)),
  );
  for (const entry of asBefore ? changed : entries) {
    if (entry.read && !broken.has(refKey(entry.ref))) entry.valid = entry.read;
  }
  space.manifests = manifestsOf(entries.flatMap(({ valid }) => valid ?? []));
  space.problems = [
    ...entries.flatMap(({ ref, findings }) => findings.map((found) => problemOf({ ...found, object: ref }))),
    ...space.rules.map(problemOf),
  ];
  if (!asBefore) space.listedBy = listings(space.manifests);
  space.unusable = new Map(
    entries
      .filter(({ ref, valid }) => ref.kind === 'VirtualMachineGroup' && !valid)
      .map(({ ref: { namespace, name }, uid, generation }) => [
        objectKey({ namespace, name }),
        { namespace, name, uid, generation },
      ]),
  );
}

function listings({ groups }: Manifests): Map<string, ObjectKey[]> {
  const found = new Map<string, ObjectKey[]>();
  for (const group of groups) {
    for (const { kind, name } of group.tiers.flatMap((tier) => tier.members)) {
      const id = `${kind}/${name}`;
      const known = found.get(id);
      if (known) known.push(objectKey(group));
      else found.set(id, [objectKey(group)]);
    }
  }
  return found;
}

/** Adds the groups that a change of one object concerns, as things were and as they are. */
function concerned(
  { before, ref }: { before: Entry | undefined; ref: ObjectRef },
  was: Space,
  is: Space,
  touched: Set<ObjectKey>,
): void {
  const { namespace, kind, name } = ref;
  const key = (group: string): ObjectKey => objectKey({ namespace, name: group });
  if (kind === 'SequencePolicy') {
    for (const group of is.manifests.groups) {
      if ((group.policyName ?? 'default') === name) touched.add(objectKey(group));
    }
    return;
  }
  if (kind === 'VirtualMachineClass') {
    for (const { className, groupName } of is.manifests.virtualMachines) {
      if (className === name && groupName !== undefined) touched.add(key(groupName));
    }
    return;
  }
  for (const entry of [before, is.entries.get(refKey(ref))]) {
    const object = entry?.read?.object ?? entry?.valid?.object;
    if (object && 'groupName' in object && object.groupName !== undefined) touched.add(key(object.groupName));
  }
  for (const space of [was, is]) {
    for (const group of space.listedBy.get(`${kind}/${name}`) ?? []) touched.add(group);
  }
  if (kind !== 'VirtualMachineGroup') return;
  touched.add(key(name));
  for (const group of is.manifests.groups) if (group.groupName === name) touched.add(objectKey(group));
}

/** Spreads work over time: what is done at once is limited, and comes back as time goes by. Times are milliseconds of one clock. */
function workPace(): { wait(now: number): number; worked(from: number, to: number): void } {
  /** Work for which no time has gone by yet, as of `at`. */
  let owed = 0;
  let at = 0;
  const settleUp = (now: number): void => {
    owed = Math.max(0, owed - (now - at) / SHARE);
    at = now;
  };
  return {
    wait: (now) => {
      settleUp(now);
      return Math.max(0, (owed - AT_ONCE) * SHARE);
    },
    worked: (from, to) => {
      settleUp(to);
      owed += to - from;
    },
  };
}
