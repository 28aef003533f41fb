/** SIZE-1, G2: whatever a run holds, what leaves it fits. */
import fc from 'fast-check';
import { byteLength, jsonLength } from '../../api';
import { decide } from '../../workflows/decide';
import type { Attempt } from '../../workflows';
import { attemptReported, operationsEnded, pauseReported } from '../../workflows/operations';
import { placed } from '../../workflows/placing';
import { detailsOf, parkedMembers, progressOf } from '../../workflows/progress';
import { begin } from '../../workflows/run';
import { BUDGET, carried, fitParked, unpacked, type CarriedRun } from '../../workflows/size';
import { end, ignoring, membersOf, type MemberState, type Run } from '../../workflows/state';
import { speak } from '../../workflows/words';
import { propertyRuns } from '../support/property-runs';
import { plan, seen, tier, vm } from './plans';

const NOW = 1_700_000_000_000;
const VMS = 2_000;
/** As long as Kubernetes lets a name be. */
const name = (at: number): string => `${String(at).padStart(5, '0')}-`.padEnd(252, 'v') + 'm';
const LONG = 'Es ist kein Platz im Rack "β" — '.repeat(130);

/** A run in which every member is in the given kind of trouble. */
function troubled(kinds: readonly Trouble[], count = VMS): Run {
  const members = Array.from({ length: count }, (_, at) =>
    at % 2 === 0 ? vm(name(at)) : seen(name(at), 'PoweredOff', NOW, { uid: `uid-${at}` }),
  );
  const policy = { ...plan([]).policy, maxConcurrentOperations: 10_000 };
  let run = begin({ plan: plan([tier(members)], { policy }), cause: 'SpecChanged', digest: 'd' }, NOW);
  run = decide(run, NOW).run;
  const requests = membersOf(run.plan).map(({ member }) => ({
    vm: { namespace: 'production', name: member.name, uid: member.uid ?? '' },
    placement: { zoneID: 'zone-a', node: 'host-0123456789', pool: 'pool-0123456789' },
    note: LONG,
  }));
  run = placed(run, run.placement.activityId ?? '', requests, NOW);
  for (const round of [0, 1]) {
    run = decide(run, NOW + round).run;
    for (const [number, kind] of kinds.entries()) {
      const keys = Object.keys(run.members).filter(
        (key, at) => at % kinds.length === number && run.members[key]?.operation,
      );
      run = troubles[kind](run, keys);
    }
  }
  return decide(run, NOW + 10).run;
}

type Trouble = keyof typeof troubles;

const attempt: Attempt = { attempt: 3, at: NOW, class: 'Transient', message: LONG, retryAt: NOW + 1000 };

function idOf(run: Run, key: string): string {
  return run.members[key]?.operation?.activityId ?? '';
}

const troubles = {
  parked: (run: Run, keys: string[]) => {
    const failure = { class: 'Permanent', message: LONG, failures: [attempt] };
    const ends = keys.map((key) => ({ activityId: idOf(run, key), at: NOW, failure }));
    return operationsEnded(run, ends, () => true);
  },
  forged: (run: Run, keys: string[]) => {
    const ends = keys.map((key) => ({ activityId: idOf(run, key), at: NOW, unconfirmed: LONG }));
    return operationsEnded(run, ends, () => true);
  },
  failing: (run: Run, keys: string[]) =>
    each(run, keys, (before, activityId) =>
      [1, 2, 3].reduce<Run>((after) => attemptReported(after, { activityId, attempt }), before),
    ),
  paused: (run: Run, keys: string[]) =>
    each(run, keys, (before, activityId) =>
      pauseReported(before, { activityId, paused: { at: NOW, by: LONG, reason: LONG } }),
    ),
  skipped: (run: Run, keys: string[]) => {
    const word = { verb: 'skipMember' as const, actor: 'ä'.repeat(500), reason: 'ö'.repeat(500), at: NOW };
    const members = { ...run.members };
    for (const key of keys) members[key] = { ...(members[key] as MemberState), word };
    const member = keys[0];
    return member === undefined
      ? run
      : speak({ ...run, members }, 'skipMember', { ...word, member }, NOW).run;
  },
  unread: (run: Run) =>
    Array.from({ length: 30 }).reduce<Run>(
      (after) => ignoring(after, { at: NOW, what: LONG, why: LONG }),
      run,
    ),
  drifted: (run: Run, keys: string[]) => ({
    ...run,
    corrections: Object.fromEntries(keys.map((key) => [key, [NOW, NOW + 1, NOW + 2]])),
  }),
};

function each(run: Run, keys: string[], change: (run: Run, activityId: string) => Run): Run {
  return keys.reduce((after, key) => change(after, idOf(after, key)), run);
}

function expectToFit(run: Run): void {
  expect(jsonLength(fitParked(parkedMembers(run)))).toBeLessThanOrEqual(2_048);
  expect(byteLength(detailsOf(run))).toBeLessThanOrEqual(20_000);
  const answer = progressOf(run);
  expect(jsonLength(answer)).toBeLessThanOrEqual(BUDGET.progress);
  expect(answer.members).toHaveLength(membersOf(run.plan).length);
  const state = carried(run);
  expect(state).toBeDefined();
  expect(jsonLength(state)).toBeLessThanOrEqual(BUDGET.carried);
  const { outcome } = decide(end(run, 'Cancelled', LONG), NOW + 20);
  const settled = outcome ?? decide({ ...end(run, 'Cancelled', LONG), claims: noClaims }, NOW + 20).outcome;
  expect(settled).toBeDefined();
  expect(jsonLength(settled)).toBeLessThanOrEqual(BUDGET.outcome);
  expect(settled?.exceptions.length).toBeGreaterThan(0);
}

const noClaims = { sequence: 1, vms: {} };

describe('G2: 2,000 VMs with names of 253 characters and errors of 4 KB', () => {
  it.each(Object.keys(troubles) as Trouble[])('all of them %s', (kind) => {
    expectToFit(troubled([kind]));
  });

  it('in any mixture', () => {
    const kinds = fc.array(fc.constantFrom(...(Object.keys(troubles) as Trouble[])), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(kinds, fc.integer({ min: 1, max: VMS }), (mixture, count) =>
        expectToFit(troubled(mixture, count)),
      ),
      { numRuns: propertyRuns(5) },
    );
  }, 300_000);

  it('one workflow task schedules no more than a message of Temporal can hold', () => {
    const members = Array.from({ length: VMS }, (_, at) => seen(name(at), 'PoweredOff', NOW));
    const policy = { ...plan([]).policy, maxConcurrentOperations: 10_000 };
    const run = begin({ plan: plan([tier(members)], { policy }), cause: 'SpecChanged' }, NOW);
    const { start } = decide(run, NOW);
    expect(start.length).toBeGreaterThan(100);
    expect(jsonLength(start)).toBeLessThan(3_500_000);
  });
});

describe('state that continues as new', () => {
  it('is the state as it was, in runs of usual size', () => {
    const run = decide(troubled(['failing', 'parked', 'skipped'], 20), NOW).run;
    const { activityIds: _ids, ...before } = run;
    const { activityIds, ...after } = unpacked(JSON.parse(JSON.stringify(carried(run))) as CarriedRun);
    expect(after).toEqual(JSON.parse(JSON.stringify(before)));
    expect(Object.keys(activityIds).length).toBeLessThan(Object.keys(run.activityIds).length);
  });

  it('keeps members, phases, operations and places of large ones', () => {
    const run = troubled(['parked', 'failing', 'skipped', 'drifted']);
    const after = unpacked(JSON.parse(JSON.stringify(carried(run))) as CarriedRun);
    expect(Object.keys(after.members)).toEqual(Object.keys(run.members));
    for (const [key, state] of Object.entries(run.members)) {
      const kept = after.members[key];
      expect([kept?.phase, kept?.operation?.activityId, kept?.operation?.sequence]).toEqual([
        state.phase,
        state.operation?.activityId,
        state.operation?.sequence,
      ]);
    }
    expect(Object.keys(after.placements)).toHaveLength(VMS);
    // The next execution decides as this one would.
    expect(decide(after, NOW + 99).start.map(({ activityId }) => activityId)).toEqual(
      decide(run, NOW + 99).start.map(({ activityId }) => activityId),
    );
  });
});
