/** The activities of a group's workflow. */
import { place } from './place';
import { power, type ActivityDependencies } from './power';
import { powerGroup } from './power-group';
import { release } from './release';
import type { Activities } from './types';

export type { ActivityLogger } from './attempts';
export { NEXT_STEP, RESET, WORKER_LOST, type NextStep } from './failures';
export type { ActivityDependencies } from './power';
export * from './types';

/** The activities of a worker on one platform. */
export function createActivities(dependencies: ActivityDependencies): Activities {
  return {
    powerOn: (input) => power(dependencies, input),
    powerOff: (input) => power(dependencies, input),
    suspend: (input) => power(dependencies, input),
    powerGroup: (input) => powerGroup(dependencies, input),
    place: (input) => place(dependencies, input),
    release: (input) => release(dependencies, input),
  };
}
