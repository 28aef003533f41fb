import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { DEFAULT_INVENTORY } from '../../api';
import {
  directorySource,
  fileStatusStore,
  startBridge,
  type Bridge,
  type BridgeEvent,
  type GroupView,
  type StatusStore,
} from '../../bridge';
import { startSimulatedPlatform, watchSimulator, type RunningPlatform } from '../../cli/runtime';
import { SimulatorConsole } from '../../platforms/simulated';
import { startWorker, type RunningWorker } from '../../worker';
import { operatorUpdates, workflowId } from '../../contract';
import { groupManifest, groupWithVms, policyManifest, vmManifest } from '../support/manifests';
import { accepted } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';
import { workflowBundle } from '../support/workflow-bundle';
import { memoryStatusStore } from './memory-status-store';

const QUEUE = 'test-bridge';
const logger = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
const BEHAVIOR = {
  ...DEFAULT_INVENTORY.behavior,
  powerOnTime: 150,
  readyTime: 50,
  powerOffTime: 100,
  guestShutdownTime: 100,
};

let temporal: TestTemporal;
let dir: string;
let platform: RunningPlatform;
let worker: RunningWorker;
let simulator: SimulatorConsole;
const bridges: Bridge[] = [];
const closers: (() => Promise<void>)[] = [];

beforeAll(async () => {
  temporal = await startTemporal();
  dir = mkdtempSync(join(tmpdir(), 'vmgroup-bridge-'));
  platform = await startSimulatedPlatform({
    dataDir: join(dir, 'simulator'),
    inventory: { ...DEFAULT_INVENTORY, behavior: BEHAVIOR },
    logger,
  });
  simulator = new SimulatorConsole(platform.address);
  worker = await startWorker({
    target: {
      address: temporal.address,
      namespace: 'default',
      connectionOptions: { address: temporal.address },
    },
    workflows: await workflowBundle(),
    taskQueue: QUEUE,
    platform: platform.platform,
    observer: platform.observer,
    client: temporal.client,
    logger,
  });
});

afterEach(async () => {
  await Promise.all(bridges.splice(0).map((bridge) => bridge.stop()));
  for (const close of closers.splice(0)) await close();
});

afterAll(async () => {
  await worker.shutdown();
  await platform.close();
  await temporal.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** One test's folder of manifests; its namespace is its own. */
function files(namespace: string): {
  path: string;
  put(file: string, text: string): void;
  remove(file: string): void;
} {
  const path = join(dir, namespace);
  mkdirSync(path, { recursive: true });
  return {
    path,
    put: (file, text) => {
      writeFileSync(join(dir, `${namespace}.draft`), text);
      renameSync(join(dir, `${namespace}.draft`), join(path, file));
    },
    remove: (file) => rmSync(join(path, file)),
  };
}

interface Started {
  bridge: Bridge;
  events: BridgeEvent[];
  view(name: string): GroupView | undefined;
  /** Waits for the end of a run that ended after `after`. */
  ended(name: string, after?: number): Promise<GroupView>;
  stop(): Promise<void>;
}

async function begin(path: string, store: StatusStore = memoryStatusStore()): Promise<Started> {
  // A watch of its own, as a bridge in a process of its own has it.
  const watched = watchSimulator(platform.address, logger);
  const events: BridgeEvent[] = [];
  const bridge = await startBridge({
    source: directorySource({
      paths: [path],
      lastValidFile: `${path}.last-valid.json`,
      debounce: 20,
      settle: 200,
    }),
    client: temporal.client,
    taskQueue: QUEUE,
    observations: {
      get: (vm) => watched.observer.get(vm)?.status,
      onChange: (listener) => watched.observer.onChange(({ vm }) => listener(vm)),
      synced: () => watched.observer.synced(),
    },
    statusStore: store,
    logger,
    onEvent: (event) => events.push(event),
  });
  bridges.push(bridge);
  closers.push(() => watched.close());
  const view = (name: string): GroupView | undefined =>
    bridge.views().find((each) => each.metadata.name === name);
  return {
    bridge,
    events,
    view,
    ended: async (name, after = 0) => {
      await until(() => (view(name)?.run?.endedAt ?? 0) > after);
      return view(name) as GroupView;
    },
    stop: async () => {
      bridges.splice(bridges.indexOf(bridge), 1);
      await bridge.stop();
    },
  };
}

async function operations(namespace: string): Promise<string[]> {
  return accepted(await simulator.journal(), namespace);
}

async function runsOf(namespace: string, name: string): Promise<number> {
  let count = 0;
  // Visibility lags: the count is for runs that ended a while ago or are known to be over.
  for await (const run of temporal.client.workflow.list({
    query: `WorkflowId = "${workflowId(namespace, name)}"`,
  })) {
    if (run.workflowId) count += 1;
  }
  return count;
}

const reasons = (started: Started, name: string): string[] =>
  started.events.filter((event) => event.object.name === name).map((event) => event.reason);

test('a group comes up, tier by tier; then it is in its desired state, with status and events', async () => {
  const folder = files('up');
  folder.put(
    'app.yaml',
    groupWithVms({
      namespace: 'up',
      name: 'app',
      powerState: 'PoweredOn',
      tiers: [{ members: ['db'], delay: '300ms' }, { members: ['web'] }],
    }),
  );
  const started = await begin(folder.path);
  const view = await started.ended('app');
  expect(view).toMatchObject({ phase: 'Converged', run: { outcome: { outcome: 'Converged' } } });
  expect(view.status.conditions[0]).toMatchObject({
    type: 'Ready',
    status: 'True',
    reason: 'AllMembersReady',
  });
  expect(view.status.members.map((member) => member.placement?.zoneID)).toEqual([
    expect.any(String),
    expect.any(String),
  ]);
  expect(await operations('up')).toEqual(['PoweredOn db', 'PoweredOn web']);
  expect(reasons(started, 'app')).toEqual(
    expect.arrayContaining(['GroupAdded', 'PlanSent', 'RunStarted', 'RunEnded']),
  );
  expect(started.bridge.ready()).toEqual({ ready: true, message: 'ready' });
});

test('BRIDGE-1: two bridges at once do no harm', async () => {
  const folder = files('two');
  folder.put(
    'app.yaml',
    groupWithVms({
      namespace: 'two',
      name: 'app',
      powerState: 'PoweredOn',
      tiers: [{ members: ['a', 'b'] }],
    }),
  );
  const [one, other] = await Promise.all([begin(folder.path), begin(folder.path)]);
  await Promise.all([one.ended('app'), other.ended('app')]);
  const [first] = [(one.view('app') as GroupView).run?.endedAt ?? 0];
  folder.put(
    'app.yaml',
    groupWithVms({
      namespace: 'two',
      name: 'app',
      powerState: 'PoweredOff',
      tiers: [{ members: ['a', 'b'] }],
    }),
  );
  await Promise.all([one.ended('app', first), other.ended('app', first)]);
  await until(() => one.view('app')?.phase === 'Converged' && other.view('app')?.phase === 'Converged');
  expect((await operations('two')).sort()).toEqual([
    'PoweredOff a',
    'PoweredOff b',
    'PoweredOn a',
    'PoweredOn b',
  ]);
});

test('BRIDGE-2, BRIDGE-4: a restart in the middle of a run continues it, one after it starts nothing', async () => {
  const folder = files('restart');
  const store = fileStatusStore(join(dir, 'restart-status'));
  const shape = {
    namespace: 'restart',
    name: 'app',
    powerState: 'PoweredOn',
    tiers: [{ members: ['a'], delay: '1500ms' }, { members: ['b'] }],
  };
  folder.put('app.yaml', groupWithVms(shape));
  const first = await begin(folder.path, store);
  await until(() => first.view('app')?.run?.progress?.tiers[1]?.phase === 'Delay');
  await first.stop();
  const second = await begin(folder.path, fileStatusStore(join(dir, 'restart-status')));
  const { run } = await second.ended('app');
  await second.stop();
  for (const store3 of [fileStatusStore(join(dir, 'restart-status')), memoryStatusStore()]) {
    const third = await begin(folder.path, store3);
    await until(() => third.view('app')?.phase === 'Converged');
    expect(third.view('app')?.run?.runId).toBe(run?.runId);
    expect(reasons(third, 'app')).not.toContain('PlanSent');
    await third.stop();
  }
  expect(await operations('restart')).toEqual(['PoweredOn a', 'PoweredOn b']);
});

test('BRIDGE-2: what changed while no bridge was there is done by the next', async () => {
  const folder = files('away');
  const shape = { namespace: 'away', name: 'app', powerState: 'PoweredOn', tiers: [{ members: ['a'] }] };
  folder.put('app.yaml', groupWithVms(shape));
  const first = await begin(folder.path);
  const { run } = await first.ended('app');
  await first.stop();
  folder.put('app.yaml', groupWithVms({ ...shape, powerState: 'PoweredOff' }));
  const second = await begin(folder.path);
  await second.ended('app', run?.endedAt);
  expect(await operations('away')).toEqual(['PoweredOn a', 'PoweredOff a']);
});

test('BRIDGE-3: an invalid edit changes nothing and is reported; drift is corrected under the last valid form', async () => {
  const folder = files('invalid');
  const shape = { namespace: 'invalid', name: 'app', powerState: 'PoweredOn', tiers: [{ members: ['a'] }] };
  folder.put('app.yaml', groupManifest(shape));
  folder.put('a.yaml', vmManifest('invalid', 'a', 'app'));
  const started = await begin(folder.path);
  const { run } = await started.ended('app');
  folder.put('app.yaml', groupManifest({ ...shape, powerState: 'PowerdOff' }));
  await until(() => started.view('app')?.problems !== undefined);
  expect(reasons(started, 'app').filter((reason) => reason === 'InvalidManifest')).toHaveLength(1);
  expect(started.view('app')).toMatchObject({ phase: 'Converged', spec: { powerState: 'PoweredOn' } });
  await simulator.power({ namespace: 'invalid', name: 'a' }, 'PoweredOff');
  const again = await started.ended('app', run?.endedAt);
  expect(again.run?.outcome?.powerState).toBe('PoweredOn');
  expect(reasons(started, 'app')).toContain('DriftSeen');
});

test('a VM that joins is powered on; one with no manifest yet is waited for', async () => {
  const folder = files('join');
  folder.put(
    'app.yaml',
    groupManifest({ namespace: 'join', name: 'app', powerState: 'PoweredOn', tiers: [{ members: ['a'] }] }),
  );
  folder.put('a.yaml', vmManifest('join', 'a', 'app'));
  const started = await begin(folder.path);
  const { run } = await started.ended('app');
  folder.put('late.yaml', vmManifest('join', 'late', 'app'));
  await started.ended('app', run?.endedAt);
  expect(await operations('join')).toEqual(['PoweredOn a', 'PoweredOn late']);
  expect(started.view('app')?.status.members.map((member) => member.name)).toEqual(['a', 'late']);
});

test('drift is only reported where the policy says so', async () => {
  const folder = files('report');
  folder.put('policy.yaml', policyManifest('report', 'default', { drift: { action: 'Report' } }));
  folder.put(
    'app.yaml',
    groupWithVms({ namespace: 'report', name: 'app', powerState: 'PoweredOn', tiers: [{ members: ['a'] }] }),
  );
  const started = await begin(folder.path);
  await started.ended('app');
  await simulator.power({ namespace: 'report', name: 'a' }, 'PoweredOff');
  await until(() => started.view('app')?.phase === 'OutOfSync');
  const conditions = started.view('app')?.status.members[0]?.conditions;
  expect(conditions?.find((each) => each.type === 'PowerStateSynced')).toMatchObject({
    status: 'False',
    reason: 'NotSynced',
  });
  await started.bridge.ask({ namespace: 'report', name: 'app', actor: 'ann', reason: 'bring it back' });
  await until(() => started.view('app')?.phase === 'Converged');
  expect(await operations('report')).toEqual(['PoweredOn a', 'PoweredOn a']);
});

test('after abort nothing starts by itself, not even after a restart; asking does', async () => {
  const folder = files('abort');
  folder.put(
    'app.yaml',
    groupWithVms({
      namespace: 'abort',
      name: 'app',
      powerState: 'PoweredOn',
      tiers: [{ members: ['a'], delay: '1h' }, { members: ['b'] }],
    }),
  );
  const first = await begin(folder.path);
  await until(() => first.view('app')?.run?.progress?.tiers[1]?.phase === 'Delay');
  await temporal.client.workflow
    .getHandle(workflowId('abort', 'app'))
    .executeUpdate(operatorUpdates.abort, { args: [{ actor: 'ann', reason: 'not today' }] });
  await until(() => first.view('app')?.phase === 'Cancelled');
  await first.stop();
  const second = await begin(folder.path);
  await until(() => second.view('app')?.phase === 'Cancelled');
  expect(reasons(second, 'app')).not.toContain('PlanSent');
  await second.bridge.ask({ namespace: 'abort', name: 'app', actor: 'ann', reason: 'now' });
  await until(() => second.view('app')?.run?.progress?.tiers[1]?.phase === 'Delay');
  await temporal.client.workflow.getHandle(workflowId('abort', 'app')).terminate('end of the test');
  await until(() => second.view('app')?.run?.outcome?.outcome === 'Cancelled');
  expect(second.view('app')?.run?.outcome?.message).toMatch(/^Terminated by .+: end of the test/);
  await expect(
    second.bridge.ask({ namespace: 'abort', name: 'nobody', actor: 'ann', reason: '' }),
  ).rejects.toThrow('no group abort/nobody');
});

test('nested groups: the parent drives, the child shows its own run and status', async () => {
  const folder = files('nested');
  folder.put(
    'parent.yaml',
    groupManifest({
      namespace: 'nested',
      name: 'parent',
      powerState: 'PoweredOn',
      tiers: [{ members: ['group:child'] }],
    }),
  );
  folder.put(
    'child.yaml',
    groupWithVms({
      namespace: 'nested',
      name: 'child',
      groupName: 'parent',
      powerState: 'PoweredOff',
      tiers: [{ members: ['a'] }],
    }),
  );
  const started = await begin(folder.path);
  await started.ended('parent');
  await until(
    () => started.view('child')?.run?.endedAt !== undefined && started.view('parent')?.phase === 'Converged',
  );
  expect(started.view('child')).toMatchObject({
    phase: 'Converged',
    run: { outcome: { powerState: 'PoweredOn' } },
  });
  const mirrored = started
    .view('parent')
    ?.status.members[0]?.conditions.find((each) => each.type === 'Ready');
  expect(mirrored).toMatchObject({ status: 'True', reason: 'AllMembersReady' });
  await simulator.power({ namespace: 'nested', name: 'a' }, 'PoweredOff');
  await until(async () => (await operations('nested')).length === 2);
  expect(await operations('nested')).toEqual(['PoweredOn a', 'PoweredOn a']);
});

test('a group that is deleted: its open run is withdrawn, its status is gone, its VMs are left', async () => {
  const folder = files('deleted');
  const store = memoryStatusStore();
  folder.put(
    'vms.yaml',
    [vmManifest('deleted', 'a', 'app'), vmManifest('deleted', 'b', 'app')].join('---\n'),
  );
  folder.put(
    'app.yaml',
    groupManifest({
      namespace: 'deleted',
      name: 'app',
      powerState: 'PoweredOn',
      tiers: [{ members: ['a'], delay: '1h' }, { members: ['b'] }],
    }),
  );
  const started = await begin(folder.path, store);
  await until(() => started.view('app')?.run?.progress?.tiers[1]?.phase === 'Delay');
  folder.remove('app.yaml');
  const result: unknown = await temporal.client.workflow.getHandle(workflowId('deleted', 'app')).result();
  expect(result).toMatchObject({ outcome: 'Superseded' });
  await until(async () => (await store.load()).length === 0);
  expect(reasons(started, 'app')).toContain('GroupDeleted');
  expect(await operations('deleted')).toEqual(['PoweredOn a']);
});

test('Temporal away: it waits, says so, and misses nothing', async () => {
  const folder = files('outage');
  const shape = { namespace: 'outage', name: 'app', powerState: 'PoweredOn', tiers: [{ members: ['a'] }] };
  folder.put('app.yaml', groupWithVms(shape));
  const started = await begin(folder.path);
  const { run } = await started.ended('app');
  await temporal.kill();
  folder.put('app.yaml', groupWithVms({ ...shape, powerState: 'PoweredOff' }));
  await until(() => !started.bridge.ready().ready);
  expect(started.bridge.ready().message).toContain('Temporal');
  await temporal.restart();
  const view = await started.ended('app', run?.endedAt);
  expect(view.run?.outcome?.powerState).toBe('PoweredOff');
  expect(started.events.map((event) => event.reason)).toEqual(
    expect.arrayContaining(['TemporalUnreachable', 'TemporalReachable']),
  );
  expect(await operations('outage')).toEqual(['PoweredOn a', 'PoweredOff a']);
  expect(await runsOf('outage', 'app')).toBeGreaterThan(0);
});
