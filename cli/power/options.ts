/** Options of `vmgroup power`. */
import type { GroupOptions } from '../options';

/** Options of `power`. */
export interface PowerOptions extends GroupOptions {
  /** Files and folders to search for the manifest. */
  path?: string[];
  reason: string;
  actor: string;
}
