/** The desired state as the source reported it last. */
import type { Group, ObjectName, Problem } from '../../api';
import { manifestEvents, problemEvents, type Happening } from '../events';
import { driverOf, emptyIndex, objectKey, topOf, type ManifestIndex, type ObjectKey } from '../manifests';
import type { SourceState, UnusableGroup } from '../source';

const NOTHING = emptyIndex();

/** Keeps the last state of a source, and reports what changed with each. */
export class DesiredState {
  readonly #listsAllGroups: boolean;
  /** Revision of each group that was reported; undefined if only the group is remembered. */
  readonly #known = new Map<ObjectKey, string | undefined>();
  /** Groups that were deleted or have lost a VM, until what became of their runs is known. */
  readonly #former = new Set<ObjectKey>();
  #state: SourceState | undefined;
  #problemsOf: ReadonlyMap<ObjectKey, Problem[]> = new Map();

  /** `listsAllGroups`: see {@link Source.listsAllGroups}. */
  constructor(listsAllGroups: boolean) {
    this.#listsAllGroups = listsAllGroups;
  }

  /** A group that was known to an earlier process, at this revision if it is known. */
  remember(key: ObjectKey, revision: string | undefined): void {
    this.#known.set(key, revision);
  }

  /** Takes over a state of the source; returns what happened since the last one. */
  update(next: SourceState): Happening[] {
    const known = this.#known;
    const happened = manifestEvents(known, next.index.groups, next.changed);
    for (const key of next.changed ?? new Set([...known.keys(), ...next.index.groups.keys()])) {
      const group = next.index.groups.get(key);
      if (group) known.set(key, group.revision);
      else known.delete(key);
      const exists = group !== undefined || next.unusable?.has(key) === true;
      if (!exists) this.#former.add(key);
      else if (hasLostVm(this.index, next.index, key)) this.#former.add(driverKey(this.index, key));
    }
    if (next.problems !== this.problems) {
      happened.push(...problemEvents(this.problems, next.problems));
      this.#problemsOf = problemsByGroup(next.problems);
    }
    this.#state = next;
    return happened;
  }

  isRead(): boolean {
    return this.#state !== undefined;
  }

  get index(): ManifestIndex {
    return this.#state?.index ?? NOTHING;
  }

  /** Everything that is wrong with the manifests. */
  get problems(): readonly Problem[] {
    return this.#state?.problems ?? [];
  }

  /** What is wrong with a group's own manifest. */
  problemsOf(key: ObjectKey): Problem[] {
    return this.#problemsOf.get(key) ?? [];
  }

  group(key: ObjectKey): Group | undefined {
    return this.index.groups.get(key);
  }

  /** The group, if it exists without a valid form. */
  unusable(key: ObjectKey): UnusableGroup | undefined {
    return this.#state?.unusable?.get(key);
  }

  /** Whether the group exists, valid or not. */
  exists(key: ObjectKey): boolean {
    return this.index.groups.has(key) || this.unusable(key) !== undefined;
  }

  /** The topmost group of a group's tree; a group that does not exist is its own. */
  topOf(group: ObjectName): ObjectName {
    const found = this.group(objectKey(group));
    return found ? topOf(this.index, found) : group;
  }

  /** Every group that has to be reconciled when nothing is known about it, also deleted ones. */
  keys(): ObjectKey[] {
    return [
      ...this.index.groups.keys(),
      ...(this.#state?.changed ?? []),
      ...(this.#state?.leaving ?? []),
      ...this.#goneGroups(),
    ];
  }

  /** Groups whose runs may be open, and may hold places of VMs that are no members any more. */
  get formerOwners(): ReadonlySet<ObjectKey> {
    return this.#former;
  }

  /** A group has no open run. */
  settle(key: ObjectKey): void {
    this.#former.delete(key);
  }

  /** Groups that do not exist and that members still name: such a group may have an open run that was never withdrawn. */
  #goneGroups(): ObjectKey[] {
    if (!this.#listsAllGroups) return [];
    const { childMachines, childGroups } = this.index;
    return [...childMachines.keys(), ...childGroups.keys()].filter((key) => !this.exists(key));
  }
}

function problemsByGroup(problems: readonly Problem[]): Map<ObjectKey, Problem[]> {
  const found = new Map<ObjectKey, Problem[]>();
  for (const problem of problems) {
    if (problem.object?.kind !== 'VirtualMachineGroup') continue;
    const key = objectKey(problem.object);
    found.set(key, [...(found.get(key) ?? []), problem]);
  }
  return found;
}

/** Whether a VM has left a group. */
function hasLostVm(before: ManifestIndex, now: ManifestIndex, key: ObjectKey): boolean {
  const had = before.childMachines.get(key) ?? [];
  return had.some((vm) => now.virtualMachines.get(objectKey(vm))?.groupName !== vm.groupName);
}

/** The group whose run places the VMs of a group. It need not have a power state: some platforms place VMs ahead of it. */
function driverKey(index: ManifestIndex, key: ObjectKey): ObjectKey {
  const group = index.groups.get(key);
  const driver = group && driverOf(index, group, true);
  return driver ? objectKey(driver) : key;
}
