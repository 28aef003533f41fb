/**
 * SIZE-1, CARRIED-1, G2: whatever a run holds, what leaves it fits, and the next execution continues with it.
 *
 * Guarantees: G2.
 */
import fc from 'fast-check';
import { byteLength, jsonLength } from '../../api';
import { attemptReported } from '../../workflows/operations';
import { applyCommand } from '../../workflows/operator-commands';
import { nextSteps, openStarts } from '../../workflows/planner';
import { detailsOf, parkedMembers, progressOf } from '../../workflows/progress';
import { begin } from '../../workflows/plans';
import { carried, unpacked, type CarriedRun } from '../../workflows/carried-run';
import { BUDGET, fitParked } from '../../workflows/size';
import { end, membersOf, type Run } from '../../workflows/state';
import { propertyRuns } from '../support/property-runs';
import { group, MINUTE, plan, SECOND, seen, tier, vm } from './plans';
import { World } from './world';
import { LONG, longName, NOW, troubled, troubles, VMS, type Trouble } from './troubled';

/** All of them, unless property tests are scaled down. */
const count = Math.min(VMS, propertyRuns(VMS));

function expectToFit(run: Run): void {
  expect(jsonLength(fitParked(parkedMembers(run)))).toBeLessThanOrEqual(2_048);
  expect(byteLength(detailsOf(run))).toBeLessThanOrEqual(20_000);
  const answer = progressOf(run);
  expect(jsonLength(answer)).toBeLessThanOrEqual(BUDGET.progress);
  expect(answer.members).toHaveLength(membersOf(run.plan).length);
  const state = carried(run);
  expect(state).toBeDefined();
  expect(jsonLength(state)).toBeLessThanOrEqual(BUDGET.carried);
  const { outcome } = nextSteps(end(run, 'Cancelled', LONG), NOW + 20);
  const settled =
    outcome ?? nextSteps({ ...end(run, 'Cancelled', LONG), claims: noClaims }, NOW + 20).outcome;
  expect(settled).toBeDefined();
  expect(jsonLength(settled)).toBeLessThanOrEqual(BUDGET.outcome);
  expect(settled?.exceptions.length).toBeGreaterThan(0);
}

const noClaims = { sequence: 1, vms: {} };

describe('G2: 2,000 VMs with names of 253 characters and errors of 4 KB', () => {
  it.each(Object.keys(troubles) as Trouble[])('all of them %s', (kind) => {
    expectToFit(troubled([kind], count));
  });

  it('in any mixture', () => {
    const kinds = fc.array(fc.constantFrom(...(Object.keys(troubles) as Trouble[])), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(kinds, fc.integer({ min: 1, max: count }), (mixture, vms) =>
        expectToFit(troubled(mixture, vms)),
      ),
      { numRuns: propertyRuns(5) },
    );
  }, 300_000);

  it('the details count the members that are done, also where rows do not fit', () => {
    const members = Array.from({ length: 60 }, (_, at) => vm(longName(at)));
    const world = new World((id) => ({ takes: Number(/\d+/.exec(id)) < 20 ? SECOND : 60 * MINUTE }));
    world.send(plan([tier(members)])).pass(world.now + 2 * SECOND);
    const open = Object.keys(world.run!.members).filter((key) => world.run!.members[key]?.operation);
    const run = troubles.paused(troubles.failing(world.run!, open), open);
    expect(detailsOf(run)).toMatch(/\n20 of 60 members done; \d+ more not shown\.$/);
  });

  it('one workflow task schedules no more than a message of Temporal can hold', () => {
    const members = Array.from({ length: VMS }, (_, at) => seen(longName(at), 'PoweredOff', NOW));
    const policy = { ...plan([]).policy, maxConcurrentOperations: 10_000 };
    const run = begin({ plan: plan([tier(members)], { policy }), cause: 'SpecChanged' }, NOW);
    const { start } = nextSteps(run, NOW);
    expect(start.length).toBeGreaterThan(100);
    expect(jsonLength(start)).toBeLessThan(3_500_000);
  });

  it('one workflow task with the largest probe and answers fits too', () => {
    const value = 'v'.repeat(820);
    const probe = {
      httpGet: { port: 1, scheme: 'HTTP' as const, path: '/', headers: [{ name: 'x', value }] },
      period: 500,
      timeout: 1_000,
      successThreshold: 1,
    };
    expect(jsonLength(probe)).toBeGreaterThan(920);
    const questions = Array.from({ length: 4 }, () => ({ kind: 'k'.repeat(64), answer: 'a'.repeat(60) }));
    expect(jsonLength(questions)).toBeGreaterThan(580);
    const members = Array.from({ length: VMS }, (_, at) => seen(longName(at), 'PoweredOff', NOW));
    const policy = { ...plan([]).policy, maxConcurrentOperations: 10_000, questions };
    const of = plan([tier(members, { gate: 'Probe', probe })], { policy });
    const { start } = nextSteps(begin({ plan: of, cause: 'SpecChanged' }, NOW), NOW);
    expect(start.length).toBeGreaterThan(100);
    expect(jsonLength(start)).toBeLessThan(3_500_000);
  });
});

describe('state that continues as new', () => {
  it('is the state as it was, in runs of usual size', () => {
    const run = nextSteps(troubled(['failing', 'parked', 'skipped'], 20), NOW).run;
    const { activityIds: _ids, ...before } = run;
    const { activityIds, ...after } = unpacked(JSON.parse(JSON.stringify(carried(run))) as CarriedRun);
    expect(after).toEqual(JSON.parse(JSON.stringify(before)));
    expect(Object.keys(activityIds).length).toBeLessThan(Object.keys(run.activityIds).length);
  });

  it('keeps members, phases, operations and places of large ones', () => {
    const run = troubled(['parked', 'failing', 'skipped', 'drifted'], count);
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
    expect(Object.keys(after.placements)).toHaveLength(count);
    // The next execution decides as this one would.
    expect(nextSteps(after, NOW + 99).start.map(({ activityId }) => activityId)).toEqual(
      nextSteps(run, NOW + 99).start.map(({ activityId }) => activityId),
    );
  });

  const many = Array.from({ length: VMS - 1 }, (_, at) => vm(longName(at)));
  const off = many.map(({ name }) => seen(name, 'PoweredOff', NOW));
  const inner = plan([tier([seen('x', 'PoweredOff', NOW)])], {
    name: '2',
    uid: 'uid-2',
    lineage: 'uid-shop/uid-2',
  });
  it.each([
    ['a VM of its name waits for room', plan([tier([vm('shop'), ...many])]), 'skipMember', longName(3)],
    [
      'a nested group is named by a number',
      plan([tier([group(inner), ...off])]),
      'retryMember',
      'VirtualMachineGroup/2',
    ],
  ] as const)(
    'CARRIED-1: the id of an open activity is not used again where %s',
    (_, desired, verb, member) => {
      const begun = nextSteps(begin({ plan: desired, cause: 'SpecChanged' }, NOW), NOW).run;
      const run = attemptReported(begun, {
        activityId: 'power-on/VirtualMachineGroup/2',
        attempt: { attempt: 1, at: NOW, class: 'Transient', message: '' },
      });
      const state = carried(run);
      expect(state && 'packed' in state).toBe(true);
      const after = unpacked(JSON.parse(JSON.stringify(state)) as CarriedRun);
      const open = openStarts(after, () => true).map(({ activityId }) => activityId);
      const command = { member, actor: 'ann', reason: 'now' };
      const { cancel, start } = nextSteps(applyCommand(after, verb, command, NOW + 1).run, NOW + 1);
      expect(cancel).toHaveLength(1);
      expect(start.length).toBeGreaterThan(0);
      expect(start.filter(({ activityId }) => open.includes(activityId))).toEqual([]);
    },
  );
});
