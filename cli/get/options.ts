/** Options of `vmgroup get`, `describe` and `watch`. */
import type { ObjectName } from '../../api';
import type { Format, GroupOptions, RecordOptions } from '../options';

/** Options of commands that show groups, VMs or runs. */
export interface ViewOptions extends GroupOptions, RecordOptions {
  output: Format;
}

/** Options of `vmgroup get runs`. */
export interface RunsOptions extends ViewOptions {
  root?: ObjectName;
  /** Milliseconds since the epoch. */
  since?: number;
  stuck?: boolean;
}
