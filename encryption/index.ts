/** Encryption of payloads: what Temporal stores of a run is readable only with a key. */
export { startCodecServer, type CodecServerOptions } from './codec-server';
export { configuredCodec, configuredDecoder, encryptingConverter, payloadCodec } from './encryption';
export { decodePayloadsIn } from './history';
export { EncryptionKeyError } from './keys';
