/** Builds programs in Go for tests. */
import { run } from '../../cli/temporal-server/program-cache';

/** What {@link buildGo} builds. */
export interface GoBuild {
  /** Folder of the module, whose `go.sum` pins the sources. */
  module: string;
  package: string;
  /** Path of the program. */
  output: string;
  /** For the linker, in addition to those that make the program small. */
  flags?: string;
  /** What is built, for people. */
  what: string;
  /** Called at the beginning and every 30 s. */
  onProgress: (message: string) => void;
}

/**
 * Builds one program.
 *
 * @throws Error with what Go said last.
 */
export async function buildGo(build: GoBuild): Promise<void> {
  const { module, output, flags = '', what, onProgress } = build;
  // Git refuses to tell Go about a clone of another user.
  const how = ['-buildvcs=false', '-trimpath', '-ldflags', `-s -w ${flags}`.trim()];
  onProgress(`building ${what} (once; some minutes)`);
  const begin = Date.now();
  const reminder = setInterval(() => {
    onProgress(`building ${what}: ${Math.round((Date.now() - begin) / 1_000)} s`);
  }, 30_000);
  try {
    await run('go', ['build', '-C', module, ...how, '-o', output, build.package]);
  } finally {
    clearInterval(reminder);
  }
}
