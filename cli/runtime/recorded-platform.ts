/** The platform with which a process runs or ran on a data folder: for commands that plan what it would do, and for the next `vmgroup up`. */
import path from 'node:path';
import { readLiveRecord, readRecord, dataFolder, type RecordedPlatform, type UpRecord } from '../data-folder';
import { printNote } from '../output';

/** Options that it depends on. */
export interface RecordOwner {
  data: string;
  /** Named on the command line, which wins. */
  platform?: string;
}

/**
 * Of the process that runs on the data folder, or that ran there on the same manifests; undefined: neither is known. A note says so, unless it
 * is the simulated platform or the command line names one.
 *
 * @param paths Files and folders of manifests.
 */
export function recordedPlatform(
  options: RecordOwner,
  paths: readonly string[],
): RecordedPlatform | undefined {
  const folder = dataFolder(options.data);
  const record = readRecord(folder);
  if (!record?.platform || !(readLiveRecord(folder) || areOf(record, paths))) return undefined;
  const { platform, command } = record;
  if (options.platform === undefined && platform.name !== 'simulated')
    printNote(
      `note: the default platform is ${platform.name}, as for the vmgroup ${command} on ${options.data}; --platform names another`,
    );
  return platform;
}

/** Whether all of the manifests are among those of the process. */
function areOf({ manifests }: UpRecord, paths: readonly string[]): boolean {
  const isIn = (file: string): boolean =>
    manifests.some((given) => file === given || file.startsWith(`${given}${path.sep}`));
  return paths.every((given) => isIn(path.resolve(given)));
}
