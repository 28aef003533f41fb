/**
 * Keys in a folder: one file `ID.key` a key, with 32 bytes in base64, and a file `active` with the id of the key that encrypts. The form fits a
 * mounted Secret.
 *
 * KEYS-1: a folder that cannot be read, or has a key that is not one, is an error that names the file; nothing is encrypted with less.
 * KEYS-2: a key that was added after the start is found when it is needed; a folder is read at most once in {@link READ_AGAIN_AFTER}.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

/** Bytes of a key: AES-256. */
const KEY_BYTES = 32;
/** Largest file that is read, bytes, and largest number of keys. */
const FILE_BYTES = 1_024;
const MOST_KEYS = 100;
/** An id is also part of each encrypted payload. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** Milliseconds between two readings of the folder. */
const READ_AGAIN_AFTER = 2_000;

/** A key with its id. */
export interface Key {
  id: string;
  /** 32 bytes. */
  secret: Buffer;
}

/** Keys cannot be read, or one is missing. */
export class EncryptionKeyError extends Error {
  override readonly name = 'EncryptionKeyError';
}

interface KeySet {
  active: Key;
  byId: ReadonlyMap<string, Key>;
  /** Monotonic milliseconds of the reading. */
  readAt: number;
}

/** The keys of a folder. */
export class KeyFolder {
  readonly #folder: string;
  #keys: KeySet;

  /** @throws EncryptionKeyError (KEYS-1). */
  constructor(folder: string) {
    this.#folder = folder;
    this.#keys = readKeys(folder);
  }

  /** The key that encrypts. A folder that has become unreadable does not matter: the last keys count. */
  active(): Key {
    this.#refresh();
    return this.#keys.active;
  }

  /** @throws EncryptionKeyError if the folder has no key of this id (KEYS-2). */
  get(id: string): Key {
    if (!this.#keys.byId.has(id)) this.#refresh();
    const key = this.#keys.byId.get(id);
    if (key) return key;
    throw new EncryptionKeyError(
      `${this.#folder} has no key ${JSON.stringify(id.slice(0, 63))}, which a payload was encrypted with: add the file ${path.join(this.#folder, `${ID.test(id) ? id : 'ID'}.key`)}`,
    );
  }

  #refresh(): void {
    if (performance.now() - this.#keys.readAt < READ_AGAIN_AFTER) return;
    try {
      this.#keys = readKeys(this.#folder);
    } catch {
      this.#keys = { ...this.#keys, readAt: performance.now() };
    }
  }
}

/** @throws EncryptionKeyError (KEYS-1). */
function readKeys(folder: string): KeySet {
  const names = listFiles(folder).filter((name) => name.endsWith('.key'));
  if (names.length === 0)
    throw new EncryptionKeyError(
      `${folder} has no key: create one with openssl rand -base64 32 > ${folder}/1.key`,
    );
  if (names.length > MOST_KEYS) throw new EncryptionKeyError(`${folder} has more than ${MOST_KEYS} keys`);
  const keys = names.map((name) => readKey(folder, name));
  const byId = new Map(keys.map((key) => [key.id, key]));
  return { active: activeKey(folder, keys, byId), byId, readAt: performance.now() };
}

function activeKey(folder: string, keys: Key[], byId: ReadonlyMap<string, Key>): Key {
  const file = path.join(folder, 'active');
  const [only] = keys;
  if (!exists(file)) {
    if (only && keys.length === 1) return only;
    throw new EncryptionKeyError(
      `${folder} has several keys: write the id of the one that encrypts into ${file}`,
    );
  }
  const id = readSmall(file).trim();
  const key = byId.get(id);
  if (key) return key;
  throw new EncryptionKeyError(
    `${file} names the key ${JSON.stringify(id)}, but there is no such file as ${path.join(folder, `${id}.key`)}`,
  );
}

function readKey(folder: string, name: string): Key {
  const file = path.join(folder, name);
  const id = name.slice(0, -'.key'.length);
  if (!ID.test(id))
    throw new EncryptionKeyError(`${file}: write the id of a key as letters, digits, ".", "_" and "-"`);
  const text = readSmall(file).trim();
  const secret = Buffer.from(text, 'base64');
  // What is not base64 is skipped by the decoder.
  if (secret.length !== KEY_BYTES || secret.toString('base64') !== text)
    throw new EncryptionKeyError(
      `${file} is not a key of ${KEY_BYTES} bytes in base64: openssl rand -base64 32 makes one`,
    );
  return { id, secret };
}

function listFiles(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error: unknown) {
    throw new EncryptionKeyError(`cannot read the folder of keys ${folder}`, { cause: error });
  }
}

function readSmall(file: string): string {
  try {
    const { size } = statSync(file);
    if (size > FILE_BYTES) throw new Error(`has ${size} bytes, more than ${FILE_BYTES}`);
    return readFileSync(file, 'utf8');
  } catch (error: unknown) {
    throw new EncryptionKeyError(`cannot read ${file}`, { cause: error });
  }
}

function exists(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}
