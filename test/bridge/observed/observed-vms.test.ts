/** Guarantees: G4. */
import type { VirtualMachineStatus } from '../../../api';
import type { RunState } from '../../../bridge';
import { ObservedVms, WATCH_LAG } from '../../../bridge/observed/observed-vms';
import { resolveTrees } from '../../../bridge';
import type { Plan, SeenMember } from '../../../contract';
import { group, manifests, outcome, seen, tier, vm } from '../fixtures';

const a = vm('a', 'app');
const [plan] = resolveTrees(
  manifests({ groups: [group('app', [tier(['a'])], { powerState: 'PoweredOn' })], virtualMachines: [a] }),
) as [Plan];
const DAY = 86_400_000;
const at = (version: string, time: number): Partial<VirtualMachineStatus> => ({ version, at: time });

let now: number;
let onPlatform: VirtualMachineStatus | undefined;
let vms: ObservedVms;

beforeEach(() => {
  now = 1_000;
  onPlatform = undefined;
  vms = new ObservedVms(
    { get: () => onPlatform, onChange: () => () => undefined, synced: async () => undefined },
    () => now,
  );
});

/** A run that has just ended, and saw the VM so. */
function ended(reported: SeenMember, over: Partial<RunState & { phase: 'Closed' }> = {}): RunState {
  return {
    phase: 'Closed',
    runId: 'r1',
    startedAt: 10,
    endedAt: 50,
    closedAs: 'COMPLETED',
    learnedAt: now,
    witnessed: true,
    outcome: outcome(plan, { observed: { a: reported } }),
    ...over,
  };
}

describe('SEEN-4: while the platform cannot tell whether it has the VM', () => {
  beforeEach(() => {
    vms = new ObservedVms(
      {
        get: () => onPlatform,
        isKnown: () => onPlatform !== undefined,
        onChange: () => () => undefined,
        synced: async () => undefined,
      },
      () => now,
    );
  });

  test('it is unseen before its group ever ran, and while a run is open', () => {
    const open: RunState = { phase: 'Open', runId: 'r1', startedAt: 10 };
    for (const run of [undefined, { phase: 'None' } as const, open])
      expect(vms.observe(a, run)).toEqual({ isUnseen: true, isNews: false });
  });

  test('what the last run saw of it counts, however long ago, also after a restart', () => {
    const reported = { ...seen('PoweredOn', at('7', DAY)), uid: 'vm-a' };
    const { witnessed: _witnessed, ...run } = ended(reported) as RunState & { phase: 'Closed' };
    now += 1_000 * WATCH_LAG;
    expect(vms.observe(a, run)).toEqual({ status: seen('PoweredOn', at('7', DAY)), isNews: false });
  });

  test('what it saw of another VM of that name does not', () => {
    const run = ended({ ...seen('PoweredOn', at('7', DAY)), uid: 'another' });
    expect(vms.observe(a, run)).toEqual({ isUnseen: true, isNews: false });
  });

  test('once it is reported, that counts', () => {
    onPlatform = seen('PoweredOff', at('8', 2_000));
    const run = ended({ ...seen('PoweredOn', at('7', DAY)), uid: 'vm-a' });
    expect(vms.observe(a, run).status).toMatchObject({ powerState: 'PoweredOff' });
  });
});

describe('SEEN-1: the later observation counts, regardless of clocks', () => {
  test('a change after the run is seen while the clock of the worker is a day ahead', () => {
    const run = ended(seen('PoweredOn', at('7', DAY)));
    onPlatform = seen('PoweredOff', at('8', 2_000));
    expect(vms.observe(a, run).status).toMatchObject({ powerState: 'PoweredOff' });
  });

  test('what the run saw is ahead of a watch that is behind, while the clock of the worker is a day back', () => {
    const run = ended(seen('PoweredOn', at('7', 2_000)));
    onPlatform = seen('PoweredOff', at('6', DAY));
    expect(vms.observe(a, run).status).toMatchObject({ powerState: 'PoweredOn' });
  });
});

describe('SEEN-1: of a platform without versions', () => {
  const DAY_AHEAD = { at: DAY };

  /** A run that is open, and said so of the VM when the bridge asked it just now. */
  function open(since: number): RunState {
    const heard = { phase: 'Done' as const, since, powerState: 'PoweredOn' as const, heardAt: now };
    return { phase: 'Open', runId: 'r1', startedAt: 10, heard: new Map([['a', heard]]) };
  }

  test.each([
    ['has ended', (): RunState => ended(seen('PoweredOn', DAY_AHEAD)), undefined],
    ['is open', (): RunState => open(DAY), DAY],
  ])(
    'what is reported after the bridge heard of a run that %s is news, whatever the clocks',
    (_what, runOf, reportedAfter) => {
      onPlatform = seen('PoweredOff', { at: 5 });
      vms.changed(a);
      now += 10;
      const run = runOf();
      expect(vms.observe(a, run).isNews).toBe(false);
      now += 10;
      vms.changed(a);
      expect(vms.observe(a, run)).toEqual({
        status: onPlatform,
        isNews: true,
        ...(reportedAfter !== undefined && { reportedAfter }),
      });
    },
  );

  test('what was reported before is news once the watch has had its time', () => {
    onPlatform = seen('PoweredOff', { at: 5 });
    const run = open(DAY);
    expect(vms.observe(a, run)).toMatchObject({ isNews: false });
    expect(vms.watchBehindFor(run)).toBe(WATCH_LAG);
    now += WATCH_LAG;
    expect(vms.observe(a, run)).toMatchObject({ isNews: true, reportedAfter: DAY });
    expect(vms.watchBehindFor(run)).toBe(0);
  });

  test('another VM of that name, after the first was forgotten, was not reported yet', () => {
    const run = ended(seen('PoweredOn', { at: 5 }));
    onPlatform = seen('PoweredOff', { at: 5 });
    now += 10;
    vms.changed(a);
    expect(vms.observe(a, run).isNews).toBe(true);
    vms.retain(new Map());
    expect(vms.observe(a, run).isNews).toBe(false);
  });
});

describe('SEEN-2: what a run saw counts for a while', () => {
  test.each([
    ['versions went back, as after a restored backup', at('900', 9)],
    ['there are no versions', { at: DAY }],
  ])('%s', (_what, over) => {
    const run = ended(seen('PoweredOn', over));
    onPlatform = seen('PoweredOff', { at: 5, ...('version' in over && { version: '100' }) });
    expect(vms.observe(a, run).status).toMatchObject({ powerState: 'PoweredOn' });
    expect(vms.watchBehindFor(run)).toBe(WATCH_LAG);
    now += WATCH_LAG;
    expect(vms.observe(a, run).status).toMatchObject({ powerState: 'PoweredOff' });
    expect(vms.watchBehindFor(run)).toBe(0);
  });

  test('a run of which only the status remembers says nothing', () => {
    const { learnedAt: _never, ...run } = ended(seen('PoweredOn', at('9', 9))) as RunState & {
      phase: 'Closed';
    };
    onPlatform = seen('PoweredOff', at('8', 8));
    expect(vms.observe(a, run).status).toMatchObject({ powerState: 'PoweredOff' });
  });
});

describe('SEEN-3: a VM that is not on the platform', () => {
  const reported = seen('PoweredOn', at('7', 7));

  test('counts as the run saw it, until the watch reports that it went', () => {
    const run = ended(reported);
    expect(vms.observe(a, run).status).toMatchObject({ powerState: 'PoweredOn' });
    vms.changed(a);
    expect(vms.observe(a, run).status).toBeUndefined();
  });

  test('is gone where the run had ended before the bridge was started', () => {
    const { witnessed: _not, ...run } = ended(reported) as RunState & { phase: 'Closed' };
    expect(vms.observe(a, run).status).toBeUndefined();
  });

  test('is another one than the run saw where it was recreated', () => {
    const run = ended(reported);
    vms.observe(a, run);
    expect(vms.observe({ ...a, uid: 'another' }, run).status).toBeUndefined();
  });
});
