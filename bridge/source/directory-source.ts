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
import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifests, Problem } from '../../api';
import { indexManifests } from '../manifests';
import { FolderWatch } from './folder-watch';
import { loadLastValid, mergeReading, NO_MANIFESTS, saveLastValid, type LastValid } from './last-valid';
import { manifestReader, type ReadingLimits } from './manifest-files';
import { ManifestParser } from './manifest-parser';
import type { Source, SourceState } from './source';

/** What {@link directorySource} needs. Times are milliseconds. */
export interface DirectorySourceOptions {
  /** Files and folders. */
  paths: string[];
  /** File that keeps the last valid form of every object; absent: a restart forgets them. */
  lastValidFile?: string;
  /** Folders that hold no manifests, such as the data of the product, but for those of `paths` that are in them. */
  ignore?: string[];
  /** Default: 10,000 manifest files in 10,000 folders. */
  limits?: ReadingLimits;
  /** Quiet time after a change before the files are read. */
  debounce?: number;
  /** How long an object must be missing to count as deleted. */
  settle?: number;
  /** Pause between two readings when no change was reported. */
  reread?: number;
  /** Called when watching, reading or saving failed; the source continues. */
  onWarning?: (message: string) => void;
}

/** A continuous stream of changes puts the reading off by at most this many debounce times. */
const MOST_DEBOUNCES = 10;

/**
 * Makes a source of manifests in files and folders (`*.yaml`, `*.yml`, `*.json`, folders with everything below except hidden files).
 * `start` rejects with the error of the file system if one of the paths does not exist.
 */
export function directorySource(options: DirectorySourceOptions): Source {
  return new DirectorySource(options);
}

/** The result of one reading, merged with what was valid before. */
interface Read {
  manifests: Manifests;
  problems: Problem[];
  readAt: number;
}

class DirectorySource implements Source {
  readonly #paths: string[];
  readonly #lastValidFile: string | undefined;
  readonly #debounce: number;
  readonly #settle: number;
  readonly #reread: number;
  readonly #onWarning: (message: string) => void;
  readonly #reader: ReturnType<typeof manifestReader>;
  readonly #parser = new ManifestParser();
  readonly #watch: FolderWatch;
  #lastValid: LastValid = { manifests: NO_MANIFESTS, files: {} };
  #saved = '';
  #emitted = '';
  /** Since when each missing object has been missing. */
  #missingSince: Record<string, number> = {};
  #timer: NodeJS.Timeout | undefined;
  /** When the first change was reported that has not been read yet. */
  #changedAt: number | undefined;
  #reading: Promise<void> | undefined;
  #started = false;
  #stopped = false;
  #onChange: (state: SourceState) => void = () => undefined;

  constructor(options: DirectorySourceOptions) {
    const { debounce = 100, settle = 1_000, reread = 30_000, onWarning = () => undefined } = options;
    this.#paths = options.paths.map((path) => resolve(path));
    this.#lastValidFile = options.lastValidFile;
    this.#debounce = debounce;
    this.#settle = settle;
    this.#reread = reread;
    this.#onWarning = onWarning;
    this.#reader = manifestReader(this.#paths, options.ignore, options.limits);
    this.#watch = new FolderWatch(() => this.#changed(), onWarning);
  }

  async start(onChange: (state: SourceState) => void): Promise<void> {
    for (const path of this.#paths) await stat(path);
    this.#onChange = onChange;
    if (this.#lastValidFile !== undefined) this.#lastValid = await loadLastValid(this.#lastValidFile);
    let read = await this.#readOnce();
    // An object that the last process knew and that is missing now may reappear: nothing is reported before that is settled.
    while (this.#isMissingAny() && !this.#stopped) {
      await sleep(this.#settle);
      read = await this.#readOnce();
    }
    this.#started = true;
    this.#emit(read);
    this.#schedule(this.#changedAt === undefined ? this.#reread : this.#debounce);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#watch.close();
    await this.#reading;
  }

  #isMissingAny(): boolean {
    return Object.keys(this.#missingSince).length > 0;
  }

  async #readOnce(): Promise<Read> {
    const found = await this.#reader.read();
    // A file that was written to a new folder before the folder was watched is found by one more reading.
    if (!this.#stopped && (await this.#watch.set(found.folders))) this.#changed();
    const at = Date.now();
    const parsed = this.#parser.parse(found, this.#lastValid);
    const merged = mergeReading(this.#lastValid, { ...parsed, at }, this.#missingSince, this.#settle);
    this.#lastValid = merged.lastValid;
    this.#missingSince = merged.missingSince;
    await this.#save();
    return { manifests: this.#lastValid.manifests, problems: parsed.problems, readAt: at };
  }

  async #save(): Promise<void> {
    if (this.#lastValidFile === undefined) return;
    const text = JSON.stringify(this.#lastValid);
    if (text === this.#saved) return;
    try {
      await saveLastValid(this.#lastValidFile, this.#lastValid);
      this.#saved = text;
    } catch (error: unknown) {
      this.#onWarning(`Failed to save the last valid manifests for a restart: ${errorText(error)}`);
    }
  }

  #emit({ manifests, problems, readAt }: Read): void {
    const content = JSON.stringify([manifests, problems]);
    if (content === this.#emitted || this.#stopped) return;
    this.#emitted = content;
    this.#onChange({ index: indexManifests(manifests), problems, readAt });
  }

  #schedule(delay: number): void {
    if (this.#stopped || !this.#started) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#readNow(), delay);
  }

  /** A change was reported: reads once it is quiet, or after a while if it never is. */
  #changed(): void {
    const now = Date.now();
    this.#changedAt ??= now;
    const latest = this.#changedAt + MOST_DEBOUNCES * this.#debounce;
    this.#schedule(Math.max(0, Math.min(this.#debounce, latest - now)));
  }

  #readNow(): void {
    if (this.#reading) {
      this.#schedule(this.#debounce);
      return;
    }
    this.#changedAt = undefined;
    this.#reading = this.#readOnce()
      .then(
        (read) => this.#emit(read),
        (error: unknown) => this.#onWarning(`Failed to read the manifests: ${errorText(error)}`),
      )
      .finally(() => {
        this.#reading = undefined;
        if (this.#changedAt === undefined) this.#schedule(this.#isMissingAny() ? this.#settle : this.#reread);
      });
  }
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
