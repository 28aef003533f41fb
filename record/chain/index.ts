/** Hash chains of the record, and their signatures. */
export { EMPTY, hashOf, nextEntry, NO_HASH, sha256, type Head, type Link, type RecordEntry } from './entry';
