/** Places the VMs of a tree together: all required ones or none. A VM that has its place keeps it, so an attempt can be repeated. */
import { Context } from '@temporalio/activity';
import { inAttempts } from './attempts';
import { noProgress } from './heartbeat';
import type { ActivityDependencies } from './power';
import type { PlaceInput, PlaceResult } from '../contract';

/**
 * The activity `place`. Waits without end for room (`NoCapacity`) and for a platform that is away (`Transient`, `Throttled`), each attempt on
 * record: a platform that cannot be reached has refused nothing. Every other class ends it.
 */
export function place(
  { platform, client }: ActivityDependencies,
  { operation = '', requests, retry, hold, beside, earlier = [], ...claim }: PlaceInput,
): Promise<PlaceResult> {
  // Another seed for each attempt: a search that found nothing finds nothing again.
  const seed = Context.current().info.attempt;
  const options = { ...claim, seed, ...(hold && { hold }), ...(beside && { beside }) };
  const purpose = `place ${requests.length} VM${requests.length === 1 ? '' : 's'}`;
  const endless = ['NoCapacity', 'Transient', 'Throttled'] as const;
  platform.track?.(requests.map(({ vm }) => vm));
  return inAttempts(
    { purpose, retry, endless, earlier, first: {}, progress: noProgress, client },
    async (run) => ({
      operation,
      results: await platform.place(requests, options, run.signal),
    }),
  );
}
