/** The data folder, which holds everything that outlives a process. */
import { closeSync, openSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';

/** Paths of the files in a data folder. */
export interface DataFolder {
  dir: string;
  temporalDb: string;
  temporalLog: string;
  log: string;
  record: string;
  /** Views of groups, written by the bridge. */
  status: string;
  /** Requests for runs, read by the bridge. */
  requests: string;
  lastValid: string;
  /** The audit record of runs, unless another place is named. */
  auditRecord: string;
  simulator: string;
  lock: string;
}

/** Bytes after which a log file is put aside. */
export const LOG_LIMIT = 20 * 2 ** 20;

/** The paths of the files in the data folder `dir`. Creates nothing. */
export function dataFolder(dir: string): DataFolder {
  const absolute = path.resolve(dir);
  const file = (name: string) => path.join(absolute, name);
  return {
    dir: absolute,
    temporalDb: file('temporal.db'),
    temporalLog: file('temporal.log'),
    log: file('vmgroup.log'),
    record: file('up.json'),
    status: file('status'),
    requests: file('requests'),
    lastValid: file('last-valid.json'),
    auditRecord: file('record'),
    simulator: file('simulator'),
    lock: file('up.lock'),
  };
}

/** Opens a log file to append to. A file of more than 20 MiB is first renamed to `FILE.1`, which replaces the previous one. */
export function openLog(file: string): number {
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > LOG_LIMIT) renameSync(file, `${file}.1`);
  return openSync(file, 'a');
}

/** Closes a file of {@link openLog}. */
export function closeLog(descriptor: number): void {
  closeSync(descriptor);
}
