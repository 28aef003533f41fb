/** Who is on record for a command without `--actor`. */
import os from 'node:os';

/** The user who runs this process; in a container, where the user may have no name, the user's id. */
export function defaultActor(): string {
  try {
    return os.userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
