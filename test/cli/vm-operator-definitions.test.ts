/**
 * What people see of runs where the API server has VM Operator's own definitions: `status` has no place for phase and run there.
 * RUN-VIEW-1: Temporal is asked by the id of the workflow.
 *
 * Guarantees: G8.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { GroupView } from '../../bridge';
import { findTemporalCli } from '../../cli/temporal-server';
import { startClusterSystem, type ClusterSystem } from '../support/cluster-system';
import { groupWithVms } from '../support/manifests';
import { asYaml, vmOperatorGroups } from '../support/vm-operator-definitions';
import { buildWhenStale, start, vmgroup, type Result } from './vmgroup';

let system: ClusterSystem;
const children: ChildProcess[] = [];

beforeAll(async () => {
  buildWhenStale();
  await findTemporalCli();
  system = await startClusterSystem({
    behavior: { faults: [{ type: 'PermanentError', vm: 'parked/db' }] },
  });
  await system.kubectl(
    ['apply', '--server-side', '--force-conflicts', '-f', '-'],
    asYaml(vmOperatorGroups()),
  );
  await system.startBridge();
}, 240_000);
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await system.stop();
}, 60_000);

function environment(): NodeJS.ProcessEnv {
  return {
    KUBECONFIG: system.cluster.kubeconfig(),
    VMGROUP_SOURCE: 'kubernetes',
    TEMPORAL_ADDRESS: system.temporal.address,
    NO_COLOR: '1',
  };
}

const run = (...args: string[]): Promise<Result> => vmgroup(args, { env: environment() });

async function printed(...args: string[]): Promise<string> {
  const result = await run(...args);
  expect(result).toMatchObject({ code: 0, stderr: '' });
  return result.stdout;
}

const tiers = [{ members: ['db'], delay: '1h' }, { members: ['web'] }];
const apply = (namespace: string, powerState = 'PoweredOn'): Promise<void> =>
  system.apply(namespace, groupWithVms({ namespace, name: 'app', powerState, tiers }));

/** Waits until a run is in a phase, as Temporal shows it. */
async function runIs(namespace: string, phase: string): Promise<void> {
  const handle = system.temporal.client.workflow.getHandle(`vmgroup/${namespace}/app`);
  await system.until(async () => {
    const progress = await handle
      .query<{ phase: string; tiers: { phase: string }[] }, []>('progress')
      .catch(() => undefined);
    return progress?.phase === phase || progress?.tiers.some((tier) => tier.phase === phase) || undefined;
  }, `the run of ${namespace}/app to be ${phase}`);
}

test('the definitions have no place for the phase', async () => {
  await apply('delayed');
  await runIs('delayed', 'Delay');
  const status = await system.until(async () => {
    const found = await system.status('delayed', 'app');
    return found?.members?.[0]?.powerState === 'PoweredOn' ? found : undefined;
  }, 'the status of db');
  expect(Object.keys(status).sort()).toEqual(['conditions', 'members']);
});

test('get and describe of a run in a delay: phase, tiers, run', async () => {
  expect(await printed('get', 'groups', 'delayed/app')).toMatch(
    /^delayed +app +PoweredOn +PoweringOn +1\/2 +\d+[ms](\d+s)?$/m,
  );
  expect(await printed('get', 'groups')).toMatch(
    /^delayed +app +PoweredOn +PoweringOn +1\/2 +\d+[ms](\d+s)?$/m,
  );
  const described = await printed('describe', 'delayed/app');
  expect(described).toMatch(/^delayed\/app {2}PoweredOn {2}PoweringOn {2}\d+[ms](\d+s)?\n/);
  expect(described).toMatch(/tier 1\/2 +█{10} +1\/1 +done\n +✔ db +PoweredOn\n/);
  expect(described).toMatch(/tier 2\/2 +░{10} +0\/1 +delay, (1h|5\dm(\d+s)?) left/);
  expect(described).toMatch(/Run: +vmgroup\/delayed\/app\/[0-9a-f-]{36}\n/);
});

test('a parked member: Waiting, with the cause', async () => {
  await apply('parked');
  await runIs('parked', 'Waiting');
  const described = await printed('describe', 'parked/app');
  expect(described).toMatch(/^parked\/app {2}PoweredOn {2}Waiting /);
  expect(described).toMatch(/✖ db +parked\n +Permanent: /);
  expect(described).toContain('→ vmgroup retry parked/app db --reason TEXT');
});

test('watch into a pipe tells what happens', async () => {
  await apply('watched', 'PoweredOff');
  await system.ready('watched', 'app');
  const watching = start(['watch', 'watched/app', '-o', 'json'], { env: environment() });
  children.push(watching);
  const lines: string[] = [];
  watching.stdout.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().split('\n').filter(Boolean)) {
      const { reason, message } = JSON.parse(line) as { reason: string; message: string };
      lines.push(`${reason} ${message}`);
    }
  });
  const told = (text: string): Promise<true> =>
    system.until(
      () => lines.some((line) => line.includes(text)) || undefined,
      `${text} in ${lines.join('\n')}`,
    );
  await new Promise((over) => setTimeout(over, 3_000));
  await printed('power', 'on', 'watched/app');
  await told('RunStarted run ');
  await told('DelayStarted tier 2 of 2');
  await printed('skip-delay', 'watched/app', '--reason', 'test');
  await told('RunEnded Converged: 2 of 2 members PoweredOn');
  expect(lines.filter((line) => line.startsWith('RunStarted'))).toHaveLength(1);
  const ended = once(watching, 'exit');
  watching.kill('SIGINT');
  expect(await ended).toEqual([0, null]);
}, 120_000);

test('a run that was aborted: its outcome, and power on asks for another one', async () => {
  await printed('abort', 'delayed/app', '--reason', 'test');
  await system.until(async () => {
    const { conditions = [] } = (await system.status('delayed', 'app'))?.members[1] ?? {};
    return conditions.some(({ reason }) => reason === 'NotSynced') || undefined;
  }, 'the bridge to see the outcome');
  expect(await printed('get', 'groups', 'delayed/app')).toMatch(
    /^delayed +app +PoweredOn +Cancelled +1\/2 +\d+[ms](\d+s)?$/m,
  );
  const { phase, run: last } = JSON.parse(
    await printed('describe', 'delayed/app', '-o', 'json'),
  ) as GroupView;
  expect({ phase, outcome: last?.outcome?.outcome }).toEqual({ phase: 'Cancelled', outcome: 'Cancelled' });
  expect(await printed('power', 'on', 'delayed/app', '--reason', 'again')).toMatch(
    /^asked for a new run of delayed\/app/,
  );
  await runIs('delayed', 'Delay');
});

test('without Temporal: what the conditions say, with a note', async () => {
  const { code, stdout, stderr } = await run('describe', 'parked/app', '--temporal', '127.0.0.1:1');
  expect(code).toBe(0);
  expect(stdout).toMatch(/✖ db +PowerOperationFailed\n/);
  expect(stderr).toMatch(
    /^note: no Temporal server answers at 127\.0\.0\.1:1.*open runs are shown from the status alone\n$/,
  );
  const groups = await vmgroup(['get', 'groups'], {
    env: { ...environment(), TEMPORAL_ADDRESS: '127.0.0.1:1' },
  });
  expect(groups.stdout).toMatch(/^watched +app +PoweredOn +Converged +2\/2 +-$/m);
  expect(groups.stderr).toContain('note: no Temporal server answers at 127.0.0.1:1');
});
