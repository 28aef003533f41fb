/** `up.json`: what the process that works on a data folder has started, for other commands and for the next start. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { startedAt } from '../../files';
import type { DataFolder } from './folder';

/** Contents of `up.json`. */
export interface UpRecord {
  pid: number;
  /** Start time of the process, as `startedAt` of `files/` tells it: tells it from a later process with the same pid. */
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
  simulator?: { address: string };
}

/** The record of this process. */
export function newRecord(
  command: UpRecord['command'],
  manifests: readonly string[],
  more: Pick<UpRecord, 'temporal' | 'simulator'> = {},
): UpRecord {
  return {
    pid: process.pid,
    processStart: startedAt(process.pid) ?? '',
    command,
    manifests: manifests.map((given) => path.resolve(given)),
    ...more,
  };
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

/** Writes `up.json` atomically. */
export function writeRecord(folder: DataFolder, record: UpRecord): void {
  const draft = `${folder.record}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(record, undefined, 2) + '\n');
  renameSync(draft, folder.record);
}
