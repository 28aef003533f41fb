/** Keeps the code that Node has compiled for the next command, which then starts a third faster. */
import nodeModule from 'node:module';
import path from 'node:path';
import { cacheDir } from './cache-dir';

/** Node's function, which versions before 22.1 do not have. It creates the folder, and does without where it cannot. */
type EnableCompileCache = (dir: string) => unknown;

/** Keeps the code that is loaded from now on in the user's cache folder; does nothing where Node cannot, or there is no such folder. */
export function keepCompiledCode(env: NodeJS.ProcessEnv): void {
  const { enableCompileCache } = nodeModule as { enableCompileCache?: EnableCompileCache };
  try {
    enableCompileCache?.(path.join(cacheDir(env), 'compiled'));
  } catch {
    // The user has no home directory.
  }
}
