/** Groups in groups on real parts: each is a run of its own, driven by the topmost one with a power state. */
import { workflowId, type MemberProgress, type RunOutcome } from '../../contract';
import { groupWithVms, policyManifest } from '../support/manifests';
import { effects, startSystem, times, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';

jest.setTimeout(120_000);

let temporal: TestTemporal;
let system: System;

beforeAll(async () => {
  temporal = await startTemporal();
});
afterEach(async () => {
  await system?.stop();
});
afterAll(async () => {
  await temporal?.stop();
});

const parent = (namespace: string, powerState: string): string =>
  groupWithVms({
    namespace,
    name: 'parent',
    powerState,
    tiers: [{ members: ['group:inner'] }, { members: ['last'] }],
  });
const inner = (namespace: string, delay = '1s'): string =>
  groupWithVms({
    namespace,
    name: 'inner',
    groupName: 'parent',
    tiers: [{ members: ['in-1'], delay }, { members: ['in-2'] }],
  });

async function finalStates(namespace: string): Promise<Record<string, string>> {
  const states: Record<string, string> = {};
  for (const text of effects(await system.journal(), namespace)) {
    const [state = '', name = ''] = text.split(' ');
    states[name] = state;
  }
  return states;
}

it('drift below a nested group is corrected through its parents, in one run each', async () => {
  const ns = 'nested-drift';
  system = await startSystem(temporal, { 'parent.yaml': parent(ns, 'PoweredOn'), 'inner.yaml': inner(ns) });
  const first = await system.outcome(ns, 'parent');
  await system.console.power({ namespace: ns, name: 'in-1' }, 'PoweredOff');
  const second = await system.outcome(ns, 'parent', first.endedAt);
  expect(second).toMatchObject({ outcome: 'Converged', operations: 1 });
  expect(await system.handle(ns, 'inner').result()).toMatchObject({
    operations: 1,
    corrections: { 'in-1': [expect.any(Number)] },
  });
  expect(effects(await system.journal(), ns).slice(3)).toEqual(['PoweredOff in-1', 'PoweredOn in-1']);
});

it('a parent that is turned round turns its nested groups round: no VM below ends in the old state', async () => {
  const ns = 'nested-turned';
  system = await startSystem(
    temporal,
    { 'parent.yaml': parent(ns, 'PoweredOn'), 'inner.yaml': inner(ns) },
    { powerOnTime: 1500 },
  );
  await system.until(
    async () => (await system.journal()).find((line) => line.type === 'call'),
    'the first power-on',
  );
  system.write('parent.yaml', parent(ns, 'PoweredOff'));
  const outcome = await system.until(() => {
    const found = system.view(ns, 'parent')?.run?.outcome;
    return found?.powerState === 'PoweredOff' ? found : undefined;
  }, 'the end');
  expect(outcome.outcome).toBe('Converged');
  for (const state of Object.values(await finalStates(ns))) expect(state).toBe('PoweredOff');
});

it('an edit of a nested group in the middle of its run reaches it', async () => {
  const ns = 'nested-edited';
  system = await startSystem(temporal, {
    'parent.yaml': parent(ns, 'PoweredOn'),
    'inner.yaml': inner(ns, '10m'),
  });
  await system.until(
    async () => (effects(await system.journal(), ns).length === 1 ? true : undefined),
    'in-1',
  );
  system.write('inner.yaml', inner(ns, '1s'));
  expect(await system.outcome(ns, 'parent')).toMatchObject({ outcome: 'Converged' });
  expect(effects(await system.journal(), ns)).toEqual(['PoweredOn in-1', 'PoweredOn in-2', 'PoweredOn last']);
});

it('pause, resume and abort of a parent reach the nested groups that run; only a VM that was asked for power keeps its place', async () => {
  const ns = 'nested-words';
  system = await startSystem(temporal, {
    'parent.yaml': parent(ns, 'PoweredOn'),
    'inner.yaml': inner(ns, '10m'),
  });
  await system.until(
    () => (system.view(ns, 'inner')?.run?.progress?.tiers[1]?.phase === 'Delay' ? true : undefined),
    'the delay',
  );
  await system.say(ns, 'parent', 'pause');
  await system.until(
    () => (system.view(ns, 'inner')?.phase === 'Paused' ? true : undefined),
    'inner to be paused',
  );
  await system.say(ns, 'parent', 'resume');
  await system.until(
    () => (system.view(ns, 'inner')?.phase !== 'Paused' ? true : undefined),
    'inner to go on',
  );
  await system.say(ns, 'parent', 'abort');
  expect(await system.handle(ns, 'inner').result()).toMatchObject({ outcome: 'Cancelled' });
  // The parent's run has placed all VMs, and gives back those of the tree that no run has asked for power.
  expect(await system.outcome(ns, 'parent')).toMatchObject({
    outcome: 'Cancelled',
    released: ['in-2', 'last'],
    placements: { 'in-1': {} },
  });
  expect(effects(await system.journal(), ns)).toEqual(['PoweredOn in-1']);
  const placed = (): string =>
    ['inner', 'parent']
      .flatMap((name) => system.view(ns, name)?.status.members ?? [])
      .flatMap(({ name, placement }) => (placement ? [name] : []))
      .join();
  await system.until(() => (placed() === 'in-1' ? true : undefined), 'the status without the places');
});

it('a parent without a power state leaves each child its own', async () => {
  const ns = 'nested-own';
  const child = (name: string, powerState: string): string =>
    groupWithVms({
      namespace: ns,
      name,
      groupName: 'parent',
      powerState,
      tiers: [{ members: [`${name}-vm`] }],
    });
  system = await startSystem(temporal, {
    'parent.yaml': groupWithVms({
      namespace: ns,
      name: 'parent',
      tiers: [{ members: ['group:one', 'group:two'] }],
    }),
    'one.yaml': child('one', 'PoweredOn'),
    'two.yaml': child('two', 'PoweredOff'),
  });
  expect(await system.outcome(ns, 'one')).toMatchObject({ outcome: 'Converged', powerState: 'PoweredOn' });
  expect(effects(await system.journal(), ns)).toEqual(['PoweredOn one-vm']);
  expect(system.view(ns, 'parent')?.run).toBeUndefined();
});

describe('a nested run that takes longer than an activity waits for it', () => {
  const GROUP_WAIT = 500;
  const failing = {
    faults: [{ type: 'PermanentError' as const, operation: 'PoweredOn' as const, vm: 'in-1' }],
  };
  const impatient = (namespace: string, maximumAttempts: number): string =>
    policyManifest(namespace, 'default', { retry: { maximumAttempts }, whenParked: 'Hold' });

  /** Starts a parent whose nested group has a parked VM, and waits until the parent waits without an activity. */
  async function startWaiting(ns: string, maximumAttempts = 1): Promise<void> {
    const files = {
      'policy.yaml': impatient(ns, maximumAttempts),
      'parent.yaml': parent(ns, 'PoweredOn'),
      'inner.yaml': inner(ns),
    };
    system = await startSystem(temporal, files, failing, { groupWait: GROUP_WAIT });
    await system.until(() => {
      const inParent = progressOf(ns);
      const parked = system.view(ns, 'inner')?.run?.progress?.members.some(({ phase }) => phase === 'Parked');
      return parked === true && inParent?.phase === 'InProgress' && inParent.activityId === undefined;
    }, 'the parent to wait without an activity');
    const { raw } = await system.handle(ns, 'parent').describe();
    expect(raw.pendingActivities ?? []).toEqual([]);
  }

  const progressOf = (ns: string): MemberProgress | undefined =>
    system.view(ns, 'parent')?.run?.progress?.members[0];

  it('NESTED-3: is retried, and the parent continues within two seconds', async () => {
    const ns = 'nested-waits';
    await startWaiting(ns);
    expect(progressOf(ns)).toMatchObject({
      phase: 'InProgress',
      waitsFor: `its own run, vmgroup/${ns}/inner`,
    });
    await system.console.setFaults([]);
    await system.say(ns, 'inner', 'retryMember', 'in-1');
    const { endedAt } = (await system.handle(ns, 'inner').result()) as RunOutcome;
    expect(await system.outcome(ns, 'parent')).toMatchObject({ outcome: 'Converged' });
    const { last } = times(await system.journal(), ns, 'PoweredOn');
    expect((last?.asked ?? Infinity) - endedAt).toBeLessThan(2_000);
    expect(effects(await system.journal(), ns)).toEqual([
      'PoweredOn in-1',
      'PoweredOn in-2',
      'PoweredOn last',
    ]);
  });

  it('follows pause, resume and abort of its parent', async () => {
    const ns = 'nested-waits-words';
    await startWaiting(ns);
    await system.say(ns, 'parent', 'pause');
    await system.until(() => system.view(ns, 'inner')?.phase === 'Paused', 'inner to be paused');
    await system.say(ns, 'parent', 'resume');
    await system.until(() => system.view(ns, 'inner')?.phase !== 'Paused', 'inner to go on');
    await system.say(ns, 'parent', 'abort');
    expect(await system.handle(ns, 'inner').result()).toMatchObject({ outcome: 'Cancelled' });
    expect(await system.outcome(ns, 'parent')).toMatchObject({ outcome: 'Cancelled' });
  });

  it('is turned round with its parent', async () => {
    const ns = 'nested-waits-turned';
    await startWaiting(ns);
    system.write('parent.yaml', parent(ns, 'PoweredOff'));
    const outcome = await system.until(() => {
      const found = system.view(ns, 'parent')?.run?.outcome;
      return found?.powerState === 'PoweredOff' ? found : undefined;
    }, 'the end');
    expect(outcome).toMatchObject({ outcome: 'Converged' });
  });

  it('is skipped, and the parent continues', async () => {
    const ns = 'nested-waits-skipped';
    await startWaiting(ns);
    await system.say(ns, 'parent', 'skipMember', 'VirtualMachineGroup/inner');
    await system.until(async () => effects(await system.journal(), ns).includes('PoweredOn last'), 'last');
  });

  it('is asked again at once after a user has terminated it, and the event says who', async () => {
    const ns = 'nested-waits-terminated';
    await startWaiting(ns, 2);
    await system.console.setFaults([]);
    const handle = system.handle(ns, 'inner');
    const { runId } = await handle.describe();
    const terminatedAt = Date.now();
    await handle.terminate('wrong button');
    await system.until(
      async () => (await handle.describe()).runId !== runId,
      'the parent to ask the nested group again',
      15,
    );
    expect(await system.outcome(ns, 'parent', terminatedAt)).toMatchObject({ outcome: 'Converged' });
    const end = system.events.find(({ reason, object }) => reason === 'RunEnded' && object.name === 'inner');
    expect(end?.message).toMatch(/^ended from outside: TERMINATED by .+: wrong button$/);
  });

  it('is waited for by a parent that was reset', async () => {
    const ns = 'nested-waits-reset';
    await startWaiting(ns);
    const { runId } = await system.handle(ns, 'parent').describe();
    const { events } = await system.handle(ns, 'parent').fetchHistory();
    const completed = (events ?? []).filter(({ workflowTaskCompletedEventAttributes: done }) => done);
    await temporal.client.workflowService.resetWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId: workflowId(ns, 'parent'), runId },
      workflowTaskFinishEventId: completed.at(-1)?.eventId ?? null,
      requestId: 'reset',
      reason: 'test',
    });
    await system.console.setFaults([]);
    await system.say(ns, 'inner', 'retryMember', 'in-1');
    expect(await system.outcome(ns, 'parent')).toMatchObject({ outcome: 'Converged' });
  });
});
