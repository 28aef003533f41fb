/** Hash chains of the record, and their signatures. */
export { asEntry, EMPTY, hashOf, historyMark, NO_HASH, sha256, type Head, type RecordEntry } from './entry';
export { entryFault, link } from './link';
export { SigningKeyError, signerOf, verifierOf, type Signer, type Verifier } from './signer';
