/**
 * Every log line about a run tells which: LOG-2. A serving process (worker, activities and bridge) with a VM that does not come up, an input that
 * cannot be read, a paused activity and an operator command; then each line that it has printed.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../support/ports';
import { operatorUpdates } from '../../contract';
import { SimulatorConsole } from '../../platforms/simulated';
import { runLogFields } from '../../worker';
import { buildWhenStale } from '../cli/vmgroup';
import { groupWithVms, policyManifest } from '../support/manifests';
import { startCommand, type Command } from '../support/processes';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';

type Line = Record<string, unknown> & {
  msg: string;
  reason?: string;
  object?: { kind: string };
};

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-log-lines-'));
let temporal: TestTemporal;
let console: SimulatorConsole;
const commands: Command[] = [];

beforeAll(async () => {
  buildWhenStale();
  temporal = await startTemporal();
  const port = String(await freePort());
  const simulator = await startCommand(
    ['simulator', 'run', '--data', 'simulator', '--port', port],
    dir,
    /^http:.*\n/m,
  );
  commands.push(simulator);
  const address = simulator.output().split('\n')[0] ?? '';
  console = new SimulatorConsole(address);
  await console.setFaults([
    { type: 'PermanentError', vm: 'prod/bad' },
    { type: 'TransientError', vm: 'prod/shaky', times: 1 },
  ]);
  const tiers = [{ members: ['good', 'bad', 'shaky'] }, { members: ['last'] }];
  const group = groupWithVms({ namespace: 'prod', name: 'app', powerState: 'PoweredOn', tiers });
  const policy = policyManifest('prod', 'default', {
    retry: { maximumAttempts: 2, initialInterval: '100ms', maximumInterval: '100ms' },
  });
  mkdirSync(path.join(dir, 'site'));
  writeFileSync(path.join(dir, 'site/all.yaml'), [policy, group].join('---\n'));
  const reach = ['--temporal', temporal.address, '--simulator', address, '--data', 'data'];
  commands.push(await startCommand(['serve', 'site', ...reach], dir, /"msg":"ready"/));
}, 120_000);
afterAll(async () => {
  console.close();
  for (const command of commands.reverse()) await command.stop();
  await temporal.stop();
  rmSync(dir, { recursive: true, force: true });
}, 60_000);

/** Reasons of events before the group has a run. */
const BEFORE_RUNS = new Set(['GroupAdded', 'ManifestWarning']);

function lines(): Line[] {
  return (commands.at(-1) as Command)
    .output()
    .split('\n')
    .filter((text) => text.startsWith('{'))
    .map((text) => JSON.parse(text) as Line);
}

const isAboutRun = ({ workflowId, activityId, reason = '', object }: Line): boolean =>
  workflowId !== undefined ||
  activityId !== undefined ||
  (/^VirtualMachine/.test(object?.kind ?? '') && !BEFORE_RUNS.has(reason));

test('each line about a run has namespace, group, run, revision and member', async () => {
  const handle = temporal.client.workflow.getHandle('vmgroup/prod/app');
  await until(() => lines().some(({ reason }) => reason === 'MemberParked'), 'a member to be parked', {
    seconds: 60,
  });
  await handle.signal('nonsense');
  const command = { member: 'bad', actor: 'anna', reason: 'INC-1' };
  await handle.executeUpdate(operatorUpdates.skipMember, { args: [command] });
  await handle.result();
  await until(() => lines().some(({ reason }) => reason === 'RunEnded'), 'the end to be logged');

  const { runId } = await handle.describe();
  const about = lines().filter(isAboutRun);
  const messages = about.map(({ msg, reason }) => reason ?? msg);
  expect(messages).toEqual(
    expect.arrayContaining([
      ...['PlanSent', 'RunStarted', 'MemberParked', 'RunEnded', 'Activity failed'],
      'ignored an input that cannot be read',
    ]),
  );
  const revision = expect.stringMatching(/^[0-9a-f]{12}$/) as string;
  const wanted = { namespace: 'prod', group: 'app', runId, revision };
  for (const line of about) expect(line).toMatchObject(wanted);
  const ofMembers = about.filter(
    ({ activityId, reason = '' }) => String(activityId).includes('/') || /^(Member|Attempt)/.test(reason),
  );
  expect(ofMembers.length).toBeGreaterThan(5);
  for (const line of ofMembers) expect(line).toMatchObject({ member: expect.any(String) as string });
  const parkedLine = about.find(({ reason }) => reason === 'MemberParked');
  expect(parkedLine).toMatchObject({ ...wanted, member: 'bad' });
}, 120_000);

test("`namespace` is that of a group, also in lines about no run; Temporal's is `temporalNamespace`", () => {
  expect(lines().find(({ msg }) => msg === 'starting')).toMatchObject({ temporalNamespace: 'default' });
  const others = lines().filter((line) => 'namespace' in line && line['namespace'] !== 'prod');
  expect(others).toEqual([]);
});

test('lines of the SDK in our terms', () => {
  const sdk = {
    namespace: 'default',
    workflowId: 'vmgroup/prod/app',
    activityId: 'power-on/db',
    taskQueue: 'q',
  };
  expect(runLogFields({ ...sdk, workflowRunId: 'r-1' })).toEqual({
    temporalNamespace: 'default',
    namespace: 'prod',
    group: 'app',
    member: 'db',
    runId: 'r-1',
    workflowId: 'vmgroup/prod/app',
    activityId: 'power-on/db',
    taskQueue: 'q',
  });
  expect(runLogFields({ namespace: 'default', workflowId: 'of-another-product' })).toEqual({
    temporalNamespace: 'default',
    workflowId: 'of-another-product',
  });
});
