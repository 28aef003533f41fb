/** Options of `vmgroup get`, `describe` and `watch`. */
import type { Format, GroupOptions } from '../options';

/** Options of commands that show groups, VMs or runs. */
export interface ViewOptions extends GroupOptions {
  output: Format;
}
