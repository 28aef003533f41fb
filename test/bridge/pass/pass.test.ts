/**
 * The pure pass over one tree: PASS-1 and PASS-2, and when it comes back.
 *
 * Guarantees: G6.
 */
import { indexManifests, resolveTiers, type RunState } from '../../../bridge';
import { treeOf } from '../../../bridge/manifests';
import {
  dueLookUps,
  missedEnds,
  returnIn,
  stepsOf,
  viewsOf,
  type GroupFacts,
  type TreeFacts,
} from '../../../bridge/pass';
import type { PowerState } from '../../../api';
import { group, manifests, NS, outcome, progressOf, seen, tier, vm } from '../fixtures';

const index = indexManifests(
  manifests({
    groups: [
      group('site', [tier(['g:app'])], { powerState: 'PoweredOn' }),
      group('app', [tier(['a'])], { groupName: 'site' }),
    ],
    virtualMachines: [vm('a', 'app')],
  }),
);
const site = index.groups.get(`${NS}/site`)!;
const tree = treeOf(index, site);
const NONE: RunState = { phase: 'None' };

/** Facts in which no group ever had a run and the VM is off, except what is given by name. */
function factsOf(of: Record<string, Partial<GroupFacts>> = {}): TreeFacts {
  const groups = tree.map((each): [string, GroupFacts] => [
    `${NS}/${each.name}`,
    {
      tiers: resolveTiers(index, each),
      run: NONE,
      watchBehindFor: 0,
      sendIn: 0,
      problems: [],
      ...of[each.name],
    },
  ]);
  return {
    index,
    tree,
    placesAhead: false,
    mayLosePlace: () => false,
    now: 1_000,
    groups: new Map(groups),
    machines: new Map([[`${NS}/a`, { status: seen('PoweredOff'), isNews: true }]]),
  };
}

/** The same facts without the run of one group. */
function withoutRun(facts: TreeFacts, name: string): TreeFacts {
  const groups = new Map(facts.groups);
  const { run: _run, ...rest } = groups.get(`${NS}/${name}`)!;
  return { ...facts, groups: groups.set(`${NS}/${name}`, rest) };
}

const all = new Set(tree);
const asking = progressOf(stepsOf(factsOf(), all).drivers[0]!.plan, {
  members: [{ member: 'VirtualMachineGroup/app', tier: 0, phase: 'InProgress', since: 5 }],
});
const open: RunState = { phase: 'Open', runId: 'r1', startedAt: 1, progress: asking };

describe('what to send', () => {
  it('starts the run of the driver alone, with one plan for the whole tree', () => {
    const { drivers, undriven } = stepsOf(factsOf(), all);
    expect(drivers.map(({ driver, decision }) => [driver.name, decision?.send?.cause])).toEqual([
      ['site', 'SpecChanged'],
    ]);
    expect(drivers[0]?.plan.tiers[0]?.members[0]?.plan?.name).toBe('app');
    expect(undriven).toEqual([]);
  });

  it('PASS-1: decides nothing while the run of a driven group is unknown', () => {
    expect(stepsOf(withoutRun(factsOf(), 'app'), all).drivers[0]?.decision).toBeUndefined();
  });

  it('PASS-1: decides nothing while a driven group could be deleted unnoticed', () => {
    expect(stepsOf(factsOf(), new Set([site])).drivers[0]?.decision).toBeUndefined();
  });

  it.each<[string, Partial<GroupFacts>, number]>([
    ['a changed power state is sent at once', { sendIn: 70 }, 0],
    ['what an operator asks for too', { sendIn: 70, asked: { actor: 'kim', reason: 'test' } }, 0],
    ['other changes are gathered', { sendIn: 70, sent: sentOf('PoweredOn') }, 70],
  ])('%s', (_, site, sendIn) => {
    expect(stepsOf(factsOf({ site }), all).drivers[0]?.sendIn).toBe(sendIn);
  });
});

function sentOf(powerState: PowerState): NonNullable<GroupFacts['sent']> {
  return { digest: '', revision: '', lineage: '', powerState, forceSync: '', drift: {} };
}

test('PASS-2: every group is shown, nested groups first, also while runs are unknown', () => {
  const facts = withoutRun(withoutRun(factsOf(), 'app'), 'site');
  const views = viewsOf(facts, stepsOf(facts, new Set()));
  expect(views.map(({ metadata, phase }) => [metadata.name, phase])).toEqual([
    ['app', 'OutOfSync'],
    ['site', 'OutOfSync'],
  ]);
});

describe('which runs are looked up', () => {
  const due = (facts: TreeFacts, before: [string, string][] = []): string[] =>
    dueLookUps(index, tree, facts.groups, new Map(before)).map(({ group: { name } }) => name);

  it('those that were never looked up', () => {
    expect(due(withoutRun(factsOf(), 'site'), [[`${NS}/app`, '']])).toEqual(['site']);
  });

  it('a nested one once for each state that its parent has it in', () => {
    const facts = factsOf({ site: { run: open } });
    const [lookUp] = dueLookUps(index, tree, facts.groups, new Map());
    expect(lookUp).toMatchObject({ group: { name: 'app' }, isStarting: true });
    expect(due(facts, [[`${NS}/app`, lookUp!.asState]])).toEqual([]);
  });

  it('no open one', () => {
    expect(due(factsOf({ site: { run: open }, app: { run: { ...open, runId: 'r2' } } }))).toEqual([]);
  });
});

describe('when the tree is looked at again', () => {
  const after = (facts: TreeFacts): number | undefined => returnIn(facts, stepsOf(facts, all));

  it.each<[string, TreeFacts, number | undefined]>([
    ['never, if nothing ends by itself', factsOf(), undefined],
    ['when a plan may be sent', factsOf({ site: { sendIn: 70, sent: sentOf('PoweredOn') } }), 70],
    ['soon after the watch has caught up', factsOf({ app: { watchBehindFor: 400 } }), 450],
    [
      'at the first of these times',
      factsOf({ site: { sendIn: 70, sent: sentOf('PoweredOn'), watchBehindFor: 10 } }),
      60,
    ],
  ])('%s', (_, facts, expected) => {
    expect(after(facts)).toBe(expected);
  });
});

describe('nested runs that have ended without notifying the parent', () => {
  const waiting: RunState = {
    ...open,
    progress: progressOf(stepsOf(factsOf(), all).drivers[0]!.plan, {
      members: [
        {
          member: 'VirtualMachineGroup/app',
          tier: 0,
          phase: 'InProgress',
          since: 5,
          awaitedRunId: 'app-1',
        },
      ],
    }),
  };
  const ended = { phase: 'Closed', runId: 'app-2', startedAt: 1, endedAt: 2 } as const;
  const ends = (parent: RunState, child: RunState): unknown =>
    missedEnds(factsOf({ site: { run: parent }, app: { run: child } })).map(({ parent: { name }, end }) => [
      name,
      end,
    ]);

  it('are found', () => {
    expect(ends(waiting, { ...ended, closedAs: 'TERMINATED' })).toEqual([
      ['site', { member: 'VirtualMachineGroup/app', runId: 'app-1', endedRunId: 'app-2' }],
    ]);
    expect(ends(waiting, NONE)).toEqual([
      ['site', { member: 'VirtualMachineGroup/app', runId: 'app-1', endedRunId: '' }],
    ]);
  });

  it.each<[string, RunState, RunState]>([
    ['the nested run is open', waiting, { ...open, runId: 'app-1' }],
    ['the parent waits with an activity', open, { ...ended, closedAs: 'TERMINATED' }],
    ['the parent has no run', NONE, { ...ended, closedAs: 'TERMINATED' }],
    [
      'the nested run has an outcome: it notifies the parent itself',
      waiting,
      { ...ended, closedAs: 'COMPLETED', outcome: outcome(stepsOf(factsOf(), all).drivers[0]!.plan) },
    ],
  ])('unless %s', (_why, parent, child) => {
    expect(ends(parent, child)).toEqual([]);
  });

  it('unless the run of the nested group is unknown', () => {
    expect(missedEnds(withoutRun(factsOf({ site: { run: waiting } }), 'app'))).toEqual([]);
  });
});
