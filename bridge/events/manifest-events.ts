/** What happened to manifests, found by comparing what was known with what is. Pure. */
import { formatProblem, type Group, type Problem } from '../../api';
import { splitKey, type ObjectKey } from '../manifests';
import { groupObject, type Happening } from './event';

/** Revision of each group that was known, by key; undefined where only the group is remembered. */
export type KnownGroups = ReadonlyMap<ObjectKey, string | undefined>;

/** What changed between the groups that were known and those that are, among `keys` (left out: all). */
export function manifestEvents(
  known: KnownGroups,
  groups: ReadonlyMap<ObjectKey, Group>,
  keys: Iterable<ObjectKey> = new Set([...groups.keys(), ...known.keys()]),
): Happening[] {
  return [...keys].flatMap((key) => manifestEvent(key, known, groups.get(key)) ?? []);
}

function manifestEvent(key: ObjectKey, known: KnownGroups, group: Group | undefined): Happening | undefined {
  if (!group) {
    if (!known.has(key)) return undefined;
    const message = 'the group was deleted; the power of its members is left as it is';
    return { type: 'Normal', reason: 'GroupDeleted', object: groupObject(splitKey(key)), message };
  }
  const object = groupObject(group);
  const message = powerStateText(group.powerState);
  if (!known.has(key)) return { type: 'Normal', reason: 'GroupAdded', object, message };
  const revision = known.get(key);
  if (revision === undefined || revision === group.revision) return undefined;
  return { type: 'Normal', reason: 'GroupChanged', object, message };
}

function powerStateText(powerState: string | undefined): string {
  return powerState === undefined ? 'no power state' : `power state ${powerState}`;
}

/** Problems that were not there before. */
export function problemEvents(before: readonly Problem[], after: readonly Problem[]): Happening[] {
  const known = new Set(before.map(problemId));
  return after
    .filter((problem) => !known.has(problemId(problem)))
    .map((problem) => ({
      type: 'Warning',
      reason: problem.severity === 'Error' ? 'InvalidManifest' : 'ManifestWarning',
      object: problem.object
        ? { kind: problem.object.kind, namespace: problem.object.namespace, name: problem.object.name }
        : { kind: 'File', namespace: '', name: problem.file },
      message: formatProblem(problem),
    }));
}

/** A problem without its place, which moves when lines are added above it. */
function problemId(problem: Problem): string {
  return JSON.stringify([problem.severity, problem.file, problem.path, problem.message, problem.object]);
}
