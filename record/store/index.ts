/** Stores of the record: files, and PostgreSQL. */
export { openFileReader, openFileStore } from './files/file-store';
export { openPostgresReader, openPostgresStore } from './postgres/postgres-store';
export { RecordError, type EntryFilter, type RecordReader, type RecordStore } from './store';
