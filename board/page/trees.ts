/** Groups in the order of a page: topmost ones by name, each followed by the groups below it. Pure. */
import type { KnownGroup } from '../../insight';

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
    if (parent !== undefined && byKey.has(parent))
      children.set(parent, [...(children.get(parent) ?? []), group]);
  }
  const placed = new Set<T>();
  const walk = (group: T, depth: number): PlacedGroup<T>[] => {
    if (placed.has(group)) return [];
    placed.add(group);
    return [
      { group, depth },
      ...(children.get(keyOf(group)) ?? []).flatMap((child) => walk(child, depth + 1)),
    ];
  };
  const isTop = (group: T): boolean => !byKey.has(parentKey(group) ?? '');
  // Groups in a circle of parents have no topmost one: the first of them stands in for it.
  return [...sorted.filter(isTop), ...sorted]
    .map((group) => walk(group, 0))
    .filter((tree) => tree.length > 0);
}

function keyOf({ metadata }: Pick<KnownGroup, 'metadata'>): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function parentKey({ metadata, spec }: Pick<KnownGroup, 'metadata' | 'spec'>): string | undefined {
  return spec.groupName === undefined ? undefined : `${metadata.namespace}/${spec.groupName}`;
}
