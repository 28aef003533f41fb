/** Reads manifests from files and folders. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Manifests } from '../api';
import { formatProblem, parseManifests } from '../api';
import { CliError, messageOf } from './errors';

/** One file's text. */
export interface ManifestFile {
  path: string;
  text: string;
  /** Milliseconds since the epoch. */
  changedAt: number;
}

const MANIFEST = /\.(ya?ml|json)$/i;

/**
 * The files that `paths` name, each once, in order of name: a file is taken as it is, a folder with all manifests in it and below it
 * (`.yaml`, `.yml`, `.json`; hidden ones and `node_modules` left out).
 *
 * @throws CliError when a path does not exist or cannot be read, or names no manifest at all.
 */
export function readManifestFiles(paths: string[]): ManifestFile[] {
  const files = [...new Set(paths.flatMap((given) => listFiles(given)))];
  if (files.length === 0) {
    throw new CliError(`no manifests (.yaml, .yml, .json) in ${paths.join(', ')}`, [
      'name a file, or a folder that has some: vmgroup up examples/three-tier-app',
    ]);
  }
  return files.map((file) => attempt(file, () => readOne(file)));
}

/** What is wrong with the manifests, one line each, and what is right with them. */
export function readManifests(paths: string[]): {
  manifests: Manifests;
  errors: string[];
  warnings: string[];
} {
  const { manifests, problems } = parseManifests(readManifestFiles(paths));
  const of = (severity: string) =>
    problems.filter((problem) => problem.severity === severity).map(formatProblem);
  return { manifests, errors: of('error'), warnings: of('warning') };
}

function listFiles(given: string): string[] {
  return attempt(given, () => {
    if (!statSync(given).isDirectory()) return [given];
    return readdirSync(given, { withFileTypes: true })
      .filter(({ name }) => !name.startsWith('.') && name !== 'node_modules')
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((entry) => {
        const full = path.join(given, entry.name);
        if (entry.isDirectory()) return listFiles(full);
        return MANIFEST.test(entry.name) ? [full] : [];
      });
  });
}

function readOne(file: string): ManifestFile {
  return { path: file, text: readFileSync(file, 'utf8'), changedAt: Math.round(statSync(file).mtimeMs) };
}

function attempt<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error: unknown) {
    if (error instanceof CliError) throw error;
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new CliError(missing ? `${name} does not exist` : `${name} cannot be read: ${messageOf(error)}`, [
      'name a file or a folder of manifests',
    ]);
  }
}
