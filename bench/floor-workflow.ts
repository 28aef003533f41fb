/** The floor: the least that a workflow can do for a list of tiers. What our workflow takes beyond this is its price. */
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { Activities, PowerInput } from '../contract';

const { powerOn } = proxyActivities<Activities>({
  heartbeatTimeout: '5s',
  startToCloseTimeout: '15m',
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** Powers VMs on tier by tier, at most `limit` at a time. */
export async function floor(tiers: PowerInput[][], limit: number): Promise<void> {
  for (const tier of tiers) {
    const left = [...tier];
    const lane = async (): Promise<void> => {
      for (let input = left.shift(); input; input = left.shift()) await powerOn(input);
    };
    if (tier.length <= limit) await Promise.all(tier.map((input) => powerOn(input)));
    else await Promise.all(Array.from({ length: limit }, lane));
  }
}
