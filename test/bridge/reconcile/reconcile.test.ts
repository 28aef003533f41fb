/** Guarantees: G2, G6. */
import {
  chooseSend,
  planDigest,
  resolveTrees,
  wantsDigest,
  type SendDecision,
  type DriverFacts,
  type RunState,
  type SentPlan,
} from '../../../bridge';
import { begin, receivePlan } from '../../../workflows';
import type { Plan, PlanMessage, RunException, RunOutcome } from '../../../contract';
import { progressOf as progressOfRun } from '../../../workflows/progress';
import type { Run } from '../../../workflows/state';
import { group, manifests, observing, outcome, policy, progressOf, seen, tier, vm } from '../fixtures';

const on = { powerState: 'PoweredOn' as const };
const base = manifests({
  groups: [group('app', [tier(['a', 'b'])], on)],
  virtualMachines: [vm('a', 'app'), vm('b', 'app')],
});
const ALL_ON = { a: 'PoweredOn', b: 'PoweredOn' } as const;
const B_OFF = { a: 'PoweredOn', b: seen('PoweredOff', { at: 200 }) } as const;

/** `unseen`: names of VMs whose platform cannot be read. */
function planOf(states: Parameters<typeof observing>[0], from = base, ...unseen: string[]): Plan {
  const isUnseen = ({ name }: { name: string }): boolean => unseen.includes(name);
  const plan = resolveTrees(from, { observe: observing(states), isUnseen }).find(
    ({ name }) => name === 'app',
  );
  if (!plan) throw new Error('no plan');
  return plan;
}

function knowing(run: RunState, over: Partial<DriverFacts> = {}): DriverFacts {
  return { runOf: (name) => (name === 'app' ? run : { phase: 'None' }), isNews: () => true, ...over };
}

function closed(last?: RunOutcome, closedAs = 'COMPLETED'): RunState {
  return {
    phase: 'Closed',
    runId: 'r1',
    startedAt: 10,
    endedAt: 50,
    closedAs,
    ...(last && { outcome: last }),
  };
}

function sentOf(plan: Plan, over: Partial<SentPlan> = {}): SentPlan {
  return {
    digest: planDigest(plan),
    wants: wantsDigest(plan),
    revision: plan.revision,
    lineage: plan.lineage,
    powerState: plan.powerState,
    forceSync: plan.forceSync ?? '',
    drift: {},
    runId: 'r1',
    ...over,
  };
}

const cause = (decision: SendDecision) => decision.send?.cause;
const NONE: RunState = { phase: 'None' };
const observedOn = { a: seen('PoweredOn'), b: seen('PoweredOn') };

describe('RECONCILE-10: while the platform of a VM cannot be read', () => {
  const off = { ...base, groups: [group('app', [tier(['a', 'b'])], { powerState: 'PoweredOff' })] };
  const plan = planOf({ a: 'PoweredOff' }, off, 'b');

  test('a run starts that is to power it off', () => {
    const { send } = chooseSend(plan, knowing(NONE));
    expect(send?.cause).toBe('SpecChanged');
    expect(send?.plan.tiers[0]?.members).toMatchObject([{ name: 'a' }, { name: 'b', unseen: true }]);
    expect(send?.plan.tiers[0]?.members[0]).not.toHaveProperty('unseen');
  });

  test.each<[string, RunState, Partial<DriverFacts>]>([
    [
      'it saw it there',
      closed(outcome(plan, { observed: { b: { ...seen('PoweredOff'), uid: 'vm-b' } } })),
      {},
    ],
    ['it has converged', closed(outcome(plan)), { sent: sentOf(plan) }],
  ])('none starts where the last run left it so: %s', (_, run, facts) => {
    expect(chooseSend(plan, knowing(run, facts))).toMatchObject({ unmet: [] });
    expect(chooseSend(plan, knowing(run, facts)).send).toBeUndefined();
  });

  test('one starts where the last run saw another VM of that name, or in another state', () => {
    for (const last of [
      { ...seen('PoweredOff'), uid: 'vm-b-1' },
      { ...seen('PoweredOn'), uid: 'vm-b' },
    ]) {
      const run = closed(outcome(plan, { observed: { b: last } }));
      expect(cause(chooseSend(plan, knowing(run)))).toBe('MembersChanged');
    }
  });

  test('a VM that is parked is not tried again as if it had been seen there', () => {
    const members = [{ member: 'b', phase: 'Parked' as const, tier: 0, since: 1 }];
    const run: RunState = {
      phase: 'Open',
      runId: 'r1',
      startedAt: 10,
      progress: progressOf(plan, { members }),
    };
    expect(chooseSend(plan, knowing(run, { sent: sentOf(plan) })).send).toBeUndefined();
  });

  test('it is the same desired state as while the VM is seen', () => {
    expect(planDigest(plan)).toBe(planDigest(planOf({ a: 'PoweredOff', b: 'PoweredOff' }, off)));
  });
});

describe('RECONCILE-9: a run that was ended from outside', () => {
  const plan = planOf(B_OFF);
  const terminated: RunState = {
    ...(closed(undefined, 'TERMINATED') as RunState & { phase: 'Closed' }),
    ended: { by: 'anna@host', reason: 'wrong button' },
  };

  test('is cleared up after, with who ended it', () => {
    expect(chooseSend(plan, knowing(terminated))).toMatchObject({
      cleanUp: {
        digest: planDigest(plan),
        runId: 'r1',
        actor: 'anna@host',
        reason: 'wrong button',
        message: 'Terminated by anna@host: wrong button',
      },
      sent: { wants: wantsDigest(plan) },
      stopped: true,
      why: expect.stringMatching(/^stopped \(TERMINATED by anna@host: wrong button\): /) as string,
    });
  });

  test('also if the actor is unknown', () => {
    expect(chooseSend(plan, knowing(closed(undefined, 'TIMED_OUT'))).cleanUp).toMatchObject({
      actor: 'unknown',
      reason: 'Ended as TIMED_OUT',
      message: 'Ended as TIMED_OUT by unknown',
    });
  });

  test.each<[string, RunState]>([
    ['it was a clean-up itself', { ...terminated, isCleanUp: true }],
    ['it has an outcome', closed(outcome(plan, { outcome: 'Cancelled' }))],
    ['there was none', NONE],
  ])('unless %s', (_why, run) => {
    expect(chooseSend(plan, knowing(run)).cleanUp).toBeUndefined();
  });

  test('unless an operator asks for a run, or the desired state has changed', () => {
    const asked = { actor: 'bert', reason: 'again' };
    expect(chooseSend(plan, knowing(terminated, { asked }))).not.toHaveProperty('cleanUp');
    const sent = sentOf(plan, { wants: 'other' });
    expect(chooseSend(plan, knowing(terminated, { sent }))).not.toHaveProperty('cleanUp');
  });

  test('is left alone while the run of a nested group is open', () => {
    const nested = manifests({
      groups: [group('app', [tier(['g:db'])], on), group('db', [tier(['a'])], { groupName: 'app' })],
      virtualMachines: [vm('a', 'db')],
    });
    const tree = planOf({ a: 'PoweredOff' }, nested);
    const open: RunState = { phase: 'Open', runId: 'r2', startedAt: 10 };
    const knowingDb = (db: RunState): DriverFacts =>
      knowing(NONE, { runOf: (name) => (name === 'app' ? terminated : db) });
    expect(chooseSend(tree, knowingDb(open)).cleanUp).toBeUndefined();
    expect(chooseSend(tree, knowingDb(NONE)).cleanUp).toBeDefined();
  });
});

test('RECONCILE-8: a plan that Temporal would refuse for its size is not sent, and says what to do', () => {
  const plan = planOf({});
  const [first] = plan.tiers;
  const members = Array.from({ length: 8_000 }, (_, at) => ({
    kind: 'VirtualMachine' as const,
    name: `vm-${at}`.padEnd(200, 'm'),
    uid: `uid-${at}`,
    link: 'Linked' as const,
  }));
  const decision = chooseSend({ ...plan, tiers: first ? [{ ...first, members }] : [] }, knowing(NONE));
  expect(decision).toMatchObject({ tooLarge: true, stopped: false });
  expect(decision.send).toBeUndefined();
  expect(decision.why).toMatch(/^the plan of this tree of groups takes \d+ bytes .*: split the group/);
});

describe('RECONCILE-5: VMs that come into being only once they are placed', () => {
  const from = manifests({
    groups: [group('app', [tier(['g:child', 'a'])]), group('child', [tier(['b'])], { groupName: 'app' })],
    virtualMachines: [vm('a', 'app'), vm('b', 'child')],
  });
  const ahead = (states: Parameters<typeof observing>[0]): Plan => {
    const plans = resolveTrees(from, { observe: observing(states), placesAhead: true });
    expect(plans.map(({ name, powerState }) => `${name} ${powerState}`)).toEqual(['app Unchanged']);
    return plans[0] as Plan;
  };
  const placement = { zoneID: 'zone-a' };

  it('one without a place starts a run, and no power state does', () => {
    expect(cause(chooseSend(ahead({}), knowing(NONE)))).toBe('SpecChanged');
    const both = { a: seen('PoweredOn', { placement }), b: seen('PoweredOff', { placement }) };
    expect(chooseSend(ahead(both), knowing(NONE)).send).toBeUndefined();
  });

  it('one that the last run has placed starts none, but another one of the same name does', () => {
    const plan = ahead({});
    const placements = { a: { ...placement, uid: 'vm-a' }, b: { ...placement, uid: 'vm-b' } };
    expect(chooseSend(plan, knowing(closed(outcome(plan, { placements })))).send).toBeUndefined();
    const other = { ...placements, b: { ...placement, uid: 'vm-of-yesterday' } };
    expect(chooseSend(plan, knowing(closed(outcome(plan, { placements: other })))).unmet).toMatchObject([
      { path: 'child/b' },
    ]);
  });

  it('a group below with a power state of its own drives itself', () => {
    const groups = [
      group('app', [tier(['g:child', 'a'])]),
      group('child', [tier(['b'])], { groupName: 'app', powerState: 'PoweredOff' }),
    ];
    const [app, child] = resolveTrees(manifests({ ...from, groups }), { placesAhead: true });
    expect(app).toMatchObject({ name: 'app', powerState: 'Unchanged' });
    expect(app?.tiers[0]?.members[0]).not.toHaveProperty('plan');
    expect(child).toMatchObject({ name: 'child', powerState: 'PoweredOff', placesAhead: true });
  });
});

describe('no run is open', () => {
  const off = planOf({});
  const bOff = planOf(B_OFF);
  const allOn = planOf(ALL_ON);
  const onlyA = planOf({}, { ...base, virtualMachines: [vm('a', 'app')] });
  const { wants, ...withoutWants } = sentOf(bOff);
  const forced = planOf(ALL_ON, {
    ...base,
    groups: [group('app', [tier(['a', 'b'])], { ...on, nextForcePowerStateSyncTime: 'now' })],
  });
  const reporting = planOf(B_OFF, {
    ...base,
    policies: [policy('default', { drift: { action: 'Report', maxCorrections: 3, window: 1 } })],
  });
  const exception = (reason: RunException['reason']) =>
    outcome(bOff, {
      outcome: 'ConvergedWithExceptions',
      observed: { a: seen('PoweredOn') },
      exceptions: [{ member: 'b', reason, message: '' }],
    });

  const table: [string, Plan, DriverFacts, string | undefined][] = [
    ['nothing ran yet and VMs are off', off, knowing(NONE), 'SpecChanged'],
    ['RECONCILE-1: nothing ran yet and all is there', allOn, knowing(NONE), undefined],
    [
      'RECONCILE-1: a new revision that is met already',
      allOn,
      knowing(closed(outcome(allOn, { revision: 'old' }))),
      undefined,
    ],
    [
      'a new revision that is not met',
      bOff,
      knowing(closed(outcome(bOff, { revision: 'old' }))),
      'SpecChanged',
    ],
    ['a VM left', bOff, knowing(closed(outcome(bOff, { observed: observedOn }))), 'Drift'],
    [
      'a VM joined',
      bOff,
      knowing(closed(outcome(bOff, { observed: { a: seen('PoweredOn') } }))),
      'MembersChanged',
    ],
    ['RECONCILE-2: parked', bOff, knowing(closed(exception('Parked'))), undefined],
    ['RECONCILE-2: skipped', bOff, knowing(closed(exception('Skipped'))), undefined],
    ['RECONCILE-2: marked ready', bOff, knowing(closed(exception('MarkedReady'))), undefined],
    ['RECONCILE-2: drift that was reported', bOff, knowing(closed(exception('Drifted'))), undefined],
    ['RECONCILE-2: an optional member without room', bOff, knowing(closed(exception('NoRoom'))), undefined],
    ['RECONCILE-2: drift limit', bOff, knowing(closed(exception('DriftLimit'))), undefined],
    [
      'an exception that is over starts one: it appeared',
      bOff,
      knowing(closed(exception('NotFound'))),
      'MembersChanged',
    ],
    ['one whose turn did not come', bOff, knowing(closed(exception('NotStarted'))), 'MembersChanged'],
    [
      'but not again and again',
      bOff,
      knowing(closed({ ...exception('NotStarted'), operations: 0 })),
      undefined,
    ],
    [
      'RECONCILE-2 ends with the revision',
      bOff,
      knowing(closed({ ...exception('Parked'), revision: 'old' })),
      'SpecChanged',
    ],
    ['RECONCILE-3: aborted', bOff, knowing(closed(outcome(bOff, { outcome: 'Cancelled' }))), undefined],
    ['RECONCILE-3: failed', bOff, knowing(closed(outcome(bOff, { outcome: 'Failed' }))), undefined],
    [
      'RECONCILE-3: ended from outside',
      bOff,
      knowing(closed(undefined, 'TERMINATED'), { sent: sentOf(bOff) }),
      undefined,
    ],
    [
      'RECONCILE-3: ended from outside, nothing remembered',
      bOff,
      knowing(closed(undefined, 'TERMINATED')),
      undefined,
    ],
    [
      'RECONCILE-3 ends with the desired state',
      bOff,
      knowing(closed(outcome(bOff, { outcome: 'Cancelled', powerState: 'PoweredOff' }))),
      'SpecChanged',
    ],
    [
      'RECONCILE-3 ends with the membership',
      bOff,
      knowing(closed(outcome(bOff, { outcome: 'Cancelled' })), { sent: sentOf(onlyA) }),
      'MembersChanged',
    ],
    [
      'RECONCILE-3 does not end with an update: plans of another build say other things',
      bOff,
      knowing(closed(outcome(bOff, { outcome: 'Cancelled' })), { sent: sentOf(bOff, { digest: 'other' }) }),
      undefined,
    ],
    [
      'RECONCILE-3 does not end with an update from a build that remembers less',
      bOff,
      knowing(closed(outcome(bOff, { outcome: 'Cancelled' })), { sent: withoutWants }),
      undefined,
    ],
    [
      'nor where such a run was ended from outside',
      bOff,
      knowing(closed(undefined, 'TERMINATED'), { sent: withoutWants }),
      undefined,
    ],
    [
      'but it ends with the desired state there too',
      bOff,
      knowing(closed(undefined, 'TERMINATED'), { sent: { ...withoutWants, revision: 'old' } }),
      'SpecChanged',
    ],
    [
      'RECONCILE-3 does not end with a VM outside of the group that a rule selects',
      { ...bOff, beside: [{ name: 'x', uid: 'vm-x' }] },
      knowing(closed(outcome(bOff, { outcome: 'Cancelled' })), { sent: sentOf(bOff) }),
      undefined,
    ],
    [
      'RECONCILE-3: another bridge has started the run that was stopped',
      bOff,
      knowing(closed(outcome(bOff, { outcome: 'Cancelled' })), {
        sent: sentOf(onlyA, { revision: 'old', runId: 'r0' }),
      }),
      undefined,
    ],
    [
      'RECONCILE-4: drift is only reported by another build too',
      reporting,
      knowing(closed(outcome(reporting)), { sent: sentOf(reporting, { digest: 'other' }) }),
      undefined,
    ],
    [
      'RECONCILE-3 ends when an operator asks',
      bOff,
      knowing(closed(outcome(bOff, { outcome: 'Cancelled' })), { asked: { actor: 'ann', reason: 'fixed' } }),
      'Asked',
    ],
    [
      'RECONCILE-4: drift is only reported',
      reporting,
      knowing(closed(outcome(reporting, { observed: observedOn }))),
      undefined,
    ],
    [
      'RECONCILE-4: a joined VM starts one all the same',
      reporting,
      knowing(closed(outcome(reporting, { observed: { a: seen('PoweredOn') } }))),
      'MembersChanged',
    ],
    [
      'RECONCILE-4: so does one that has replaced the VM that the run saw',
      reporting,
      knowing(
        closed(
          outcome(reporting, { observed: { ...observedOn, b: { ...seen('PoweredOn'), uid: 'vm-b-1' } } }),
        ),
      ),
      'MembersChanged',
    ],
    [
      'RECONCILE-4: not the VM that the run saw',
      reporting,
      knowing(
        closed(outcome(reporting, { observed: { ...observedOn, b: { ...seen('PoweredOn'), uid: 'vm-b' } } })),
      ),
      undefined,
    ],
    [
      'RECONCILE-4: a changed desired state too',
      reporting,
      knowing(closed(outcome(reporting, { revision: 'old' }))),
      'SpecChanged',
    ],
    ['force sync of what is there', forced, knowing(closed(outcome(forced))), 'ForceSync'],
    [
      'force sync that was carried out',
      forced,
      knowing(closed(outcome(forced, { forceSync: 'now@app@1' }))),
      undefined,
    ],
    [
      'force sync that was sent',
      forced,
      knowing(closed(outcome(forced)), { sent: sentOf(forced) }),
      undefined,
    ],
    ['withdrawn', bOff, knowing(closed(outcome(bOff, { outcome: 'Superseded' }))), 'MembersChanged'],
  ];
  test('who asked for a force sync goes with it, and with nothing else', () => {
    const syncAsker = { actor: 'bob', reason: 'INC-4711' };
    const sync = chooseSend(forced, knowing(closed(outcome(forced)), { syncAsker }));
    expect(sync.send).toMatchObject({ cause: 'ForceSync', ...syncAsker });
    const other = chooseSend(
      reporting,
      knowing(closed(outcome(reporting, { revision: 'old' })), { syncAsker }),
    );
    expect(other.send?.cause).toBe('SpecChanged');
    expect(other.send).not.toHaveProperty('actor');
  });

  test.each(table)('%s', (_, plan, knowledge, expected) => {
    const decision = chooseSend(plan, knowledge);
    expect(cause(decision)).toBe(expected);
    expect(decision.why).not.toBe('');
  });

  test('RECONCILE-3: what says too little of a stopped run is replaced, so that a later join can be told apart', () => {
    const stopped = closed(outcome(bOff, { outcome: 'Cancelled' }));
    for (const sent of [undefined, withoutWants, sentOf(onlyA, { runId: 'r0' })]) {
      const kept = chooseSend(bOff, knowing(stopped, { ...(sent && { sent }) })).sent;
      expect(kept).toMatchObject({ digest: planDigest(bOff), wants });
    }
    expect(chooseSend(bOff, knowing(stopped, { sent: sentOf(bOff) })).sent).toBeUndefined();
  });

  test('who asks is on record', () => {
    const asked = { actor: 'ann', reason: 'disk replaced' };
    expect(chooseSend(allOn, knowing(closed(outcome(allOn)), { asked })).send).toMatchObject({
      ...asked,
      cause: 'Asked',
    });
  });

  test('drift is marked in the plan, a join is not', () => {
    const drifted = chooseSend(bOff, knowing(closed(outcome(bOff, { observed: observedOn })))).send?.plan;
    expect(drifted?.tiers[0]?.members.map((member) => member.drifted)).toEqual([undefined, true]);
    const joined = chooseSend(bOff, knowing(closed(outcome(bOff)))).send?.plan;
    expect(joined?.tiers[0]?.members.some((member) => member.drifted)).toBe(false);
  });

  test('gate None: the run may end before the VM is seen on', () => {
    const loose = { ...base, policies: [policy('default', { gate: 'None' })] };
    const plan = planOf({ a: 'PoweredOn' }, loose);
    const run = closed(outcome(plan, { endedAt: 150 }));
    expect(cause(chooseSend(plan, knowing(run)))).toBeUndefined();
    expect(cause(chooseSend(planOf(B_OFF, loose), knowing(run)))).toBe('MembersChanged');
  });

  test('a member that is not linked starts nothing', () => {
    const from = { ...base, virtualMachines: [vm('a', 'app'), vm('b')] };
    expect(cause(chooseSend(planOf({ a: 'PoweredOn' }, from), knowing(NONE)))).toBeUndefined();
    const missing = { ...base, virtualMachines: [vm('a', 'app')] };
    expect(cause(chooseSend(planOf({ a: 'PoweredOn' }, missing), knowing(NONE)))).toBeUndefined();
  });

  test('suspended: a VM that is off is there', () => {
    const from = { ...base, groups: [group('app', [tier(['a', 'b'])], { powerState: 'Suspended' })] };
    expect(cause(chooseSend(planOf({ a: 'Suspended' }, from), knowing(NONE)))).toBeUndefined();
    expect(cause(chooseSend(planOf({ a: 'PoweredOn' }, from), knowing(NONE)))).toBe('SpecChanged');
  });
});

describe('a run is open', () => {
  const plan = planOf(ALL_ON);
  const open = (over = {}): RunState => ({
    phase: 'Open',
    runId: 'r1',
    startedAt: 10,
    progress: progressOf(plan, over),
  });
  const forced = { ...plan, forceSync: 'now@app@1' };
  const grown = planOf(ALL_ON, {
    ...base,
    groups: base.groups,
    virtualMachines: [...base.virtualMachines, vm('c', 'app')],
  });
  const bLeft = planOf(B_OFF);
  const turnedTo = { revision: 'new', powerState: 'PoweredOff' } as const;
  const turned: Plan = { ...plan, ...turnedTo };
  const table: [string, Plan, DriverFacts, string | undefined][] = [
    ['nothing new', plan, knowing(open(), { sent: sentOf(plan) }), undefined],
    ['a bridge that forgot in a restart notifies the run again', plan, knowing(open()), 'SpecChanged'],
    ['told another run', plan, knowing(open(), { sent: sentOf(plan, { runId: 'r0' }) }), 'SpecChanged'],
    ['a new revision', { ...plan, revision: 'new' }, knowing(open(), { sent: sentOf(plan) }), 'SpecChanged'],
    [
      'a parent that took over or let go',
      { ...plan, lineage: 'x' },
      knowing(open(), { sent: sentOf(plan) }),
      'SpecChanged',
    ],
    ['a force sync', forced, knowing(open(), { sent: sentOf(plan) }), 'ForceSync'],
    ['a VM that joined', grown, knowing(open(), { sent: sentOf(plan) }), 'MembersChanged'],
    ['a VM that left its state after it was done', bLeft, knowing(open(), { sent: sentOf(plan) }), 'Drift'],
    [
      'what the run said before it was turned round is no drift',
      turned,
      knowing(open(), { sent: sentOf(turned) }),
      undefined,
    ],
    [
      'the same, told already',
      bLeft,
      knowing(open(), { sent: sentOf(plan, { drift: { b: 200 } }) }),
      undefined,
    ],
    [
      'an observation older than what the run says',
      bLeft,
      knowing(open(), { sent: sentOf(plan), isNews: (name) => name !== 'b' }),
      undefined,
    ],
    [
      'a VM on its way',
      bLeft,
      knowing(
        open({ members: progressOf(plan).members.map((member) => ({ ...member, phase: 'InProgress' })) }),
        { sent: sentOf(plan) },
      ),
      undefined,
    ],
  ];
  test.each(table)('%s', (_, of, knowledge, expected) => {
    expect(cause(chooseSend(of, knowledge))).toBe(expected);
  });

  describe('RECONCILE-6: a VM that was parked, and is seen where it belongs', () => {
    const bOn = planOf({ a: 'PoweredOn', b: seen('PoweredOn', { at: 200 }) });
    const parkedAt = (since: number): RunState => {
      const members = progressOf(plan).members.map((each) =>
        each.member === 'b' ? { ...each, phase: 'Parked' as const, since } : each,
      );
      return open({ members });
    };

    test('is sent once, and marked', () => {
      const first = chooseSend(bOn, knowing(parkedAt(100), { sent: sentOf(plan) }));
      expect(cause(first)).toBe('Recovered');
      expect(first.send?.plan.tiers[0]?.members.map(({ recovered }) => recovered)).toEqual([undefined, true]);
      const sent: SentPlan = { ...sentOf(plan), ...first.sent };
      expect(sent).toMatchObject({ recovered: ['b'] });
      expect(cause(chooseSend(bOn, knowing(parkedAt(150), { sent })))).toBeUndefined();
    });

    test('not by what the run reported before it changed direction', () => {
      const back: Plan = { ...planOf({ a: 'PoweredOn', b: seen('PoweredOff', { at: 200 }) }), ...turnedTo };
      expect(cause(chooseSend(back, knowing(parkedAt(100), { sent: sentOf(back) })))).toBeUndefined();
    });

    test('not by what was seen before, out of its state or short of its gate', () => {
      const sent = sentOf(plan);
      expect(
        cause(chooseSend(bOn, knowing(parkedAt(100), { sent, isNews: (name) => name !== 'b' }))),
      ).toBeUndefined();
      const off = planOf({ a: 'PoweredOn', b: seen('PoweredOff', { at: 200 }) });
      expect(cause(chooseSend(off, knowing(parkedAt(100), { sent })))).toBeUndefined();
      const gated = manifests({ ...base, policies: [policy('default', { gate: 'Ready' })] });
      const unready = planOf({ a: 'PoweredOn', b: seen('PoweredOn', { at: 200 }) }, gated);
      expect(cause(chooseSend(unready, knowing(parkedAt(100), { sent: sentOf(unready) })))).toBeUndefined();
      const ready = planOf({ a: 'PoweredOn', b: seen('PoweredOn', { at: 200, ready: true }) }, gated);
      expect(cause(chooseSend(ready, knowing(parkedAt(100), { sent: sentOf(ready) })))).toBe('Recovered');
    });

    test('not if its probe has failed for its whole time: it is unknown whether it would succeed now', () => {
      const probed = manifests({ ...base, policies: [policy('default', { gate: 'Probe' })] });
      const of = planOf({ a: 'PoweredOn', b: seen('PoweredOn', { at: 200 }) }, probed);
      const parked = (type: string): RunState => {
        const members = progressOf(of).members.map((each) =>
          each.member === 'b'
            ? {
                ...each,
                phase: 'Parked' as const,
                since: 100,
                lastError: { class: type, message: '', at: 100 },
              }
            : each,
        );
        return open({ members });
      };
      const causeOf = (type: string) => cause(chooseSend(of, knowing(parked(type), { sent: sentOf(of) })));
      expect(causeOf('GateTimeout')).toBeUndefined();
      expect(causeOf('OperationTimeout')).toBe('Recovered');
    });
  });

  test('RECONCILE-1: no run starts to repeat a probe of VMs that are on', () => {
    const probed = manifests({ ...base, policies: [policy('default', { gate: 'Probe' })] });
    const of = planOf(ALL_ON, probed);
    for (const run of [NONE, closed(outcome(of, { observed: observedOn }))])
      expect(cause(chooseSend(of, knowing(run)))).toBeUndefined();
  });

  test('BRIDGE-4: what was sent is not sent again', () => {
    const first = chooseSend(planOf({}), knowing(NONE));
    const sent = { ...(first.sent as SentPlan), runId: 'r1' };
    expect(
      cause(chooseSend(planOf({}), knowing({ phase: 'Open', runId: 'r1', startedAt: 1 }, { sent }))),
    ).toBeUndefined();
  });
});

describe('nested groups', () => {
  const from = manifests({
    groups: [group('app', [tier(['g:child'])], on), group('child', [tier(['a', 'b'])], { groupName: 'app' })],
    virtualMachines: [vm('a', 'child'), vm('b', 'child')],
  });
  const plan = planOf(B_OFF, from);
  const child = plan.tiers[0]?.members[0]?.plan as Plan;
  const withRuns = (runs: Record<string, RunState>): DriverFacts =>
    knowing(NONE, { runOf: (name) => runs[name] ?? NONE });

  test('a VM far below starts the run of the driver, marked on the way down', () => {
    const last = closed(outcome(child, { observed: observedOn }));
    const decision = chooseSend(plan, withRuns({ app: closed(outcome(plan)), child: last }));
    expect(cause(decision)).toBe('Drift');
    const member = decision.send?.plan.tiers[0]?.members[0];
    expect(member?.drifted).toBe(true);
    expect(member?.plan?.tiers[0]?.members.map((each) => each.drifted)).toEqual([undefined, true]);
  });

  test("RECONCILE-2: an exception of the child's own run", () => {
    const last = closed(outcome(child, { exceptions: [{ member: 'b', reason: 'Parked', message: '' }] }));
    expect(cause(chooseSend(plan, withRuns({ app: closed(outcome(plan)), child: last })))).toBeUndefined();
  });

  test('a run of the child under another driver is taken over', () => {
    const all = planOf(ALL_ON, from);
    const foreign: RunState = {
      phase: 'Open',
      runId: 'c1',
      startedAt: 1,
      progress: progressOf(child, { lineage: 'group-child' }),
    };
    expect(cause(chooseSend(all, withRuns({ app: closed(outcome(all)), child: foreign })))).toBe(
      'MembersChanged',
    );
    const own: RunState = { ...foreign, progress: progressOf(child) };
    expect(cause(chooseSend(all, withRuns({ app: closed(outcome(all)), child: own })))).toBeUndefined();
  });
});

describe('RECONCILE-7: a plan that the run refuses as older, by what the run makes of it', () => {
  const edited = (powerState: 'PoweredOn' | 'PoweredOff', generation: number): Plan =>
    planOf(B_OFF, {
      ...base,
      groups: [group('app', [tier(['a', 'b'])], { powerState, generation, revision: `app@${powerState}` })],
    });
  const open = (run: Run): RunState => ({
    phase: 'Open',
    runId: 'r1',
    startedAt: 10,
    progress: progressOfRun(run),
  });
  const messageOf = ({ send }: SendDecision): PlanMessage => {
    if (!send) throw new Error('nothing to send');
    return send;
  };

  it('is sent once, then after a while as the one that replaces its plan, which the run takes', () => {
    const on = edited('PoweredOn', 1_000);
    const begun = begin(messageOf(chooseSend(on, knowing(NONE))), 1);
    // The clock of the source was set back, or a backup was restored.
    const off = edited('PoweredOff', 900);
    const remembered = sentOf(on);
    const first = chooseSend(off, knowing(open(begun), { sent: remembered }));
    const refusing = receivePlan(begun, messageOf(first), 2);
    expect(refusing.plan.powerState).toBe('PoweredOn');

    const sent = { ...(first.sent as SentPlan), runId: 'r1' };
    const waiting = chooseSend(off, knowing(open(refusing), { sent, refusedFor: 4_000 }));
    expect(waiting).toMatchObject({ refused: { retryIn: 6_000 } });
    expect(waiting.why).toContain('refuses the plan of generation 900 as older');
    const again = chooseSend(off, knowing(open(refusing), { sent, refusedFor: 10_000 }));
    const taken = receivePlan(refusing, messageOf(again), 3);
    expect(taken.plan.powerState).toBe('PoweredOff');
    const after = chooseSend(
      off,
      knowing(open(taken), { sent: { ...(again.sent as SentPlan), runId: 'r1' } }),
    );
    expect([after.send, after.refused]).toEqual([undefined, undefined]);
  });

  it('is sent at once where an operator asks', () => {
    const begun = begin(messageOf(chooseSend(edited('PoweredOn', 1_000), knowing(NONE))), 1);
    const off = edited('PoweredOff', 900);
    const refusing = receivePlan(begun, messageOf(chooseSend(off, knowing(open(begun)))), 2);
    const asked = { actor: 'ann', reason: 'now' };
    const decision = chooseSend(off, knowing(open(refusing), { sent: sentOf(off), asked }));
    expect(receivePlan(refusing, messageOf(decision), 3).plan.powerState).toBe('PoweredOff');
  });
});
