/** What differs between two plans of one run, in words. Pure. */
import { listed } from '../../api/text';
import { memberKey } from '../../contract';
import type { RecordedPlan } from '../facts';

/** Names that one line has at most, and lines. */
const NAMES = 20;
const LINES = 50;

/** The differences, most important first. */
export function planChanges(before: RecordedPlan, after: RecordedPlan): string[] {
  const lines: string[] = [];
  if (before.powerState !== after.powerState)
    lines.push(`powerState: ${before.powerState} to ${after.powerState}`);
  const [had, has] = [membersOf(before), membersOf(after)];
  const joined = [...has.keys()].filter((key) => !had.has(key));
  const left = [...had.keys()].filter((key) => !has.has(key));
  if (joined.length > 0) lines.push(`joined: ${listed(joined, NAMES)}`);
  if (left.length > 0) lines.push(`left: ${listed(left, NAMES)}`);
  const moved = [...has].filter(([key, { tier }]) => had.get(key) && had.get(key)?.tier !== tier);
  if (moved.length > 0)
    lines.push(
      `in another tier: ${listed(
        moved.map(([key]) => key),
        NAMES,
      )}`,
    );
  const changed = [...has].filter(([key, { text }]) => had.get(key) && had.get(key)?.text !== text);
  if (changed.length > 0)
    lines.push(
      `changed: ${listed(
        changed.map(([key]) => key),
        NAMES,
      )}`,
    );
  lines.push(...settings('policy', before.policy, after.policy));
  after.tiers.forEach(({ members: _members, ...tier }, index) => {
    const { members: _old, ...old } = before.tiers[index] ?? { members: [] };
    lines.push(...settings(`tier ${index + 1}`, old, tier));
  });
  return lines.slice(0, LINES);
}

function membersOf({ tiers }: RecordedPlan): Map<string, { tier: number; text: string }> {
  return new Map(
    tiers.flatMap(({ members }, tier) =>
      members.map((member) => {
        const { drifted: _drifted, recovered: _recovered, setAside: _setAside, ...lasting } = member;
        return [memberKey(member), { tier, text: JSON.stringify(lasting) }] as const;
      }),
    ),
  );
}

function settings(what: string, before: object, after: object): string[] {
  const was = new Map<string, unknown>(Object.entries(before));
  return Object.entries(after).flatMap(([key, value]: [string, unknown]) => {
    const [from, to] = [JSON.stringify(was.get(key)), JSON.stringify(value)];
    return from === to ? [] : [`${what}: ${key}: ${from ?? 'none'} to ${to}`];
  });
}
