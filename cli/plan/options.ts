/** Options of `vmgroup plan`. */
import type { ObjectName, PowerState } from '../../api';
import type { SourceOptions } from '../options';

/** Options of `plan`. */
export interface PlanOptions extends SourceOptions {
  group?: ObjectName;
  to?: PowerState;
  /** Absent: `simulated` if a simulator is named, otherwise `vm-operator`. */
  platform?: 'simulated' | 'vm-operator';
  /** Address of the simulator. */
  simulator?: string;
  output: 'table' | 'json' | 'mermaid';
}
