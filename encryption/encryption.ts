/** Encryption of what runs hold: off unless a folder of keys is configured. */
import type { DataConverter, PayloadCodec } from '@temporalio/common';
import { decodePayloadsIn } from './history';
import { KeyFolder } from './keys';
import { PayloadCipher } from './payload-cipher';

/** The variable that names the folder of keys. */
const KEYS_VARIABLE = 'VMGROUP_ENCRYPTION_KEYS';

/** The codec of the keys in a folder. @throws EncryptionKeyError if the folder cannot be read. */
export function payloadCodec(folder: string): PayloadCodec {
  return new PayloadCipher(new KeyFolder(folder));
}

/**
 * The codec of the environment; undefined: nothing is encrypted.
 *
 * @throws EncryptionKeyError if the folder that {@link KEYS_VARIABLE} names cannot be read.
 */
export function configuredCodec(): PayloadCodec | undefined {
  const folder = process.env[KEYS_VARIABLE];
  return folder ? payloadCodec(folder) : undefined;
}

/** How clients and workers convert data, if it is encrypted by `codec`: messages of failures too. */
export function encryptingConverter(codec: PayloadCodec): DataConverter {
  return { payloadCodecs: [codec], failureConverterPath: require.resolve('./failure-converter') };
}

/**
 * What makes values of the server, such as histories, readable: decrypts payloads with the keys of the environment, if there are any. It rejects with
 * EncryptionKeyError if a key is missing.
 *
 * @throws EncryptionKeyError if the folder of keys cannot be read.
 */
export function configuredDecoder(): <T>(value: T) => Promise<T> {
  const codec = configuredCodec();
  return async (value) => (codec ? decodePayloadsIn(value, codec) : value);
}
