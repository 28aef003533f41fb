/** The manifests that a command line names, read as the bridge reads them. */
import { createReadStream, existsSync, statSync } from 'node:fs';
import type { ParsedManifests, Problem } from '../../api';
import { decodeText, parseManifests } from '../../api';
import type { ManifestFile } from '../../bridge/source';
import { manifestReader, readingProblems } from '../../bridge/source';
import { CliError, messageOf } from '../errors';
import { isOnCluster, type SourceOptions } from '../options';

/**
 * Whether a command works on files, rather than on the objects of a cluster.
 *
 * @throws CliError if there are no paths for the source directory, or there are some for the source kubernetes.
 */
export function usesFiles(command: 'validate' | 'plan', paths: string[], options: SourceOptions): boolean {
  if (!isOnCluster(options)) {
    if (paths.length > 0) return true;
    throw new CliError('no manifests are named', [
      `name files or folders: vmgroup ${command} PATH...`,
      `or check the objects of a cluster: vmgroup ${command} --source kubernetes`,
    ]);
  }
  if (paths.length === 0) return false;
  throw new CliError('the source kubernetes reads the objects of a cluster, and no files', [
    'omit the paths, or read them: --source directory',
  ]);
}

/** Standard input on a command line. */
const STDIN = '-';

/** Most bytes that are read from standard input or another stream. */
const MAX_STREAM_SIZE = 16 * 2 ** 20;

/** Manifest files, and the problems of reading them. */
interface ReadFiles {
  files: ManifestFile[];
  problems: Problem[];
}

/**
 * The manifest files in files and folders.
 *
 * @param streams Whether `-` stands for standard input, and pipes are read.
 * @throws CliError if a path does not exist, a stream is too large or not text, or there is no manifest.
 */
export async function readManifestFiles(
  paths: string[],
  { streams = false }: { streams?: boolean } = {},
): Promise<ReadFiles> {
  const remedy = 'name a file or a folder of manifests (.yaml, .yml, .json), such as examples/three-tier-app';
  for (const path of paths) {
    if (path === STDIN && !streams)
      throw new CliError('standard input cannot be watched', ['write it to a file, and name the file']);
    if (path !== STDIN && !existsSync(path)) throw new CliError(`${path} does not exist`, [remedy]);
  }
  const piped = streams ? paths.filter(isStream) : [];
  const streamPaths = new Set(piped.map((path) => (STDIN_NAMES.includes(path) ? STDIN : path)));
  const found = await manifestReader(paths.filter((path) => !piped.includes(path))).read();
  const files = [...found.files];
  for (const path of streamPaths) files.push(await readStream(path));
  const problems = readingProblems(found);
  if (files.length === 0 && problems.length === 0)
    throw new CliError(`there are no manifests in ${paths.join(', ')}`, [remedy]);
  return { files, problems };
}

/** Paths of standard input. It may be a socket, which cannot be opened by path. */
const STDIN_NAMES: readonly string[] = [STDIN, '/dev/stdin', '/dev/fd/0', '/proc/self/fd/0'];

/** Whether a path is standard input or a pipe, such as `<(...)` of a shell. */
function isStream(path: string): boolean {
  if (STDIN_NAMES.includes(path)) return true;
  const stats = statSync(path);
  return !stats.isFile() && !stats.isDirectory();
}

async function readStream(path: string): Promise<ManifestFile> {
  const shown = path === STDIN ? 'stdin' : path;
  const stream: AsyncIterable<Buffer> = path === STDIN ? process.stdin : createReadStream(path);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > MAX_STREAM_SIZE)
      throw new CliError(`${shown} has more than ${MAX_STREAM_SIZE} bytes (16 MiB)`, ['split it']);
    chunks.push(chunk);
  }
  try {
    return { path: shown, text: decodeText(Buffer.concat(chunks)), changedAt: 0 };
  } catch (error: unknown) {
    throw new CliError(`${shown} cannot be read: ${messageOf(error)}`);
  }
}

/** The manifests in files and folders, with their problems. Throws as {@link readManifestFiles}. */
export async function readManifests(
  paths: string[],
  options: { streams?: boolean } = {},
): Promise<ParsedManifests & { files: number }> {
  const found = await readManifestFiles(paths, options);
  const parsed = parseManifests(found.files, { maxFileSize: MAX_STREAM_SIZE });
  return { ...parsed, problems: [...found.problems, ...parsed.problems], files: found.files.length };
}
