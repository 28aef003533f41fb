/** Paths below a folder. */
import { dirname, resolve, sep } from 'node:path';

/** Whether a path is the folder itself or below it. */
export function isWithin(folder: string, path: string): boolean {
  const absolute = resolve(path);
  const base = resolve(folder);
  return absolute === base || absolute.startsWith(base.endsWith(sep) ? base : base + sep);
}

/** Whether a path is one of many folders itself, or below one of them. */
export function withinAny(folders: Iterable<string>): (path: string) => boolean {
  const bases = new Set([...folders].map((folder) => resolve(folder)));
  return (path) => {
    for (let at = resolve(path); ; at = dirname(at)) {
      if (bases.has(at)) return true;
      if (at === dirname(at)) return false;
    }
  };
}
