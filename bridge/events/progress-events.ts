/** What happened in a run, found by comparing two answers of it. Pure. */
import type { MemberProgress, Progress, TierProgress } from '../../contract';
import type { EventObject, Happening } from './event';

/** What changed between two answers of a run. */
export function progressEvents(
  object: EventObject,
  before: Progress | undefined,
  after: Progress,
): Happening[] {
  const old = new Map(before?.members.map((member) => [member.member, member]));
  const members = after.members.flatMap((member) =>
    memberEvents(object, old.get(member.member), member, !before),
  );
  const tiers = after.tiers.flatMap((tier) => {
    const was = before?.tiers.find((candidate) => candidate.tier === tier.tier);
    return tierEvent(object, was, tier, after.tiers.length) ?? [];
  });
  return [...members, ...tiers];
}

function tierEvent(
  object: EventObject,
  before: TierProgress | undefined,
  { tier, phase, until }: TierProgress,
  tiers: number,
): Happening | undefined {
  const name = `tier ${tier + 1} of ${tiers}`;
  if (phase === 'Delay' && until !== undefined && (before?.phase !== 'Delay' || before.until !== until)) {
    const message = `${name} waits until ${new Date(until).toISOString()}`;
    return { type: 'Normal', reason: 'DelayStarted', object, message };
  }
  if (before && phase === 'Done' && before.phase !== 'Done') {
    return { type: 'Normal', reason: 'TierDone', object, message: `${name} is done` };
  }
  return undefined;
}

/** Events of one member. In a run that is seen for the first time, members that are done already are not reported. */
function memberEvents(
  object: EventObject,
  before: MemberProgress | undefined,
  after: MemberProgress,
  first: boolean,
): Happening[] {
  const events: Happening[] = [];
  const changed = before?.phase !== after.phase && !(first && after.phase === 'Done');
  const event = changed ? memberEvent(object, after) : undefined;
  if (event) events.push(event);
  const { phase, lastError, attempt } = after;
  if (phase === 'InProgress' && lastError && lastError.at !== before?.lastError?.at) {
    const { member } = after;
    const message = `${member}: attempt ${(attempt ?? 2) - 1}: ${lastError.class}: ${lastError.message}`;
    events.push({ type: 'Warning', reason: 'AttemptFailed', object, member, message });
  }
  return events;
}

function memberEvent(object: EventObject, progress: MemberProgress): Happening | undefined {
  const { phase, member, lastError, waitsFor = 'its object' } = progress;
  switch (phase) {
    case 'InProgress':
      return { type: 'Normal', reason: 'MemberStarted', object, member, message: member };
    case 'Done':
      return { type: 'Normal', reason: 'MemberDone', object, member, message: member };
    case 'Parked': {
      const why = lastError ? `${lastError.class}: ${lastError.message}` : 'parked';
      return { type: 'Warning', reason: 'MemberParked', object, member, message: `${member}: ${why}` };
    }
    case 'Missing': {
      const message = `${member} waits for ${waitsFor}`;
      return { type: 'Warning', reason: 'MemberMissing', object, member, message };
    }
    case 'Pending':
    case 'Queued':
    case 'Skipped':
    case 'LeftAlone':
      return undefined;
  }
}
