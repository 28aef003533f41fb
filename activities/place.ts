/** Places the VMs of a tree together: all of them or none. A VM that has its place keeps it, so an attempt can be repeated. */
import { Context } from '@temporalio/activity';
import type { PlacementResult } from '../platforms';
import { inAttempts } from './attempts';
import type { ActivityDependencies } from './power';
import type { PlaceInput } from './types';

/** The activity `place`. Waits for room without end (`NoCapacity`), each attempt on record; every other class by the budget. */
export function place(
  { platform, client, logger }: ActivityDependencies,
  { requests, retry, hold, beside, ...claim }: PlaceInput,
): Promise<PlacementResult[]> {
  // Another seed for each attempt: a search that found nothing finds nothing again.
  const seed = Context.current().info.attempt;
  const purpose = `place ${requests.length} VM${requests.length === 1 ? '' : 's'}`;
  return inAttempts({ purpose, retry, endless: 'NoCapacity', first: {}, client, logger }, (run) =>
    platform.place(
      requests,
      { ...claim, seed, ...(hold && { hold }), ...(beside && { beside }) },
      run.signal,
    ),
  );
}
