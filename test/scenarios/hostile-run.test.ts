/**
 * Runs on a real server under bad input and bad days: every case runs at the same time in one system, in a namespace of its own.
 * G2, G3, G7, and OPERATIONS-1 through the whole product.
 *
 * Guarantees: G2, G3, G7.
 */
import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import fc from 'fast-check';
import type { SimulatedFault } from '../../api';
import {
  activityPaused,
  applyPlan,
  attemptFailed,
  notifyOnEnd,
  OPERATOR_VERBS,
  progress,
  searchAttributeKeys,
  withdraw,
  workflowId,
  CLEAN_UP_TYPE,
  WORKFLOW_TYPE,
  type PlanMessage,
  type Progress,
} from '../../contract';
import { groupWithVms, policyManifest, type GroupShape } from '../support/manifests';
import { propertyRuns } from '../support/property-runs';
import { accepted, effects, startSystem, times, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { beginTogether, endedTogether, together } from '../support/together';

jest.setTimeout(240_000);

const LONG_NAMES = Array.from(
  { length: 55 },
  (_, at) => `erp-production-database-replica-number-${String(at).padStart(3, '0')}`,
);

const faults: SimulatedFault[] = [
  ...LONG_NAMES.map((name): SimulatedFault => ({ type: 'PermanentError', vm: `many-parked/${name}` })),
  { type: 'Stuck', vm: 'cancelled/a' },
  { type: 'Stuck', vm: 'fuzzed/a' },
  { type: 'Stuck', vm: 'by-hand/db', times: 1 },
  { type: 'GuestIgnoresShutdown', vm: 'forced/db' },
];

let temporal: TestTemporal;
let system: System;

beforeAll(async () => {
  temporal = await startTemporal();
  system = await startSystem(temporal, {}, { faults });
  beginTogether();
});
afterAll(async () => {
  await endedTogether();
  await system?.stop();
  await temporal?.stop();
});

function write(namespace: string, shape: Partial<GroupShape>, policy: Record<string, unknown> = {}): void {
  system.write(
    `${namespace}-policy.yaml`,
    policyManifest(namespace, 'default', { retry: { maximumAttempts: 1 }, ...policy }),
  );
  const group = { namespace, name: 'app', powerState: 'PoweredOn', tiers: [], ...shape };
  system.write(`${namespace}.yaml`, groupWithVms(group));
}

function progressOf(namespace: string): Promise<Progress | undefined> {
  return system
    .handle(namespace, 'app')
    .query(progress)
    .catch(() => undefined);
}

/** Waits until a member is in a phase. */
function phase(namespace: string, member: string, wanted: string): Promise<unknown> {
  return system.until(async () => {
    const found = (await progressOf(namespace))?.members.find((each) => each.member === member);
    return found?.phase === wanted ? found : undefined;
  }, `${namespace}/${member} to be ${wanted}`);
}

together('55 parked VMs with names of 42 characters: the run continues and can be retried', async () => {
  write('many-parked', { tiers: [{ members: LONG_NAMES }] }, { maxConcurrentOperations: 100 });
  await system.until(async () => {
    const found = await progressOf('many-parked');
    return found?.members.every((member) => member.phase === 'Parked') || undefined;
  }, 'all to be parked');
  const handle = system.handle('many-parked', 'app');
  const { status, typedSearchAttributes } = await handle.describe();
  expect(status.name).toBe('RUNNING');
  const listed = typedSearchAttributes.get(searchAttributeKeys.parked) ?? [];
  expect(listed.length).toBeGreaterThan(20);
  expect(Buffer.byteLength(JSON.stringify(listed))).toBeLessThan(2_048);
  expect(await system.say('many-parked', 'app', 'retryMember')).toMatch(/^Retrying .* and 35 more\.$/);
});

together('RUN-4: signals that cannot be read are shown, and the run continues', async () => {
  write('unreadable', { tiers: [{ members: ['a'], delay: '6s' }, { members: ['b'] }] });
  await phase('unreadable', 'a', 'Done');
  const handle = system.handle('unreadable', 'app');
  const anything = [undefined, null, {}, [], 'x'] as never[];
  for (const { name } of [applyPlan, withdraw, attemptFailed, activityPaused])
    for (const input of anything) await handle.signal(name, input);
  await handle.signal('noSuchSignal', { a: 1 });
  const ignored = await system.until(async () => {
    const found = (await progressOf('unreadable'))?.ignored ?? [];
    return found.length >= 20 ? found : undefined;
  }, 'the ignored signals');
  expect(ignored.at(-1)).toMatchObject({ what: 'noSuchSignal', why: 'unknown signal' });
  expect((await system.outcome('unreadable', 'app')).outcome).toBe('Converged');
});

together('G3: state that a person hands over with the start is shown, and has no effect', async () => {
  const namespace = 'forged';
  const id = workflowId(namespace, 'app');
  const args = [{ namespace, name: 'app', run: { packed: null, plan: { tiers: 'none' }, members: 7 } }];
  await temporal.client.workflow.start(WORKFLOW_TYPE, { workflowId: id, taskQueue: system.taskQueue, args });
  write(namespace, { tiers: [{ members: ['a'], delay: '4s' }, { members: ['b'] }] });
  await phase(namespace, 'a', 'Done');
  expect((await progressOf(namespace))?.ignored).toMatchObject([{ what: 'run' }]);
  expect((await system.outcome(namespace, 'app')).outcome).toBe('Converged');
});

together('G3: times and ids that the server does not take fail no workflow task', async () => {
  const namespace = 'beyond';
  write(namespace, { tiers: [{ members: ['a'], delay: '10m' }, { members: ['b'] }] });
  await phase(namespace, 'a', 'Done');
  const handle = system.handle(namespace, 'app');
  const { events: before } = await handle.fetchHistory();
  const sent = before?.find(({ workflowExecutionSignaledEventAttributes: signal }) => signal)
    ?.workflowExecutionSignaledEventAttributes?.input?.payloads?.[0];
  const message = JSON.parse(Buffer.from(sent?.data ?? []).toString()) as PlanMessage;
  const longest = 8.64e15;
  /** The bridge's plan of a later edit, with a delay before the second tier. */
  const edited = (edit: number, powerOnDelay: number): PlanMessage => ({
    ...message,
    digest: `edit-${edit}`,
    plan: {
      ...message.plan,
      revision: `edit-${edit}`,
      generation: message.plan.generation + edit,
      tiers: message.plan.tiers.map((tier, at) => (at === 1 ? { ...tier, powerOnDelay } : tier)),
      policy: { ...message.plan.policy, operationTimeout: longest },
    },
  });
  await handle.signal(applyPlan, edited(1, longest));
  for (const id of ['', 'ä'.repeat(1_000), 'x'])
    await handle.signal(notifyOnEnd, { workflowId: id, member: 'VirtualMachineGroup/app', runId: 'r' });
  await system.until(
    async () => ((await progressOf(namespace))?.ignored?.length === 3 ? true : undefined),
    'the ids to be ignored',
  );
  await handle.signal(applyPlan, edited(2, 0));
  expect((await system.outcome(namespace, 'app')).outcome).toBe('Converged');
  const { events } = await handle.fetchHistory();
  expect(events?.filter((event) => event.workflowTaskFailedEventAttributes)).toEqual([]);
});

together('G3: payloads that are no JSON fail no workflow task', async () => {
  const namespace = 'encoded';
  write(namespace, { tiers: [{ members: ['a'], delay: '6s' }, { members: ['b'] }] });
  await phase(namespace, 'a', 'Done');
  const handle = system.handle(namespace, 'app');
  const { workflowService, options } = temporal.client;
  const payload = (encoding: string, data: string) => ({
    metadata: { encoding: Buffer.from(encoding) },
    data: Buffer.from(data),
  });
  for (const each of [payload('json/plain', '{'), payload('text/strange', 'x'), { data: Buffer.from('x') }])
    await workflowService.signalWorkflowExecution({
      namespace: options.namespace,
      signalName: applyPlan.name,
      requestId: randomUUID(),
      workflowExecution: { workflowId: handle.workflowId },
      input: { payloads: [each] },
    });
  const ignored = await system.until(async () => {
    const found = (await progressOf(namespace))?.ignored ?? [];
    return found.length === 3 ? found : undefined;
  }, 'the payloads to be ignored');
  expect(ignored.map(({ what }) => what)).toEqual(['applyPlan', 'applyPlan', 'applyPlan']);
  expect((await system.outcome(namespace, 'app')).outcome).toBe('Converged');
  const { events } = await handle.fetchHistory();
  expect(events?.filter((event) => event.workflowTaskFailedEventAttributes)).toEqual([]);
});

/** Any argument of a message that does not happen to be one that ends the run. */
const anyArgument = fc
  .oneof(
    fc.jsonValue(),
    fc.record({ plan: fc.jsonValue(), cause: fc.string(), digest: fc.jsonValue() }),
    fc.record({ activityId: fc.constantFrom('power-on/a', 'constructor', ''), attempt: fc.jsonValue() }),
    fc.record({
      actor: fc.jsonValue(),
      reason: fc.jsonValue(),
      member: fc.constantFrom('a', '__proto__', 1),
    }),
  )
  .map((value) => JSON.parse(JSON.stringify(value)) as never);

together('G3: generated signals, Updates and queries fail no workflow task', async () => {
  const namespace = 'fuzzed';
  write(namespace, { tiers: [{ members: ['a'] }, { members: ['b'] }] }, { operationTimeout: '10m' });
  await phase(namespace, 'a', 'InProgress');
  const handle = system.handle(namespace, 'app');
  const answers = { taken: 0, refused: 0 };
  const names = OPERATOR_VERBS.filter((verb) => verb !== 'abort' && verb !== 'skipMember');
  for (const [at, argument] of fc.sample(anyArgument, { numRuns: propertyRuns(100), seed: 7 }).entries()) {
    const signal = [applyPlan, attemptFailed, activityPaused][at % 3]?.name ?? '';
    await handle.signal(signal, argument);
    await handle.executeUpdate(names[at % names.length] ?? '', { args: [argument] }).then(
      () => (answers.taken += 1),
      () => (answers.refused += 1),
    );
    expect(await handle.query(progress.name, argument)).toMatchObject({ name: 'app' });
  }
  expect(answers.taken + answers.refused).toBe(propertyRuns(100));
  const { events } = await handle.fetchHistory();
  expect(events?.filter((event) => event.workflowTaskFailedEventAttributes)).toEqual([]);
  expect((await handle.describe()).status.name).toBe('RUNNING');
});

together('RUN-5: Request Cancellation ends like abort, with the identity that asked', async () => {
  write('cancelled', { tiers: [{ members: ['a'] }, { members: ['b', 'c'] }] }, { operationTimeout: '10m' });
  await phase('cancelled', 'a', 'InProgress');
  const handle = system.handle('cancelled', 'app');
  await handle.cancel();
  const outcome = await system.outcome('cancelled', 'app');
  const identity = temporal.client.options.identity;
  expect(outcome).toMatchObject({
    outcome: 'Cancelled',
    message: expect.stringContaining(`Cancelled by ${identity}`) as string,
    words: [{ verb: 'abort', actor: identity }],
    released: ['b', 'c'],
  });
  expect((await handle.describe()).status.name).toBe('COMPLETED');
  const standing = (await system.console.list()).map(({ state }) => state.vm);
  expect(standing.filter(({ namespace }) => namespace === 'cancelled').map(({ name }) => name)).toEqual([
    'a',
  ]);
});

together(
  'OPERATIONS-1: an activity completed by hand counts only once the platform confirms it',
  async () => {
    write('by-hand', { tiers: [{ members: ['db'] }, { members: ['next'] }] }, { operationTimeout: '10m' });
    // The first operation is the one that is stuck: its activity may be open before the platform was asked.
    await system.until(
      async () => (accepted(await system.journal(), 'by-hand').length > 0 ? true : undefined),
      'the platform to accept the operation',
    );
    // A person says that it is done.
    const activity = { workflowId: workflowId('by-hand', 'app'), activityId: 'power-on/db' };
    await temporal.client.activity.complete(activity, {
      status: { powerState: 'PoweredOn', at: 1 },
      acted: true,
    });
    expect((await system.outcome('by-hand', 'app')).outcome).toBe('Converged');
    const journal = await system.journal();
    expect(effects(journal, 'by-hand')).toEqual(['PoweredOn db', 'PoweredOn next']);
    const { db, next } = times(journal, 'by-hand', 'PoweredOn');
    expect(next?.asked).toBeGreaterThanOrEqual(db?.effect ?? Infinity);
  },
);

together('an activity failed by hand parks its member with a class and a message', async () => {
  write('failed-by-hand', { tiers: [{ members: ['db'] }] }, { gate: 'Condition/Never', gateTimeout: '10m' });
  await phase('failed-by-hand', 'db', 'InProgress');
  const activity = { workflowId: workflowId('failed-by-hand', 'app'), activityId: 'power-on/db' };
  await temporal.client.activity.fail(activity, ApplicationFailure.nonRetryable(''));
  await phase('failed-by-hand', 'db', 'Parked');
  const [member] = (await progressOf('failed-by-hand'))?.members ?? [];
  expect(member?.lastError?.class).not.toBe('');
  expect(member?.lastError?.message).not.toBe('');
});

together('PLANS-3: Soft hangs, so force it: the new mode of the group is used at once', async () => {
  const tiers = [{ members: ['db'] }];
  const patience = { operationTimeout: '10m', guestShutdownTimeout: '10m' };
  write('forced', { tiers }, patience);
  await system.outcome('forced', 'app');
  write('forced', { tiers, powerState: 'PoweredOff', more: { powerOffMode: 'Soft' } }, patience);
  await system.until(async () => {
    const found = await progressOf('forced');
    return found?.powerState === 'PoweredOff' && found.members[0]?.phase === 'InProgress' ? found : undefined;
  }, 'the soft power-off');
  const began = Date.now();
  write('forced', { tiers, powerState: 'PoweredOff', more: { powerOffMode: 'Hard' } }, patience);
  const { outcome, endedAt } = await system.outcome('forced', 'app', began);
  expect(outcome).toBe('Converged');
  expect(endedAt - began).toBeLessThan(60_000);
  expect(effects(await system.journal(), 'forced')).toEqual(['PoweredOn db', 'PoweredOff db']);
});

together('a VM named constructor is placed, powered on and healed', async () => {
  write('names', { tiers: [{ members: ['constructor'] }] });
  const first = await system.outcome('names', 'app');
  expect(first.outcome).toBe('Converged');
  await system.console.power({ namespace: 'names', name: 'constructor' }, 'PoweredOff');
  const healed = await system.outcome('names', 'app', first.endedAt);
  expect(healed).toMatchObject({ outcome: 'Converged', operations: 1 });
});

together('a workflow started by hand without a plan can be cancelled, and says what it lacks', async () => {
  const { taskQueue } = await system
    .until(async () => (await temporal.client.workflow.count()).count > 0 || undefined, 'any run')
    .then(() => system.until(() => runTaskQueue(), 'a run of the system'));
  const handle = await temporal.client.workflow.start(WORKFLOW_TYPE, {
    taskQueue,
    workflowId: workflowId('by-hand-start', 'app'),
    args: [],
  });
  await handle.signal(applyPlan, {} as never);
  await handle.cancel();
  expect(await handle.result()).toMatchObject({
    outcome: 'Cancelled',
    message: expect.stringContaining('the run never received a plan') as string,
  });
});

together('G3: a clean-up that a person starts with any argument ends, and says why', async () => {
  const namespace = 'by-hand-clean-up';
  const id = workflowId(namespace, 'app');
  for (const args of [[], [null], [{ namespace, name: 'app', cleanUp: { plan: 7 } }]]) {
    const options = { taskQueue: system.taskQueue, workflowId: id, args };
    const handle = await temporal.client.workflow.start(CLEAN_UP_TYPE, options);
    expect(await handle.result()).toMatchObject({
      outcome: 'Cancelled',
      message: expect.stringMatching(/^nothing to clear up: /) as string,
    });
  }
});

async function runTaskQueue(): Promise<{ taskQueue: string } | undefined> {
  for await (const { taskQueue } of temporal.client.workflow.list()) return { taskQueue };
  return undefined;
}
