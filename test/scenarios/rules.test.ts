/** Each rule of a run once, on a real Temporal server with the real worker, bridge and simulated platform. */
import { groupManifest, groupWithVms, policyManifest, vmManifest } from '../support/manifests';
import { accepted, effects, startSystem, times, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';

jest.setTimeout(120_000);

let temporal: TestTemporal;
let system: System | undefined;

beforeAll(async () => {
  temporal = await startTemporal();
});
afterEach(async () => {
  await system?.stop();
  system = undefined;
});
afterAll(async () => {
  await temporal?.stop();
});

let spaces = 0;
const space = (): string => `rules-${++spaces}`;

const threeTiers = (namespace: string, powerState: string, delay = '2s'): string =>
  groupWithVms({
    namespace,
    name: 'app',
    powerState,
    tiers: [
      { members: ['db-1', 'db-2'], delay },
      { members: ['app-1', 'app-2'], delay: '1s' },
      { members: ['web-1', 'web-2'] },
    ],
  });

describe('power on', () => {
  it('walks the tiers in order, keeps the delays, converges, and shows it in the status', async () => {
    const ns = space();
    system = await startSystem(temporal, { 'app.yaml': threeTiers(ns, 'PoweredOn') });
    const outcome = await system.outcome(ns, 'app');
    expect(outcome).toMatchObject({ outcome: 'Converged', operations: 6 });
    const journal = await system.journal();
    const seen = times(journal, ns, 'PoweredOn');
    const at = (name: string): { asked: number; effect: number } => seen[name] ?? { asked: NaN, effect: NaN };
    expect(at('app-1').asked - Math.max(at('db-1').effect, at('db-2').effect)).toBeGreaterThanOrEqual(2000);
    expect(at('web-1').asked - Math.max(at('app-1').effect, at('app-2').effect)).toBeGreaterThanOrEqual(1000);
    expect(accepted(journal, ns).sort()).toEqual(effects(journal, ns).sort());
    const view = await system.until(() => {
      const found = system?.view(ns, 'app');
      return found?.status.conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
        ? found
        : undefined;
    }, 'Ready');
    expect(view.status.members).toHaveLength(6);
    expect(view.status.members[0]).toMatchObject({
      name: 'db-1',
      powerState: 'PoweredOn',
      placement: { zoneID: expect.any(String) as string },
    });
  });

  it('places all VMs of the tree together before the first power-on, and asks nested groups in their turn', async () => {
    const ns = space();
    system = await startSystem(temporal, {
      'parent.yaml': groupWithVms({
        namespace: ns,
        name: 'parent',
        powerState: 'PoweredOn',
        tiers: [{ members: ['group:inner'] }, { members: ['last'] }],
      }),
      'inner.yaml': groupWithVms({
        namespace: ns,
        name: 'inner',
        groupName: 'parent',
        tiers: [{ members: ['in-1'], delay: '1s' }, { members: ['in-2'] }],
      }),
    });
    await system.outcome(ns, 'parent');
    const journal = await system.journal();
    expect(journal.filter((line) => line.type === 'place' && line.answer === 'Placed')).toHaveLength(1);
    expect(effects(journal, ns)).toEqual(['PoweredOn in-1', 'PoweredOn in-2', 'PoweredOn last']);
    const child = await system.handle(ns, 'inner').describe();
    expect(child.status.name).toBe('COMPLETED');
    expect(child.searchAttributes['VmGroupRoot']).toEqual(['parent']);
  });

  it('gate Ready waits for the VM itself, not only for its power', async () => {
    const ns = space();
    system = await startSystem(
      temporal,
      {
        'policy.yaml': policyManifest(ns, 'default', { gate: 'Ready' }),
        'app.yaml': groupWithVms({
          namespace: ns,
          name: 'app',
          powerState: 'PoweredOn',
          tiers: [{ members: ['a'] }, { members: ['b'] }],
        }),
      },
      { readyTime: 1500 },
    );
    await system.outcome(ns, 'app');
    const journal = await system.journal();
    const ready = journal.find(
      (line) => line.type === 'effect' && line.effect === 'Ready' && line.vm === `${ns}/a`,
    );
    expect(times(journal, ns, 'PoweredOn')['b']?.asked).toBeGreaterThanOrEqual(ready?.at ?? Infinity);
  });

  it('waits for a member that does not exist yet, and continues once it is created', async () => {
    const ns = space();
    const group = groupManifest({
      namespace: ns,
      name: 'app',
      powerState: 'PoweredOn',
      tiers: [{ members: ['a'] }, { members: ['b'] }],
    });
    system = await startSystem(temporal, { 'app.yaml': group, 'b.yaml': vmManifest(ns, 'b', 'app') });
    await system.until(async () => {
      const waiting = system?.view(ns, 'app')?.run?.progress?.members.find(({ member }) => member === 'a');
      return waiting?.phase === 'Missing' ? true : undefined;
    }, 'a to be missing');
    expect(accepted(await system.journal(), ns)).toEqual([]);
    system.write('a.yaml', vmManifest(ns, 'a', 'app'));
    await system.outcome(ns, 'app');
    expect(effects(await system.journal(), ns)).toEqual(['PoweredOn a', 'PoweredOn b']);
  });

  it('powers a VM on that joins a group that is on, listed or not', async () => {
    const ns = space();
    system = await startSystem(temporal, { 'app.yaml': threeTiers(ns, 'PoweredOn', '1s') });
    const first = await system.outcome(ns, 'app');
    system.write('late.yaml', vmManifest(ns, 'late', 'app'));
    await system.outcome(ns, 'app', first.endedAt);
    expect(effects(await system.journal(), ns).at(-1)).toBe('PoweredOn late');
  });

  it('does not touch a VM that is on already', async () => {
    const ns = space();
    system = await startSystem(temporal, { 'app.yaml': threeTiers(ns, 'PoweredOn', '1s') });
    const first = await system.outcome(ns, 'app');
    const calls = accepted(await system.journal(), ns).length;
    system.write('app.yaml', threeTiers(ns, 'PoweredOn', '3s'));
    system.write('late.yaml', vmManifest(ns, 'late', 'app'));
    await system.outcome(ns, 'app', first.endedAt);
    expect(accepted(await system.journal(), ns)).toHaveLength(calls + 1);
  });
});

describe('power off and suspend', () => {
  it('powers off all at once, or in reverse with powerOffDelay', async () => {
    const ns = space();
    const shape = {
      namespace: ns,
      name: 'app',
      tiers: [{ members: ['db'], powerOffDelay: '1s' }, { members: ['web'] }],
    };
    system = await startSystem(temporal, { 'app.yaml': groupWithVms({ ...shape, powerState: 'PoweredOn' }) });
    const on = await system.outcome(ns, 'app');
    system.write('app.yaml', groupWithVms({ ...shape, powerState: 'PoweredOff' }));
    const off = await system.outcome(ns, 'app', on.endedAt);
    expect(off.outcome).toBe('Converged');
    const journal = await system.journal();
    expect(effects(journal, ns).slice(-2)).toEqual(['PoweredOff web', 'PoweredOff db']);
    const seen = times(journal, ns, 'PoweredOff');
    expect((seen['db']?.asked ?? 0) - (seen['web']?.effect ?? 0)).toBeGreaterThanOrEqual(1000);
  });

  it('suspends, and leaves a VM that is off as it is', async () => {
    const ns = space();
    const shape = { namespace: ns, name: 'app', tiers: [{ members: ['a', 'b'] }] };
    system = await startSystem(temporal, {
      'policy.yaml': policyManifest(ns, 'default', { drift: { action: 'Report' } }),
      'app.yaml': groupWithVms({ ...shape, powerState: 'PoweredOn' }),
    });
    const on = await system.outcome(ns, 'app');
    await system.console.power({ namespace: ns, name: 'b' }, 'PoweredOff');
    system.write('app.yaml', groupWithVms({ ...shape, powerState: 'Suspended' }));
    const suspended = await system.outcome(ns, 'app', on.endedAt);
    expect(suspended.outcome).toBe('Converged');
    expect(suspended.observed).toMatchObject({
      a: { powerState: 'Suspended' },
      b: { powerState: 'PoweredOff' },
    });
    const view = await system.until(() => {
      const found = system?.view(ns, 'app');
      return found?.status.conditions[0]?.status === 'True' ? found : undefined;
    }, 'Ready');
    const synced = view.status.members
      .find(({ name }) => name === 'b')
      ?.conditions.find(({ type }) => type === 'PowerStateSynced');
    expect(synced).toMatchObject({ status: 'True', reason: 'LeftPoweredOff' });
  });

  it.each(['PoweredOn', 'PoweredOff'] as const)(
    'turned round in the middle: no VM ends in the old state (%s last)',
    async (last) => {
      const ns = space();
      system = await startSystem(
        temporal,
        { 'app.yaml': threeTiers(ns, 'PoweredOn', '1s') },
        { powerOnTime: 1500, powerOffTime: 800 },
      );
      await system.until(
        async () => ((await system?.journal()) ?? []).find((line) => line.type === 'call'),
        'the first power-on',
      );
      system.write('app.yaml', threeTiers(ns, 'PoweredOff', '1s'));
      if (last === 'PoweredOn') {
        await system.until(
          async () =>
            ((await system?.journal()) ?? []).find(
              (line) => line.type === 'call' && line.operation === 'PoweredOff',
            ),
          'the first power-off',
        );
        system.write('app.yaml', threeTiers(ns, 'PoweredOn', '1s'));
      }
      const outcome = await system.until(() => {
        const found = system?.view(ns, 'app')?.run?.outcome;
        return found?.powerState === last ? found : undefined;
      }, 'the end');
      expect(outcome.outcome).toBe('Converged');
      const states = Object.fromEntries(
        effects(await system.journal(), ns).map((text) => text.split(' ').reverse() as [string, string]),
      );
      for (const state of Object.values(states)) expect(state).toBe(last);
      if (last === 'PoweredOn') expect(Object.keys(states)).toHaveLength(6);
    },
  );
});

describe('drift', () => {
  it('Enforce: brings a VM back that was switched off by hand, and gives up after the limit', async () => {
    const ns = space();
    system = await startSystem(temporal, {
      'policy.yaml': policyManifest(ns, 'default', {
        drift: { action: 'Enforce', maxCorrections: 2, window: '10m' },
      }),
      'app.yaml': groupWithVms({
        namespace: ns,
        name: 'app',
        powerState: 'PoweredOn',
        tiers: [{ members: ['a', 'b'] }],
      }),
    });
    let last = await system.outcome(ns, 'app');
    for (let round = 0; round < 2; round += 1) {
      await system.console.power({ namespace: ns, name: 'a' }, 'PoweredOff');
      last = await system.outcome(ns, 'app', last.endedAt);
      expect(last).toMatchObject({ outcome: 'Converged', operations: 1 });
    }
    await system.console.power({ namespace: ns, name: 'a' }, 'PoweredOff');
    last = await system.outcome(ns, 'app', last.endedAt);
    expect(last).toMatchObject({
      outcome: 'ConvergedWithExceptions',
      exceptions: [{ member: 'a', reason: 'DriftLimit' }],
    });
    expect(accepted(await system.journal(), ns)).toEqual([
      'PoweredOn a',
      'PoweredOn b',
      'PoweredOn a',
      'PoweredOn a',
    ]);
  });

  it('Report: says NotSynced and leaves the VM alone', async () => {
    const ns = space();
    system = await startSystem(temporal, {
      'policy.yaml': policyManifest(ns, 'default', { drift: { action: 'Report' } }),
      'app.yaml': groupWithVms({
        namespace: ns,
        name: 'app',
        powerState: 'PoweredOn',
        tiers: [{ members: ['a'] }],
      }),
    });
    await system.outcome(ns, 'app');
    await system.console.power({ namespace: ns, name: 'a' }, 'PoweredOff');
    const condition = await system.until(
      () =>
        system
          ?.view(ns, 'app')
          ?.status.members[0]?.conditions.find(
            ({ type, status }) => type === 'PowerStateSynced' && status === 'False',
          ),
      'NotSynced',
    );
    expect(condition.reason).toBe('NotSynced');
    expect(effects(await system.journal(), ns)).toEqual(['PoweredOn a', 'PoweredOff a']);
  });
});

describe('changes of the manifests', () => {
  it('an invalid edit changes nothing and is reported; the last valid state stays in force', async () => {
    const ns = space();
    system = await startSystem(temporal, { 'app.yaml': threeTiers(ns, 'PoweredOn', '1s') });
    const first = await system.outcome(ns, 'app');
    system.write('app.yaml', threeTiers(ns, 'PowerdOff', '1s'));
    const event = await system.until(
      () => system?.events.find(({ reason }) => reason === 'InvalidManifest'),
      'the problem',
    );
    expect(event.message).toContain('spec.powerState');
    await system.console.power({ namespace: ns, name: 'db-1' }, 'PoweredOff');
    const back = await system.outcome(ns, 'app', first.endedAt);
    expect(back).toMatchObject({ outcome: 'Converged', powerState: 'PoweredOn' });
  });

  it('force sync looks at every member once, and touches none that is there', async () => {
    const ns = space();
    const shape = { namespace: ns, name: 'app', powerState: 'PoweredOn', tiers: [{ members: ['a', 'b'] }] };
    system = await startSystem(temporal, { 'app.yaml': groupWithVms(shape) });
    const first = await system.outcome(ns, 'app');
    system.write('app.yaml', groupWithVms({ ...shape, more: { nextForcePowerStateSyncTime: 'now' } }));
    const synced = await system.outcome(ns, 'app', first.endedAt);
    expect(synced).toMatchObject({ outcome: 'Converged', operations: 0 });
    expect(synced.forceSync).toMatch(/^now@/);
    expect(accepted(await system.journal(), ns)).toHaveLength(2);
    const history = await system.handle(ns, 'app').fetchHistory();
    expect(history.events?.filter((event) => event.activityTaskScheduledEventAttributes)).toHaveLength(2);
  });

  it('a deleted group ends its run as Superseded and touches no further VM', async () => {
    const ns = space();
    system = await startSystem(temporal, { 'app.yaml': threeTiers(ns, 'PoweredOn', '60s') });
    await system.until(
      async () => (effects(await system!.journal(), ns).length === 2 ? true : undefined),
      'the first tier',
    );
    const handle = system.handle(ns, 'app');
    // A folder without any file may be one whose volume is not mounted.
    system.write('README', 'No groups any more.');
    system.remove('app.yaml');
    expect(await handle.result()).toMatchObject({ outcome: 'Superseded' });
    expect(effects(await system.journal(), ns)).toHaveLength(2);
  });
});

describe('operator commands', () => {
  it('pause, resume, skipDelay and abort act on the run, and stand on record', async () => {
    const ns = space();
    system = await startSystem(temporal, { 'app.yaml': threeTiers(ns, 'PoweredOn', '60s') });
    await system.until(
      async () => (effects(await system!.journal(), ns).length === 2 ? true : undefined),
      'the first tier',
    );
    await system.until(
      () => (system?.view(ns, 'app')?.run?.progress?.tiers[1]?.phase === 'Delay' ? true : undefined),
      'the delay',
    );
    await system.say(ns, 'app', 'pause');
    await system.say(ns, 'app', 'skipDelay');
    expect(effects(await system.journal(), ns)).toHaveLength(2);
    await system.say(ns, 'app', 'resume');
    await system.until(
      async () => (effects(await system!.journal(), ns).length >= 4 ? true : undefined),
      'the second tier',
    );
    await system.say(ns, 'app', 'abort');
    const outcome = await system.outcome(ns, 'app');
    expect(outcome.outcome).toBe('Cancelled');
    expect(outcome.words.map(({ verb, actor, reason }) => [verb, actor, reason])).toEqual([
      ['pause', 'alice', 'test'],
      ['skipDelay', 'alice', 'test'],
      ['resume', 'alice', 'test'],
      ['abort', 'alice', 'test'],
    ]);
    const calls = accepted(await system.journal(), ns).length;
    system.write(
      'app.yaml',
      `# a comment is no change of the desired state\n${threeTiers(ns, 'PoweredOn', '60s')}`,
    );
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect(accepted(await system.journal(), ns)).toHaveLength(calls);
  });

  it('refuses a command without a reason, and one for a member that it does not have', async () => {
    const ns = space();
    system = await startSystem(temporal, { 'app.yaml': threeTiers(ns, 'PoweredOn', '60s') });
    await system.until(() => (system?.view(ns, 'app')?.run?.progress ? true : undefined), 'the run');
    await expect(system.say(ns, 'app', 'skipMember', 'nobody')).rejects.toMatchObject({
      cause: { message: `nobody is not a member of ${ns}/app` },
    });
    await system.say(ns, 'app', 'abort');
  });
});
