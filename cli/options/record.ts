/** Options of the commands that read or write the record. */
import { Option } from 'commander';

/** Where the record is, and the key that signs it. */
export interface RecordOptions {
  /** A folder, `postgres://...`, or {@link NO_RECORD}; absent: that of the data folder, if the command has one. */
  record?: string;
  /** Path of the private key; absent: nothing is signed. */
  recordKey?: string;
}

/** Value of `--record` by which a process keeps no record, and other commands read none. */
export const NO_RECORD = 'none';

/** The record that the command line or `VMGROUP_RECORD` names; undefined: none. */
export function namedRecord({ record }: RecordOptions): string | undefined {
  return record === NO_RECORD ? undefined : record;
}

/** `--record`. */
export function recordOption(description: string): Option {
  return new Option(
    '--record <where>',
    `${description}: a folder, or postgres://USER@HOST/DATABASE; postgres: takes all from PG* variables`,
  ).env('VMGROUP_RECORD');
}

/** `--record-key`. */
export function recordKeyOption(): Option {
  return new Option(
    '--record-key <file>',
    'private Ed25519 key, PEM, that signs (default: nothing is signed)',
  ).env('VMGROUP_RECORD_KEY');
}

/** `--record`, of the commands that estimate how long runs take. */
export function pastOption(): Option {
  return recordOption('estimates count the runs of this record too');
}
