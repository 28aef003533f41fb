/**
 * Bytes of everything that leaves a run. Temporal terminates a run whose search attribute is larger than 2,048 bytes, and fails a workflow
 * task whose payload is larger than 2 MB again and again, so each edge has a budget below that. Beyond it content is shortened, and the run
 * continues. Pure.
 *
 * SIZE-1: whatever the members are called and whatever errors say, what a run of 2,000 VMs sends fits. The history has every text in full
 *     (cut at {@link MESSAGE_BYTES} an error).
 */
import { fitJson, fitList, fitText } from '../api/text';
import type { Progress, RunException, RunOutcome } from '../contract';
import type { Run } from './state';

/** Budgets in bytes of JSON. Temporal's own limits: 2,048 an attribute, 20 KB of details, 2 MB a payload, 4 MB an answer. */
export const BUDGET = {
  parkedMembers: 1_500,
  details: 18_000,
  carried: 1_900_000,
  outcome: 1_500_000,
  progress: 1_900_000,
} as const;

/** How far messages are cut, step by step, where there are too many. Bytes. */
export const SHORTER = [256, 128, 64, 24];

/** Names for the search attribute of parked members: the first ones that fit. */
export function fitParked(names: readonly string[]): string[] {
  return fitList(names, BUDGET.parkedMembers);
}

/** An outcome that fits. What is left out last is what the platform can be asked for again. */
export function fitOutcome(outcome: RunOutcome): RunOutcome {
  const cut = (bytes: number) => (value: RunOutcome) => ({
    ...value,
    exceptions: value.exceptions.map((each): RunException => ({
      ...each,
      message: fitText(each.message, bytes),
    })),
    placements: withShortNotes(value.placements, bytes),
    shortened: true as const,
  });
  return fitJson({ ...outcome, message: fitText(outcome.message, 8_000) }, BUDGET.outcome, [
    ...SHORTER.map(cut),
    (value) => ({ ...value, spans: {} }),
    (value) => ({ ...value, corrections: {} }),
    (value) => ({ ...value, observed: {} }),
    (value) => ({ ...value, placements: {} }),
    (value) => ({ ...value, released: [], words: value.words.slice(-10) }),
  ]);
}

/** An answer of the query `progress` that fits. */
export function fitProgress(progress: Progress): Progress {
  const cut = (bytes: number) => (value: Progress) => ({
    ...value,
    shortened: true as const,
    placements: withShortNotes(value.placements, bytes),
    members: value.members.map((member) => ({
      ...member,
      ...(member.waitsFor !== undefined && { waitsFor: fitText(member.waitsFor, bytes) }),
      ...(member.lastError && {
        lastError: { ...member.lastError, message: fitText(member.lastError.message, bytes) },
      }),
      ...(member.paused && { paused: { ...member.paused, reason: fitText(member.paused.reason, bytes) } }),
    })),
  });
  return fitJson(progress, BUDGET.progress, [
    ...SHORTER.map(cut),
    ({ outcome: _outcome, ...value }) => value,
    (value) => ({ ...value, placements: {} }),
    (value) => ({ ...value, members: value.members.map(({ activityId: _id, ...member }) => member) }),
  ]);
}

/** Placements with notes of at most `bytes` bytes; without notes if that is too short for a sentence. */
export function withShortNotes(placements: Run['placements'], bytes: number): Run['placements'] {
  const short: Run['placements'] = {};
  for (const [name, { note, ...place }] of Object.entries(placements))
    short[name] = note === undefined || bytes < 64 ? place : { ...place, note: fitText(note, bytes) };
  return short;
}
