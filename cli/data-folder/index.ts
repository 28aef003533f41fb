/** The data folder: its files, its lock, and the record of the process that works on it. */
export { closeLog, dataFolder, openLog, type DataFolder } from './folder';
export { lockFolder } from './lock';
export { newRecord, readLiveRecord, readRecord, writeRecord, type UpRecord } from './record';
