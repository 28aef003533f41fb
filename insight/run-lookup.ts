/**
 * Look-ups in what is known of a run, for explanations of all its members, of which there may be thousands. Pure: what is known does not change, it
 * is replaced.
 *
 * LOOKUP-1: each answer of a run, and each status of a group, is gone through once, however many members are looked up in it.
 */
import type { MemberPhase, MemberProgress, Progress, TierProgress } from '../contract';
import { healthFindings, type HealthFinding } from './health-findings';
import type { KnownGroup, KnownMember } from './known-group';

/** How much a member needs attention, the most first. */
const URGENCY: readonly MemberPhase[] = [
  'Parked',
  'Missing',
  'InProgress',
  'Queued',
  'Pending',
  'LeftAlone',
  'Skipped',
  'Done',
];

/** Phases in which a member keeps no tier from being done. */
const SETTLED: ReadonlySet<MemberPhase> = new Set(['Done', 'Skipped', 'LeftAlone']);

/** Look-ups in the progress of one run. */
export class RunLookup {
  readonly #tiers: ReadonlyMap<number, TierProgress>;
  readonly #open = new Map<number, MemberProgress[]>();
  /** By index of a tier: the first one of it and those before it that runs, or whose delay does; undefined: there is none. */
  readonly #active = new Map<number, TierProgress | undefined>();

  constructor({ tiers, members }: Progress) {
    this.#tiers = new Map(tiers.map((tier) => [tier.tier, tier]));
    for (const member of members) {
      if (SETTLED.has(member.phase)) continue;
      const others = this.#open.get(member.tier);
      if (others) others.push(member);
      else this.#open.set(member.tier, [member]);
    }
    for (const open of this.#open.values()) open.sort((a, b) => rank(a) - rank(b));
  }

  tier(index: number | undefined): TierProgress | undefined {
    return index === undefined ? undefined : this.#tiers.get(index);
  }

  /** The members of a tier that keep it from being done, those first that need attention most. */
  openIn({ tier }: TierProgress): readonly MemberProgress[] {
    return this.#open.get(tier) ?? [];
  }

  /** The first tier that runs, or whose delay does, of this one and those before it. */
  activeFrom(start: TierProgress): TierProgress | undefined {
    const passed = new Set<number>();
    let at: TierProgress | undefined = start;
    while (at && !isActive(at) && !this.#active.has(at.tier) && !passed.has(at.tier)) {
      passed.add(at.tier);
      at = this.tier(at.after);
    }
    const active = at && (isActive(at) ? at : this.#active.get(at.tier));
    for (const tier of passed) this.#active.set(tier, active);
    return active;
  }
}

function isActive({ phase }: TierProgress): boolean {
  return phase === 'Running' || phase === 'Delay';
}

function rank(member: MemberProgress): number {
  const failing = member.paused ?? member.lastError;
  return URGENCY.indexOf(member.phase) - (failing ? 0.5 : 0);
}

const runs = new WeakMap<Progress, RunLookup>();

/** The look-ups in an answer of a run. */
export function lookupIn(progress: Progress): RunLookup {
  return kept(runs, progress, () => new RunLookup(progress));
}

const machines = new WeakMap<readonly KnownMember[], ReadonlyMap<string, KnownMember>>();

/** A VM as the status of its group has it. */
export function machineIn({ members }: KnownGroup['status'], name: string): KnownMember | undefined {
  const byName = kept(machines, members, () => {
    const found = members.filter(({ kind }) => kind === 'VirtualMachine');
    return new Map(found.map((member) => [member.name, member]));
  });
  return byName.get(name);
}

const findings = new WeakMap<object, ReadonlyMap<string, HealthFinding>>();

/** The finding about a paused activity of an open run. */
export function findingOn({ metadata, run }: KnownGroup, activityId: string): HealthFinding | undefined {
  if (!run?.health || run.endedAt !== undefined) return undefined;
  const { health, workflowId } = run;
  const byActivity = kept(findings, health, () => {
    const found = healthFindings(metadata, workflowId, health);
    return new Map(found.flatMap((each) => (each.activityId === undefined ? [] : [[each.activityId, each]])));
  });
  return byActivity.get(activityId);
}

function kept<K extends object, T>(known: WeakMap<K, T>, key: K, make: () => T): T {
  const found = known.get(key) ?? make();
  known.set(key, found);
  return found;
}
