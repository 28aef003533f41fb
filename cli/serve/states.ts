/** The states that a bridge knows, for metrics. */
import type { KnownStates } from '../../worker';
import type { RunningBridge } from '../runtime';

/** What {@link statesOf} needs. */
export interface KnowingBridge extends Pick<RunningBridge, 'leading'> {
  bridge: Pick<RunningBridge['bridge'], 'views' | 'problems'>;
}

/**
 * Undefined while another bridge leads. One that leads and is behind shows what it knew last: a parked VM stays parked while Temporal is away.
 */
export function statesOf({ bridge, leading }: KnowingBridge): KnownStates | undefined {
  return leading() ? { views: bridge.views(), problems: bridge.problems() } : undefined;
}
