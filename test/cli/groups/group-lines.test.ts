import type { Condition, GroupView } from '../../../bridge';
import { groupLines } from '../../../cli/groups';
import { picture } from '../../../cli/live-display/picture';
import { paintFor } from '../../../cli/output';
import { verdictOf } from '../../../cli/up/verdict';
import type { MemberProgress, Progress } from '../../../contract';
import { treesOf, type PastRun } from '../../../insight';

const NOW = 1_700_000_000_000;
const paint = paintFor({ isTTY: false });
const lines = (view: GroupView, width = 80, detail: 'full' | 'open' = 'full') =>
  groupLines(view, { now: NOW, paint, width, detail });

function view(over: Partial<GroupView> = {}): GroupView {
  return {
    apiVersion: 'vmoperator.vmware.com/v1alpha6',
    kind: 'VirtualMachineGroup',
    metadata: { namespace: 'prod', name: 'shop', uid: 'u', generation: 1 },
    spec: { powerState: 'PoweredOn' },
    status: { observedGeneration: 1, members: [], conditions: [] },
    phase: 'PoweringOn',
    message: '',
    ...over,
  };
}

function running(members: MemberProgress[], tiers: Progress['tiers']): GroupView {
  const progress: Progress = {
    namespace: 'prod',
    name: 'shop',
    revision: 'r',
    generation: 1,
    lineage: 'u',
    root: 'shop',
    powerState: 'PoweredOn',
    phase: 'PoweringOn',
    message: '',
    startedAt: NOW - 90_000,
    tiers,
    members,
    placement: { phase: 'Done' },
    placements: {},
    words: [],
  };
  return view({ run: { workflowId: 'vmgroup/prod/shop', runId: 'run', startedAt: NOW - 90_000, progress } });
}

const member = (name: string, tier: number, over: Partial<MemberProgress>): MemberProgress => ({
  member: name,
  tier,
  phase: 'Pending',
  since: NOW - 5_000,
  ...over,
});

const STUCK = running(
  [
    member('db', 0, { phase: 'Done', powerState: 'PoweredOn' }),
    member('web-1', 1, {
      phase: 'InProgress',
      waitsFor: 'PoweredOn',
      attempt: 2,
      nextRetryAt: NOW + 8_000,
      lastError: { class: 'Transient', message: 'host is busy', at: NOW },
    }),
    member('web-2', 1, {
      phase: 'Parked',
      lastError: { class: 'Permanent', message: 'no such image', at: NOW },
    }),
    member('lb', 2, {}),
  ],
  [
    { tier: 0, phase: 'Done', done: 1, total: 1 },
    { tier: 1, phase: 'Running', done: 0, total: 2 },
    { tier: 2, phase: 'Delay', until: NOW + 12_000, done: 0, total: 1 },
  ],
);

test('a run: tiers with bars, members with what they wait for, and the command that helps', () => {
  expect(lines(STUCK)).toEqual([
    'prod/shop  PoweredOn  PoweringOn  1m30s',
    '  tier 1/3  ██████████  1/1  done',
    '    ✔ db  PoweredOn',
    '  tier 2/3  ░░░░░░░░░░  0/2  running',
    '    ◐ web-1  waits for PoweredOn, 5s, attempt 2',
    '        Transient: host is busy; next try in 8s',
    '    ✖ web-2  parked',
    '        Permanent: no such image',
    '        → vmgroup retry prod/shop web-2 --reason TEXT',
    '          or, in the same way: skip, mark-ready',
    '  tier 3/3  ░░░░░░░░░░  0/1  delay, 12s left',
    '    · lb',
  ]);
});

test('with a past: when the run and its tiers will be done; without one: that there is none', () => {
  const { run, ...rest } = STUCK;
  const progress = run?.progress as Progress;
  const going = {
    ...rest,
    run: {
      ...(run as NonNullable<GroupView['run']>),
      progress: { ...progress, members: progress.members.slice(0, 2) },
    },
  };
  const span = (from: number, to: number): [number, number] => [from * 1_000, to * 1_000];
  const spans = { 'web-1': span(0, 65), lb: span(70, 80) };
  const past: PastRun[] = [{ runId: 'p', powerState: 'PoweredOn', startedAt: 0, endedAt: 80_000, spans }];
  const drawn = (of: PastRun[]) => groupLines(going, { now: NOW, paint, width: 80, past: of });
  expect(drawn(past)[1]).toBe('  ends in about 1m; 1 past run');
  expect(drawn(past)[4]).toBe('  tier 2/3  ░░░░░░░░░░  0/2  running, done in about 1m');
  expect(drawn([])[1]).toBe('  no estimate: no past runs');
});

test('where room is short only what is open is shown', () => {
  const shown = lines(STUCK, 80, 'open').join('\n');
  expect(shown).toContain('web-2  parked');
  expect(shown).not.toMatch(/✔ db|· lb/);
});

test('members of a large tier that need attention come first, and the rest is counted', () => {
  const many = Array.from({ length: 40 }, (_, at) =>
    member(`vm-${at}`, 0, { phase: at === 39 ? 'Parked' : 'Done' }),
  );
  const shown = lines(running(many, [{ tier: 0, phase: 'Running', done: 39, total: 40 }]));
  expect(shown[2]).toBe('    ✖ vm-39  parked');
  expect(shown.at(-1)).toBe('    … and 28 more');
});

test('no line is wider than the terminal', () => {
  const long = running(
    [
      member('a-name-that-is-quite-long-for-a-vm', 0, {
        phase: 'InProgress',
        waitsFor: 'x'.repeat(100),
        lastError: { class: 'C', message: 'word '.repeat(60), at: 0 },
      }),
    ],
    [{ tier: 0, phase: 'Running', done: 0, total: 1 }],
  );
  expect(Math.max(...lines(long, 60).map((line) => line.length))).toBeLessThanOrEqual(60);
});

test('without a run: members as they are', () => {
  const condition = (status: Condition['status'], reason: Condition['reason'], message: string) => ({
    type: 'PowerStateSynced' as const,
    status,
    reason,
    message,
    lastTransitionTime: '2026-01-01T00:00:00Z',
    observedGeneration: 1,
  });
  const rested = view({
    phase: 'ConvergedWithExceptions',
    message: '1 of 3 members not ready',
    status: {
      observedGeneration: 1,
      conditions: [],
      members: [
        {
          name: 'db',
          kind: 'VirtualMachine',
          powerState: 'PoweredOn',
          placement: { zoneID: 'z', node: 'n' },
          conditions: [condition('True', 'PowerStateMatches', '')],
        },
        {
          name: 'web',
          kind: 'VirtualMachine',
          powerState: 'PoweredOff',
          conditions: [condition('False', 'NotSynced', 'skipped by kim')],
        },
        {
          name: 'lb',
          kind: 'VirtualMachine',
          powerState: 'PoweredOff',
          conditions: [condition('False', 'Pending', '')],
        },
        {
          name: 'erp',
          kind: 'VirtualMachineGroup',
          conditions: [condition('Unknown', 'Pending', 'VirtualMachineGroup "erp" has no status yet')],
        },
      ],
    },
  });
  expect(lines(rested)).toEqual([
    'prod/shop  PoweredOn  ConvergedWithExceptions',
    '    ✔ db   PoweredOn  z/n',
    '    ✖ web  NotSynced',
    '        skipped by kim',
    '    · lb   PoweredOff',
    '    · erp',
    '    to ask for another run:',
    '    → vmgroup retry prod/shop --reason TEXT',
  ]);
});

test('nested groups come below their parents', () => {
  const named = (name: string, groupName?: string) =>
    view({
      metadata: { namespace: 'prod', name, uid: name, generation: 1 },
      spec: groupName === undefined ? {} : { groupName },
    });
  const trees = treesOf([
    named('a', 'z'),
    named('b', 'a'),
    named('c'),
    named('d', 'gone'),
    named('z'),
  ]).flat();
  expect(trees.map(({ group: { metadata }, depth }) => `${depth} ${metadata.name}`)).toEqual([
    '0 c',
    '0 d',
    '0 z',
    '1 a',
    '2 b',
  ]);
});

test('groups in a circle are shown too, and each group once', () => {
  const named = (name: string, groupName: string) =>
    view({ metadata: { namespace: 'prod', name, uid: name, generation: 1 }, spec: { groupName } });
  const trees = treesOf([named('c', 'b'), named('b', 'c'), named('below', 'c'), named('own', 'own')]).flat();
  expect(trees.map(({ group: { metadata }, depth }) => `${depth} ${metadata.name}`)).toEqual([
    '0 b',
    '1 c',
    '2 below',
    '0 own',
  ]);
});

test('each of many groups is looked at a few times only', () => {
  let looks = 0;
  const views = Array.from({ length: 2_000 }, (_, at) => {
    const spec = {
      get groupName() {
        looks += 1;
        return at % 2 === 0 ? 'none' : `g${at - 1}`;
      },
    };
    return view({ metadata: { namespace: 'prod', name: `g${at}`, uid: 'u', generation: 1 }, spec });
  });
  expect(treesOf(views).flat()).toHaveLength(2_000);
  expect(looks).toBeLessThan(10 * views.length);
});

test('of very many groups those are drawn that the terminal has room for, and the others are counted', () => {
  let drawn = 0;
  const many = Array.from({ length: 2_000 }, (_, at) => {
    const metadata = { namespace: 'prod', name: `g${String(at).padStart(4, '0')}`, uid: 'u', generation: 1 };
    const one = { ...view({ metadata }), phase: 'Converged' as const };
    return {
      view: {
        ...one,
        get message() {
          drawn += 1;
          return '';
        },
        get problems() {
          drawn += 1;
          return [];
        },
      },
    };
  });
  const lines = picture(many, ['footer'], { columns: 80, rows: 24 }, paint);
  expect(lines.slice(-4)).toEqual([
    'prod/g0019  PoweredOn  Converged',
    '… 1 more line and 1979 groups: vmgroup get groups',
    '',
    'footer',
  ]);
  expect(drawn).toBeLessThan(200);
});

test('a terminal of a few lines shows the footer, and no more of the groups than fit', () => {
  const many = Array.from({ length: 20 }, (_, at) => ({
    view: view({ metadata: { namespace: 'prod', name: `g${at}`, uid: `u${at}`, generation: 1 } }),
  }));
  for (const rows of [1, 2, 4, 6])
    expect(picture(many, ['footer'], { columns: 80, rows }, paint).length).toBeLessThanOrEqual(
      Math.max(rows, 3),
    );
});

describe('the verdict of --exit-when-converged', () => {
  const problem = { severity: 'Error' as const, file: 'f', line: 1, column: 1, path: '', message: 'm' };
  test.each([
    ['all converged', ['Converged', 'Unmanaged'], [], 0],
    ['one with exceptions', ['Converged', 'ConvergedWithExceptions'], [], 2],
    ['one out of sync that no run will bring back', ['OutOfSync'], [], 2],
    ['one failed', ['ConvergedWithExceptions', 'Failed'], [], 1],
    ['one stopped by an operator', ['Cancelled'], [], 1],
    ['a manifest that is wrong', ['Converged'], [problem], 1],
    ['one under way', ['Converged', 'PoweringOn'], [], undefined],
    ['one that waits for an operator', ['Waiting', 'Failed'], [], undefined],
    ['one about to start', ['Pending'], [problem], undefined],
  ] as const)('%s', (_what, phases, problems, exitCode) => {
    const views = phases.map((phase) => view({ phase }));
    expect(verdictOf(views, [...problems])?.exitCode).toBe(exitCode);
  });

  test.each([
    [['Converged'], 'converged: prod/shop'],
    [['Converged', 'Converged'], 'converged: all 2 groups'],
    [['Unmanaged'], 'nothing to do: no group has a power state'],
  ] as const)('%j in words', (phases, message) => {
    const views = phases.map((phase) => view({ phase }));
    expect(verdictOf(views, [])?.message).toBe(message);
  });
});

test('input that the run could not read', () => {
  const run = STUCK.run as NonNullable<GroupView['run']>;
  const ignored = ['withdraw', 'applyPlan'].map((what) => ({ at: NOW, what, why: 'no input' }));
  const view = { ...STUCK, run: { ...run, progress: { ...(run.progress as Progress), ignored } } };
  expect(lines(view)[1]).toBe('  ! ignored unreadable input (2), the last: applyPlan: no input');
});

describe('what Temporal knows of an open run', () => {
  const health = (more: object): GroupView => {
    const run = STUCK.run as NonNullable<GroupView['run']>;
    const progress = run.progress as Progress;
    const members = progress.members.map((each) =>
      each.phase === 'InProgress' ? { ...each, activityId: `power-on/${each.member}` } : each,
    );
    return { ...STUCK, run: { ...run, progress: { ...progress, members }, health: { paused: [], ...more } } };
  };
  const pause = { at: NOW, by: 'bob', reason: 'look at host' };

  test('a paused activity is shown at its member, with the command that unpauses it', () => {
    const paused = [{ activityId: 'power-on/web-1', activityType: 'powerOn', ...pause }];
    expect(lines(health({ paused }), 200).slice(4, 8)).toEqual([
      '    ◐ web-1  waits for PoweredOn, 5s, attempt 2',
      '        Transient: host is busy; next try in 8s',
      '        ✖ activity power-on/web-1 is paused in Temporal by bob since 2023-11-14T22:13:20Z: look at host',
      '        → temporal activity unpause -w vmgroup/prod/shop --activity-id power-on/web-1',
    ]);
  });

  test('one that belongs to no member, a paused run, and a failing workflow task stand above', () => {
    const paused = [{ activityId: 'place/shop', activityType: 'place', at: 0, by: '', reason: '' }];
    const failure = { cause: 'WORKFLOW_WORKER_UNHANDLED_FAILURE', message: 'oh no' };
    const workflowTask = { attempt: 12, since: NOW, failure };
    expect(lines(health({ paused, pausedRun: pause, workflowTask }), 200).slice(1, 8)).toEqual([
      '  ✖ the workflow task of the run has been failing since 2023-11-14T22:13:20Z (attempt 12), so the run makes no progress: WORKFLOW_WORKER_UNHANDLED_FAILURE: oh no',
      '  → temporal workflow terminate -w vmgroup/prod/shop --reason TEXT',
      '  → vmgroup retry prod/shop --reason TEXT',
      '  ✖ the run is paused in Temporal by bob since 2023-11-14T22:13:20Z: look at host',
      '  → temporal workflow unpause -w vmgroup/prod/shop',
      '  ✖ activity place/shop is paused in Temporal',
      '  → temporal activity unpause -w vmgroup/prod/shop --activity-id place/shop',
    ]);
  });

  test('commands of temporal name the server where it is not the usual one', () => {
    const temporalFlags = ' --address 127.0.0.1:7234 --namespace prod';
    expect(lines(health({ pausedRun: pause, temporalFlags }), 200)[2]).toBe(
      '  → temporal workflow unpause -w vmgroup/prod/shop --address 127.0.0.1:7234 --namespace prod',
    );
  });

  test('a platform without a worker stands above, in describe and in watch, with the command that starts one', () => {
    const found = health({ unserved: [{ platform: 'west', taskQueue: 'vmgroup/west' }] });
    const said = [
      '  ✖ no worker polls the task queue vmgroup/west, so nothing is done on platform west',
      '  → vmgroup worker --platforms FILE --at west',
    ];
    expect(lines(found, 200).slice(1, 3)).toEqual(said);
    const watched = picture([{ view: found }], [], { columns: 200, rows: 10 }, paint);
    expect(watched.slice(1, 3)).toEqual(said);
  });

  test('a run that has ended has none', () => {
    const { run, ...rest } = health({ pausedRun: pause });
    expect(
      lines({ ...rest, run: { ...(run as NonNullable<GroupView['run']>), endedAt: NOW } }),
    ).not.toContainEqual(expect.stringContaining('paused'));
  });
});
