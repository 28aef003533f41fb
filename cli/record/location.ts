/** Opens the record, and reads the keys of its signatures. */
import { existsSync, readFileSync } from 'node:fs';
import type { RecordReader, RecordStore, Signer, Verifier } from '../../record';
import { dataFolder } from '../data-folder';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { namedRecord, NO_RECORD, type RecordOptions } from '../options';

/** Where to look for the record: named, or else in the data folder. */
export interface RecordPlace extends RecordOptions {
  /** Path of the data folder. */
  data?: string;
}

/**
 * Where a process keeps its record: as named, or else in its data folder.
 *
 * @param keepsState The process has a data folder of its own.
 * @returns undefined: nowhere.
 */
export function keptRecord({ record, data }: RecordPlace, keepsState: boolean): string | undefined {
  if (record === NO_RECORD) return undefined;
  return record ?? (keepsState && data !== undefined ? dataFolder(data).auditRecord : undefined);
}

/**
 * Opens the record to read it.
 *
 * @throws CliError if none is named, or it cannot be read.
 */
export async function openReader(place: RecordPlace): Promise<RecordReader> {
  const where = named(place);
  const { openFileReader, openPostgresReader } = lazy.record();
  return isDatabase(where)
    ? opened(where, () => openPostgresReader(where))
    : opened(where, () => openFileReader(where));
}

/**
 * Opens the record to append to it; creates it.
 *
 * @param onLost called if another process has taken a folder over: every write rejects from then on.
 * @throws CliError if none is named, its key cannot be read, or it cannot be opened.
 */
export async function openStore(options: RecordPlace, onLost: () => void): Promise<RecordStore> {
  const { openFileStore, openPostgresStore } = lazy.record();
  const where = named(options);
  const signer = signerFrom(options);
  return isDatabase(where)
    ? opened(where, () => openPostgresStore(where, signer))
    : opened(where, () => openFileStore(where, { ...(signer && { signer }), onLost }));
}

/** The signer of `--record-key`; undefined: none is named. Throws CliError if it is no private Ed25519 key. */
export function signerFrom({ recordKey }: RecordOptions): Signer | undefined {
  if (recordKey === undefined) return undefined;
  return withKey(recordKey, 'openssl genpkey -algorithm ed25519 -out record.key', (pem) =>
    lazy.record().signerOf(pem),
  );
}

/** The verifier of a file with a public key. Throws CliError if it is none. */
export function verifierFrom(file: string): Verifier {
  return withKey(file, 'openssl pkey -in record.key -pubout -out record.pub', (pem) =>
    lazy.record().verifierOf(pem),
  );
}

function named({ data, ...options }: RecordPlace): string {
  const record = namedRecord(options);
  if (record !== undefined) return record;
  const inData = data === undefined ? undefined : dataFolder(data).auditRecord;
  if (inData !== undefined && existsSync(inData)) return inData;
  throw new CliError('no record is named', [
    'name it: --record FOLDER, or VMGROUP_RECORD',
    'or the data folder of vmgroup serve or bridge, which keeps one: --data FOLDER',
  ]);
}

async function opened<T>(where: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error: unknown) {
    throw new CliError(
      `failed to open the record: ${messageOf(error)}`,
      [
        isDatabase(where)
          ? 'check --record, and PGPASSWORD or PGPASSFILE'
          : `write it: vmgroup serve --record ${where}, or vmgroup record run --record ${where}`,
      ],
      { cause: error },
    );
  }
}

function withKey<T>(file: string, command: string, use: (pem: string) => T): T {
  try {
    return use(readFileSync(file, 'utf8'));
  } catch (error: unknown) {
    throw new CliError(`failed to read the key ${file}: ${messageOf(error)}`, [`make one: ${command}`], {
      cause: error,
    });
  }
}

/** Whether the record is in PostgreSQL. */
export function isDatabase(where: string): boolean {
  return /^postgres(ql)?:/.test(where);
}
