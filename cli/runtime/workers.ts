/** The workers of a process: one for the workflows and the default platform, and one for each other platform. */
import type { RunningWorker, StartWorkerOptions } from '../../worker';
import * as lazy from '../lazy';
import type { RunningPlatform } from './platform';
import type { RunningPlatforms } from './platforms';

/**
 * What starts each worker; see `startWorker` and `startPlatformWorker` of `worker/`.
 *
 * @param at Names of platforms: only their workers. Absent: all.
 */
export function workerStarts(
  { byDefault, others }: RunningPlatforms,
  common: Omit<StartWorkerOptions, 'platform' | 'observer'>,
  at?: readonly string[],
): (() => Promise<RunningWorker>)[] {
  const { startPlatformWorker, startWorker } = lazy.worker();
  const on = ({ platform, observer }: RunningPlatform): StartWorkerOptions => ({
    ...common,
    platform,
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
