/**
 * The source `directory`: manifests in files and folders.
 *
 * DIRECTORY-1: an invalid edit changes nothing and is reported (LAST-VALID-1).
 * DIRECTORY-2: a file that is replaced, or missing for a moment, deletes nothing (LAST-VALID-2).
 * DIRECTORY-3: a change that the file system does not report is found by reading everything again every half minute.
 * DIRECTORY-4: when a link on the way to a path is replaced, the path is read and watched at its new place at once.
 */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { own, parseManifests, type Manifests, type Problem } from '../../api';
import { folderWatch } from './folder-watch';
import { manifestReader, readingProblems, type ManifestFile, type ManifestFiles } from './manifest-files';
import {
  idsOf,
  loadLastValid,
  mergeReading,
  NO_MANIFESTS,
  saveLastValid,
  type LastValid,
  type Reading,
} from './last-valid';
import { indexManifests } from '../manifests';
import type { Source, SourceState } from './source';

/** What {@link directorySource} needs. Times are milliseconds. */
export interface DirectorySourceOptions {
  /** Files and folders. */
  paths: string[];
  /** File that keeps the last valid form of every object; absent: a restart forgets them. */
  lastValidFile?: string;
  /** Folders below `paths` that hold something else, such as the data of the product. */
  ignore?: string[];
  /** Quiet time after a change before the files are read. */
  debounce?: number;
  /** How long an object must be missing to count as deleted. */
  settle?: number;
  /** Pause between two readings where nothing was reported. */
  reread?: number;
  /** Told of trouble with watching; the source goes on. */
  onWarning?: (message: string) => void;
}

/** Longest time that a stream of changes can put the reading off, in debounce times. */
const MOST_DEBOUNCES = 10;

/**
 * Makes a source of manifests in files and folders (`*.yaml`, `*.yml`, `*.json`, folders with all below; hidden ones left out).
 * `start` rejects where one of the paths does not exist.
 */
export function directorySource(options: DirectorySourceOptions): Source {
  const paths = options.paths.map((path) => resolve(path));
  const { debounce = 100, settle = 1_000, reread = 30_000, onWarning = () => undefined } = options;
  const reader = manifestReader(paths, options.ignore);
  const parse = parser();

  let lastValid: LastValid;
  let saved = '';
  let emitted = '';
  let missingSince: Record<string, number> = {};
  let timer: NodeJS.Timeout | undefined;
  let firstEventAt: number | undefined;
  let reading: Promise<void> | undefined;
  let started = false;
  let stopped = false;
  let onChange: (state: SourceState) => void = () => undefined;

  const watching = folderWatch(changed, onWarning);

  async function readOnce(): Promise<Read> {
    const found = await reader.read();
    // What came into a new folder before it was watched is found by one more reading.
    if (!stopped && (await watching.set(found.folders))) changed();
    const at = Date.now();
    const parsed = parse(found, lastValid.manifests);
    const merged = mergeReading(lastValid, { ...parsed, at }, missingSince, settle);
    ({ lastValid, missingSince } = merged);
    await save();
    return { manifests: lastValid.manifests, problems: parsed.problems, readAt: at };
  }

  async function save(): Promise<void> {
    if (options.lastValidFile === undefined) return;
    const text = JSON.stringify(lastValid);
    if (text === saved) return;
    try {
      await saveLastValid(options.lastValidFile, lastValid);
      saved = text;
    } catch (error: unknown) {
      onWarning(`The last valid manifests could not be kept for a restart: ${describe(error)}`);
    }
  }

  function emit({ manifests, problems, readAt }: Read): void {
    const content = JSON.stringify([manifests, problems]);
    if (content === emitted || stopped) return;
    emitted = content;
    onChange({ index: indexManifests(manifests), problems, readAt });
  }

  function schedule(delay: number): void {
    if (stopped || !started) return;
    clearTimeout(timer);
    timer = setTimeout(readNow, delay);
  }

  /** A change was reported: read once it is quiet, or after a while if it never is. */
  function changed(): void {
    const now = Date.now();
    firstEventAt ??= now;
    schedule(Math.max(0, Math.min(debounce, firstEventAt + MOST_DEBOUNCES * debounce - now)));
  }

  function readNow(): void {
    if (reading) {
      schedule(debounce);
      return;
    }
    firstEventAt = undefined;
    reading = readOnce()
      .then(emit, (error: unknown) => onWarning(`Reading the manifests failed: ${describe(error)}`))
      .finally(() => {
        reading = undefined;
        if (firstEventAt === undefined) schedule(pause());
      });
  }

  /** Until the next reading if nothing is reported. */
  function pause(): number {
    return Object.keys(missingSince).length > 0 ? settle : reread;
  }

  async function start(listener: (state: SourceState) => void): Promise<void> {
    for (const path of paths) await stat(path);
    onChange = listener;
    lastValid = options.lastValidFile
      ? await loadLastValid(options.lastValidFile)
      : { manifests: NO_MANIFESTS, files: {} };
    let state = await readOnce();
    // What the last process knew and is missing now may be on its way back: nothing is said before that is settled.
    while (Object.keys(missingSince).length > 0 && !stopped) {
      await new Promise((done) => setTimeout(done, settle));
      state = await readOnce();
    }
    started = true;
    emit(state);
    schedule(firstEventAt === undefined ? reread : debounce);
  }

  async function stop(): Promise<void> {
    stopped = true;
    clearTimeout(timer);
    watching.close();
    await reading;
  }

  return { start, stop };
}

/** One reading, with what was valid before. */
interface Read {
  manifests: Manifests;
  problems: Problem[];
  readAt: number;
}

/** Parses readings; remembers which objects each file holds while its text is the same. */
function parser(): (found: ManifestFiles, previous: Manifests) => Omit<Reading, 'at'> {
  let known = new Map<string, { text: string; ids: string[] }>();

  function idsOfFile(file: ManifestFile): string[] {
    const cached = known.get(file.path);
    return cached?.text === file.text ? cached.ids : idsOf(parseManifests([file]).manifests);
  }

  return (found, previous) => {
    const { manifests, problems } = parseManifests(found.files, { previous });
    const next: typeof known = new Map();
    const files: Record<string, string> = {};
    for (const file of found.files) {
      const ids = idsOfFile(file);
      next.set(file.path, { text: file.text, ids });
      for (const id of ids) files[id] = own(files, id) ?? file.path;
    }
    known = next;
    return {
      manifests,
      problems: [...problems, ...readingProblems(found).map(saysWhatHolds)],
      files,
      unreadable: [
        ...found.unreadable.map(({ path }) => path),
        ...found.unrendered.flatMap(({ covers }) => covers),
      ],
    };
  };
}

function saysWhatHolds(problem: Problem): Problem {
  return { ...problem, message: `${problem.message}; what was read there before stays in force` };
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
