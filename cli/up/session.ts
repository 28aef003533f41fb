/** What the parts of one `vmgroup up` share. */
import type { Logger } from 'pino';
import type { DataFolder, UpRecord } from '../data-folder';
import type { Display } from '../live-display';
import type { Closer } from '../runtime';

/** Options of `vmgroup up`. */
export interface UpOptions {
  /** Path of the data folder. */
  data: string;
  output: 'table' | 'json';
  /** `HOST:PORT` of a Temporal server to use. */
  temporal?: string;
  /** Namespace of Temporal. */
  namespace?: string;
  /** Name of the default platform (default: that of the last process on the same data and manifests, otherwise the simulated one). */
  platform?: string;
  exitWhenConverged?: true;
  open?: true;
}

/** One `vmgroup up`. */
export interface Session {
  paths: string[];
  options: UpOptions;
  /** Name of the default platform. */
  platform: string;
  folder: DataFolder;
  record: UpRecord;
  logger: Logger;
  display: Display;
  /** Aborts when the process has to stop; with an error if no user asked for that. */
  signal: AbortSignal;
  /** Stops the process, which ends with exit code 1 (UP-4). */
  fail: (why: string) => void;
  /** Called at the end, the last one first. */
  closers: Closer[];
}
