/** The workers of a process: one for the workflows and the default platform, and one for each other platform. */
import type { Platform } from '../../platforms';
import type { RunningWorker, StartWorkerOptions } from '../../worker';
import * as lazy from '../lazy';
import type { RunningPlatform } from './platform';
import type { RunningPlatforms } from './platforms';

/** Options of {@link workerStarts}. */
export interface WorkerStartOptions {
  /** Names of platforms: only their workers. Absent: all. */
  at?: readonly string[] | undefined;
  /** The platform as its worker is to see it; absent: as it is. */
  asSeen?: ((platform: Platform) => Platform) | undefined;
}

/** What starts each worker; see `startWorker` and `startPlatformWorker` of `worker/`. */
export function workerStarts(
  { byDefault, others }: RunningPlatforms,
  common: Omit<StartWorkerOptions, 'platform' | 'observer'>,
  { at, asSeen = (platform) => platform }: WorkerStartOptions = {},
): (() => Promise<RunningWorker>)[] {
  const { startPlatformWorker, startWorker } = lazy.worker();
  const on = ({ platform, observer }: RunningPlatform): StartWorkerOptions => ({
    ...common,
    platform: asSeen(platform),
    observer,
  });
  const named = [...others].filter(([name]) => !at || at.includes(name));
  return [
    ...(at ? [] : [() => startWorker(on(byDefault))]),
    ...named.map(
      ([name, platform]) =>
        () =>
          startPlatformWorker(on(platform), name),
    ),
  ];
}
