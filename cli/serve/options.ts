/** Options of `vmgroup worker`, `bridge` and `serve`. */
import type { ClusterOptions, RecordOptions, TemporalOptions } from '../options';
import type { BridgeBoardOptions, WebhookOptions } from '../runtime';

/** What a process does: `serve` is worker and bridge in one. */
export type Role = 'worker' | 'bridge' | 'serve';

/** Options of the long-running processes. */
export interface ServeOptions
  extends
    TemporalOptions,
    ClusterOptions,
    RecordOptions,
    WebhookOptions,
    Omit<BridgeBoardOptions, 'temporalNamespace'> {
  /** Where desired state is read; absent for a worker. */
  source?: 'directory' | 'kubernetes';
  /** Name of the default platform. */
  platform: string;
  /** Files and folders with Platform objects. */
  platforms?: string[];
  /** Of a worker: names of the platforms whose operations it carries out, and nothing else. */
  at?: string[];
  /** Whether VM Operator's own group controller acts too. */
  mode: 'controller' | 'companion';
  leaseNamespace?: string;
  /** Address of the simulator. */
  simulator: string;
  healthHost: string;
  healthPort: number;
  /** Base URL of an OTLP receiver; absent: there are no traces. */
  traces?: string;
  logLevel: string;
}
