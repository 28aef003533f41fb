/** Runs of many VMs in which everything goes wrong, with the longest names and messages there are. */
import type { Attempt } from '../../contract';
import { nextSteps } from '../../workflows/planner';
import { attemptReported, operationsEnded, pauseReported } from '../../workflows/operations';
import { placed } from '../../workflows/placing';
import { begin } from '../../workflows/plans';
import { ignoring, membersOf, type MemberState, type Run } from '../../workflows/state';
import { applyCommand } from '../../workflows/operator-commands';
import { plan, seen, tier, vm } from './plans';

export const NOW = 1_700_000_000_000;
export const VMS = 2_000;
/** As long as Kubernetes lets a name be. */
export const longName = (at: number): string => `${String(at).padStart(5, '0')}-`.padEnd(252, 'v') + 'm';
export const LONG = 'Es ist kein Platz im Rack "β" — '.repeat(130);

/** A run in which every member is in the given kind of trouble. */
export function troubled(kinds: readonly Trouble[], count = VMS): Run {
  const members = Array.from({ length: count }, (_, at) =>
    at % 2 === 0 ? vm(longName(at)) : seen(longName(at), 'PoweredOff', NOW, { uid: `uid-${at}` }),
  );
  const policy = { ...plan([]).policy, maxConcurrentOperations: 10_000 };
  let run = begin({ plan: plan([tier(members)], { policy }), cause: 'SpecChanged', digest: 'd' }, NOW);
  run = nextSteps(run, NOW).run;
  const requests = membersOf(run.plan).map(({ member }) => ({
    vm: { namespace: 'production', name: member.name, uid: member.uid ?? '' },
    placement: { zoneID: 'zone-a', node: 'host-0123456789', pool: 'pool-0123456789' },
    note: LONG,
  }));
  run = placed(run, run.placement.activityId ?? '', requests, NOW);
  for (const round of [0, 1]) {
    run = nextSteps(run, NOW + round).run;
    for (const [number, kind] of kinds.entries()) {
      const keys = Object.keys(run.members).filter(
        (key, at) => at % kinds.length === number && run.members[key]?.operation,
      );
      run = troubles[kind](run, keys);
    }
  }
  return nextSteps(run, NOW + 10).run;
}

export type Trouble = keyof typeof troubles;

const attempt: Attempt = { attempt: 3, at: NOW, class: 'Transient', message: LONG, retryAt: NOW + 1000 };

function idOf(run: Run, key: string): string {
  return run.members[key]?.operation?.activityId ?? '';
}

export const troubles = {
  parked: (run: Run, keys: string[]): Run => {
    const failure = { class: 'Permanent', message: LONG, failures: [attempt] };
    const ends = keys.map((key) => ({ activityId: idOf(run, key), at: NOW, failure }));
    return operationsEnded(run, ends, () => true);
  },
  forged: (run: Run, keys: string[]): Run => {
    const ends = keys.map((key) => ({ activityId: idOf(run, key), at: NOW, unconfirmed: LONG }));
    return operationsEnded(run, ends, () => true);
  },
  failing: (run: Run, keys: string[]): Run =>
    each(run, keys, (before, activityId) =>
      [1, 2, 3].reduce<Run>((after) => attemptReported(after, { activityId, attempt }), before),
    ),
  paused: (run: Run, keys: string[]): Run =>
    each(run, keys, (before, activityId) =>
      pauseReported(before, { activityId, paused: { at: NOW, by: LONG, reason: LONG } }),
    ),
  skipped: (run: Run, keys: string[]): Run => {
    const word = { verb: 'skipMember' as const, actor: 'ä'.repeat(500), reason: 'ö'.repeat(500), at: NOW };
    const members = { ...run.members };
    for (const key of keys) members[key] = { ...(members[key] as MemberState), word };
    const member = keys[0];
    return member === undefined
      ? run
      : applyCommand({ ...run, members }, 'skipMember', { ...word, member }, NOW).run;
  },
  'of a long class': (run: Run, keys: string[]): Run =>
    each(run, keys, (before, activityId) =>
      attemptReported(before, { activityId, attempt: { ...attempt, class: LONG.slice(0, 1_000) } }),
    ),
  roomless: (run: Run, keys: string[]): Run => ({
    ...run,
    roomless: Object.fromEntries(keys.map((key) => [key, LONG.slice(0, 1_000)])),
  }),
  unread: (run: Run): Run =>
    Array.from({ length: 30 }).reduce<Run>(
      (after) => ignoring(after, { at: NOW, what: LONG, why: LONG }),
      run,
    ),
  drifted: (run: Run, keys: string[]): Run => ({
    ...run,
    corrections: Object.fromEntries(keys.map((key) => [key, [NOW, NOW + 1, NOW + 2]])),
  }),
};

function each(run: Run, keys: string[], change: (run: Run, activityId: string) => Run): Run {
  return keys.reduce((after, key) => change(after, idOf(after, key)), run);
}
