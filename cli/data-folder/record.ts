/** `up.json`: what the process that works on a data folder has started, for other commands and for the next start. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { startedAt } from '../../files';
import { CliError } from '../errors';
import type { DataFolder } from './folder';

/** Contents of `up.json`. */
export interface UpRecord {
  pid: number;
  /** Start time of the process, as `startedAt` of `files/` reads it: it distinguishes it from a later process with the same pid. */
  processStart: string;
  command: 'up' | 'serve' | 'bridge';
  /** Absolute paths of the manifests. */
  manifests: string[];
  temporal?: {
    address: string;
    namespace: string;
    /** `http://host:port` of the UI, if we started it. */
    ui?: string;
    /** Of the server that `up` started. */
    pid?: number;
    port?: number;
    uiPort?: number;
  };
  /** Pid of the Temporal server that an `up` before this process may have left behind. */
  orphan?: number;
  /** The simulated platform, if it is the default one. */
  simulator?: { address: string };
  /** The default platform; absent in the record of an older version. */
  platform?: RecordedPlatform;
}

/** The default platform of a process: names and paths alone, as credentials stay where they are. */
export interface RecordedPlatform {
  /** Name or type. */
  name: string;
  /** Absolute paths of the files and folders with the Platform objects that the process has read. */
  files: string[];
}

/** The record of this process. */
export function newRecord(
  command: UpRecord['command'],
  manifests: readonly string[],
  more: Pick<UpRecord, 'temporal' | 'orphan' | 'simulator' | 'platform'> = {},
): UpRecord {
  return {
    pid: process.pid,
    processStart: startedAt(process.pid) ?? '',
    command,
    manifests: manifests.map((given) => path.resolve(given)),
    ...more,
  };
}

/** The default platform of this process, for its record. */
export function platformRecord(name: string, files: readonly string[] = []): RecordedPlatform {
  return { name, files: files.map((file) => path.resolve(file)) };
}

/** Reads `up.json`; undefined if it is absent or unreadable. */
export function readRecord(folder: DataFolder): UpRecord | undefined {
  try {
    return JSON.parse(readFileSync(folder.record, 'utf8')) as UpRecord;
  } catch {
    return undefined;
  }
}

/** The record of the process that works on the folder now; undefined if there is no such process. */
export function readLiveRecord(folder: DataFolder): UpRecord | undefined {
  const record = readRecord(folder);
  return record && startedAt(record.pid) === record.processStart ? record : undefined;
}

/**
 * Writes `up.json` atomically.
 *
 * @throws CliError if it cannot be written.
 */
export function writeRecord(folder: DataFolder, record: UpRecord): void {
  const draft = `${folder.record}.${process.pid}`;
  try {
    writeFileSync(draft, JSON.stringify(record, undefined, 2) + '\n');
    renameSync(draft, folder.record);
  } catch (error: unknown) {
    rmSync(draft, { force: true });
    throw new CliError(
      `the data folder ${folder.dir} cannot be written`,
      ['free space on its disk, or choose another one with --data DIR'],
      { cause: error },
    );
  }
}
