/**
 * Keeps the last valid form of every object of a folder.
 *
 * LAST-VALID-1: an edit that makes an object invalid leaves its last valid form in force, also across a restart.
 * LAST-VALID-2: a missing object counts as deleted only once it has been missing for a while: editors and `git checkout` remove a file for a
 *     moment, and a writer can be half way through. While its file grows, that while has not begun.
 * LAST-VALID-3: a folder without any entry deletes nothing, nor does a link that leads nowhere, or a root that is gone with its folder: they may be
 *     on a volume that is not mounted. Nor does a file without any text: the command whose output it is to hold may have failed, or still run.
 * LAST-VALID-4: a reading that the limit of files, folders or documents cuts short deletes nothing, nor does one during which links were
 *     replaced until the limit of readings: a missing object may be in what was not read.
 */
import { own, type Manifests, type ObjectName, type Problem } from '../../api';
import { readIfThere, writeAtomically } from '../../files/atomic-file';
import { withinAny } from './within';

/** The last valid form of every object, and the file that each was in. */
export interface LastValid {
  manifests: Manifests;
  /** File of each object, by {@link objectId}. */
  files: Record<string, string>;
}

/** A set of manifests with nothing in it. */
export const NO_MANIFESTS: Manifests = {
  groups: [],
  virtualMachines: [],
  classes: [],
  policies: [],
  inventories: [],
  platforms: [],
};

/** Kind of the objects of each list. */
const KINDS: Record<keyof Manifests, string> = {
  groups: 'VirtualMachineGroup',
  virtualMachines: 'VirtualMachine',
  classes: 'VirtualMachineClass',
  policies: 'SequencePolicy',
  inventories: 'SimulatedInventory',
  platforms: 'Platform',
};

/** `kind/namespace/name`. */
function objectId(kind: string, object: ObjectName): string {
  return `${kind}/${object.namespace}/${object.name}`;
}

/** Ids of every object of a set. */
export function idsOf(manifests: Manifests): string[] {
  return listsOf().flatMap((list) => manifests[list].map((object) => objectId(KINDS[list], object)));
}

function listsOf(): (keyof Manifests)[] {
  return Object.keys(KINDS) as (keyof Manifests)[];
}

/** The result of one reading of the files. */
export interface Reading {
  /** The valid objects. */
  manifests: Manifests;
  problems: Problem[];
  /** File of each valid object. */
  files: Record<string, string>;
  /** Files and folders whose content is unknown. */
  unreadable: string[];
  /** Files to whose text something was added since the reading before. */
  growing: string[];
  /** Whether no limit kept anything from being read (LAST-VALID-4). */
  isComplete: boolean;
  /** Milliseconds since the epoch. */
  at: number;
}

/** The outcome of {@link mergeReading}. */
export interface Merged {
  lastValid: LastValid;
  /** Since when each missing object has been missing. Empty: nothing waits for confirmation. */
  missingSince: Record<string, number>;
}

/** Puts a reading over what was valid before. `settle`: milliseconds after which a missing object is deleted (LAST-VALID-2). */
export function mergeReading(
  before: LastValid,
  reading: Reading,
  missingBefore: Record<string, number>,
  settle: number,
): Merged {
  const kept = keepers(reading);
  const growing = new Set(reading.growing);
  const present = new Set(idsOf(reading.manifests));
  const missingSince: Record<string, number> = {};
  const files: Record<string, string> = {};
  for (const id of present) files[id] = own(reading.files, id) ?? own(before.files, id) ?? '';

  const stays = (id: string): boolean => {
    if (present.has(id)) return false;
    const file = own(before.files, id) ?? '';
    if (!kept(id, file)) {
      const since = (growing.has(file) ? undefined : own(missingBefore, id)) ?? reading.at;
      if (reading.at - since >= settle) return false;
      missingSince[id] = since;
    }
    files[id] = file;
    return true;
  };
  const merge = <K extends keyof Manifests>(list: K): Manifests[K] =>
    [
      ...reading.manifests[list],
      ...before.manifests[list].filter((object) => stays(objectId(KINDS[list], object))),
    ] as Manifests[K];
  return {
    lastValid: {
      manifests: {
        groups: merge('groups'),
        virtualMachines: merge('virtualMachines'),
        classes: merge('classes'),
        policies: merge('policies'),
        inventories: merge('inventories'),
        platforms: merge('platforms'),
      },
      files,
    },
    missingSince,
  };
}

/** For an object that is not valid now: whether its last valid form stays (LAST-VALID-1, LAST-VALID-4). */
function keepers(reading: Reading): (id: string, file: string) => boolean {
  // Any object may have been moved to what was not read.
  if (!reading.isComplete) return () => true;
  const errors = reading.problems.filter((problem) => problem.severity === 'Error');
  const ids = new Set(errors.flatMap((problem) => problemObject(problem) ?? []));
  // An error that belongs to no object leaves open which objects the file holds.
  const files = new Set(errors.filter((problem) => !problemObject(problem)).map((problem) => problem.file));
  const isUnreadable = withinAny(reading.unreadable);
  return (id, file) => ids.has(id) || files.has(file) || (file !== '' && isUnreadable(file));
}

/** The {@link objectId} of the object that a problem is about. */
function problemObject(problem: Problem): string | undefined {
  const object = problem.object;
  return object && objectId(object.kind, object);
}

/** Reads what {@link saveLastValid} wrote; nothing if the file is missing or is not JSON. Rejects with other errors of the file system. */
export async function loadLastValid(path: string): Promise<LastValid> {
  const text = await readIfThere(path);
  if (text === undefined) return { manifests: NO_MANIFESTS, files: {} };
  try {
    const saved = JSON.parse(text) as Partial<LastValid>;
    return { manifests: { ...NO_MANIFESTS, ...saved.manifests }, files: saved.files ?? {} };
  } catch {
    return { manifests: NO_MANIFESTS, files: {} };
  }
}

/** Saves the last valid form of everything for the next start. Rejects with the error of the file system. */
export async function saveLastValid(path: string, lastValid: LastValid): Promise<void> {
  await writeAtomically(path, `${JSON.stringify(lastValid)}\n`);
}
