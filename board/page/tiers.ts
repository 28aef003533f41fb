/** The tiers of a group. Pure. */
import { own } from '../../api';
import { memberKey, type MemberProgress, type Progress, type TierProgress } from '../../contract';
import type { Estimate, KnownGroup } from '../../insight';
import { openMember, restingMember, stateWord } from './members';
import type { Forecast, Mark, MemberItem, Target, TierItem } from './page';
import { targetOf } from './targets';

/** The tiers of an open run. */
export function openTiers(
  group: KnownGroup,
  progress: Progress,
  estimate: Estimate | undefined,
  now: number,
): TierItem[] {
  const members = byTier(progress);
  return progress.tiers.map((tier) => {
    const own = members.get(tier.tier) ?? [];
    const items = own.map((member) => openMember(group, progress, member));
    const target = tierTarget(progress, tier, own, now);
    const forecast = tierForecast(estimate, tier);
    return {
      index: tier.tier,
      ...tierState(tier, items),
      ...(tier.phase === 'Delay' && tier.until !== undefined && { until: tier.until }),
      done: tier.done,
      total: tier.total,
      ...(target && { target }),
      ...(forecast && { forecast }),
      members: items,
    };
  });
}

/** The members of a group without an open run, in the tiers that its last run had; in one if they are not known. */
export function restingTiers(group: KnownGroup, last: Progress | undefined): TierItem[] {
  const { status, run, spec } = group;
  if (status.members.length === 0) return [];
  const exceptions = Object.fromEntries((run?.outcome?.exceptions ?? []).map((each) => [each.member, each]));
  const tierOf = new Map(last?.members.map(({ member, tier }) => [member, tier]));
  const tiers = new Map<number, MemberItem[]>();
  for (const member of status.members) {
    const key = memberKey(member);
    const index = tierOf.get(key) ?? 0;
    const item = restingMember(member, spec.powerState, own(exceptions, key));
    const others = tiers.get(index);
    if (others) others.push(item);
    else tiers.set(index, [item]);
  }
  return [...tiers.keys()]
    .sort((a, b) => a - b)
    .map((index) => restingTier(group, last, index, tiers.get(index) ?? []));
}

function restingTier(
  { run, spec }: KnownGroup,
  last: Progress | undefined,
  index: number,
  members: MemberItem[],
): TierItem {
  const done = members.filter(({ mark }) => mark === 'Done').length;
  const isDone = done === members.length;
  const found = last?.tiers.find(({ tier }) => tier === index);
  const target =
    last && found && run?.endedAt !== undefined
      ? tierTarget(last, found, isDone ? last.members.filter(({ tier }) => tier === index) : [], undefined)
      : undefined;
  return {
    ...(last && { index }),
    mark: isDone ? 'Done' : worst(members),
    word: isDone ? stateWord(spec.powerState) : 'not all of it',
    done,
    total: members.length,
    ...(target && { target }),
    members,
  };
}

function byTier({ members }: Progress): Map<number, MemberProgress[]> {
  const tiers = new Map<number, MemberProgress[]>();
  for (const member of members) {
    const found = tiers.get(member.tier);
    if (found) found.push(member);
    else tiers.set(member.tier, [member]);
  }
  return tiers;
}

function tierState(
  { phase, done, total }: TierProgress,
  members: readonly MemberItem[],
): { mark: Mark; word: string } {
  switch (phase) {
    case 'Pending':
      return { mark: 'Waiting', word: 'waits for its turn' };
    case 'Delay':
      return { mark: 'Queued', word: 'delay, begins in' };
    case 'Running':
      return worst(members) === 'Parked'
        ? { mark: 'Parked', word: 'held by parked members' }
        : { mark: 'Working', word: 'in progress' };
    case 'Done':
      return members.some(({ mark }) => mark === 'Parked') && done < total
        ? { mark: 'Parked', word: 'done without all' }
        : { mark: 'Done', word: 'done' };
  }
}

/** `Parked` if nothing but parked members is left to wait for. */
function worst(members: readonly MemberItem[]): Mark {
  const has = (mark: Mark): boolean => members.some((member) => member.mark === mark);
  if (has('Working')) return 'Working';
  if (has('Parked')) return 'Parked';
  if (has('Missing')) return 'Missing';
  if (has('Queued')) return 'Queued';
  return has('Waiting') ? 'Waiting' : 'SetAside';
}

/** `now` undefined: the run is over. */
function tierTarget(
  { startedAt, powerState }: Progress,
  { rto, total }: TierProgress,
  members: readonly MemberProgress[],
  now: number | undefined,
): Target | undefined {
  if (rto === undefined || powerState !== 'PoweredOn') return undefined;
  const isUp = members.length === total && members.every(({ phase }) => phase === 'Done');
  const took = isUp ? Math.max(0, ...members.map(({ since }) => since - startedAt)) : undefined;
  return targetOf(rto, { took, elapsed: now === undefined ? undefined : now - startedAt });
}

function tierForecast(estimate: Estimate | undefined, { tier }: TierProgress): Forecast | undefined {
  const found = estimate?.tiers.find((each) => each.tier === tier);
  return estimate && found?.end && { runs: estimate.runs, ...found.end };
}
