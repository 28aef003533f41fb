/** The activities of a group's workflow. */
import { answer } from './answer';
import { cancellation } from './cancellation';
import { findEndedGroups } from './ended-groups';
import { place } from './place';
import { power, type ActivityDependencies } from './power';
import { powerGroup } from './power-group';
import { Prober } from './probes';
import { release } from './release';
import type { Activities, ConfirmInput, PlaceResult, PowerGroupResult, PowerResult } from '../contract';

export type { ActivityDependencies } from './power';

/** The activities of a worker on one platform. */
export function createActivities(given: ActivityDependencies): Activities {
  const dependencies: ActivityDependencies = { prober: new Prober(), ...given };
  return {
    powerOn: (input) => power(dependencies, input),
    powerOff: (input) => power(dependencies, input),
    suspend: (input) => power(dependencies, input),
    powerGroup: (input) => powerGroup(dependencies, input),
    awaitGroup: (input) => powerGroup(dependencies, input),
    findEndedGroups: (input) => findEndedGroups(dependencies, input),
    place: (input) => place(dependencies, input),
    release: (input) => release(dependencies, input),
    answer: (input) => answer(dependencies, input),
    confirm: (input) => confirm(dependencies, input),
    cancellation: () => cancellation(dependencies),
  };
}

/** Each activity asks the platform first and acts only if needed, so to confirm is to do it again. */
function confirm(
  dependencies: ActivityDependencies,
  work: ConfirmInput,
): Promise<PowerResult | PowerGroupResult | PlaceResult> {
  switch (work.activity) {
    case 'place':
      return place(dependencies, work.input);
    case 'powerGroup':
      return powerGroup(dependencies, work.input);
    case 'powerOn':
    case 'powerOff':
    case 'suspend':
      return power(dependencies, work.input);
  }
}
