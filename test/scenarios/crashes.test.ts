/**
 * Kill -9 of the worker, of the bridge and of the Temporal server, each in the middle of a delay, in the middle of a power operation, and
 * between the two; what changes in the manifests meanwhile; and two bridges at once. The simulated platform's journal is the witness.
 *
 * K1: no VM gets a second operation where the first took effect, and the order of the tiers is kept.
 * K2: a delay is neither cut short nor begun from zero.
 * K3: no change of the desired state is lost.
 * K4: a group has one run, whichever process dies and however many bridges watch it.
 *
 * Guarantees: G1.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { temporal } from '@temporalio/proto';
import type { PowerState } from '../../api';
import type { JournalLine } from '../../platforms/simulated';
import { operatorUpdates, progress, type RunOutcome } from '../../contract';
import { groupWithVms, policyManifest } from '../support/manifests';
import { startInstallation, type Installation, type Victim } from '../support/processes';

jest.setTimeout(240_000);

/** Milliseconds. Long enough that a delay which starts from zero at the restart cannot be mistaken for one that continued. */
const DELAY = 14_000;
/** Milliseconds within which a test notices that a part works again. */
const NOTICED = 1_000;

/** Namespace of a parent whose nested group is parked all the time. */
const WAITING = 'waiting';

let installation: Installation;
beforeAll(async () => {
  installation = await startInstallation({
    powerOnTime: '500ms',
    readyTime: '100ms',
    powerOffTime: '200ms',
    guestShutdownTime: '300ms',
  });
  await installation.addFaults([{ type: 'PermanentError', vm: `${WAITING}/child-a`, times: 1 }]);
  installation.write('waiting-policy.yaml', policyManifest(WAITING, 'default', { whenParked: 'Hold' }));
  installation.write('waiting.yaml', nested(WAITING, '1s'));
});
afterAll(() => installation?.stop());

/** A group of two tiers with one VM each: `NAME-a`, then `NAME-b`. */
function pair(namespace: string, name: string, { powerState = 'PoweredOn', delay = '' } = {}): string {
  const first = { members: [`${name}-a`], ...(delay && { delay }) };
  return groupWithVms({ namespace, name, powerState, tiers: [first, { members: [`${name}-b`] }] });
}

/** A group whose first tier is another group with a delay in it. */
function nested(namespace: string, delay: string): string {
  return [
    groupWithVms({
      namespace,
      name: 'parent',
      powerState: 'PoweredOn',
      tiers: [{ members: ['group:child'] }, { members: ['parent-b'] }],
    }),
    groupWithVms({
      namespace,
      name: 'child',
      groupName: 'parent',
      tiers: [{ members: ['child-a'], delay }, { members: ['child-b'] }],
    }),
  ].join('---\n');
}

/** What the platform saw of one VM, of the operations that lead to one power state. Times are milliseconds; NaN: never. */
interface Story {
  accepted: number;
  effects: number;
  asked: number;
  effect: number;
}

function story(journal: JournalLine[], vm: string, state: PowerState = 'PoweredOn'): Story {
  const found: Story = { accepted: 0, effects: 0, asked: NaN, effect: NaN };
  for (const line of journal) {
    if (!('vm' in line) || line.vm !== vm) continue;
    if (line.type === 'call' && line.operation === state && line.answer === 'Accepted') {
      if (found.accepted++ === 0) found.asked = line.at;
    }
    if (line.type === 'effect' && line.effect === state) {
      if (found.effects++ === 0) found.effect = line.at;
    }
  }
  return found;
}

/** The power state in which the platform left a VM. */
function stateOf(journal: JournalLine[], vm: string): PowerState {
  let state: PowerState = 'PoweredOff';
  for (const line of journal) {
    if (line.type === 'effect' && line.vm === vm && line.effect !== 'Ready') state = line.effect;
  }
  return state;
}

/** Waits until the platform has accepted a VM's power-on, or has carried it out. */
function seen(vm: string, what: 'accepted' | 'effects'): Promise<true> {
  return installation.until(
    () => (story(installation.journal(), vm)[what] > 0 ? true : undefined),
    `${what} of ${vm}`,
  );
}

/** Each of these groups is in another place when the victim is killed. */
const GROUPS = {
  delay: 'PoweredOn',
  operation: 'PoweredOn',
  unseen: 'PoweredOn',
  between: 'PoweredOn',
  parent: 'PoweredOn',
  child: 'PoweredOn',
  turned: 'PoweredOff',
  flight: 'PoweredOff',
  edited: 'PoweredOn',
  fresh: 'PoweredOn',
} as const satisfies Record<string, PowerState>;

type GroupOfRound = keyof typeof GROUPS;

/** What is known after a round. */
interface Round {
  namespace: string;
  journal: JournalLine[];
  killedAt: number;
  restartedAt: number;
  /** When it worked again: a delay that began from zero then ends {@link DELAY} later. */
  backAt: number;
  outcomes: Record<GroupOfRound, RunOutcome>;
  runs: Record<GroupOfRound, number>;
  failedTasks: string[];
}

/** Kills a part in the middle of everything, changes manifests while it is away, and starts it again. */
async function killInTheMiddle(namespace: string, victim: Victim): Promise<Round> {
  const write = (name: string, text: string): void => installation.write(`${namespace}-${name}.yaml`, text);
  const vm = (name: string): string => `${namespace}/${name}`;
  await installation.addFaults([
    { type: 'Slow', vm: vm('operation-a'), factor: 24 },
    // Longer than any restart takes: it is turned round before it is over.
    { type: 'Slow', vm: vm('flight-a'), factor: 240 },
    { type: 'Slow', vm: vm('unseen-a'), factor: 5 },
  ]);
  const delay = `${DELAY}ms`;
  write('delay', pair(namespace, 'delay', { delay }));
  write('nested', nested(namespace, delay));
  write('operation', pair(namespace, 'operation'));
  write('turned', pair(namespace, 'turned', { delay: '10m' }));
  write('flight', pair(namespace, 'flight'));
  write('edited', pair(namespace, 'edited', { delay: '10m' }));
  for (const name of ['delay-a', 'child-a', 'turned-a', 'edited-a']) await seen(vm(name), 'effects');
  for (const name of ['operation-a', 'flight-a']) await seen(vm(name), 'accepted');
  write('between', pair(namespace, 'between'));
  write('unseen', pair(namespace, 'unseen'));
  await seen(vm('unseen-a'), 'accepted');
  await seen(vm('between-a'), 'effects');
  const killed = victim.kill();
  const killedAt = Date.now();
  await killed;

  write('turned', pair(namespace, 'turned', { delay: '10m', powerState: 'PoweredOff' }));
  write('flight', pair(namespace, 'flight', { powerState: 'PoweredOff' }));
  write('edited', pair(namespace, 'edited', { delay }));
  write('fresh', pair(namespace, 'fresh'));
  await seen(vm('unseen-a'), 'effects');
  await sleep(1_000);
  const restartedAt = Date.now();
  await victim.restart();
  const backAt = Date.now();

  const names = Object.keys(GROUPS) as GroupOfRound[];
  const each = async <T>(look: (name: GroupOfRound) => Promise<T>): Promise<Record<GroupOfRound, T>> =>
    Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await look(name)] as const)),
    ) as Record<GroupOfRound, T>;
  const outcomes = await each((name) => installation.outcome(namespace, name, GROUPS[name]));
  const runs = await each(async (name) => (await installation.runs(namespace, name)).length);
  const failedTasks = await each((name) => tasksFailed(namespace, name));
  return {
    namespace,
    journal: installation.journal(),
    killedAt,
    restartedAt,
    backAt,
    outcomes,
    runs,
    failedTasks: Object.values(failedTasks).flat(),
  };
}

const UNHANDLED_COMMAND =
  temporal.api.enums.v1.WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND;

/** What workflow tasks of a group failed of, but for one kind that is no fault: something came in while the run was closing. */
async function tasksFailed(namespace: string, name: string): Promise<string[]> {
  const { events } = await installation.handle(namespace, name).fetchHistory();
  return (events ?? []).flatMap(({ workflowTaskFailedEventAttributes: failed }) =>
    failed && failed.cause !== UNHANDLED_COMMAND ? [`${name}: ${failed.failure?.message}`] : [],
  );
}

describe.each(['worker', 'bridge', 'temporal'] as const)('kill -9 of the %s', (part) => {
  let round: Round;
  beforeAll(async () => {
    round = await killInTheMiddle(
      `kill-${part}`,
      part === 'temporal' ? installation.temporal : installation[part],
    );
  });
  const of = (vm: string, state?: PowerState): Story =>
    story(round.journal, `${round.namespace}/${vm}`, state);

  function expectOnce(group: string): void {
    for (const vm of [`${group}-a`, `${group}-b`])
      expect([vm, of(vm)]).toMatchObject([vm, { accepted: 1, effects: 1 }]);
  }

  function expectInOrder(group: string): void {
    expectOnce(group);
    expect(of(`${group}-b`).asked).toBeGreaterThanOrEqual(of(`${group}-a`).effect);
  }

  it('K2: in the middle of a delay: it is neither cut short nor begun from zero', () => {
    expectInOrder('delay');
    const { asked } = of('delay-b');
    expect(of('delay-a').effect).toBeLessThan(round.killedAt);
    expect(asked).toBeGreaterThanOrEqual(of('delay-a').effect + DELAY);
    expect(asked).toBeLessThan(round.backAt - NOTICED + DELAY);
  });

  it('K1: in the middle of a power operation: it continues', () => {
    expectInOrder('operation');
    expect(of('operation-a').asked).toBeLessThan(round.killedAt);
    expect(of('operation-a').effect).toBeGreaterThan(round.restartedAt);
  });

  it('K1: in the middle of a power operation whose effect was not observed', () => {
    expectInOrder('unseen');
    expect(of('unseen-a').effect).toBeGreaterThan(round.killedAt);
    expect(of('unseen-a').effect).toBeLessThan(round.restartedAt);
  });

  it('K1: between an effect and the next tier', () => {
    expectInOrder('between');
    expect(of('between-a').effect).toBeLessThan(round.killedAt);
  });

  it('K1, K2: in the delay of a nested group: it continues, and so does its parent', () => {
    expectInOrder('child');
    expect(of('child-b').asked).toBeGreaterThanOrEqual(of('child-a').effect + DELAY);
    expect(of('child-b').asked).toBeLessThan(round.backAt - NOTICED + DELAY);
    expect(of('parent-b')).toMatchObject({ accepted: 1, effects: 1 });
    expect(of('parent-b').asked).toBeGreaterThanOrEqual(of('child-b').effect);
    expect(of('parent-b').asked).toBeLessThan(of('child-b').effect + 10_000);
  });

  it('K3: power-on turned into power-off meanwhile, in a delay: nothing is left on', () => {
    expect(of('turned-b').accepted).toBe(0);
    expect(of('turned-a', 'PoweredOff')).toMatchObject({ accepted: 1, effects: 1 });
  });

  it('K3: power-on turned into power-off meanwhile, in an operation: nothing is left on', () => {
    expect(of('flight-b').accepted).toBe(0);
    expect(of('flight-a').accepted).toBe(1);
    expect(stateOf(round.journal, `${round.namespace}/flight-a`)).toBe('PoweredOff');
  });

  it('K3: a delay that was edited meanwhile counts from where it began', () => {
    expectInOrder('edited');
    expect(of('edited-b').asked).toBeGreaterThanOrEqual(of('edited-a').effect + DELAY);
    expect(of('edited-b').asked).toBeLessThan(round.backAt - NOTICED + DELAY);
  });

  it('K3: a group that was created meanwhile is powered on', () => {
    expectInOrder('fresh');
    expect(of('fresh-a').asked).toBeGreaterThan(round.restartedAt);
  });

  it('K4: every run converges, and each group has one', () => {
    const converged = Object.fromEntries(Object.keys(GROUPS).map((name) => [name, 'Converged']));
    const outcomes = Object.entries(round.outcomes).map(([name, { outcome }]) => [name, outcome]);
    expect(Object.fromEntries(outcomes)).toEqual(converged);
    expect(round.runs).toEqual(Object.fromEntries(Object.keys(GROUPS).map((name) => [name, 1])));
    expect(round.failedTasks).toEqual([]);
  });
});

describe('a parent that waits for a parked nested group without an activity', () => {
  const waits = async (): Promise<true | undefined> => {
    const { members } = await installation.handle(WAITING, 'parent').query(progress);
    const [child] = members;
    return child?.phase === 'InProgress' && child.activityId === undefined ? true : undefined;
  };

  it('K1, K3: continues soon after a kill -9 of the worker at the end of the nested run', async () => {
    await installation.until(() => waits().catch(() => undefined), 'the parent to wait without an activity');
    const word = { member: 'child-a', actor: 'alice', reason: 'test' };
    await installation.handle(WAITING, 'child').executeUpdate(operatorUpdates.retryMember, { args: [word] });
    await seen(`${WAITING}/child-b`, 'effects');
    await installation.worker.kill();
    await installation.worker.restart();
    const backAt = Date.now();
    await seen(`${WAITING}/parent-b`, 'effects');
    const { asked, accepted } = story(installation.journal(), `${WAITING}/parent-b`);
    expect(accepted).toBe(1);
    expect(asked - backAt).toBeLessThan(15_000);
    expect(await installation.outcome(WAITING, 'parent', 'PoweredOn')).toMatchObject({
      outcome: 'Converged',
    });
    for (const name of ['parent', 'child']) {
      expect(await installation.runs(WAITING, name)).toHaveLength(1);
      expect(await tasksFailed(WAITING, name)).toEqual([]);
    }
  });
});

describe('a long outage of the Temporal server', () => {
  it('K3: changes made meanwhile are sent soon after it, not after the same time again', async () => {
    const namespace = 'outage';
    await installation.temporal.kill();
    installation.write('outage.yaml', pair(namespace, 'late'));
    // Connections that are tried again at doubled intervals are the longer away, the longer the server was.
    await sleep(30_000);
    await installation.temporal.restart();
    const backAt = Date.now();
    expect(await installation.outcome(namespace, 'late', 'PoweredOn')).toMatchObject({
      outcome: 'Converged',
    });
    const { startTime } = await installation.handle(namespace, 'late').describe();
    expect(startTime.getTime()).toBeLessThan(backAt + 8_000);
  });
});

describe('two bridges at once', () => {
  const namespace = 'two-bridges';
  const vms = ['twin-a', 'twin-b', 'twin-c'].map((name) => `${namespace}/${name}`);
  const twin = (powerState: PowerState): string =>
    groupWithVms({
      namespace,
      name: 'twin',
      powerState,
      tiers: [{ members: ['twin-a', 'twin-b'], delay: '5s' }, { members: ['twin-c'] }],
    });
  const counts = (state: PowerState): number[] =>
    vms.map((vm) => {
      const { accepted, effects } = story(installation.journal(), vm, state);
      expect(effects).toBe(accepted);
      return accepted;
    });

  beforeAll(() => installation.secondBridge());

  it('K1, K4: one run and one operation a VM, also when one of them is killed in the middle and comes back', async () => {
    installation.write('twin.yaml', twin('PoweredOn'));
    for (const vm of vms.slice(0, 2)) await seen(vm, 'effects');
    await installation.bridge.kill();
    expect(counts('PoweredOn')).toEqual([1, 1, 0]);
    expect(await installation.outcome(namespace, 'twin', 'PoweredOn')).toMatchObject({
      outcome: 'Converged',
      operations: 3,
    });
    await installation.bridge.restart();
    await sleep(2_000);
    expect(counts('PoweredOn')).toEqual([1, 1, 1]);
    expect(await installation.runs(namespace, 'twin')).toHaveLength(1);
  });

  it('K1: drift that both see is corrected once', async () => {
    await installation.console.power({ namespace, name: 'twin-a' }, 'PoweredOff');
    const [run] = await installation.until(async () => {
      const runs = await installation.runs(namespace, 'twin');
      return runs.length > 1 ? runs : undefined;
    }, 'a run that corrects');
    expect(run).toBeDefined();
    const outcome = await installation.outcome(namespace, 'twin', 'PoweredOn');
    expect(outcome).toMatchObject({ outcome: 'Converged' });
    await sleep(2_000);
    expect(counts('PoweredOn')).toEqual([2, 1, 1]);
    expect((await installation.outcome(namespace, 'twin', 'PoweredOn')).corrections['twin-a']).toHaveLength(
      1,
    );
  });

  it('K1: power-off is asked of each VM once', async () => {
    installation.write('twin.yaml', twin('PoweredOff'));
    expect(await installation.outcome(namespace, 'twin', 'PoweredOff')).toMatchObject({
      outcome: 'Converged',
    });
    await sleep(2_000);
    const asked = installation
      .journal()
      .filter(
        (line) =>
          line.type === 'call' &&
          line.operation === 'PoweredOff' &&
          line.answer === 'Accepted' &&
          vms.includes(line.vm),
      );
    expect(asked).toHaveLength(3);
  });
});

it('no process complains of a leak', () => {
  expect(installation.worker.output()).not.toContain('leak');
  expect(installation.bridge.output()).not.toContain('leak');
});
