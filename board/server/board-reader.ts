/** Reads groups into the page of a board, and remembers what a closed run no longer tells: its tiers. */
import type { Progress } from '../../contract';
import { nameOf, openProgress, type KnownGroup } from '../../insight';
import { boardPage, type BoardInput } from '../page/board-page';
import type { Freshness, Page } from '../page/page';

/** Where a board has its groups from. */
export interface BoardSource extends Pick<BoardInput, 'title' | 'runUrl' | 'estimateOf'> {
  /** The groups as they are now. Rejects if they cannot be read. */
  groups(): Promise<readonly KnownGroup[]>;
  /** Why the groups are not up to date although they can be read; undefined: they are. */
  trouble?(): string | undefined;
}

/** The function that reads the page once. It rejects as {@link BoardSource.groups}. */
export function boardReader(source: BoardSource): () => Promise<Page> {
  const memory = new ProgressMemory();
  let troubledSince: number | undefined;
  return async () => {
    const groups = await source.groups();
    const now = Date.now();
    const why = source.trouble?.();
    troubledSince = why === undefined ? undefined : (troubledSince ?? now);
    const freshness: Freshness =
      why === undefined || troubledSince === undefined
        ? { state: 'Live' }
        : { state: 'Stale', since: troubledSince, why };
    memory.remember(groups);
    const { title, runUrl, estimateOf } = source;
    return boardPage({
      title,
      now,
      freshness,
      groups,
      lastProgress: (group) => memory.of(group),
      ...(runUrl && { runUrl }),
      ...(estimateOf && { estimateOf }),
    });
  };
}

/** The last progress of the last run of each group. */
class ProgressMemory {
  #known = new Map<string, { runId: string; progress: Progress }>();

  /** Groups that are gone are forgotten. */
  remember(groups: readonly KnownGroup[]): void {
    const next = new Map<string, { runId: string; progress: Progress }>();
    for (const group of groups) {
      const progress = openProgress(group);
      const before = this.#known.get(nameOf(group));
      if (group.run && progress) next.set(nameOf(group), { runId: group.run.runId, progress });
      else if (before) next.set(nameOf(group), before);
    }
    this.#known = next;
  }

  of(group: KnownGroup): Progress | undefined {
    const known = this.#known.get(nameOf(group));
    return known && known.runId === group.run?.runId ? known.progress : undefined;
  }
}
