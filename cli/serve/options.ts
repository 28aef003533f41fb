/** Options of `vmgroup worker`, `bridge` and `serve`. */
import type { ClusterOptions, TemporalOptions } from '../options';
import type { WebhookOptions } from '../runtime';

/** What a process does: `serve` is worker and bridge in one. */
export type Role = 'worker' | 'bridge' | 'serve';

/** Options of the long-running processes. */
export interface ServeOptions extends TemporalOptions, ClusterOptions, WebhookOptions {
  /** Where desired state is read; absent for a worker. */
  source?: 'directory' | 'kubernetes';
  platform: 'simulated' | 'vm-operator';
  leaseNamespace?: string;
  /** Address of the simulator. */
  simulator: string;
  healthHost: string;
  healthPort: number;
  logLevel: string;
}
