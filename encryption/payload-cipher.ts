/**
 * Payloads encrypted with AES-256-GCM, as Temporal's SDKs hand them to a codec: the whole payload, with its metadata, becomes the ciphertext.
 *
 * CIPHER-1: what was changed, cut or encrypted under another key id does not decrypt: it is an error, never other data.
 * CIPHER-2: a payload that is not encrypted is read as it is, so runs from before encryption go on.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { EncryptionKeyError, type KeyFolder } from './keys';

/** The encoding by which an encrypted payload is known, as in the samples of Temporal's SDKs. */
const ENCODING = 'binary/encrypted';
const KEY_ID = 'encryption-key-id';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const wire = temporal.api.common.v1.Payload;

/** Encrypts and decrypts payloads with the keys of a folder. */
export class PayloadCipher implements PayloadCodec {
  readonly #keys: KeyFolder;

  constructor(keys: KeyFolder) {
    this.#keys = keys;
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => (isEncrypted(payload) ? payload : this.#encrypt(payload)));
  }

  /** @throws EncryptionKeyError if a key is missing, or a payload does not fit its key (CIPHER-1). */
  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => (isEncrypted(payload) ? this.#decrypt(payload) : payload));
  }

  #encrypt(payload: Payload): Payload {
    const { id, secret } = this.#keys.active();
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', secret, nonce).setAAD(Buffer.from(id));
    const data = Buffer.concat([nonce, cipher.update(wire.encode(payload).finish()), cipher.final()]);
    return {
      metadata: { encoding: Buffer.from(ENCODING), [KEY_ID]: Buffer.from(id) },
      data: Buffer.concat([data, cipher.getAuthTag()]),
    };
  }

  #decrypt({ metadata, data }: Payload): Payload {
    const id = textOf(metadata?.[KEY_ID]);
    const { secret } = this.#keys.get(id);
    const bytes = Buffer.from(data ?? []);
    if (bytes.length < NONCE_BYTES + TAG_BYTES)
      throw new EncryptionKeyError('an encrypted payload was cut short');
    try {
      const cipher = createDecipheriv('aes-256-gcm', secret, bytes.subarray(0, NONCE_BYTES))
        .setAAD(Buffer.from(id))
        .setAuthTag(bytes.subarray(-TAG_BYTES));
      const plain = [cipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), cipher.final()];
      const { metadata, data: content } = wire.decode(Buffer.concat(plain));
      return { metadata, data: content };
    } catch (error: unknown) {
      throw new EncryptionKeyError(
        `an encrypted payload does not match the key ${id}: one of them was changed`,
        {
          cause: error,
        },
      );
    }
  }
}

/** Whether {@link PayloadCipher} made a payload. */
function isEncrypted({ metadata }: Payload): boolean {
  return textOf(metadata?.['encoding']) === ENCODING;
}

function textOf(bytes: Uint8Array | null | undefined): string {
  return bytes ? Buffer.from(bytes).toString('utf8') : '';
}
