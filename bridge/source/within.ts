/** Paths that lie in others. */
import { resolve, sep } from 'node:path';

/** Whether a path is a folder itself, or lies in it. */
export function isWithin(folder: string, path: string): boolean {
  const absolute = resolve(path);
  const base = resolve(folder);
  return absolute === base || absolute.startsWith(base.endsWith(sep) ? base : base + sep);
}
