/** Data folders of vmgroup among manifests: their views of groups would pass for groups. */
import type { Dirent } from 'node:fs';

/** What a process keeps in its data folder, in files that end as manifests do. */
const OWN: readonly string[] = ['last-valid.json', 'record', 'requests', 'simulator', 'status', 'up.json'];

/** The entries of a folder that may be manifests. Of a data folder that is named itself, only those of vmgroup are left out. */
export function manifestEntries(entries: Dirent[], isRoot: boolean): Dirent[] {
  const has = (wanted: string): boolean => entries.some(({ name }) => name === wanted);
  if (!has('up.json') || !(has('last-valid.json') || has('up.lock'))) return entries;
  return isRoot ? entries.filter(({ name }) => !OWN.includes(name)) : [];
}
