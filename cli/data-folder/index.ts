/** The data folder: its files, its lock, and the record of the process that works on it. */
export { closeLog, dataFolder, LOG_LIMIT, openLog, type DataFolder } from './folder';
export { lockFolder } from './lock';
export {
  newRecord,
  platformRecord,
  readLiveRecord,
  readRecord,
  writeRecord,
  type RecordedPlatform,
  type UpRecord,
} from './record';
