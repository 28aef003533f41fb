/**
 * The data folder: where everything lives that has to outlast a process.
 *
 * D1: at most one process works on a data folder, also where two containers share it; the lock of a killed process is taken over (LOCK-1 and
 *     LOCK-2 of files/lock.ts).
 */
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { LockedError, takeLock } from '../../files';
import { CliError } from '../errors';
import { startedAt } from '../temporal-server/processes';

/** Files of a data folder. */
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
  simulator: string;
  lock: string;
}

/** The default of `--data`. */
export const DEFAULT_DATA = '.vmgroup';

/** The files of the data folder `dir`; creates nothing. */
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
    simulator: file('simulator'),
    lock: file('up.lock'),
  };
}

/** `up.json`: what the process that works on the folder has started, for other commands and for the next start. */
export interface UpRecord {
  pid: number;
  /** See {@link startedAt}. */
  processStart: string;
  command: 'up' | 'serve' | 'bridge';
  /** Absolute paths of the manifests. */
  manifests: string[];
  temporal?: {
    address: string;
    namespace: string;
    /** `http://host:port` of the UI, where we started it. */
    ui?: string;
    /** Of the server that `up` started. */
    pid?: number;
    port?: number;
    uiPort?: number;
  };
  /** `host:port`. */
  simulator?: { address: string };
}

/** Reads `up.json`; undefined where there is none that can be read. */
export function readRecord(folder: DataFolder): UpRecord | undefined {
  try {
    return JSON.parse(readFileSync(folder.record, 'utf8')) as UpRecord;
  } catch {
    return undefined;
  }
}

/** The record of the process that works on the folder now; undefined where none does. */
export function readLiveRecord(folder: DataFolder): UpRecord | undefined {
  const record = readRecord(folder);
  return record && startedAt(record.pid) === record.processStart ? record : undefined;
}

/** Writes `up.json`, whole or not at all. */
export function writeRecord(folder: DataFolder, record: UpRecord): void {
  const draft = `${folder.record}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(record, undefined, 2) + '\n');
  renameSync(draft, folder.record);
}

/**
 * Makes this process the only one that works on the folder (D1); creates the folder. If another process takes the folder over, this one is
 * asked to end, as by SIGTERM.
 *
 * @returns what frees it again.
 * @throws CliError when another process works on it, or the folder cannot be written.
 */
export async function lockFolder(
  folder: DataFolder,
  command: UpRecord['command'],
): Promise<() => Promise<void>> {
  try {
    mkdirSync(folder.dir, { recursive: true });
    const lock = await takeLock(folder.lock, {
      note: { command },
      onLost: () => process.kill(process.pid, 'SIGTERM'),
    });
    return () => lock.release();
  } catch (error: unknown) {
    if (error instanceof LockedError) throw inUse(folder, error);
    throw new CliError(
      `the data folder ${folder.dir} cannot be written`,
      ['choose another one with --data DIR'],
      { cause: error },
    );
  }
}

function inUse({ dir }: DataFolder, { pid, note, isHere }: LockedError): CliError {
  const command = typeof note['command'] === 'string' ? note['command'] : 'up';
  if (!isHere) {
    return new CliError(
      `vmgroup ${command} works on ${dir} already, in another container or on another host`,
      ['stop it there', 'or start this one on data of its own: --data DIR'],
    );
  }
  return new CliError(`vmgroup ${command} works on ${dir} already (pid ${pid})`, [
    'look at it from here: vmgroup watch',
    `stop it: kill ${pid}`,
    'or start this one on data of its own: --data DIR',
  ]);
}

/** A log file to append to; one that has grown beyond 20 MB is put aside first, in place of the one put aside before. */
export function openLog(file: string): number {
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 20 * 1024 * 1024)
    renameSync(file, `${file}.1`);
  return openSync(file, 'a');
}

/** Closes what {@link openLog} opened. */
export function closeLog(descriptor: number): void {
  closeSync(descriptor);
}
