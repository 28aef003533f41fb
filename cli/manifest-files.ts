/** Reads the manifests that a command line names, the way the bridge reads them. */
import { existsSync } from 'node:fs';
import type { Manifests, Problem } from '../api';
import { parseManifests } from '../api';
import type { ManifestFile } from '../bridge/manifest-files';
import { manifestReader } from '../bridge/manifest-files';
import { isOnCluster, type SourceOptions } from './cluster';
import { CliError } from './errors';

/**
 * Whether a command works on files, and not on the objects of a cluster.
 *
 * @throws CliError where the paths and the source do not go together.
 */
export function usesFiles(command: 'validate' | 'plan', paths: string[], options: SourceOptions): boolean {
  if (!isOnCluster(options)) {
    if (paths.length > 0) return true;
    throw new CliError('which manifests?', [
      `name files or folders: vmgroup ${command} PATH...`,
      `or ask for the objects of a cluster: vmgroup ${command} --source kubernetes`,
    ]);
  }
  if (paths.length === 0) return false;
  throw new CliError('the source kubernetes reads the objects of a cluster, and no files', [
    'leave out the paths, or read them: --source directory',
  ]);
}

/**
 * The manifest files in files and folders.
 *
 * @throws CliError when a path does not exist or cannot be read, or there is no manifest at all.
 */
export async function readManifestFiles(paths: string[]): Promise<ManifestFile[]> {
  const cure = 'name a file or a folder of manifests (.yaml, .yml, .json), such as examples/three-tier-app';
  for (const path of paths) if (!existsSync(path)) throw new CliError(`${path} does not exist`, [cure]);
  const { files, unreadable } = await manifestReader(paths).read();
  const [first] = unreadable;
  if (first) throw new CliError(`${first.path} cannot be read: ${first.message}`);
  if (files.length === 0) throw new CliError(`there are no manifests in ${paths.join(', ')}`, [cure]);
  return files;
}

/** The manifests in files and folders, and everything that is wrong with them. Throws as {@link readManifestFiles}. */
export async function readManifests(
  paths: string[],
): Promise<{ manifests: Manifests; problems: Problem[]; files: number }> {
  const files = await readManifestFiles(paths);
  return { ...parseManifests(files), files: files.length };
}
