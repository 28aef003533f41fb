/** Parses what was read from manifest files. */
import { dirname } from 'node:path';
import { own, parseManifests, type Manifests, type ParsedManifests, type Problem } from '../../api';
import { idsOf, type LastValid, type Reading } from './last-valid';
import type { ManifestFile } from './manifest-file';
import { readingProblems, type ManifestFiles } from './manifest-files';

type Files = ManifestFiles['files'];

/** Remembers what the files say, and which objects each holds, until their text changes. */
export class ManifestParser {
  #known = new Map<string, { text: string; ids: string[] }>();
  #last: { files: Files; previous: string; parsed: ParsedManifests } | undefined;

  /** Parses a reading. `before`: the last valid form of every object, see {@link parseManifests}. */
  parse(found: ManifestFiles, before: LastValid): Omit<Reading, 'at'> {
    const { manifests, problems, isComplete } = this.#contentOf(found.files, before.manifests);
    const growing = found.files.filter((file) => this.#grows(file)).map(({ path }) => path);
    const files = this.#filesById(found.files);
    const unreadable = [...found.unreadable, ...emptied(found.vacant, before.files, files)];
    return {
      manifests,
      problems: [...problems, ...readingProblems({ ...found, unreadable }).map(withWhatHolds)],
      files,
      unreadable: [
        ...unreadable.map(({ path }) => path),
        ...found.unrendered.flatMap(({ covers }) => covers),
      ],
      growing,
      isComplete: found.isComplete && isComplete,
    };
  }

  /** Everything is read every half minute, and most of the time it is what it was: thousands of manifests take seconds to parse. */
  #contentOf(files: Files, before: Manifests): ParsedManifests {
    const previous = JSON.stringify(before);
    if (this.#last?.previous !== previous || !areSame(this.#last.files, files))
      this.#last = { files, previous, parsed: parseManifests(files, { previous: before }) };
    return this.#last.parsed;
  }

  #grows({ path, text }: ManifestFile): boolean {
    const was = this.#known.get(path)?.text;
    return was !== undefined && text.length > was.length && text.startsWith(was);
  }

  /** The file of each valid object. */
  #filesById(found: Files): Record<string, string> {
    const next = new Map<string, { text: string; ids: string[] }>();
    const files: Record<string, string> = {};
    for (const file of found) {
      const ids = this.#idsOf(file);
      next.set(file.path, { text: file.text, ids });
      for (const id of ids) files[id] = own(files, id) ?? file.path;
    }
    this.#known = next;
    return files;
  }

  #idsOf(file: ManifestFile): string[] {
    const cached = this.#known.get(file.path);
    return cached?.text === file.text ? cached.ids : idsOf(parseManifests([file]).manifests);
  }
}

function areSame(some: Files, others: Files): boolean {
  return (
    some.length === others.length &&
    some.every(({ path, text, changedAt }, at) => {
      const other = others[at];
      return other?.path === path && other.changedAt === changedAt && other.text === text;
    })
  );
}

/** LAST-VALID-3. Of the vacant paths those that held an object that is nowhere now. */
function emptied(
  vacant: ManifestFiles['vacant'],
  before: LastValid['files'],
  now: Record<string, string>,
): ManifestFiles['vacant'] {
  const held = new Set<string>();
  for (const [id, file] of Object.entries(before)) {
    if (own(now, id) !== undefined || file === '') continue;
    for (let at = file; !held.has(at); at = dirname(at)) held.add(at);
  }
  return vacant.filter(({ path }) => held.has(path));
}

function withWhatHolds(problem: Problem): Problem {
  return { ...problem, message: `${problem.message}; what was read there before stays in force` };
}
