/** Paths below a folder. */
import { resolve, sep } from 'node:path';

/** Whether a path is the folder itself or below it. */
export function isWithin(folder: string, path: string): boolean {
  const absolute = resolve(path);
  const base = resolve(folder);
  return absolute === base || absolute.startsWith(base.endsWith(sep) ? base : base + sep);
}
