/** Where a tree stands, in one sentence. Pure. */
import { firstFew } from '../../api';
import type { Progress } from '../../contract';
import { openProgress, type KnownGroup } from '../../insight';
import { totalOf } from './counts';
import { nameOf, stateWord } from './members';
import type { Counts, GroupItem } from './page';

/** Groups that a sentence says the tier of. */
const MOST_PLACES = 3;

/** The sentence for a tree, the topmost group first. */
export function sentenceOf(
  tree: readonly KnownGroup[],
  counts: Counts,
  { phase, message }: GroupItem,
): string {
  const [top] = tree as [KnownGroup];
  const progress = openProgress(top);
  const total = totalOf(counts);
  const isRunning = top.run !== undefined && top.run.endedAt === undefined;
  if (total === 0) return `${phase}: ${message}`;
  const state = stateWord(progress?.powerState ?? top.spec.powerState);
  const done =
    counts.Done === total ? `All ${total} VMs are ${state}.` : `${counts.Done} of ${total} VMs are ${state}.`;
  if (!isRunning) return phase === 'Converged' && counts.Done === total ? done : `${done} ${phase}.`;
  const parked =
    counts.Parked > 0 ? ` ${counts.Parked} ${counts.Parked === 1 ? 'waits' : 'wait'} for an operator.` : '';
  return `${done}${parked} ${progress ? whereText(tree, progress) : 'The run does not answer.'}`;
}

function whereText(tree: readonly KnownGroup[], top: Progress): string {
  if (top.phase === 'Paused') return 'The run is paused.';
  if (top.phase === 'Placing') return 'VMs are being placed.';
  const places = tree.flatMap((group) => {
    const progress = openProgress(group);
    const place = progress && placeText(progress);
    return place === undefined ? [] : [tree.length === 1 ? place : `${group.metadata.name} ${place}`];
  });
  if (places.length === 0) return 'The run is about to end.';
  return `In progress: ${firstFew(places, MOST_PLACES).join(', ')}.`;
}

/** Where one group is; undefined for one whose only members are groups that say it themselves. */
function placeText({ tiers, members }: Progress): string | undefined {
  const at = tiers.find(({ phase }) => phase === 'Running' || phase === 'Delay');
  if (!at || members.every(({ member }) => nameOf(member).isGroup)) return undefined;
  const tier = `tier ${at.tier + 1} of ${tiers.length}`;
  return at.phase === 'Delay' ? `the delay before ${tier}` : tier;
}
