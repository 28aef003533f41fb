/** LOOKUP-1: explanations of all members of a large run. */
import { holdOf, type KnownGroup } from '../../insight';
import type { MemberProgress, Progress, TierProgress } from '../../contract';
import { memberAt, runningGroup } from '../board/fixtures';

/** An array that counts how often its elements are read. */
function counted<T>(items: T[]): { items: T[]; reads: () => number } {
  let reads = 0;
  const proxy = new Proxy(items, {
    get: (target, key, receiver): unknown => {
      if (typeof key === 'string' && /^\d+$/.test(key)) reads += 1;
      return Reflect.get(target, key, receiver);
    },
  });
  return { items: proxy, reads: () => reads };
}

const SIZE = 1_000;
/** Tiers of one member, the first one in progress. */
const members = Array.from({ length: SIZE }, (_, index) =>
  memberAt(`vm-${index}`, index, index === 0 ? 'InProgress' : 'Pending', index),
);
const tiers = members.map(({ tier }): TierProgress => ({
  tier,
  phase: tier === 0 ? 'Running' : 'Pending',
  done: 0,
  total: 1,
  ...(tier > 0 && { after: tier - 1 }),
}));

function large(over: Partial<Progress>): [KnownGroup, Progress] {
  const group = runningGroup('shop', members, over);
  return [group, group.run?.progress as Progress];
}

test('the members and the tiers of a run are gone through a few times, not once for each member', () => {
  const [ofMembers, ofTiers] = [counted<MemberProgress>(members), counted(tiers)];
  const [group, progress] = large({ members: ofMembers.items, tiers: ofTiers.items });
  const ofStatus = counted([...group.status.members]);
  const watched = { ...group, status: { ...group.status, members: ofStatus.items } };
  const texts = members.map((member) => holdOf(watched, progress, member)?.text);
  expect(texts[SIZE - 1]).toBe('waits for tier 2 of 4 to be done: vm-0 is not');
  expect(ofMembers.reads()).toBeLessThan(10 * SIZE);
  expect(ofTiers.reads()).toBeLessThan(10 * SIZE);
  expect(ofStatus.reads()).toBeLessThan(10 * SIZE);
});

test('tiers that wait for each other in a circle end the search', () => {
  const [group, progress] = large({
    tiers: tiers.map((tier) => ({ ...tier, phase: 'Pending', after: (tier.tier + 1) % SIZE })),
  });
  const last = members.at(-1) as MemberProgress;
  expect(holdOf(group, progress, last)?.text).toContain('vm-0 is not');
});
