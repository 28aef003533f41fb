/** Groups in the order in which they are shown: topmost ones by name, each followed by the groups below it. Pure. */
import type { KnownGroup } from './known-group';

/** A group with its depth. */
export interface PlacedGroup<T> {
  group: T;
  /** 0 for a topmost one. */
  depth: number;
}

/** The trees of some groups. A group whose parent is not among them, or that is its own ancestor, is a topmost one. */
export function treesOf<T extends Pick<KnownGroup, 'metadata' | 'spec'>>(
  groups: readonly T[],
): PlacedGroup<T>[][] {
  const sorted = [...groups].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const byKey = new Map(sorted.map((group) => [keyOf(group), group]));
  const children = new Map<string, T[]>();
  for (const group of sorted) {
    const parent = parentKey(group);
    if (parent === undefined || !byKey.has(parent)) continue;
    const others = children.get(parent);
    if (others) others.push(group);
    else children.set(parent, [group]);
  }
  const placed = new Set<T>();
  const walk = (top: T): PlacedGroup<T>[] => {
    const tree: PlacedGroup<T>[] = [];
    // Not by recursion: nothing limits how many groups name each other as parents.
    const waiting: PlacedGroup<T>[] = [{ group: top, depth: 0 }];
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { group, depth } = next;
      if (placed.has(group)) continue;
      placed.add(group);
      tree.push(next);
      for (const child of (children.get(keyOf(group)) ?? []).toReversed())
        waiting.push({ group: child, depth: depth + 1 });
    }
    return tree;
  };
  const isTop = (group: T): boolean => !byKey.has(parentKey(group) ?? '');
  // Groups in a circle of parents have no topmost one: the first of them stands in for it.
  return [...sorted.filter(isTop), ...sorted].map(walk).filter((tree) => tree.length > 0);
}

function keyOf({ metadata }: Pick<KnownGroup, 'metadata'>): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function parentKey({ metadata, spec }: Pick<KnownGroup, 'metadata' | 'spec'>): string | undefined {
  return spec.groupName === undefined ? undefined : `${metadata.namespace}/${spec.groupName}`;
}
