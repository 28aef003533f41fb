/** Who gives a word where `--actor` does not say it. */
import os from 'node:os';

/** The user of this process; in a container, whose user need not have a name, its number. */
export function defaultActor(): string {
  try {
    return os.userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
