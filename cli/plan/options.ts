/** Options of `vmgroup plan`. */
import type { ObjectName, PowerState } from '../../api';
import type { PlatformOptions, RecordOptions, SourceOptions, TemporalOptions } from '../options';

/** Options of `plan`. */
export interface PlanOptions extends SourceOptions, PlatformOptions, TemporalOptions, RecordOptions {
  group?: ObjectName;
  to?: PowerState;
  output: 'table' | 'json' | 'mermaid';
}
