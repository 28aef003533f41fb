/**
 * The bridge without servers: desired state, the platform and Temporal are in the test's hands.
 *
 * Guarantees: G6.
 */
import {
  indexManifests,
  type Bridge,
  type BridgeEvent,
  type SourceState,
  type StatusStore,
} from '../../bridge';
import { startBridgeWith } from '../../bridge/bridge';
import type { Manifests, VirtualMachineStatus } from '../../api';
import type { PlanMessage, Progress } from '../../contract';
import { FakeTemporal } from './runs/fake-temporal';
import { group, manifests, outcome, progressOf, seen, tier, vm } from './fixtures';
import { memoryStatusStore } from './memory-status-store';

const NOTHING: Record<string, VirtualMachineStatus> = {};
const GONE = 'the group was deleted';

interface Started {
  bridge: Bridge;
  events: BridgeEvent[];
  /** Replaces everything that is wanted. */
  want: (next: Manifests) => void;
}

let server: FakeTemporal;
const stops: (() => Promise<void>)[] = [];

beforeEach(() => {
  jest.useFakeTimers();
  server = new FakeTemporal();
});

afterEach(async () => {
  const stopped = Promise.all(stops.splice(0).map((stop) => stop()));
  await jest.advanceTimersByTimeAsync(10_000);
  await stopped;
  jest.useRealTimers();
});

const pass = (time: number): Promise<void> => jest.advanceTimersByTimeAsync(time);

async function start(
  from: Manifests,
  {
    listsAllGroups = true,
    observed = NOTHING,
    isLeader = (): boolean => true,
    store = memoryStatusStore(),
  } = {},
): Promise<Started> {
  let tell: (state: SourceState) => void = () => undefined;
  const want = (next: Manifests): void =>
    tell({ index: indexManifests(next), problems: [], readAt: Date.now() });
  const events: BridgeEvent[] = [];
  const bridge = await startBridgeWith(server, {
    source: {
      listsAllGroups,
      start: async (onChange) => {
        tell = onChange;
        want(from);
      },
      stop: async () => undefined,
    },
    observations: {
      get: ({ name }) => observed[name],
      onChange: () => () => undefined,
      synced: async () => undefined,
    },
    statusStore: store,
    isLeader,
    logger: { info: () => undefined, warn: () => undefined },
    onEvent: (event) => events.push(event),
  });
  stops.push(() => bridge.stop());
  await pass(500);
  return { bridge, events, want };
}

const members = [vm('a', 'app')];

describe('an open run whose group is gone', () => {
  test('is withdrawn by a bridge that starts, where a member still names the group', async () => {
    server.runs = [{ runId: 'run-1', silent: true }];
    await start(manifests({ virtualMachines: members }));
    expect(server.withdrawn).toEqual([GONE]);
  });

  test('is left alone where the source does not list all groups, and where the group exists', async () => {
    server.runs = [{ runId: 'run-1', silent: true }];
    await start(manifests({ virtualMachines: members }), { listsAllGroups: false });
    await start(
      manifests({ groups: [group('app', [], { powerState: 'PoweredOn' })], virtualMachines: members }),
    );
    expect(server.withdrawn).toEqual([]);
  });

  test('is withdrawn once when the group is deleted, also while no worker takes the signal, and then costs nothing', async () => {
    server.runs = [{ runId: 'run-1', silent: true }];
    const { want, bridge } = await start(
      manifests({ groups: [group('app', [], { powerState: 'PoweredOn' })], virtualMachines: members }),
    );
    want(manifests({ virtualMachines: members }));
    await pass(10 * 60_000);
    bridge.refresh();
    await pass(10 * 60_000);
    expect(server.withdrawn).toEqual([GONE]);
    expect(server.count('describe')).toBeLessThan(100);
    server.close('COMPLETED');
    await pass(60_000);
    const calls = server.calls.length;
    await pass(10 * 60_000);
    expect(server.calls.length).toBe(calls);
  });
});

/** What a run says that goes by the plan of a message. */
const goingBy = ({ plan, digest = '' }: PlanMessage, over: Partial<Progress> = {}): Progress => ({
  ...progressOf(plan),
  planDigest: digest,
  ...over,
});
/** The latest run answers so from now on. */
async function answers(progress: Progress): Promise<void> {
  Object.assign(server.runs.at(-1) ?? {}, { progress });
  server.tell({ changed: true });
  await pass(3_000);
}
const last = (): PlanMessage => {
  const message = server.sent.at(-1);
  if (!message) throw new Error('nothing was sent');
  return message;
};
const request = { namespace: 'prod', name: 'app', actor: 'ann', reason: 'now' };
const onePowered = (powerState: 'PoweredOn' | 'PoweredOff', generation = 1): Manifests =>
  manifests({
    groups: [group('app', [tier(['a'])], { powerState, generation, revision: `app@${powerState}` })],
    virtualMachines: members,
  });

describe('RECONCILE-7: the plan of an open run is the one that it names', () => {
  test('a plan that the run has lost, as by a reset, is sent again', async () => {
    const { bridge } = await start(onePowered('PoweredOn'));
    expect(server.sent).toHaveLength(1);
    await answers(goingBy(last()));
    bridge.refresh();
    await pass(1_000);
    expect(server.sent).toHaveLength(1);
    await answers(goingBy(last(), { planDigest: 'an older one' }));
    await pass(10_000);
    expect(server.sent).toHaveLength(2);
    expect(last()).toMatchObject({ supersedes: 'an older one' });
  });

  test('a run that has the plan is not sent it by a bridge that remembers nothing', async () => {
    await start(onePowered('PoweredOn'));
    await answers(goingBy(last()));
    await start(onePowered('PoweredOn'));
    await pass(10_000);
    // Before the run has answered there is no telling.
    expect(server.sent.length).toBeLessThanOrEqual(2);
    await answers(goingBy(last()));
    expect(server.sent.length).toBeLessThanOrEqual(2);
  });

  test('a plan that the run refuses as older is shown, and sent again as the one that replaces its plan', async () => {
    const { want, bridge } = await start(onePowered('PoweredOn', 1_000));
    const first = last();
    await answers(goingBy(first));
    // The clock was set back, or a file or a backup restored.
    want(onePowered('PoweredOff', 900));
    await pass(1_000);
    expect(last()).toMatchObject({ plan: { powerState: 'PoweredOff' } });
    expect(last()).not.toHaveProperty('supersedes');
    const { digest = '', plan } = last();
    const refusedPlan = { digest, revision: plan.revision, generation: 900, at: 1 };
    await answers(goingBy(first, { refusedPlan }));
    const ready = bridge.views()[0]?.status.conditions.find(({ type }) => type === 'Ready');
    expect(ready).toMatchObject({ status: 'False', reason: 'StalePlan' });
    await pass(10_000);
    expect(last()).toMatchObject({ digest, supersedes: first.digest });
    const sent = server.sent.length;
    // A run of an older build refuses that too: it is not sent for ever.
    await answers(goingBy(first, { refusedPlan }));
    await pass(60_000);
    expect(server.sent.length).toBe(sent);
    await answers(goingBy(last()));
    expect(bridge.views()[0]?.status.conditions.find(({ type }) => type === 'Ready')?.reason).toBe('RunOpen');
  });

  test('an operator who asks does not have to wait', async () => {
    const { want, bridge } = await start(onePowered('PoweredOn', 1_000));
    const first = last();
    await answers(goingBy(first));
    want(onePowered('PoweredOff', 900));
    await pass(1_000);
    await answers(goingBy(first, { refusedPlan: { revision: 'x', generation: 900, at: 1 } }));
    const asking = bridge.ask(request);
    await pass(500);
    await asking;
    expect(last()).toMatchObject({ cause: 'Asked', supersedes: first.digest });
  });

  test('G3: a retry of what is no member starts no run', async () => {
    const { bridge } = await start(onePowered('PoweredOn', 1_000));
    const first = last();
    await expect(bridge.ask({ ...request, member: 'x' })).rejects.toThrow(/^x is not a member of /);
    await pass(1_000);
    expect(last()).toBe(first);
  });
});

describe('RESOLVE-5: a place that the run of a deleted group may still give back', () => {
  const placement = { zoneID: 'zone-a' };
  const observed = { a: seen('PoweredOff', { placement }), b: seen('PoweredOn', { placement }) };
  const named = (name: string, powerState: 'PoweredOn' | 'PoweredOff' = 'PoweredOn'): Manifests =>
    manifests({
      groups: [group(name, [tier(['a', 'b'])], { powerState, revision: `${name}@${powerState}` })],
      virtualMachines: [vm('a', name), vm('b', name)],
    });
  const placed = (): string[] =>
    last().plan.tiers.flatMap((each) =>
      each.members.flatMap((member) => (member.observed?.placement ? member.name : [])),
    );

  test.each<[string, Partial<Progress> | undefined, string[]]>([
    ['it has asked for it', { placements: { a: { ...placement, uid: 'vm-a' } } }, ['b']],
    ['it asks for places', { placement: { phase: 'InProgress' } }, ['b']],
    ['it says no more what it has asked for', { shortened: true }, ['b']],
    ['it has not said yet what it has asked for', undefined, ['b']],
    ['it has asked for others', { placements: { c: { ...placement, uid: 'vm-c' } } }, ['a', 'b']],
  ])('does not count in the plan of another group: %s', async (_, progress, counting) => {
    const { want, bridge } = await start(named('app'), { observed });
    expect(placed()).toEqual(['a', 'b']);
    if (progress) await answers(goingBy(last(), progress));
    want(named('shop'));
    await pass(3_000);
    expect(last().plan.name).toBe('shop');
    expect(placed()).toEqual(counting);

    // The fake server has one run for all groups: it is that of either.
    server.close('COMPLETED', outcome(last().plan));
    await pass(3_000);
    server.runs = [];
    bridge.refresh();
    want(named('shop', 'PoweredOff'));
    await pass(3_000);
    expect([last().plan.powerState, placed()]).toEqual(['PoweredOff', ['a', 'b']]);
  });
});

describe('only the bridge that leads', () => {
  test('looks at runs and sends; one that takes over begins with what the status remembers', async () => {
    let leads = false;
    const { bridge } = await start(onePowered('PoweredOn'), { isLeader: () => leads });
    await pass(60_000);
    expect(server.calls).toEqual([]);
    expect(bridge.ready()).toMatchObject({ ready: true });
    leads = true;
    bridge.refresh();
    await pass(1_000);
    expect(server.sent).toHaveLength(1);
    leads = false;
    bridge.refresh();
    await pass(1_000);
    const calls = server.calls.length;
    server.tell({ changed: true });
    await pass(60_000);
    expect(server.calls.length).toBe(calls);
  });

  test('keeps no request of an operator: the next leader carries the command out', async () => {
    let leads = true;
    const observed: Record<string, VirtualMachineStatus> = { a: seen('PoweredOn') };
    const { bridge } = await start(onePowered('PoweredOn'), { observed, isLeader: () => leads });
    server.before = async (call) => {
      if (call === 'send') throw new Error('connection refused');
    };
    const asked = bridge.ask(request).then(
      () => 'sent',
      (error: Error) => error.message,
    );
    await pass(1_000);
    expect(server.sent.map(({ cause }) => cause)).toContain('Asked');
    leads = false;
    bridge.refresh();
    expect(await Promise.race([asked, pass(1_000)])).toBe('another bridge leads now');
    expect(await bridge.ask(request).catch((error: Error) => error.message)).toBe('another bridge leads now');
    // The other leader has sent it, and an operator has aborted that run.
    server.before = async () => undefined;
    server.sent.length = 0;
    server.runs.push({ runId: 'of-the-other', status: 'COMPLETED' });
    leads = true;
    bridge.refresh();
    await pass(60_000);
    expect(server.sent).toEqual([]);
  });

  test('sends nothing before it has read what the previous leader kept, also if that fails at first', async () => {
    let leads = false;
    // As on a cluster: a process that steps down forgets a status, and the object keeps it.
    const kept = memoryStatusStore();
    const store: StatusStore = { ...kept, remove: () => undefined };
    const loads: { read: () => void; fail: () => void }[] = [];
    const observed = { a: seen('PoweredOn') };
    const leader = await start(onePowered('PoweredOn'), { observed, store, isLeader: () => !leads });
    const standby = await start(onePowered('PoweredOn'), { observed, store, isLeader: () => leads });
    const synced = onePowered('PoweredOn', 2);
    Object.assign(synced.groups[0] ?? {}, { nextForcePowerStateSyncTime: '2026-01-01T00:00:00Z' });
    for (const { want } of [leader, standby]) want(synced);
    await pass(1_000);
    server.close('COMPLETED', outcome(last().plan));
    await pass(10_000);
    const sent = server.sent.length;
    store.load = async () => {
      await new Promise<void>((read, fail) =>
        loads.push({ read, fail: () => fail(new TypeError('not a status')) }),
      );
      return kept.load();
    };
    // What it began to read in a term before does not count.
    for (const isFirst of [true, false, true]) {
      leads = isFirst;
      standby.bridge.refresh();
      await pass(1);
    }
    expect(loads).toHaveLength(1);
    standby.want(synced);
    await pass(10_000);
    const reading = {
      ready: false,
      message: 'the state that the previous leader kept has not been read yet',
    };
    expect([standby.bridge.ready(), server.sent.length]).toEqual([reading, sent]);
    for (const end of ['read', 'fail', 'read'] as const) {
      expect(standby.bridge.ready()).toEqual(reading);
      standby.want(synced);
      loads.at(-1)?.[end]();
      await pass(10_000);
    }
    expect(loads).toHaveLength(3);
    expect([standby.bridge.ready().ready, server.sent.length]).toEqual([true, sent]);
    standby.want(onePowered('PoweredOff', 3));
    await pass(1_000);
    expect(last()).toMatchObject({ plan: { powerState: 'PoweredOff' } });
  });
});

test('drift is seen while the clock of the worker is ahead: platform versions order what was observed', async () => {
  const placement = { zoneID: 'zone-a' };
  const observed: Record<string, VirtualMachineStatus> = { a: seen('PoweredOff', { version: '1' }) };
  const { bridge } = await start(onePowered('PoweredOn'), { observed });
  const { plan } = last();
  const ahead = Date.now() + 86_400_000;
  observed['a'] = seen('PoweredOn', { version: '2', placement });
  server.close(
    'COMPLETED',
    outcome(plan, { observed: { a: seen('PoweredOn', { version: '2', at: ahead, placement }) } }),
  );
  await pass(2_000);
  expect(bridge.views()[0]?.phase).toBe('Converged');
  observed['a'] = seen('PoweredOff', { version: '3', placement });
  bridge.refresh();
  await pass(1_000);
  expect(last()).toMatchObject({ cause: 'Drift' });
});

test('an operator who asks is answered when the bridge stops before it could send', async () => {
  const { bridge } = await start(onePowered('PoweredOn'));
  await answers(goingBy(last()));
  server.down = true;
  const asking = bridge.ask(request);
  const failed = expect(asking).rejects.toThrow('the bridge is stopping');
  await pass(5_000);
  const stopped = bridge.stop();
  await pass(5_000);
  await stopped;
  await failed;
});

describe('a request that can no longer be sent is refused', () => {
  const ended = (asking: Promise<void>): Promise<string> =>
    asking.then(
      () => 'sent',
      (error: Error) => error.message,
    );

  test('as the group no longer has a power state; it is not sent once the group has one again', async () => {
    const { bridge, want } = await start(onePowered('PoweredOn'), { observed: { a: seen('PoweredOn') } });
    server.down = true;
    const asked = ended(bridge.ask(request));
    await pass(1_000);
    const { groups, virtualMachines } = onePowered('PoweredOn');
    want(manifests({ groups: groups.map(({ powerState: _powerState, ...rest }) => rest), virtualMachines }));
    server.down = false;
    await pass(60_000);
    expect(await Promise.race([asked, pass(1_000)])).toBe('group prod/app no longer has a run of its own');
    const sent = server.sent.length;
    want(onePowered('PoweredOn'));
    await pass(60_000);
    expect(server.sent.slice(sent)).toEqual([]);
  });

  test('as its plan is too large', async () => {
    const labels = Object.fromEntries(Array.from({ length: 30_000 }, (_, at) => [`k${at}`, 'x'.repeat(63)]));
    const { groups } = onePowered('PoweredOn');
    const { bridge } = await start(
      manifests({
        groups,
        virtualMachines: [
          vm('a', 'app', {
            labels,
            affinity: [
              {
                effect: 'AntiAffinity',
                strength: 'Required',
                topologyKey: 'kubernetes.io/hostname',
                path: 'spec.affinity',
                selector: { matchLabels: labels, matchExpressions: [] },
              },
            ],
          }),
        ],
      }),
    );
    const asked = ended(bridge.ask(request));
    expect(await Promise.race([asked, pass(10_000)])).toContain('so it is not sent');
    expect(server.sent).toEqual([]);
  });
});
