/**
 * Bounds how deeply a status that is read may be nested. Pure.
 *
 * DEPTH-1: any user who may patch a status may have nested it thousands of levels deep, which the API server accepts and no recursion survives.
 *     Below {@link LEVELS} levels nothing is read; a bridge writes no status that deep.
 */

/** Levels that are read. */
export const LEVELS = 64;

/** The value, without what is nested more deeply than {@link LEVELS}. */
export function withinLevels(value: unknown): unknown {
  return isDeeper(value, LEVELS) ? cut(value, LEVELS) : value;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1));
}

function cut(value: unknown, levels: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (levels === 0) return null;
  if (Array.isArray(value)) return value.map((each) => cut(each, levels - 1));
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, cut(each, levels - 1)]));
}
