/**
 * VMs that do not do what they are told: parked, retried, reset, and every other way in which the platform can go wrong. All cases run at
 * the same time in one system, each in a namespace of its own.
 *
 * Guarantees: G8.
 */
import { defaultPayloadConverter } from '@temporalio/common';
import type { SimulatedFault } from '../../api';
import { DEFAULT_INVENTORY } from '../../api';
import type { GiveUpDetails, AttemptReport, MemberProgress, RunOutcome } from '../../contract';
import type { PowerCall } from '../../platforms/simulated';
import {
  groupManifest,
  groupWithVms,
  policyManifest,
  vmManifest,
  type GroupShape,
} from '../support/manifests';
import { accepted, effects, startSystem, times, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { beginTogether, endedTogether, together } from '../support/together';

jest.setTimeout(180_000);

/** A budget of two attempts. One operation that nothing hinders takes less than its time-out, on a busy machine too. */
const IMPATIENT = {
  operationTimeout: '10s',
  retry: { maximumAttempts: 2, initialInterval: '200ms', maximumInterval: '1s' },
};

let temporal: TestTemporal;
let system: System;
const faults = new Map<string, SimulatedFault[]>();

beforeAll(async () => {
  temporal = await startTemporal();
  system = await startSystem(temporal, {});
  beginTogether();
});
afterAll(async () => {
  await endedTogether();
  await system?.stop();
  await temporal?.stop();
});

let lastChange: Promise<void> = Promise.resolve();

/** Makes changes of the inventory, of which faults are a part, one after the other: tests run side by side, and each change replaces all of it. */
function inTurn(change: () => Promise<void>): Promise<void> {
  return (lastChange = lastChange.then(change));
}

/** Replaces the faults of one namespace. */
function setFaults(namespace: string, ...mine: Omit<SimulatedFault, 'vm'>[]): Promise<void> {
  faults.set(
    namespace,
    mine.map((fault) => ({ ...fault, vm: `${namespace}/bad` })),
  );
  return inTurn(() => system.console.setFaults([...faults.values()].flat()));
}

/** A group `app` of `good` and `bad`, then `next`. */
function app(namespace: string, more: Partial<GroupShape> = {}): string {
  const tiers = [{ members: ['good', 'bad'] }, { members: ['next'] }];
  return groupWithVms({ namespace, name: 'app', powerState: 'PoweredOn', tiers, ...more });
}

/** Starts the group with faults on its VM `bad`. */
async function begin(
  namespace: string,
  policy: Record<string, unknown>,
  ...mine: Omit<SimulatedFault, 'vm'>[]
): Promise<void> {
  await setFaults(namespace, ...mine);
  system.write(`${namespace}-policy.yaml`, policyManifest(namespace, 'default', { ...IMPATIENT, ...policy }));
  system.write(`${namespace}.yaml`, app(namespace));
}

/** Waits until `bad` is as asked for, as the bridge shows it. */
function bad(namespace: string, is: (bad: MemberProgress) => boolean): Promise<MemberProgress> {
  return system.until(() => {
    const found = system
      .view(namespace, 'app')
      ?.run?.progress?.members.find(({ member }) => member === 'bad');
    return found && is(found) ? found : undefined;
  }, `bad of ${namespace}`);
}

const isParked = ({ phase }: MemberProgress): boolean => phase === 'Parked';

/** The power calls for `bad` in order. */
async function callsOfBad(namespace: string): Promise<PowerCall[]> {
  const journal = await system.journal();
  return journal.flatMap((line) => (line.type === 'call' && line.vm === `${namespace}/bad` ? [line] : []));
}

/** Their answers: `Accepted`, `Refused Transient`, ... */
async function answersToBad(namespace: string): Promise<string[]> {
  const calls = await callsOfBad(namespace);
  return calls.map((call) => (call.class === undefined ? call.answer : `${call.answer} ${call.class}`));
}

/** The classes of all failed attempts that the history holds: by signal, and with the end of an activity. */
async function onRecord(namespace: string): Promise<{ told: string[]; final: string[][] }> {
  const { events } = await system.handle(namespace, 'app').fetchHistory();
  const told: string[] = [];
  const final: string[][] = [];
  for (const {
    workflowExecutionSignaledEventAttributes: signal,
    activityTaskFailedEventAttributes: end,
  } of events ?? []) {
    if (signal?.signalName === 'attemptFailed') {
      const report = read<AttemptReport>(signal.input?.payloads?.[0]);
      told.push(`${report.activityId} ${report.attempt.attempt} ${report.attempt.class}`);
    }
    const info = end?.failure?.applicationFailureInfo;
    if (info) {
      const { failures } = read<GiveUpDetails>(info.details?.payloads?.[0]);
      final.push(failures.map((attempt) => `${attempt.attempt} ${attempt.class}`));
    }
  }
  return { told, final };
}

type Payload = Parameters<typeof defaultPayloadConverter.fromPayload>[0];

function read<T>(payload: Payload | null | undefined): T {
  if (!payload) throw new Error('nothing is on record');
  return defaultPayloadConverter.fromPayload<T>(payload);
}

/** What was asked of `good` and `next`: each of them once, whatever happened to `bad`. */
async function expectOthersOnce(namespace: string): Promise<void> {
  const others = accepted(await system.journal(), namespace).filter((text) => !text.endsWith(' bad'));
  expect(others).toEqual(['PoweredOn good', 'PoweredOn next']);
}

/** The run ends as `Converged`, and `bad` was asked `times` times and came on once. */
async function expectConverged(namespace: string, after = 0): Promise<RunOutcome> {
  const outcome = await system.outcome(namespace, 'app', after);
  expect(outcome).toMatchObject({ outcome: 'Converged', exceptions: [] });
  expect(effects(await system.journal(), namespace).sort()).toEqual([
    'PoweredOn bad',
    'PoweredOn good',
    'PoweredOn next',
  ]);
  return outcome;
}

describe('a stuck VM', () => {
  together(
    'Hold: is parked after its budget; the next tier waits; retryMember finishes the run',
    async () => {
      const ns = 'hold';
      await begin(ns, {}, { type: 'Stuck' });
      const parked = await bad(ns, isParked);
      expect(parked.lastError).toMatchObject({ class: 'OperationTimeout' });
      expect(parked.waitsFor).toContain('retryMember');

      const handle = system.handle(ns, 'app');
      const shown = async (): Promise<Record<string, unknown>> => {
        const { typedSearchAttributes } = await handle.describe();
        return Object.fromEntries(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]));
      };
      expect(await shown()).toMatchObject({ VmGroupParkedMembers: ['bad'], VmGroupPhase: 'Waiting' });
      const query = `VmGroupParkedMembers = "bad" AND VmGroupNamespace = "${ns}"`;
      await system.until(
        async () => ((await temporal.client.workflow.count(query)).count === 1 ? true : undefined),
        'the list',
      );
      const synced = await system.until(
        () =>
          system
            .view(ns, 'app')
            ?.status.members[1]?.conditions.find(
              ({ type, reason }) => type === 'PowerStateSynced' && reason === 'PowerOperationFailed',
            ),
        'the condition',
      );
      expect(synced.status).toBe('False');
      expect(await onRecord(ns)).toEqual({
        told: ['power-on/bad 1 OperationTimeout'],
        final: [['1 OperationTimeout', '2 OperationTimeout']],
      });
      expect(accepted(await system.journal(), ns)).not.toContain('PoweredOn next');

      await setFaults(ns);
      expect(await system.say(ns, 'app', 'retryMember', 'bad')).toContain('bad');
      const { words } = await expectConverged(ns);
      expect(words).toMatchObject([{ verb: 'retryMember', member: 'bad', actor: 'alice', reason: 'test' }]);
      expect(await answersToBad(ns)).toEqual(['Accepted', 'Accepted', 'Accepted']);
      await expectOthersOnce(ns);
      expect(await shown()).toMatchObject({ VmGroupPhase: 'Converged' });
      expect(await shown()).not.toHaveProperty('VmGroupParkedMembers');
    },
  );

  together('Hold: parked, and then powered on by hand: the run continues', async () => {
    const ns = 'by-hand';
    await begin(ns, {}, { type: 'Stuck' });
    await bad(ns, isParked);
    await system.console.power({ namespace: ns, name: 'bad' }, 'PoweredOn');
    expect(await expectConverged(ns)).toMatchObject({ words: [] });
    expect(await answersToBad(ns)).toEqual(['Accepted', 'Accepted', 'AlreadyThere']);
    await expectOthersOnce(ns);
  });

  together('Continue: the rest continues; a retry after the end tries that VM again', async () => {
    const ns = 'continue';
    await begin(ns, { whenParked: 'Continue' }, { type: 'Stuck' });
    const first = await system.outcome(ns, 'app');
    expect(first).toMatchObject({
      outcome: 'ConvergedWithExceptions',
      exceptions: [{ member: 'bad', reason: 'Parked' }],
    });
    expect(first.exceptions[0]?.message).toContain('OperationTimeout');
    await expectOthersOnce(ns);
    await setFaults(ns);
    await system.bridge.bridge.ask({ namespace: ns, name: 'app', actor: 'kim', reason: 'the host is back' });
    const second = await expectConverged(ns, first.endedAt);
    expect(second).toMatchObject({ operations: 1, words: [{ actor: 'kim', reason: 'the host is back' }] });
    await expectOthersOnce(ns);
  });

  together('Fail: the run ends, and nothing more starts until a user asks', async () => {
    const ns = 'fail';
    await begin(ns, { whenParked: 'Fail' }, { type: 'Stuck' });
    const first = await system.outcome(ns, 'app');
    expect(first.outcome).toBe('Failed');
    expect(first.message).toContain('bad is parked');
    expect(first.exceptions).toMatchObject([
      { member: 'bad', reason: 'Parked' },
      { member: 'next', reason: 'NotStarted' },
    ]);
    await setFaults(ns);
    await system.bridge.bridge.ask({ namespace: ns, name: 'app', actor: 'kim', reason: 'the host is back' });
    await expectConverged(ns, first.endedAt);
    await expectOthersOnce(ns);
  });

  const PATIENT = { retry: { maximumAttempts: 3, initialInterval: '10m', maximumInterval: '10m' } };

  together(
    'resetting the pending activity while it waits for its retry: it runs at once, and the run continues',
    async () => {
      const ns = 'reset';
      await begin(ns, PATIENT, { type: 'Stuck' });
      const waiting = await bad(ns, ({ attempt }) => attempt === 2);
      expect(waiting).toMatchObject({ activityId: 'power-on/bad', lastError: { class: 'OperationTimeout' } });
      expect((waiting.nextRetryAt ?? 0) - (waiting.lastError?.at ?? 0)).toBe(600_000);
      await setFaults(ns);
      await temporal.client.workflowService.resetActivity({
        namespace: 'default',
        execution: { workflowId: system.handle(ns, 'app').workflowId },
        id: 'power-on/bad',
        identity: 'alice',
      });
      await expectConverged(ns);
      expect(await answersToBad(ns)).toEqual(['Accepted', 'Accepted']);
      await expectOthersOnce(ns);
    },
  );

  together('retryMember while it waits for its retry: it is tried at once with a fresh budget', async () => {
    const ns = 'impatient';
    await begin(ns, PATIENT, { type: 'Stuck' });
    await bad(ns, ({ attempt }) => attempt === 2);
    await setFaults(ns);
    await system.say(ns, 'app', 'retryMember', 'bad');
    await expectConverged(ns);
    expect(await answersToBad(ns)).toEqual(['Accepted', 'Accepted']);
    await expectOthersOnce(ns);
  });

  together(
    'in a nested group: the child waits, the parent waits for it, retryMember to the child finishes both',
    async () => {
      const ns = 'below';
      await setFaults(ns, { type: 'Stuck' });
      system.write(`${ns}-policy.yaml`, policyManifest(ns, 'default', IMPATIENT));
      system.write(`${ns}.yaml`, app(ns, { groupName: 'parent' }));
      system.write(
        `${ns}-parent.yaml`,
        groupWithVms({
          namespace: ns,
          name: 'parent',
          powerState: 'PoweredOn',
          tiers: [{ members: ['group:app'] }, { members: ['last'] }],
        }),
      );
      await bad(ns, isParked);
      await expect(system.say(ns, 'parent', 'retryMember', 'bad')).rejects.toMatchObject({
        cause: { message: `bad is a member of app: send the command to vmgroup/${ns}/app` },
      });
      await setFaults(ns);
      await system.say(ns, 'app', 'retryMember', 'bad');
      expect(await system.outcome(ns, 'parent')).toMatchObject({ outcome: 'Converged' });
      expect(effects(await system.journal(), ns).slice(-2)).toEqual(['PoweredOn next', 'PoweredOn last']);
      expect(accepted(await system.journal(), ns).filter((text) => text === 'PoweredOn good')).toHaveLength(
        1,
      );
    },
  );

  together('in a nested group, and then powered on by hand: both runs continue', async () => {
    const ns = 'by-hand-below';
    await setFaults(ns, { type: 'Stuck' });
    system.write(`${ns}-policy.yaml`, policyManifest(ns, 'default', IMPATIENT));
    system.write(`${ns}.yaml`, app(ns, { groupName: 'parent' }));
    const tiers = [{ members: ['group:app'] }, { members: ['last'] }];
    system.write(
      `${ns}-parent.yaml`,
      groupWithVms({ namespace: ns, name: 'parent', powerState: 'PoweredOn', tiers }),
    );
    await bad(ns, isParked);
    await system.console.power({ namespace: ns, name: 'bad' }, 'PoweredOn');
    expect(await system.outcome(ns, 'parent')).toMatchObject({ outcome: 'Converged' });
    expect(effects(await system.journal(), ns).slice(-2)).toEqual(['PoweredOn next', 'PoweredOn last']);
    expect(accepted(await system.journal(), ns).filter((text) => text === 'PoweredOn good')).toHaveLength(1);
  });
});

describe('a platform that refuses', () => {
  together('TransientError: tried again with back-off', async () => {
    const ns = 'transient';
    await begin(ns, {}, { type: 'TransientError', times: 1 });
    await expectConverged(ns);
    expect(await answersToBad(ns)).toEqual(['Refused Transient', 'Accepted']);
    expect((await onRecord(ns)).told).toEqual(['power-on/bad 1 Transient']);
  });

  together('Throttled: not called before the time that the platform named', async () => {
    const ns = 'throttled';
    await begin(ns, {}, { type: 'Throttled', times: 1, retryAfter: 4_000 });
    await expectConverged(ns);
    expect(await answersToBad(ns)).toEqual(['Refused Throttled', 'Accepted']);
    const [first, second] = await callsOfBad(ns);
    expect((second?.at ?? 0) - (first?.at ?? Infinity)).toBeGreaterThanOrEqual(4_000);
  });

  together('PermanentError: parked after one attempt', async () => {
    const ns = 'permanent';
    await begin(ns, {}, { type: 'PermanentError' });
    const { lastError } = await bad(ns, isParked);
    expect(lastError).toMatchObject({ class: 'Permanent' });
    expect(lastError?.message).toContain('cannot be opened');
    expect(await answersToBad(ns)).toEqual(['Refused Permanent']);
    expect(await onRecord(ns)).toEqual({ told: [], final: [['1 Permanent']] });
    await setFaults(ns);
    await system.say(ns, 'app', 'retryMember');
    await expectConverged(ns);
    await expectOthersOnce(ns);
  });

  together('NoCapacity at power-on: tried again', async () => {
    const ns = 'no-room';
    await begin(ns, {}, { type: 'NoCapacity', times: 1, operation: 'PoweredOn' });
    await expectConverged(ns);
    expect(await answersToBad(ns)).toEqual(['Refused NoCapacity', 'Accepted']);
  });

  together(
    'NoCapacity at placement: nothing is powered on; the run says why, and continues by itself once there is room',
    async () => {
      const ns = 'placement';
      system.write(`${ns}-policy.yaml`, policyManifest(ns, 'default', IMPATIENT));
      system.write(
        `${ns}.yaml`,
        [
          `apiVersion: vmoperator.vmware.com/v1alpha5\nkind: VirtualMachineClass\nmetadata: {name: huge, namespace: ${ns}}\n` +
            `spec: {hardware: {cpus: 1000, memory: 64Gi}}\n`,
          groupManifest({
            namespace: ns,
            name: 'app',
            powerState: 'PoweredOn',
            tiers: [{ members: ['good', 'bad'] }, { members: ['next'] }],
          }),
          vmManifest(ns, 'good', 'app'),
          vmManifest(ns, 'bad', 'app', { className: 'huge' }),
          vmManifest(ns, 'next', 'app'),
        ].join('---\n'),
      );
      // More attempts than the budget of a power operation: room may come late.
      await system.until(async () => {
        const refused = (await system.journal()).filter(
          (line) =>
            line.type === 'place' &&
            line.answer === 'Refused' &&
            line.vms.some(({ vm }) => vm === `${ns}/bad`),
        );
        return refused.length > 2 ? true : undefined;
      }, 'attempts to place');
      const progress = await system.until(() => {
        const found = system.view(ns, 'app')?.run?.progress;
        return found?.placement.message === undefined ? undefined : found;
      }, 'the reason');
      expect(progress.phase).toBe('Placing');
      expect(progress.placement.message).toContain('NoCapacity');
      expect(progress.placement.message).toMatch(/ in zone-\w+ lacks \d+ cpus for /);
      expect(progress.placement.message).toContain(`${ns}/bad`);
      expect(accepted(await system.journal(), ns)).toEqual([]);

      const larger = {
        ...(DEFAULT_INVENTORY.hosts[0] as (typeof DEFAULT_INVENTORY.hosts)[number]),
        name: 'larger',
        cpus: 1_000,
      };
      await inTurn(async () => {
        const inventory = await system.console.inventory();
        await system.console.setInventory({ ...inventory, hosts: [...inventory.hosts, larger] });
      });
      const outcome = await expectConverged(ns);
      expect(outcome.placements['bad']).toMatchObject({ node: 'larger' });
      await expectOthersOnce(ns);
    },
  );
});

describe('a platform that accepts, and then', () => {
  together('LostReply: loses the answer: no second operation', async () => {
    const ns = 'lost-reply';
    await begin(ns, {}, { type: 'LostReply' });
    await expectConverged(ns);
    const calls = await callsOfBad(ns);
    expect(new Set(calls.map(({ operationId }) => operationId)).size).toBe(1);
    expect(calls.filter(({ answer }) => answer === 'Accepted')).toHaveLength(1);
  });

  together('Slow: takes its time within the limit: one attempt', async () => {
    const ns = 'slow';
    await begin(ns, {}, { type: 'Slow', factor: 10 });
    await expectConverged(ns);
    expect(await answersToBad(ns)).toEqual(['Accepted']);
    expect(await onRecord(ns)).toEqual({ told: [], final: [] });
  });

  together('Slow: takes effect after the limit, before the next attempt: no second operation', async () => {
    const ns = 'too-slow';
    const retry = { maximumAttempts: 3, initialInterval: '15s', maximumInterval: '15s' };
    await begin(ns, { operationTimeout: '5s', retry }, { type: 'Slow', factor: 35 });
    await expectConverged(ns);
    expect(await answersToBad(ns)).toEqual(['Accepted']);
    expect((await onRecord(ns)).told).toEqual(['power-on/bad 1 OperationTimeout']);
  });
});

describe('a guest that ignores shutdown', () => {
  /** Powers the group on, then off with this mode. */
  async function powerOff(ns: string, powerOffMode: string): Promise<number> {
    await begin(ns, { guestShutdownTimeout: '10s' });
    const on = await expectConverged(ns);
    await setFaults(ns, { type: 'GuestIgnoresShutdown' });
    system.write(`${ns}.yaml`, app(ns, { powerState: 'PoweredOff', more: { powerOffMode } }));
    return on.endedAt;
  }

  together('TrySoft: is forced once its time is over', async () => {
    const ns = 'try-soft';
    const on = await powerOff(ns, 'TrySoft');
    expect(await system.outcome(ns, 'app', on)).toMatchObject({
      outcome: 'Converged',
      powerState: 'PoweredOff',
    });
    const { asked, effect } = times(await system.journal(), ns, 'PoweredOff')['bad'] ?? {
      asked: NaN,
      effect: NaN,
    };
    expect(effect - asked).toBeGreaterThanOrEqual(10_000);
    expect(accepted(await system.journal(), ns).filter((text) => text === 'PoweredOff bad')).toHaveLength(1);
  });

  together('Soft: is never forced but parked, until the mode is changed', async () => {
    const ns = 'soft';
    const on = await powerOff(ns, 'Soft');
    expect((await bad(ns, isParked)).lastError).toMatchObject({ class: 'OperationTimeout' });
    expect(effects(await system.journal(), ns)).not.toContain('PoweredOff bad');
    expect(effects(await system.journal(), ns)).toEqual(
      expect.arrayContaining(['PoweredOff good', 'PoweredOff next']),
    );
    system.write(`${ns}.yaml`, app(ns, { powerState: 'PoweredOff', more: { powerOffMode: 'Hard' } }));
    expect(await system.outcome(ns, 'app', on)).toMatchObject({
      outcome: 'Converged',
      powerState: 'PoweredOff',
    });
    expect(effects(await system.journal(), ns).filter((text) => text.startsWith('PoweredOff'))).toHaveLength(
      3,
    );
  });
});
