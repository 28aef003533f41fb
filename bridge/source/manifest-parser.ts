/** Parses what was read from manifest files. */
import { own, parseManifests, type Manifests, type Problem } from '../../api';
import { idsOf, type Reading } from './last-valid';
import type { ManifestFile } from './manifest-file';
import { readingProblems, type ManifestFiles } from './manifest-files';

/** Remembers which objects each file holds, until its text changes. */
export class ManifestParser {
  #known = new Map<string, { text: string; ids: string[] }>();

  /** Parses a reading. `previous`: the last valid form of every object, see {@link parseManifests}. */
  parse(found: ManifestFiles, previous: Manifests): Omit<Reading, 'at'> {
    const { manifests, problems, isComplete } = parseManifests(found.files, { previous });
    const next = new Map<string, { text: string; ids: string[] }>();
    const files: Record<string, string> = {};
    for (const file of found.files) {
      const ids = this.#idsOf(file);
      next.set(file.path, { text: file.text, ids });
      for (const id of ids) files[id] = own(files, id) ?? file.path;
    }
    this.#known = next;
    return {
      manifests,
      problems: [...problems, ...readingProblems(found).map(withWhatHolds)],
      files,
      unreadable: [
        ...found.unreadable.map(({ path }) => path),
        ...found.unrendered.flatMap(({ covers }) => covers),
      ],
      isComplete: found.isComplete && isComplete,
    };
  }

  #idsOf(file: ManifestFile): string[] {
    const cached = this.#known.get(file.path);
    return cached?.text === file.text ? cached.ids : idsOf(parseManifests([file]).manifests);
  }
}

function withWhatHolds(problem: Problem): Problem {
  return { ...problem, message: `${problem.message}; what was read there before stays in force` };
}
