/** Encryption of payloads: what Temporal stores of a run is readable only with a key. */
export { startCodecServer, type CodecServerOptions } from './codec-server';
export { configuredCodec, encryptingConverter, KEYS_VARIABLE, payloadCodec, readable } from './encryption';
export { decodePayloadsIn } from './history';
export { KeyError } from './keys';
