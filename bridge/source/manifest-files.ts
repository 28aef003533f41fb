/**
 * Finds and reads manifest files.
 *
 * All links are read as of one moment: if one is replaced during the reading, as git-sync does with all of its files at once, everything is
 * read again. If that happens three times in a row, it is a problem, and nothing is deleted.
 */
import { lstat, readdir } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import type { Problem } from '../../api';
import { isMissing } from '../../files/atomic-file';
import type { WatchedFolder } from './folder-watch';
import { LinkReader } from './links';
import { lookAt, readWhole, type CachedFile, type ManifestFile } from './manifest-file';
import { manifestEntries } from './own-data';
import {
  CHART_FILE,
  KUSTOMIZATION_FILES,
  readKustomization,
  unrenderedCharts,
  unrenderedKustomizations,
  type Kustomization,
  type Unrendered,
} from './unrendered';
import { isWithin, withinAny } from './within';

/** Most manifest files that are read, and most folders that are read and watched. */
export interface ReadingLimits {
  files: number;
  folders: number;
}

const DEFAULT_LIMITS: ReadingLimits = { files: 10_000, folders: 10_000 };

const EXTENSIONS = new Set(['.yaml', '.yml', '.json']);

/** What was found under a set of paths. */
export interface ManifestFiles {
  files: ManifestFile[];
  /** Files and folders that exist and could not be read, with the reason: what they hold is unknown. */
  unreadable: { path: string; message: string }[];
  /** Folders that are not read, because their content must be rendered first. */
  unrendered: Unrendered[];
  /** Paths at which nothing is, as when a volume is not mounted or a write has failed: LAST-VALID-3, for what they held before. */
  vacant: { path: string; message: string }[];
  /** Whether no limit kept anything from being read. */
  isComplete: boolean;
  /** Folders in which a change of what was found would show. */
  folders: WatchedFolder[];
}

/** Why nothing that a vacant path held counts as deleted, and how to delete it. */
const VACANT = {
  root: 'it is empty, as when a volume is not mounted (to delete all that it held, leave any file in it)',
  folder:
    'it is empty, as when a volume is not mounted (to delete all that it held, remove it, or leave any file in it)',
  link: 'it is a link that leads nowhere, as when a volume is not mounted (to delete all that it held, remove it)',
  file: 'it is gone, and its folder is gone or empty, as when a volume is not mounted (to delete all that it held, leave any file in the folder)',
  text: 'it is empty, as when a command that was to write it has failed or has not finished (to delete all that it held, remove it)',
};

/** Whether a path below `root` is read: a manifest by its ending, no part of it hidden, not below one of `ignore` that `root` is not in. */
function isRead(root: string, path: string, ignore: string[], isFile: boolean): boolean {
  if (ignore.some((folder) => isWithin(folder, path) && !isWithin(folder, root))) return false;
  const below = relative(root, path);
  if (below === '') return true;
  if (below.split(sep).some((part) => part.startsWith('.') || part === 'node_modules')) return false;
  return !isFile || EXTENSIONS.has(extname(path).toLowerCase());
}

/** At most this many readings in a row while links are being replaced. */
const MAX_READINGS = 3;

/** Makes a reader of manifest files that reads unchanged files only once. `ignore` names folders that are left out, unless one of the paths is in them. */
export function manifestReader(
  paths: string[],
  ignore: string[] = [],
  limits = DEFAULT_LIMITS,
): { read(): Promise<ManifestFiles> } {
  let cache = new Map<string, CachedFile>();
  /** Roots that were folders: a missing one is a lost mount, not the deletion of everything in it. */
  const folders = new Set<string>();

  async function readOnce(links: LinkReader): Promise<ManifestFiles> {
    const reading = new FolderWalk({ ignore, limits, cache, folders, links });
    for (const root of paths) await reading.readRoot(root);
    cache = reading.next;
    return reading.result();
  }

  return {
    async read() {
      for (let left = MAX_READINGS - 1; ; left -= 1) {
        const links = new LinkReader();
        const found = await readOnce(links);
        if (await links.isCurrent()) return found;
        if (left === 0) return mixed(found, paths);
      }
    },
  };
}

/** LAST-VALID-4. What was read while links were replaced: a manifest may have moved from one of the files to another meanwhile. */
function mixed(found: ManifestFiles, paths: string[]): ManifestFiles {
  const message = `links were replaced during each of ${MAX_READINGS} readings`;
  const unreadable = [...found.unreadable, ...paths.map((path) => ({ path, message }))];
  return { ...found, unreadable, isComplete: false };
}

/** What one walk shares with those before it. */
interface Shared {
  ignore: string[];
  limits: ReadingLimits;
  cache: Map<string, CachedFile>;
  folders: Set<string>;
  links: LinkReader;
}

/** One walk through all roots. */
class FolderWalk {
  /** The files of this walk, for the next one. */
  readonly next = new Map<string, CachedFile>();
  readonly #found: ManifestFile[] = [];
  readonly #unreadable: ManifestFiles['unreadable'] = [];
  readonly #vacant: ManifestFiles['vacant'] = [];
  readonly #watched: WatchedFolder[] = [];
  readonly #kustomizations: Kustomization[] = [];
  readonly #charts: string[] = [];
  /** Roots with manifest files, and with folders, that are not read because there are too many. */
  readonly #cut = { files: new Set<string>(), folders: new Set<string>() };
  #folders = 0;
  readonly #shared: Shared;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  async readRoot(root: string): Promise<void> {
    await this.#attempt(root, async () => {
      await this.#watchWayTo(root);
      await this.#visit(root, root, []);
    });
  }

  result(): ManifestFiles {
    const { files, folders } = this.#shared.limits;
    this.#reportCut(this.#cut.files, `more than ${files} manifest files: the rest is not read`);
    this.#reportCut(this.#cut.folders, `more than ${folders} folders: the rest is not read`);
    const unrendered = [...unrenderedKustomizations(this.#kustomizations), ...unrenderedCharts(this.#charts)];
    const isCovered = withinAny(unrendered.flatMap((each) => each.covers));
    return {
      files: this.#found.filter(({ path }) => !isCovered(path)),
      unreadable: this.#unreadable,
      unrendered,
      vacant: this.#vacant,
      isComplete: this.#cut.files.size + this.#cut.folders.size === 0,
      folders: this.#watched,
    };
  }

  #reportCut(roots: Set<string>, message: string): void {
    for (const path of roots) this.#unreadable.push({ path, message });
  }

  async #attempt(path: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error: unknown) {
      this.#unreadable.push({ path, message: error instanceof Error ? error.message : String(error) });
    }
  }

  /** Watches every link on the way to a path, and the name that it leads to. */
  async #watchWayTo(path: string): Promise<void> {
    const { links, real } = await this.#shared.links.follow(resolve(path));
    for (const { folder, name } of links) this.#watched.push({ folder, only: name });
    this.#watched.push({ folder: dirname(real), only: basename(real) });
  }

  /** @param above identities of the folders on the way to this path. */
  async #visit(root: string, path: string, above: readonly string[]): Promise<void> {
    if (this.next.has(path)) return;
    const { folders, ignore, limits } = this.#shared;
    const { kind, identity } = await lookAt(path);
    if (kind === 'folder') {
      if (path === root) folders.add(root);
      // A link to a folder that contains it would be followed without end.
      if (isRead(root, path, ignore, false) && !above.includes(identity))
        await this.#visitFolder(root, path, [...above, identity]);
    } else if (kind === 'file' && isRead(root, path, ignore, true)) {
      if (this.#found.length < limits.files) await this.#visitFile(path);
      else this.#cut.files.add(root);
    } else if (path === root && folders.has(root)) {
      throw new Error('the folder is gone');
    } else if (identity === '') await this.#visitMissing(root, path);
  }

  /** Nothing is where a path leads. */
  async #visitMissing(root: string, path: string): Promise<void> {
    if (await isLink(path)) this.#vacant.push({ path, message: VACANT.link });
    else if (path === root && (await isVacantFolder(dirname(path))))
      this.#vacant.push({ path, message: VACANT.file });
  }

  async #visitFolder(root: string, path: string, above: readonly string[]): Promise<void> {
    if (this.#folders >= this.#shared.limits.folders) {
      this.#cut.folders.add(root);
      return;
    }
    this.#folders += 1;
    this.#watched.push({ folder: path });
    const entries = await readdir(path, { withFileTypes: true });
    if (entries.length === 0)
      this.#vacant.push({ path, message: path === root ? VACANT.root : VACANT.folder });
    if (entries.some(({ name }) => name === CHART_FILE)) {
      this.#charts.push(path);
      return;
    }
    for (const entry of manifestEntries(entries, path === root).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const below = join(path, entry.name);
      await this.#attempt(below, async () => {
        if (KUSTOMIZATION_FILES.includes(entry.name)) return this.#visitKustomization(root, path, below);
        if (entry.isSymbolicLink() && isRead(root, below, this.#shared.ignore, false))
          await this.#watchWayTo(below);
        await this.#visit(root, below, above);
      });
    }
  }

  async #visitKustomization(root: string, folder: string, path: string): Promise<void> {
    const file = await readWhole(path, this.#shared.cache.get(path));
    if (!file) return;
    this.next.set(path, file);
    this.#kustomizations.push(readKustomization(root, folder, file.text));
  }

  async #visitFile(path: string): Promise<void> {
    const file = await readWhole(path, this.#shared.cache.get(path));
    if (!file) return;
    this.next.set(path, file);
    if (file.text.trim() === '') this.#vacant.push({ path, message: VACANT.text });
    this.#found.push({ path, text: file.text, changedAt: file.changedAt });
  }
}

/** Whether anything is at a path to which no file answers: then it is a link. */
async function isLink(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

async function isVacantFolder(path: string): Promise<boolean> {
  const entries = await readdir(path).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  return entries.length === 0;
}

/** What could not be read, as problems. */
export function readingProblems({
  unreadable,
  unrendered,
}: Pick<ManifestFiles, 'unreadable' | 'unrendered'>): Problem[] {
  const problemOf = (path: string, message: string): Problem => ({
    severity: 'Error',
    file: path,
    line: 1,
    column: 1,
    path: '',
    message,
  });
  return [
    ...unreadable.map(({ path, message }) => problemOf(path, `cannot be read: ${message}`)),
    ...unrendered.map(({ path, message }) => problemOf(path, message)),
  ];
}
