/** Options of `vmgroup doctor`. */
import type { ClusterOptions, Format, TemporalOptions } from '../options';
import type { ClusterProcess } from './permissions';

/** Options that concern a cluster. */
export interface ClusterDoctorOptions extends ClusterOptions {
  /** The process whose permissions are checked. Absent: `serve`, which is bridge and worker. */
  for?: ClusterProcess | 'serve';
  leaseNamespace?: string;
  /** Whether the processes run alongside VM Operator's group controller. */
  mode?: 'controller' | 'companion';
}

/** Options of `doctor`. */
export interface DoctorOptions extends TemporalOptions, ClusterDoctorOptions {
  /** Name of a Platform, or a type of platforms: only those are checked. */
  platform?: string;
  /** Files and folders with Platform objects. */
  platforms?: string[];
  output: Format;
}
