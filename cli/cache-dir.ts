/** Where this program keeps what it can make again. */
import os from 'node:os';
import path from 'node:path';

/** The user's cache folder for what we install, build or compile. @throws SystemError for a user without a home directory */
export function cacheDir(env: NodeJS.ProcessEnv): string {
  return path.join(env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache'), 'vmgroup');
}
