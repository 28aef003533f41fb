/** Tiers, from entries that say when each VM starts and what is waited for after it. Pure. */
import type { PowerMode } from '../../../api';
import type { ExistingMember, ExistingTier } from '../../existing';
import { textOf, type XmlElement } from '../soap';

/** One VM or vApp in an order. */
export interface Entry {
  member: ExistingMember;
  /** For notes. */
  name: string;
  /** Lower ones start first, equal ones together. */
  position: number;
  /** Milliseconds before the next position. */
  delay: number;
  /** The next position starts with the heartbeat of the guest, if that comes before the delay is over. */
  waits: boolean;
}

/** The tiers of some entries, in order, and what they cannot say. */
export function tiersFrom(entries: readonly Entry[]): { tiers: ExistingTier[]; notes: string[] } {
  const notes: string[] = [];
  const positions = [...new Set(entries.map(({ position }) => position))].sort((a, b) => a - b);
  const tiers = positions.map((position, index): ExistingTier => {
    const together = entries.filter((entry) => entry.position === position);
    const waiting = together.filter(({ waits }) => waits);
    const delays = together.filter(({ waits }) => !waits).map(({ delay }) => delay);
    const delay = Math.max(0, ...delays);
    const isLast = index === positions.length - 1;
    if (!isLast && new Set(delays).size > 1)
      notes.push(
        `${namesOf(together)} start together with different delays; the longest, ${seconds(delay)}, is kept`,
      );
    if (!isLast && waiting.length > 0)
      notes.push(
        `it continues ${seconds(Math.max(...waiting.map((entry) => entry.delay)))} after ${namesOf(waiting)} even without a heartbeat; the group waits for gate Ready, up to gateTimeout`,
      );
    return {
      members: together.map(({ member }) => member),
      gate: waiting.length > 0 ? 'Ready' : 'PoweredOn',
      delay,
    };
  });
  return { tiers, notes };
}

function namesOf(entries: readonly Entry[]): string {
  return entries.map(({ name }) => name).join(', ');
}

/** `30 s`. */
export function seconds(milliseconds: number): string {
  return `${milliseconds / 1_000} s`;
}

/** A number of seconds in milliseconds; undefined if there is none. */
export function durationIn(from: XmlElement | undefined, name: string): number | undefined {
  const value = Number(textOf(from, name) ?? NaN);
  return Number.isFinite(value) ? value * 1_000 : undefined;
}

/** How a VM is stopped: its mode, or why a manifest has none. */
export function stopOf(action: string): { mode?: PowerMode; note?: string } {
  switch (action.toLowerCase()) {
    case 'guestshutdown':
      return { mode: 'TrySoft' };
    case 'poweroff':
      return { mode: 'Hard' };
    case 'suspend':
      return { note: 'is suspended when the others are powered off; the group powers it off' };
    case 'none':
      return { note: 'is left on when the others are powered off; the group powers it off' };
    default:
      return {};
  }
}
