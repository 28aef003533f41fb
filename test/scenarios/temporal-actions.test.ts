/**
 * Every button and verb of Temporal that touches a run, by its own command line tool on a real server: what happens to the run and its VMs,
 * what is shown, and the way out. The rows of docs/reference/temporal-actions.md are the names of these tests.
 *
 * Guarantees: G7.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { defaultPayloadConverter } from '@temporalio/common';
import { temporal as api } from '@temporalio/proto';
import { requestRun, type GroupView } from '../../bridge';
import { dataFolder } from '../../cli/data-folder';
import { checkRuns } from '../../cli/doctor/runs';
import type { CheckResult } from '../../cli/doctor/check-result';
import { groupLines } from '../../cli/groups';
import { paintFor } from '../../cli/output';
import { findTemporalCli } from '../../cli/temporal-server';
import type { MemberProgress } from '../../contract';
import { HeldCancellations } from '../support/held-cancellations';
import { groupWithVms, policyManifest, type Behavior } from '../support/manifests';
import { accepted, startSystem, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { beginTogether, endedTogether, together } from '../support/together';

jest.setTimeout(180_000);

const { WorkflowTaskFailedCause } = api.api.enums.v1;

let temporal: TestTemporal;
let system: System;
let tool: string;
let cancellations: HeldCancellations;
const rows: string[] = [];

/** A test of one row of the table. */
function row(name: string, body: () => Promise<void>): void {
  rows.push(name);
  together(name, body);
}

/** A test that has a few seconds for what it does, which others would take from it. */
function afterOthers(name: string, body: () => Promise<void>): void {
  it(name, async () => {
    await endedTogether();
    await body();
  });
}

beforeAll(async () => {
  tool = (await findTemporalCli()).path;
  temporal = await startTemporal();
  cancellations = new HeldCancellations(temporal.client);
  // The first call is not carried out: an operation that hangs until someone does something about it.
  const faults: Behavior['faults'] = [
    { type: 'Stuck', vm: 'stuck', times: 1 },
    { type: 'Stuck', vm: 'hung' },
  ];
  system = await startSystem(temporal, {}, { faults });
  beginTogether();
});
afterAll(async () => {
  await endedTogether();
  await system?.stop();
  await temporal?.stop();
});

const idOf = (namespace: string): string => `vmgroup/${namespace}/app`;
const reach = (): string => ` --address ${temporal.address}`;
const POWER_ON = ['--activity-id', 'power-on/stuck'];

/** Runs `temporal`; rejects with what it says where it fails. */
async function run(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(tool, [...args, '--address', temporal.address]);
  return stdout;
}

const view = (namespace: string): GroupView | undefined => system.view(namespace, 'app');
const progressOf = (namespace: string, member: string): MemberProgress | undefined =>
  view(namespace)?.run?.progress?.members.find((each) => each.member === member);

/** Writes the desired state of the group that {@link begin} starts. */
function desire(namespace: string, powerState: string): void {
  const tiers = [{ members: ['first'] }, { members: ['stuck'] }, { members: ['last'] }];
  system.write(`${namespace}.yaml`, groupWithVms({ namespace, name: 'app', powerState, tiers }));
}

/** Starts a group whose VM `stuck` hangs in its power-on, between `first` and `last`. */
async function begin(namespace: string, policy: Record<string, unknown> = {}): Promise<string> {
  system.write(
    `${namespace}-policy.yaml`,
    policyManifest(namespace, 'default', { operationTimeout: '5m', ...policy }),
  );
  desire(namespace, 'PoweredOn');
  return system.until(() => {
    const runId = view(namespace)?.run?.runId;
    return progressOf(namespace, 'stuck')?.phase === 'InProgress' ? runId : undefined;
  }, `${namespace}/stuck to be in progress`);
}

/** Asks for a new run, as `vmgroup retry` does after the end of one. */
async function retry(namespace: string): Promise<void> {
  const { requests } = dataFolder(path.join(system.dir, 'data'));
  await requestRun(requests, { namespace, name: 'app', actor: 'alice', reason: 'test' });
}

/** Waits until the bridge follows another run than that one. */
async function anotherRun(namespace: string, before: string): Promise<void> {
  await system.until(() => {
    const now = view(namespace)?.run?.runId;
    return now !== undefined && now !== before ? true : undefined;
  }, `another run of ${namespace}/app`);
}

/** A further attempt of the power-on of `stuck`, at once. */
async function tryAgain(namespace: string): Promise<void> {
  await run('activity', 'reset', '-w', idOf(namespace), ...POWER_ON);
}

/** The number of the attempt of `stuck` that sent the last heartbeat, and whether another one was tried before. */
async function lastBeat(namespace: string): Promise<{ attempt?: number; hasFailed: boolean }> {
  const { raw } = await system.handle(namespace, 'app').describe();
  const [activity] = raw.pendingActivities ?? [];
  const payload = activity?.heartbeatDetails?.payloads?.[0];
  const details = payload && defaultPayloadConverter.fromPayload<{ attempt: number }>(payload);
  return { ...(details && { attempt: details.attempt }), hasFailed: Boolean(activity?.lastFailure) };
}

/** Pauses the power-on of `stuck`, and waits until its attempt has ended: it learns of the pause with its next heartbeat. */
async function pauseAttempt(namespace: string): Promise<void> {
  await run('activity', 'pause', '-w', idOf(namespace), ...POWER_ON);
  await system.until(
    async () => (await lastBeat(namespace)).hasFailed || undefined,
    `the attempt of ${namespace}/stuck to end`,
  );
}

/** Waits until the attempt after a pause is under way, and frees the VM. */
async function goOn(namespace: string): Promise<void> {
  await system.until(async () => {
    const { attempt = 0 } = await lastBeat(namespace);
    return attempt > 1 || undefined;
  }, `the next attempt of ${namespace}/stuck`);
  expect(await doctor(namespace)).toBeUndefined();
  expect(await asked(namespace)).toEqual(['PoweredOn first', 'PoweredOn stuck']);
  await tryAgain(namespace);
  await expectDone(namespace);
}

async function isPhase(namespace: string, phase: string): Promise<GroupView> {
  return system.until(() => {
    const found = view(namespace);
    return found?.phase === phase ? found : undefined;
  }, `${namespace}/app to be ${phase}`);
}

/** Waits until the run has closed: it shows its last phase already while it gives places back. */
async function endsAs(namespace: string, phase: string): Promise<GroupView> {
  return system.until(() => {
    const found = view(namespace);
    return found?.phase === phase && found.run?.endedAt !== undefined ? found : undefined;
  }, `the run of ${namespace}/app to end as ${phase}`);
}

/** Waits until a run that was ended from outside has been cleared up after. */
async function cleanedUp(namespace: string): Promise<GroupView> {
  return system.until(() => {
    const found = view(namespace);
    return found?.run?.outcome?.outcome === 'Cancelled' ? found : undefined;
  }, `the clean-up of ${namespace}/app`);
}

/** Names of the VMs that have room on the platform. */
async function held(namespace: string): Promise<string[]> {
  const standing = await system.console.list();
  const names = standing.map(({ state }) => state.vm).filter((vm) => vm.namespace === namespace);
  return names.map(({ name }) => name).sort();
}

/** The power operations that the platform accepted; a retry asks `stuck` again. */
const asked = async (namespace: string): Promise<string[]> => accepted(await system.journal(), namespace);

/** Each VM is on, and none was asked more often than its failures explain. */
async function expectDone(namespace: string, stuckAsked = 2): Promise<void> {
  await endsAs(namespace, 'Converged');
  const stuck = Array.from({ length: stuckAsked }, () => 'PoweredOn stuck');
  expect(await asked(namespace)).toEqual(['PoweredOn first', ...stuck, 'PoweredOn last']);
}

/** What doctor says about the run of a namespace. */
async function doctor(namespace: string): Promise<CheckResult | undefined> {
  const findings = await checkRuns(temporal.client, reach());
  return findings.find(({ check }) => check === `run ${namespace}/app`);
}

row('temporal workflow terminate', async () => {
  const ns = 'terminate';
  await begin(ns);
  await run('workflow', 'terminate', '-w', idOf(ns), '--reason', 'test');
  const who = /^Terminated by temporal-cli:.+: test; no place is kept for last$/;
  const stopped = await cleanedUp(ns);
  expect(stopped.message).toMatch(
    /^stopped \(Cancelled: Terminated by temporal-cli:.+\): no run starts until/,
  );
  expect(stopped.run?.outcome).toMatchObject({
    message: expect.stringMatching(who) as string,
    released: ['last'],
    words: [{ verb: 'abort', actor: expect.stringMatching(/^temporal-cli:/) as string, reason: 'test' }],
    operations: 0,
  });
  const ends = system.events.filter(({ reason, object }) => reason === 'RunEnded' && object.namespace === ns);
  expect(ends[0]?.message).toMatch(/^ended from outside: TERMINATED by temporal-cli:.+: test$/);
  expect(await held(ns)).toEqual(['first', 'stuck']);
  expect(await asked(ns)).toEqual(['PoweredOn first', 'PoweredOn stuck']);
  await retry(ns);
  await expectDone(ns);
});

row('temporal workflow cancel', async () => {
  const ns = 'cancel';
  await begin(ns);
  await run('workflow', 'cancel', '-w', idOf(ns));
  const { run: ended } = await endsAs(ns, 'Cancelled');
  expect(ended?.outcome).toMatchObject({ outcome: 'Cancelled' });
  expect(ended?.outcome?.words).toMatchObject([
    { verb: 'abort', actor: expect.stringMatching(/^temporal-cli:/) as string },
  ]);
  expect(await held(ns)).toEqual(['first', 'stuck']);
  expect(await asked(ns)).toEqual(['PoweredOn first', 'PoweredOn stuck']);
  await retry(ns);
  await expectDone(ns);
});

/** Cancels a run, which stays open until the returned function is called, or 15 seconds have passed. */
async function cancelHeld(namespace: string): Promise<() => void> {
  const answer = cancellations.hold(idOf(namespace));
  await run('workflow', 'cancel', '-w', idOf(namespace));
  await system.until(() => cancellations.isAwaited(idOf(namespace)), `${namespace}/app to be cancelled`);
  return answer;
}

/** Cancels a run, and waits until it carries out another desired state that came before it learns who cancelled it. */
async function cancelAndEdit(namespace: string): Promise<() => void> {
  await begin(namespace);
  const answer = await cancelHeld(namespace);
  desire(namespace, 'PoweredOff');
  await system.until(
    async () => (await asked(namespace)).includes('PoweredOff first'),
    `${namespace}/first to be powered off`,
  );
  return answer;
}

afterOthers('RUN-5: a desired state that comes right after a cancellation is carried out', async () => {
  const ns = 'cancel-then-edit';
  const answer = await cancelAndEdit(ns);
  answer();
  expect(await system.outcome(ns, 'app')).toMatchObject({
    outcome: 'Converged',
    powerState: 'PoweredOff',
    words: [{ verb: 'abort' }],
  });
});

afterOthers('RUN-5: an abort after that ends the run in the name of its own actor', async () => {
  const ns = 'cancel-edit-abort';
  const answer = await cancelAndEdit(ns);
  await system.say(ns, 'app', 'abort');
  answer();
  expect(await system.outcome(ns, 'app')).toMatchObject({
    outcome: 'Cancelled',
    message: expect.stringMatching(/^Aborted by alice: test/) as string,
    words: [{ verb: 'abort', actor: 'alice' }, { verb: 'abort' }],
  });
});

/** Writes the desired state of a group `app` of another group, whose VM never starts, and of VMs after that. */
function desireNested(namespace: string, ...after: string[]): void {
  const tiers = [{ members: ['group:inner'] }, { members: after }];
  const inner = { namespace, name: 'inner', groupName: 'app', tiers: [{ members: ['hung'] }] };
  const outer = { namespace, name: 'app', powerState: 'PoweredOn', tiers };
  system.write(`${namespace}.yaml`, `${groupWithVms(outer)}---\n${groupWithVms(inner)}`);
}

afterOthers('RUN-5: an abort of a run that a cancellation did not end reaches its nested runs', async () => {
  const ns = 'cancel-nested';
  desireNested(ns, 'last');
  const nestedRuns = (): boolean =>
    progressOf(ns, 'VirtualMachineGroup/inner')?.phase === 'InProgress' &&
    system.view(ns, 'inner')?.run?.progress?.members[0]?.phase === 'InProgress';
  await system.until(nestedRuns, `${ns}/inner to be in progress`);
  const answer = await cancelHeld(ns);
  desireNested(ns, 'last', 'added');
  await system.until(() => progressOf(ns, 'added') && nestedRuns(), `${ns}/inner to be in progress again`);
  answer();
  await system.until(() => view(ns)?.run?.progress?.words.length === 1, 'the run to learn who cancelled it');
  await system.say(ns, 'app', 'abort');
  expect(await system.outcome(ns, 'inner')).toMatchObject({
    outcome: 'Cancelled',
    words: [{ verb: 'abort', actor: 'alice' }],
  });
});

row('temporal workflow signal', async () => {
  const ns = 'signal';
  await begin(ns);
  const signal = (name: string, ...input: string[]) =>
    run('workflow', 'signal', '-w', idOf(ns), '--name', name, ...input);
  await signal('withdraw');
  await signal('applyPlan', '--input', '{}');
  await signal('attemptFailed');
  await signal('nonsense', '--input', '[1]');
  const ignored = await system.until(() => {
    const found = view(ns)?.run?.progress?.ignored ?? [];
    return found.length >= 4 ? found : undefined;
  }, 'the run to show what it ignored');
  expect(ignored.map(({ what }) => what)).toEqual(['withdraw', 'applyPlan', 'attemptFailed', 'nonsense']);
  expect(await doctor(ns)).toBeUndefined();
  await tryAgain(ns);
  await expectDone(ns);
});

row('temporal workflow reset', async () => {
  const ns = 'reset';
  const before = await begin(ns);
  await run('workflow', 'reset', '-w', idOf(ns), '--type', 'LastWorkflowTask', '--reason', 'test');
  await anotherRun(ns, before);
  await expectDone(ns);
});

row('temporal workflow reset --type FirstWorkflowTask', async () => {
  const ns = 'reset-first';
  const before = await begin(ns);
  await run('workflow', 'reset', '-w', idOf(ns), '--type', 'FirstWorkflowTask', '--reason', 'test');
  await anotherRun(ns, before);
  await endsAs(ns, 'Converged');
  expect((await asked(ns)).filter((line) => !line.endsWith(' stuck'))).toEqual([
    'PoweredOn first',
    'PoweredOn last',
  ]);
});

row('temporal workflow delete', async () => {
  const ns = 'delete';
  const before = await begin(ns);
  await run('workflow', 'delete', '-w', idOf(ns), '--yes');
  await anotherRun(ns, before);
  await endsAs(ns, 'Converged');
  expect((await asked(ns)).filter((line) => !line.endsWith(' stuck'))).toEqual([
    'PoweredOn first',
    'PoweredOn last',
  ]);
});

row('temporal workflow pause', async () => {
  const ns = 'pause-run';
  await begin(ns);
  // A server has to be told to allow it; a run is paused by vmgroup pause.
  await expect(run('workflow', 'pause', '-w', idOf(ns))).rejects.toThrow('workflow pause is not enabled');
  await system.say(ns, 'app', 'pause');
  await isPhase(ns, 'Paused');
  await system.say(ns, 'app', 'resume');
  await tryAgain(ns);
  await expectDone(ns);
});

row('temporal workflow start', async () => {
  const ns = 'start';
  const before = await begin(ns);
  const args = ['--type', 'virtualMachineGroup', '--task-queue', 'other', '-w', idOf(ns), '--input', '{}'];
  await run('workflow', 'start', ...args);
  expect(view(ns)?.run?.runId).toBe(before);
  await tryAgain(ns);
  await expectDone(ns);
});

row('temporal workflow update-options', async () => {
  const ns = 'update-options';
  await begin(ns);
  const build = ['--versioning-override-deployment-name', 'x', '--versioning-override-build-id', 'y'];
  await expect(
    run('workflow', 'update-options', '-w', idOf(ns), '--versioning-override-behavior', 'pinned', ...build),
  ).rejects.toThrow("Pinned version 'x:y' is not present in task queue");
  await tryAgain(ns);
  await expectDone(ns);
});

row('temporal workflow update execute', async () => {
  const ns = 'update';
  await begin(ns);
  const update = ['workflow', 'update', 'execute', '-w', idOf(ns), '--name', 'skipMember', '--input'];
  await expect(run(...update, '{"member":"stuck"}')).rejects.toThrow('reason is missing');
  await run(...update, JSON.stringify({ member: 'stuck', actor: 'anna', reason: 'test' }));
  await endsAs(ns, 'ConvergedWithExceptions');
  expect(view(ns)?.run?.outcome?.words).toMatchObject([
    { verb: 'skipMember', actor: 'anna', member: 'stuck' },
  ]);
});

row('temporal activity pause', async () => {
  const ns = 'pause';
  await begin(ns);
  await run('activity', 'pause', '-w', idOf(ns), ...POWER_ON, '--reason', 'look at host');
  const unpause = `temporal activity unpause -w ${idOf(ns)}${reach()} --activity-id power-on/stuck`;
  expect(await doctor(ns)).toMatchObject({
    result: 'note',
    message: expect.stringMatching(
      /^activity power-on\/stuck is paused in Temporal by temporal-cli:.* since .*: look at host$/,
    ) as string,
    cure: unpause,
    facts: { kind: 'ActivityPaused', activityId: 'power-on/stuck', commands: [unpause] },
  });
  const shown = await system.until(() => {
    const found = view(ns);
    return found?.run?.health?.paused.length ? found : undefined;
  }, 'the view to show the pause');
  const picture = groupLines(shown, { now: Date.now(), paint: paintFor({ isTTY: false }), width: 200 });
  expect(picture.map((line) => line.trim())).toContain(`→ ${unpause}`);
  expect(
    system.events.filter(({ reason, object }) => reason === 'RunPaused' && object.namespace === ns),
  ).toHaveLength(1);
  // Neither time-outs nor operator commands touch a paused activity.
  await sleep(3_000);
  expect(await asked(ns)).toEqual(['PoweredOn first', 'PoweredOn stuck']);
  expect(progressOf(ns, 'last')?.phase).toBe('Pending');
  await tryAgain(ns);
  await expectDone(ns);
});

row('temporal activity unpause', async () => {
  const ns = 'unpause';
  await begin(ns);
  await pauseAttempt(ns);
  await run('activity', 'unpause', '-w', idOf(ns), ...POWER_ON);
  await goOn(ns);
});

row('temporal activity reset', async () => {
  const ns = 'reset-activity';
  await begin(ns);
  await run('activity', 'reset', '-w', idOf(ns), ...POWER_ON);
  await expectDone(ns);
});

row('temporal activity update-options', async () => {
  const ns = 'options';
  await begin(ns);
  // Attempts are counted by the activity itself: a limit of Temporal's ends the operation early.
  const limits = ['--retry-maximum-attempts', '1', '--start-to-close-timeout', '3s'];
  await run('activity', 'update-options', '-w', idOf(ns), ...POWER_ON, ...limits);
  const parked = await system.until(() => {
    const found = progressOf(ns, 'stuck');
    return found?.phase === 'Parked' ? found : undefined;
  }, 'stuck to be parked');
  expect(parked.lastError?.message).toContain('StartToClose timeout');
  await system.say(ns, 'app', 'retryMember', 'stuck');
  await expectDone(ns);
});

row('temporal activity fail', async () => {
  const ns = 'fail';
  await begin(ns);
  await run('activity', 'fail', '-w', idOf(ns), ...POWER_ON, '--reason', 'by hand');
  const parked = await system.until(() => {
    const found = progressOf(ns, 'stuck');
    return found?.phase === 'Parked' ? found : undefined;
  }, 'stuck to be parked');
  expect(parked.lastError?.message).toContain('by hand');
  await system.say(ns, 'app', 'retryMember', 'stuck');
  await expectDone(ns);
});

row('temporal activity complete', async () => {
  const ns = 'complete';
  await begin(ns);
  // Only the platform says that a VM is on: the operation is asked for again, and the next tier waits.
  await run('activity', 'complete', '-w', idOf(ns), ...POWER_ON, '--result', '{}');
  await endsAs(ns, 'Converged');
  const order = await asked(ns);
  expect(order.at(-1)).toBe('PoweredOn last');
  expect(order.filter((line) => line === 'PoweredOn stuck')).toHaveLength(2);
});

row('temporal workflow terminate --query', async () => {
  const ns = 'batch';
  await begin(ns);
  const query = `WorkflowId = '${idOf(ns)}' AND ExecutionStatus = 'Running'`;
  await run('workflow', 'terminate', '--query', query, '--reason', 'test', '--yes');
  const { run: ended } = await cleanedUp(ns);
  expect(ended?.outcome?.message).toMatch(/^Terminated by .+: test/);
  await retry(ns);
  await expectDone(ns);
});

row('temporal activity unpause --query', async () => {
  const ns = 'batch-unpause';
  await begin(ns);
  await pauseAttempt(ns);
  expect(await doctor(ns)).toBeDefined();
  const query = `TemporalPauseInfo IS NOT NULL AND WorkflowId = '${idOf(ns)}'`;
  await run('activity', 'unpause', '--query', query, '--yes');
  await goOn(ns);
});

/** Fails the workflow tasks of a task queue, as a worker with an error in its workflow code does, until `signal` aborts. */
async function failTasks(taskQueue: string, message: string, signal: AbortSignal): Promise<void> {
  const { client } = temporal;
  const cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE;
  const at = { namespace: 'default', identity: 'broken' };
  while (!signal.aborted) {
    const { taskToken } = await client
      .withDeadline(Date.now() + 5_000, () =>
        client.workflowService.pollWorkflowTaskQueue({ ...at, taskQueue: { name: taskQueue } }),
      )
      .catch(() => ({ taskToken: undefined }));
    if (!taskToken?.length) continue;
    // Refused once the run is terminated.
    await client.workflowService
      .respondWorkflowTaskFailed({ ...at, taskToken, cause, failure: { message } })
      .catch(() => undefined);
  }
}

together('a run whose workflow task fails is a problem, and its way out works', async () => {
  const id = idOf('wedged');
  const stop = new AbortController();
  const failing = failTasks('broken', 'it does not work', stop.signal);
  await temporal.client.workflow.start('virtualMachineGroup', { workflowId: id, taskQueue: 'broken' });
  const found = await system.until(() => doctor('wedged'), 'doctor to see the run');
  expect(found).toMatchObject({
    result: 'problem',
    message: expect.stringMatching(
      /^the workflow task of the run has been failing since .*Z \(attempt \d+\), so the run makes no progress: WORKFLOW_WORKER_UNHANDLED_FAILURE: it does not work$/,
    ) as string,
    cure: `temporal workflow terminate -w ${id}${reach()} --reason TEXT, then vmgroup retry wedged/app --reason TEXT`,
  });
  await run('workflow', 'terminate', '-w', id, '--reason', 'test');
  await system.until(
    async () => ((await doctor('wedged')) === undefined ? true : undefined),
    'the run to be over',
  );
  stop.abort();
  await failing;
});

/** The commands in the first column of the table. */
function documentedRows(): string[] {
  const page = readFileSync(path.join(__dirname, '../../docs/reference/temporal-actions.md'), 'utf8');
  return page.split('\n').flatMap((line) => /^\| `(temporal [^`]+)`/.exec(line)?.[1] ?? []);
}

it('each row of the reference has its test, and each test its row', () => {
  expect(documentedRows().sort()).toEqual([...rows].sort());
});
