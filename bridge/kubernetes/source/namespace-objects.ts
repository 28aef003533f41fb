/** The objects of one namespace: which are valid, what is wrong with the others, and which groups a change concerns. */
import {
  checkRules,
  manifestsOf,
  problemOf,
  refKey,
  sameToRules,
  type Finding,
  type Manifests,
  type ObjectRef,
  type Problem,
} from '../../../api';
import type { KubernetesObject } from '../../../kubernetes';
import { objectKey, type ObjectKey } from '../../manifests';
import type { UnusableGroup } from '../../source';
import { readSourceObject, type SourceObject } from './source-object';

/** What {@link NamespaceObjects.settle} has changed. */
export interface SettledChanges {
  manifestsBefore: Manifests;
  /** Groups that are concerned by a change, as things were and as they are. */
  concerned: Set<ObjectKey>;
  problemsChanged: boolean;
}

/** What changed of one object since the last call of {@link NamespaceObjects.settle}. */
interface Change {
  ref: ObjectRef;
  before: SourceObject | undefined;
}

/** The groups that list a member, by `Kind/name`. */
type Listings = ReadonlyMap<string, readonly ObjectKey[]>;

/** No objects. */
export const NO_MANIFESTS: Manifests = {
  groups: [],
  virtualMachines: [],
  classes: [],
  policies: [],
  inventories: [],
  platforms: [],
};

/** The objects of one namespace. */
export class NamespaceObjects {
  readonly #objects = new Map<string, SourceObject>();
  readonly #changes = new Map<string, Change>();
  readonly #isCompanion: boolean;
  /** What the rules between objects say. */
  #ruleFindings: Finding[] = [];
  #listedBy: Listings = new Map();
  #manifests = NO_MANIFESTS;
  #problems: readonly Problem[] = [];
  #unusable: ReadonlyMap<ObjectKey, UnusableGroup> = new Map();

  /** `isCompanion`: VM Operator's group controller acts on groups too. */
  constructor(isCompanion = false) {
    this.#isCompanion = isCompanion;
  }

  get isEmpty(): boolean {
    return this.#objects.size === 0;
  }

  /** The last valid form of each object, as of the last {@link settle}; so are the others. */
  get manifests(): Manifests {
    return this.#manifests;
  }

  get problems(): readonly Problem[] {
    return this.#problems;
  }

  get unusable(): ReadonlyMap<ObjectKey, UnusableGroup> {
    return this.#unusable;
  }

  /** Notes an object as it is now, or that it is gone. Returns whether that is a change. */
  put(ref: ObjectRef, object: KubernetesObject | undefined): boolean {
    const id = refKey(ref);
    const before = this.#objects.get(id);
    const now = object && readSourceObject(ref, object, before, this.#isCompanion);
    if (now?.mark === before?.mark) return false;
    if (now) this.#objects.set(id, now);
    else this.#objects.delete(id);
    if (!this.#changes.has(id)) this.#changes.set(id, { ref, before });
    return true;
  }

  /** Works out manifests and problems after the changes since the last call. */
  settle(): SettledChanges {
    const changes = [...this.#changes.values()];
    this.#changes.clear();
    const before = { manifests: this.#manifests, problems: this.#problems, listedBy: this.#listedBy };
    const isSameToRules = changes.every((change) => this.#isSameToRules(change));
    if (!isSameToRules) this.#checkRules();
    this.#bringIntoForce(isSameToRules ? changes : undefined);
    this.#summarize();
    if (!isSameToRules) this.#listedBy = listings(this.#manifests);
    const concerned = new Set(changes.flatMap((change) => this.#concernedBy(change, before.listedBy)));
    const problemsChanged = JSON.stringify(before.problems) !== JSON.stringify(this.#problems);
    if (problemsChanged) {
      for (const { object } of [...before.problems, ...this.#problems]) {
        if (object?.kind === 'VirtualMachineGroup') concerned.add(objectKey(object));
      }
    }
    return { manifestsBefore: before.manifests, concerned, problemsChanged };
  }

  /** An object that was created, deleted or recreated counts even if it is invalid: others may name it. */
  #isSameToRules({ ref, before }: Change): boolean {
    const now = this.#objects.get(refKey(ref));
    return (
      before !== undefined &&
      now !== undefined &&
      before.uid === now.uid &&
      sameToRules(before.current, now.current)
    );
  }

  #checkRules(): void {
    const objects = [...this.#objects.values()];
    this.#ruleFindings = checkRules(manifestsOf(objects.flatMap(({ current }) => current ?? [])), {
      previous: manifestsOf(objects.flatMap(({ inForce }) => inForce ?? [])),
      invalid: objects.filter(({ current }) => !current).map(({ ref }) => ref),
    });
  }

  /** SOURCE-2: valid forms replace those before. `changes` absent: any object may have become valid. */
  #bringIntoForce(changes: readonly Change[] | undefined): void {
    const errors = this.#ruleFindings.filter(({ severity }) => severity === 'Error');
    const broken = new Set(errors.map(({ object }) => refKey(object)));
    const objects =
      changes?.flatMap(({ ref }) => this.#objects.get(refKey(ref)) ?? []) ?? this.#objects.values();
    for (const object of objects) {
      if (object.current && !broken.has(refKey(object.ref))) object.inForce = object.current;
    }
  }

  #summarize(): void {
    const objects = [...this.#objects.values()];
    this.#manifests = manifestsOf(objects.flatMap(({ inForce }) => inForce ?? []));
    this.#problems = [
      ...objects.flatMap(({ ref, findings }) =>
        findings.map((found) => problemOf({ ...found, object: ref })),
      ),
      ...this.#ruleFindings.map(problemOf),
    ];
    const unusable = objects.filter(({ ref, inForce }) => ref.kind === 'VirtualMachineGroup' && !inForce);
    this.#unusable = new Map(
      unusable.map(({ ref: { namespace, name }, uid, generation }) => [
        objectKey({ namespace, name }),
        { namespace, name, uid, generation },
      ]),
    );
  }

  #concernedBy({ ref, before }: Change, listedBefore: Listings): ObjectKey[] {
    const { namespace, kind, name } = ref;
    const { groups, virtualMachines } = this.#manifests;
    const keyOf = (group: string): ObjectKey => objectKey({ namespace, name: group });
    if (kind === 'SequencePolicy') {
      return groups.filter(({ policyName }) => (policyName ?? 'default') === name).map(objectKey);
    }
    if (kind === 'VirtualMachineClass') {
      const using = virtualMachines.filter(({ className }) => className === name);
      return using.flatMap(({ groupName }) => (groupName === undefined ? [] : keyOf(groupName)));
    }
    const parents = [before, this.#objects.get(refKey(ref))].flatMap((object) => groupNameOf(object) ?? []);
    const member = `${kind}/${name}`;
    const listing = [listedBefore, this.#listedBy].flatMap((listedBy) => listedBy.get(member) ?? []);
    if (kind !== 'VirtualMachineGroup') return [...parents.map(keyOf), ...listing];
    const children = groups.filter(({ groupName }) => groupName === name).map(objectKey);
    return [...parents.map(keyOf), ...listing, keyOf(name), ...children];
  }
}

function groupNameOf(source: SourceObject | undefined): string | undefined {
  const object = source?.current?.object ?? source?.inForce?.object;
  return object && 'groupName' in object ? object.groupName : undefined;
}

function listings({ groups }: Manifests): Listings {
  const found = new Map<string, ObjectKey[]>();
  for (const group of groups) {
    for (const { kind, name } of group.tiers.flatMap((tier) => tier.members)) {
      const member = `${kind}/${name}`;
      const known = found.get(member);
      if (known) known.push(objectKey(group));
      else found.set(member, [objectKey(group)]);
    }
  }
  return found;
}
