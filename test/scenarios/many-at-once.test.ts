/**
 * 200 VMs of which 20 at random do not come up: each is named with its class and attempts, and one command ends the run once the fault is
 * gone. The product runs as processes, the commands are those that people use.
 *
 * Guarantees: G1, G8.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import type { SimulatedFault } from '../../api';
import { dataFolder, readRecord } from '../../cli/data-folder';
import type { StuckRun } from '../../cli/runs';
import { findTemporalCli } from '../../cli/temporal-server';
import { workflowId } from '../../contract';
import type { Why } from '../../insight';
import { SimulatorConsole } from '../../platforms/simulated';
import { groupWithVms, policyManifest } from '../support/manifests';
import { seededRandom } from '../support/random';
import { accepted } from '../support/system';
import { until } from '../support/until';
import { buildWhenStale, start, vmgroup, type Result } from '../cli/vmgroup';

jest.setTimeout(300_000);

const NS = 'site';
const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-many-'));
const data = path.join(dir, 'data');
const first = Array.from({ length: 190 }, (_, at) => `app-${at}`);
const last = Array.from({ length: 10 }, (_, at) => `web-${at}`);

/** The faults that are injected, each with the class that it leads to and the attempts that it takes at least. */
const KINDS = [
  { type: 'Stuck', class: 'OperationTimeout', attempts: 2 },
  { type: 'TransientError', class: 'Transient', attempts: 2 },
  { type: 'PermanentError', class: 'Permanent', attempts: 1 },
] as const satisfies (Partial<SimulatedFault> & { class: string; attempts: number })[];

const seed = Date.now() % 100_000;
const stuck = drawn(first, 20, seed).map((name, at) => ({ name, ...(KINDS[at % KINDS.length] ?? KINDS[0]) }));
const isStuck = new Set(stuck.map(({ name }) => name));

let child: ChildProcess;
let platform: SimulatorConsole;

beforeAll(async () => {
  buildWhenStale();
  await findTemporalCli();
  const tiers = [{ members: first }, { members: last }];
  const policy = {
    operationTimeout: '10s',
    maxConcurrentOperations: 200,
    retry: { maximumAttempts: 2, initialInterval: '200ms', maximumInterval: '1s' },
  };
  const faults = stuck.map(({ name, type }) => `{type: ${type}, vm: ${NS}/${name}}`).join(', ');
  const inventory = `apiVersion: vmgroup.dev/v1alpha1
kind: SimulatedInventory
metadata: {name: lab, namespace: ${NS}}
spec:
  hosts: [{name: host-1, zone: zone-a, pool: pool-a, cpus: 1000, memory: 4000Gi}]
  behavior: {powerOnTime: 200ms, readyTime: 100ms, faults: [${faults}]}
`;
  const file = path.join(dir, 'site.yaml');
  const group = groupWithVms({ namespace: NS, name: 'failover', powerState: 'PoweredOn', tiers });
  writeFileSync(file, [group, policyManifest(NS, 'default', policy), inventory].join('---\n'));
  child = start(['up', file, '--data', data], { cwd: dir });
  const record = await until(() => readRecord(dataFolder(data))?.simulator?.address, 'the simulator', {
    seconds: 60,
  });
  platform = new SimulatorConsole(record);
}, 240_000);

afterAll(async () => {
  platform?.close();
  if (child?.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  rmSync(dir, { recursive: true, force: true });
}, 60_000);

/** So many of the names, at random. */
function drawn(names: readonly string[], count: number, from: number): string[] {
  const random = seededRandom(from);
  return names
    .map((name) => ({ name, at: random() }))
    .sort((a, b) => a.at - b.at)
    .slice(0, count)
    .map(({ name }) => name);
}

const run = (...args: string[]): Promise<Result> => vmgroup([...args, '--data', data], { cwd: dir });

async function printed<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await run(...args, '-o', 'json');
  expect({ code, stderr, seed }).toEqual({ code: 0, stderr: '', seed });
  return JSON.parse(stdout) as T;
}

/** The power operations that were accepted so far, by VM. */
async function operations(): Promise<Record<string, number>> {
  const count: Record<string, number> = {};
  for (const line of accepted(await platform.journal(), NS)) {
    const name = line.replace('PoweredOn ', '');
    count[name] = (count[name] ?? 0) + 1;
  }
  return count;
}

/** The attempts of each power-on in the history of the run, by member: one whose worker was too busy to heartbeat in time is repeated. */
async function attemptsMade(): Promise<Map<string, number>> {
  const address = readRecord(dataFolder(data))?.temporal?.address ?? '';
  const connection = await Connection.connect({ address });
  try {
    const handle = new Client({ connection }).workflow.getHandle(workflowId(NS, 'failover'));
    const { events } = await handle.fetchHistory();
    const scheduled = new Map<string, string>();
    const made = new Map<string, number>();
    for (const event of events ?? []) {
      const { activityTaskScheduledEventAttributes: asked, activityTaskStartedEventAttributes: begun } =
        event;
      if (asked) scheduled.set(String(event.eventId), (asked.activityId ?? '').replace('power-on/', ''));
      if (begun) made.set(scheduled.get(String(begun.scheduledEventId)) ?? '', begun.attempt ?? 0);
    }
    return made;
  } finally {
    await connection.close();
  }
}

test('each stuck VM is named with class and attempts; one retry --all ends the run', async () => {
  const found = await until(
    async () => {
      const rows = await printed<StuckRun[]>('get', 'runs', '--stuck', '--root', `${NS}/failover`);
      const members = rows.flatMap((row) => row.stuck.filter(({ kind }) => kind === 'Parked'));
      return members.length === stuck.length ? members : undefined;
    },
    `20 parked members (seed ${seed})`,
    { seconds: 120, every: 1_000, slowest: 2_000 },
  );
  const made = await attemptsMade();
  const wanted = stuck.map(({ name, class: type }) => `${name} ${type} ${made.get(name)}`).sort();
  expect(found.map((each) => `${each.member} ${each.class} ${each.attempts}`).sort()).toEqual(wanted);
  for (const { name, attempts } of stuck) expect(made.get(name)).toBeGreaterThanOrEqual(attempts);

  const elsewhere = await run('get', 'runs', '--stuck', '--root', `${NS}/other`);
  expect(elsewhere).toMatchObject({ code: 0, stderr: 'no stuck runs\n' });
  const table = await run('get', 'runs', '--stuck');
  // On stderr, apart from the table, which programs may read.
  expect(table.stderr).toContain(`→ vmgroup why ${NS}/failover`);
  expect(table.stderr).toContain('→ vmgroup retry --all --reason TEXT');
  for (const { name, class: type } of stuck)
    expect(table.stdout).toMatch(
      new RegExp(`^${NS}/failover +${name} +Parked +${type} +${made.get(name)} `, 'm'),
    );

  // Why the last tier does not start, down to a parked VM.
  const why = await printed<{ members: Why[] }>('why', `${NS}/failover`, 'web-3');
  const [reason] = why.members;
  expect(reason).toMatchObject({
    member: 'web-3',
    isThere: false,
    chain: [{ kind: 'Tier' }, { kind: 'Parked' }],
  });
  expect(isStuck.has(reason?.chain[1]?.member ?? '')).toBe(true);
  const text = await run('why', `${NS}/failover`);
  expect(text.code).toBe(0);
  for (const { name } of stuck)
    expect(text.stdout).toContain(`→ vmgroup retry ${NS}/failover ${name} --reason TEXT`);

  // Without a terminal the command shows what it would do, and does nothing.
  const before = await operations();
  expect(
    Object.keys(before)
      .filter((name) => !isStuck.has(name))
      .sort(),
  ).toEqual(first.filter((name) => !isStuck.has(name)).sort());
  const preview = await run('retry', '--all', '--root', `${NS}/failover`, '--reason', 'storage is back');
  expect(preview.code).toBe(1);
  expect(preview.stderr).toContain('20 members of 1 run would be retried');
  for (const { name } of stuck) expect(preview.stdout).toContain(` ${name} `);
  expect(await operations()).toEqual(before);

  await platform.setFaults([]);
  const retried = await run(
    'retry',
    '--all',
    '--root',
    `${NS}/failover`,
    '--reason',
    'storage is back',
    '--yes',
  );
  expect({ code: retried.code, stderr: retried.stderr }).toEqual({ code: 0, stderr: '' });
  for (const { name } of stuck)
    expect(retried.stdout).toContain(`${NS}/failover ${name}: Retrying ${name}.\n`);

  await until(
    async () => {
      const rows = await printed<StuckRun[]>('get', 'runs', `${NS}/failover`);
      return rows[0]?.phase === 'Converged';
    },
    `the end of the run (seed ${seed})`,
    { seconds: 120, every: 1_000, slowest: 2_000 },
  );
  const after = await operations();
  for (const name of first.filter((each) => !isStuck.has(each)))
    expect([name, after[name]]).toEqual([name, 1]);
  for (const { name } of stuck) expect([name, after[name]]).toEqual([name, (before[name] ?? 0) + 1]);
  for (const name of last) expect([name, after[name]]).toEqual([name, 1]);

  // The bridge writes the status a moment after the run has ended.
  await until(
    async () =>
      (await run('why', `${NS}/failover`)).stdout.includes(
        'nothing holds it: 200 of 200 members are PoweredOn',
      ),
    'nothing to hold the group',
    { every: 500, slowest: 1_000 },
  );
  const nothing = await run('retry', '--all', '--reason', 'again', '--yes');
  expect(nothing).toMatchObject({ code: 0, stderr: 'no member is parked\n' });
});

test('a command line that says neither or both of a group and --all', async () => {
  for (const args of [[], ['site/failover', '--all'], ['site/failover', '--root', 'site/failover']]) {
    const { code, stderr } = await run('retry', ...args, '--reason', 'x');
    expect({ args, code }).toEqual({ args, code: 64 });
    expect(stderr).toContain('error:');
  }
});
