/**
 * When the tiers of an open run, and the run, will be done, from what the last runs of the group took. Pure.
 *
 * ESTIMATE-1: there is no estimate without a past: without past runs, or while the run waits for an operator, there is no end, and `why` says so.
 * ESTIMATE-2: no end lies in the past, and no tier ends before the tier that it waits for and its own delay.
 */
import { own } from '../api/own';
import type { MemberKey, MemberProgress, Progress, TierProgress } from '../contract';
import { spread, type PastRun, type Spread } from './past-run';

/** A time that is expected, milliseconds since the epoch: by the medians of the past runs, and by their 90th percentiles. */
export interface Expected {
  median: number;
  p90: number;
}

/** When one tier will be done. */
export interface TierEstimate {
  tier: number;
  /** Absent: it is done, or nothing is known of it. */
  end?: Expected;
  /** It has taken longer than nine of ten past runs. */
  overdue?: true;
}

/** What the past says about an open run. */
export interface Estimate {
  /** Past runs that it is made from. */
  runs: number;
  /** Absent: `why` says why. */
  end?: Expected;
  tiers: TierEstimate[];
  /** How long the operation of each member took in past runs. */
  members: Record<MemberKey, Spread>;
  /** Members that are not done and were in no past run: the ends do not count them. */
  unknown: MemberKey[];
  why?: string;
}

/** What an estimate says without a past. */
const NO_PAST = 'no past runs';

/** Estimates the rest of a run. `now`: milliseconds since the epoch. */
export function estimate(pastRuns: readonly PastRun[], progress: Progress, now: number): Estimate {
  const past = pastRuns.filter(({ powerState }) => powerState === progress.powerState);
  const tiers = progress.tiers.map(({ tier }) => ({ tier }));
  const members = memberSpreads(past, progress);
  const unknown = progress.members
    .filter(({ member, phase }) => isOpen(phase) && own(members, member) === undefined)
    .map(({ member }) => member);
  const known = { runs: past.length, members, unknown };
  if (past.length === 0) return { ...known, tiers, why: NO_PAST };
  if (progress.phase === 'Paused' || progress.phase === 'Waiting')
    return { ...known, tiers, why: `the run waits for an operator: ${progress.message}` };
  const walk = new Walk(past, progress, members, now);
  const ends = progress.tiers.map((tier) => tierEstimate(walk, tier, now));
  return {
    ...known,
    tiers: ends,
    end: latest(
      progress.tiers.map((tier) => walk.endOf(tier)),
      now,
    ),
  };
}

function tierEstimate(walk: Walk, tier: TierProgress, now: number): TierEstimate {
  if (tier.phase === 'Done' || !walk.knows(tier)) return { tier: tier.tier };
  const end = walk.endOf(tier);
  const overdue = tier.phase === 'Running' && end.p90 <= now;
  return { tier: tier.tier, end, ...(overdue && { overdue: true as const }) };
}

/** The walk through the tiers, each end computed once. */
class Walk {
  readonly #past: readonly PastRun[];
  readonly #progress: Progress;
  readonly #members: Record<MemberKey, Spread>;
  readonly #now: number;
  readonly #ends = new Map<number, Expected>();

  constructor(past: readonly PastRun[], progress: Progress, members: Record<MemberKey, Spread>, now: number) {
    this.#past = past;
    this.#progress = progress;
    this.#members = members;
    this.#now = now;
  }

  /** Whether a past run had a member of the tier. */
  knows(tier: TierProgress): boolean {
    return this.#of(tier).some(({ member }) => own(this.#members, member) !== undefined);
  }

  /** ESTIMATE-2. */
  endOf(tier: TierProgress): Expected {
    const known = this.#ends.get(tier.tier);
    if (known) return known;
    // A tier that waits for itself, in an answer that makes no sense, ends now.
    this.#ends.set(
      tier.tier,
      both(() => this.#now),
    );
    const end = this.#compute(tier);
    this.#ends.set(tier.tier, end);
    return end;
  }

  #compute(tier: TierProgress): Expected {
    const now = this.#now;
    if (tier.phase === 'Done') return both(() => now);
    const open = this.#of(tier).filter(({ phase }) => isOpen(phase));
    const whole = tierSpread(this.#past, this.#of(tier));
    if (tier.phase === 'Running') {
      const began = Math.min(
        now,
        ...this.#of(tier)
          .filter(hasBegun)
          .map(({ since }) => since),
      );
      return both((part) =>
        Math.max(
          now,
          open.length === 0 || !whole ? now : began + whole[part],
          ...open.map((member) => this.#memberEnd(member, part)),
        ),
      );
    }
    const start = this.#start(tier);
    return both((part) =>
      Math.max(
        start[part],
        start[part] + (whole?.[part] ?? 0),
        ...open.map(({ member }) => start[part] + (own(this.#members, member)?.[part] ?? 0)),
      ),
    );
  }

  #start({ phase, until, after, delay = 0 }: TierProgress): Expected {
    const now = this.#now;
    if (phase === 'Delay') return both(() => Math.max(now, until ?? now));
    const before = this.#progress.tiers.find(({ tier }) => tier === after);
    const end = before ? this.endOf(before) : both(() => now);
    return both((part) => end[part] + delay);
  }

  #memberEnd({ member, phase, since }: MemberProgress, part: keyof Expected): number {
    const took = own(this.#members, member)?.[part] ?? 0;
    return (phase === 'InProgress' ? since : this.#now) + took;
  }

  #of({ tier }: TierProgress): MemberProgress[] {
    return this.#progress.members.filter((each) => each.tier === tier);
  }
}

function both(of: (part: keyof Expected) => number): Expected {
  return { median: of('median'), p90: of('p90') };
}

function latest(ends: readonly Expected[], now: number): Expected {
  return both((part) => Math.max(now, ...ends.map((end) => end[part])));
}

function memberSpreads(past: readonly PastRun[], { members }: Progress): Record<MemberKey, Spread> {
  const spreads: Record<MemberKey, Spread> = {};
  for (const { member } of members) {
    const found = spread(
      past.flatMap(({ spans }) => {
        const span = own(spans, member);
        return span ? [span[1] - span[0]] : [];
      }),
    );
    if (found) spreads[member] = found;
  }
  return spreads;
}

/** How long a tier of these members took, from the first operation that began to the last one that ended. */
function tierSpread(past: readonly PastRun[], members: readonly MemberProgress[]): Spread | undefined {
  return spread(
    past.flatMap(({ spans }) => {
      const found = members.flatMap(({ member }) => {
        const span = own(spans, member);
        return span ? [span] : [];
      });
      if (found.length === 0) return [];
      return [Math.max(...found.map(([, ended]) => ended)) - Math.min(...found.map(([began]) => began))];
    }),
  );
}

/** Phases in which a member still takes time of its tier. */
function isOpen(phase: MemberProgress['phase']): boolean {
  return phase === 'Pending' || phase === 'Queued' || phase === 'InProgress';
}

function hasBegun({ phase }: MemberProgress): boolean {
  return phase === 'InProgress' || phase === 'Queued';
}
