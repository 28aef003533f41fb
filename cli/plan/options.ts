/** Options of `vmgroup plan`. */
import type { ObjectName, PowerState } from '../../api';
import type { ReadClusterOptions } from '../manifests';
import type { RecordOptions, TemporalOptions } from '../options';

/** Options of `plan`. */
export interface PlanOptions extends ReadClusterOptions, TemporalOptions, RecordOptions {
  group?: ObjectName;
  to?: PowerState;
  /** Name or type of the default platform; absent on a cluster: `simulated` if a simulator is named, otherwise `vm-operator`. */
  platform?: string;
  /** Files and folders with Platform objects. */
  platforms?: string[];
  /** Address of the simulator. */
  simulator?: string;
  output: 'table' | 'json' | 'mermaid';
}
