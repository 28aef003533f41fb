/** `vmgroup up` and the commands around it, as processes, on a real Temporal server. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { dataFolder, readRecord, writeRecord, type UpRecord } from '../../../cli/data-folder';
import { isRunning } from '../../../cli/temporal-server/processes';
import { findTemporalCli } from '../../../cli/temporal-server';
import type { JournalLine } from '../../../platforms/simulated';
import { groupWithVms, policyManifest } from '../../support/manifests';
import { until } from '../../support/until';
import { buildWhenStale, start, vmgroup } from '../vmgroup';

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-up-'));
const children: ChildProcess[] = [];

const INVENTORY = `apiVersion: vmgroup.dev/v1alpha1
kind: SimulatedInventory
metadata: {name: lab, namespace: prod}
spec:
  hosts: [{name: host-1, zone: zone-a, pool: pool-a, cpus: 64, memory: 512Gi}]
  behavior: {powerOnTime: 200ms, readyTime: 100ms, powerOffTime: 100ms, guestShutdownTime: 100ms, faults: FAULTS}
`;

function manifests(name: string, delay: string, faults = '[]'): string {
  const group = groupWithVms({
    namespace: 'prod',
    name: 'shop',
    powerState: 'PoweredOn',
    tiers: [{ members: ['db-1', 'db-2'], delay }, { members: ['web'] }],
  });
  const policy = policyManifest('prod', 'default', {
    operationTimeout: '3s',
    retry: { maximumAttempts: 2, initialInterval: '100ms', maximumInterval: '1s' },
  });
  const file = path.join(dir, `${name}.yaml`);
  writeFileSync(file, [group, policy, INVENTORY.replace('FAULTS', faults)].join('---\n'));
  return file;
}

function begin(
  args: string[],
  env: NodeJS.ProcessEnv = {},
): ChildProcess & { lines: string[]; errors: string[] } {
  const child = start(args, { cwd: dir, env });
  const [lines, errors]: [string[], string[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => lines.push(...chunk.toString().split('\n').filter(Boolean)));
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk.toString()));
  children.push(child);
  return Object.assign(child, { lines, errors });
}

function journal(data: string): JournalLine[] {
  const file = path.join(dir, data, 'simulator/journal.jsonl');
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as JournalLine);
}

function accepted(data: string): string[] {
  return journal(data).flatMap((line) =>
    line.type === 'call' && line.answer === 'Accepted' ? [line.vm] : [],
  );
}

const serverPid = (data: string) => readRecord(dataFolder(path.join(dir, data)))?.temporal?.pid ?? 0;
const run = (...args: string[]) => vmgroup(args, { cwd: dir });

beforeAll(async () => {
  buildWhenStale();
  await findTemporalCli();
}, 240_000);
afterAll(async () => {
  for (const child of children.filter(
    ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
  )) {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  rmSync(dir, { recursive: true, force: true });
}, 60_000);

test('up runs a group to its end: one JSON event a line, exit 0, nothing left running', async () => {
  const file = manifests('quick', '100ms');
  const { code, stdout, stderr } = await run(
    'up',
    file,
    '--data',
    'quick',
    '--exit-when-converged',
    '-o',
    'json',
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { time: string; reason: string; exitCode?: number });
  expect(events.every(({ time }) => !Number.isNaN(Date.parse(time)))).toBe(true);
  const reasons = events.map(({ reason }) => reason);
  expect(reasons).toEqual(
    expect.arrayContaining(['Started', 'PlanSent', 'RunStarted', 'RunEnded', 'Stopped']),
  );
  expect(events.at(-1)).toMatchObject({ reason: 'Stopped', exitCode: 0 });
  expect(accepted('quick').sort()).toEqual(['prod/db-1', 'prod/db-2', 'prod/web']);
  expect(isRunning(serverPid('quick'))).toBe(false);

  const again = await run('up', file, '--data', 'quick', '--exit-when-converged');
  expect(again.code).toBe(0);
  expect(accepted('quick')).toHaveLength(3);
}, 120_000);

test('UP-1: after kill -9 in a delay the next up continues, and does nothing twice', async () => {
  const file = manifests('killed', '6s');
  const first = begin(['up', file, '--data', 'killed']);
  await until(() => first.lines.some((line) => line.includes('TierDone: tier 1 of 2')));

  const second = await run('up', file, '--data', 'killed');
  expect(second.code).toBe(1);
  expect(second.stderr).toContain(
    `vmgroup up works on ${path.join(dir, 'killed')} already (pid ${first.pid})`,
  );

  const orphan = serverPid('killed');
  first.kill('SIGKILL');
  await once(first, 'exit');
  expect(isRunning(orphan)).toBe(true);

  const { code } = await run('up', file, '--data', 'killed', '--exit-when-converged');
  expect(code).toBe(0);
  expect(isRunning(orphan)).toBe(false);
  expect(isRunning(serverPid('killed'))).toBe(false);
  expect(accepted('killed').sort()).toEqual(['prod/db-1', 'prod/db-2', 'prod/web']);
  const calls = journal('killed').filter(({ type }) => type === 'call' || type === 'effect');
  const done = Math.max(
    ...calls.flatMap((line) => (line.type === 'effect' && line.vm !== 'prod/web' ? [line.at] : [])),
  );
  const next = calls.find((line) => line.type === 'call' && line.vm === 'prod/web');
  // The delay counts from the gate, which is the first of a VM's two effects: it was neither shortened nor restarted.
  expect(next?.at).toBeGreaterThan(done - 1_000 + 6_000 - 1_000);
}, 180_000);

test('UP-2: if the simulated platform does not start, up fails and leaves nothing running', async () => {
  const file = manifests('taken', '100ms');
  const simulator = begin(['simulator', file, '--data', 'taken', '--port', '0']);
  await until(() => simulator.lines[0]);
  expect(await run('up', file, '--data', 'taken')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('the simulated platform did not start') as string,
  });
  expect(isRunning(serverPid('taken'))).toBe(false);
  simulator.kill('SIGTERM');
  await once(simulator, 'exit');
}, 60_000);

describe('UP-5: Ctrl-C while up starts', () => {
  test('ends a server that has not said yet that it listens', async () => {
    const tool = path.join(dir, 'silent-server');
    writeFileSync(
      tool,
      '#!/bin/sh\nif [ "$1" = --version ]; then echo temporal version 1.9.1; exit; fi\nexec sleep 600\n',
      { mode: 0o755 },
    );
    const up = begin(
      ['up', manifests('silent', '100ms'), '--data', 'silent', '--exit-when-converged', '-o', 'json'],
      { VMGROUP_TEMPORAL_CLI: tool },
    );
    await until(() => serverPid('silent') > 0);
    up.kill('SIGINT');
    expect(await once(up, 'close')).toEqual([130, null]);
    expect(up.errors).toEqual([]);
    const reasons = up.lines.map((line) => (JSON.parse(line) as { reason: string }).reason);
    expect(reasons).toEqual(['Notice', 'Stopped']);
    expect(isRunning(serverPid('silent'))).toBe(false);
    expect(existsSync(dataFolder(path.join(dir, 'silent')).lock)).toBe(false);
  }, 120_000);

  test('does not wait for a server that does not answer', async () => {
    const mute = createServer().listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const address = `127.0.0.1:${(mute.address() as AddressInfo).port}`;
    const up = begin(['up', manifests('mute', '100ms'), '--data', 'mute', '--temporal', address]);
    await once(mute, 'connection');
    up.kill('SIGINT');
    expect(await once(up, 'close')).toEqual([0, null]);
    mute.close();
    expect(up.errors).toEqual([]);
    expect(up.lines.at(-1)).toContain('stopped; vmgroup up continues');
    expect(existsSync(dataFolder(path.join(dir, 'mute')).lock)).toBe(false);
  }, 60_000);
});

test('UP-4: an up whose folder is taken over says so, stops everything, and ends with 1', async () => {
  const up = begin(['up', manifests('lost', '10m'), '--data', 'lost', '-o', 'json']);
  await until(() => up.lines.some((line) => line.includes('"Started"')));
  const server = serverPid('lost');
  rmSync(dataFolder(path.join(dir, 'lost')).lock);
  expect(await once(up, 'exit')).toEqual([1, null]);
  expect(JSON.parse(up.lines.at(-1) ?? '')).toMatchObject({
    reason: 'Stopped',
    type: 'Warning',
    exitCode: 1,
    message: expect.stringContaining('another process has taken over the data folder') as string,
  });
  expect(isRunning(server)).toBe(false);
}, 60_000);

describe('a group with a stuck VM', () => {
  let up: ReturnType<typeof begin>;
  beforeAll(async () => {
    const file = manifests('stuck', '100ms', '[{type: Stuck, vm: web, times: 4}]');
    up = begin(['up', file, '--data', 'stuck']);
    await until(() => up.lines.some((line) => line.includes('MemberParked: web')));
  }, 120_000);
  const here = (...args: string[]) => run(...args, '--data', 'stuck');

  test('get, describe and doctor show it', async () => {
    const groups = await until(async () => {
      const answer = await here('get', 'groups');
      return answer.stdout.includes('Waiting') && answer;
    });
    expect(groups.stdout).toMatch(
      /^NAMESPACE +NAME +DESIRED +PHASE +READY +RUN\nprod +shop +PoweredOn +Waiting +2\/3 /,
    );
    const { stdout: vms } = await here('get', 'vms', 'prod/shop', '-o', 'json');
    expect(
      (JSON.parse(vms) as { name: string; powerState?: string }[]).map(({ name, powerState }) => [
        name,
        powerState,
      ]),
    ).toEqual([
      ['db-1', 'PoweredOn'],
      ['db-2', 'PoweredOn'],
      ['web', 'PoweredOff'],
    ]);
    const { stdout: text } = await here('describe', 'prod/shop');
    expect(text).toContain('✖ web  parked');
    expect(text).toContain('→ vmgroup retry prod/shop web --reason TEXT');
    const { stdout: runs } = await here('get', 'runs', 'prod/shop', '-o', 'json');
    expect(JSON.parse(runs)).toEqual([
      expect.objectContaining({ namespace: 'prod', group: 'shop', phase: 'Waiting', parked: ['web'] }),
    ]);
    expect(await here('doctor')).toMatchObject({ code: 0, stderr: '' });
  }, 60_000);

  test('operator commands that do not fit are refused with the reason', async () => {
    expect(await here('retry', 'prod/shop', 'wbe', '--reason', 'x')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('refused: wbe is not a member') as string,
    });
    expect((await here('pause', 'prod/shops', '--reason', 'x')).stderr).toContain(
      'prod/shops has no open run',
    );
    expect((await here('retry', 'prod/shops', '--reason', 'x')).stderr).toContain(
      'there is no group prod/shops',
    );
  }, 60_000);

  test('retry parks it again, skip ends the run with exceptions, retry after the end brings it back', async () => {
    expect(
      await here('retry', 'prod/shop', 'web', '--reason', 'host is back', '--actor', 'kim'),
    ).toMatchObject({ code: 0 });
    await until(() => up.lines.filter((line) => line.includes('MemberParked: web')).length === 2);
    expect(await here('skip', 'prod/shop', 'web', '--reason', 'not needed', '--actor', 'kim')).toMatchObject({
      code: 0,
    });
    await until(() => up.lines.some((line) => line.includes('RunEnded: ConvergedWithExceptions')));

    const file = path.join(dir, 'run.json');
    const exported = await here('export', 'prod/shop', '-o', file);
    expect(exported.stdout).toMatch(/ kim +retryMember web +host is back$/m);
    expect(exported.stdout).toMatch(/ kim +skipMember web +not needed$/m);
    expect(exported.stdout).toMatch(/ vmgroup +gave up: power-on\/web /m);
    expect(await run('replay', file)).toMatchObject({ code: 0, stdout: `${file}: same\n`, stderr: '' });
    const changed = path.join(dir, 'changed.json');
    writeFileSync(changed, readFileSync(file, 'utf8').replaceAll('"power-on/db-2"', '"power-on/db-3"'));
    const replayed = await run('replay', file, changed);
    expect(replayed.code).toBe(1);
    expect(replayed.stdout).toMatch(/: same\n.*changed\.json: DIFFERENT: /);
    expect(replayed.stderr).toMatch(
      /^error: 1 of 2 recorded runs take other steps in this build\n {2}→ .*patched\(\)/,
    );
    const headless = JSON.parse(readFileSync(file, 'utf8')) as { events: unknown[] };
    writeFileSync(changed, JSON.stringify({ ...headless, events: headless.events.slice(1) }));
    expect(await run('replay', changed)).toMatchObject({
      code: 1,
      stdout: `${changed}: NOT REPLAYED: the history does not begin with the start of a run\n`,
      stderr: expect.stringMatching(
        /^error: 1 of 1 files are no whole history\n {2}→ create one: vmgroup export/,
      ) as string,
    });

    const mistyped = await here('retry', 'prod/shop', 'wbe', '--reason', 'host is back');
    expect(mistyped.code).toBe(1);
    expect(mistyped.stderr).toMatch(
      /^error: wbe is not a member of prod\/shop\n {2}→ its members: .*\bweb\b/,
    );
    const retried = await here('retry', 'prod/shop', 'web', '--reason', 'host is back');
    expect(retried.stdout).toContain('asked for a new run of prod/shop');
    expect(retried.stderr).toContain('the new one retries every member that is not in its desired state');
    await until(() => up.lines.some((line) => line.includes('RunEnded: Converged:')));
    expect(accepted('stuck').filter((vm) => vm !== 'prod/web')).toEqual(['prod/db-1', 'prod/db-2']);
  }, 120_000);

  test('a VM changed behind its back is brought back; power off stops the group', async () => {
    const runs = () => up.lines.filter((line) => line.includes('RunEnded: Converged:')).length;
    const before = runs();
    expect(await here('simulator', 'power', 'off', 'prod/db-1')).toMatchObject({ code: 0 });
    await until(() => runs() > before);
    expect((await here('power', 'off', 'prod/shop')).stdout).toContain('spec.powerState is now PoweredOff');
    await until(async () => {
      const { stdout } = await here('get', 'vms', '-o', 'json');
      return (JSON.parse(stdout) as { powerState: string }[]).every(
        ({ powerState }) => powerState === 'PoweredOff',
      );
    });
    const { stdout } = await until(async () => {
      const answer = await here('get', 'groups', '-o', 'yaml');
      return answer.stdout.includes('phase: Converged') && answer;
    });
    expect(stdout).toContain('powerState: PoweredOff');
  }, 120_000);

  test('Ctrl-C stops everything, and says so', async () => {
    up.kill('SIGINT');
    const [code] = (await once(up, 'exit')) as [number];
    expect(code).toBe(0);
    expect(up.lines.at(-1)).toContain('stopped; vmgroup up continues');
    expect(isRunning(serverPid('stuck'))).toBe(false);
    const after = await here('get', 'groups');
    expect(after.stderr).toContain('note: neither vmgroup up nor serve runs on this data');
  }, 60_000);
});

test('manifests without a group start nothing', async () => {
  writeFileSync(path.join(dir, 'empty.yaml'), INVENTORY.replace('FAULTS', '[]'));
  const result = await run('up', 'empty.yaml', '--data', 'empty');
  expect(result).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no valid VirtualMachineGroup') as string,
  });
});

test('other manifests without a group start nothing where groups are known, and the same ones start', async () => {
  const file = manifests('mistyped', '100ms');
  const valid = readFileSync(file, 'utf8');
  const args = ['--data', 'mistyped', '--exit-when-converged'];
  expect(await run('up', file, ...args)).toMatchObject({ code: 0 });
  writeFileSync(path.join(dir, 'none.yaml'), INVENTORY.replace('FAULTS', '[]'));
  expect(await run('up', 'none.yaml', ...args)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no valid VirtualMachineGroup in none.yaml') as string,
  });
  writeFileSync(file, valid.replaceAll('powerState: PoweredOn', 'powerState: on'));
  expect(await run('up', file, ...args)).toMatchObject({
    stdout: expect.stringMatching(/InvalidManifest: .*unsupported value "on"/) as string,
    stderr: '',
  });
}, 60_000);

test('UP-3: other manifests do not stop a run that is open, and a note names groups that are no longer managed', async () => {
  const first = manifests('replaced', '10m');
  const other = path.join(dir, 'other site.yaml');
  writeFileSync(other, readFileSync(manifests('replacing', '100ms'), 'utf8').replaceAll('prod', 'lab'));
  const args = ['--data', 'replaced'];
  const up = begin(['up', first, ...args]);
  await until(() => up.lines.some((line) => line.includes('RunStarted')));
  up.kill('SIGINT');
  await once(up, 'exit');
  const refused = await run('up', other, ...args, '--exit-when-converged');
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('runs of their groups are open: prod/shop') as string,
  });
  expect(refused.stderr).toContain(`→ continue both: vmgroup up replaced.yaml '${other}' --data replaced`);

  cpSync(manifests('replacing', '100ms'), first);
  expect(await run('up', first, ...args, '--exit-when-converged')).toMatchObject({ code: 0 });
  const replaced = await run('up', other, ...args, '--exit-when-converged');
  expect(replaced).toMatchObject({ code: 0, stderr: '' });
  expect(replaced.stdout).toContain(
    'had other manifests (replaced.yaml), whose groups are no longer managed: prod/shop',
  );
  const again = await run('up', other, ...args, '--exit-when-converged');
  expect(again.stdout).not.toContain('no longer managed');
}, 120_000);

test('up takes the platform of the last up on the same data and manifests, unless the command line names one', async () => {
  const file = manifests('moved', '100ms');
  const args = ['--data', 'moved', '--exit-when-converged'];
  expect(await run('up', file, ...args)).toMatchObject({ code: 0, stderr: '' });
  const folder = dataFolder(path.join(dir, 'moved'));
  const record = readRecord(folder);
  if (!record) throw new Error('up wrote no record');
  writeRecord(folder, { ...record, platform: { name: 'lab', files: [file] } });
  const moved = await run('up', file, ...args);
  expect(moved.code).toBe(1);
  expect(moved.stderr).toContain('note: the default platform is lab, as for the vmgroup up on moved');
  expect(moved.stderr).toContain('there is no platform lab');
  expect(await run('up', file, ...args, '--platform', 'simulated')).toMatchObject({ code: 0, stderr: '' });
}, 120_000);

test('serve and simulator as processes of their own, with health pages; a second serve on the same data is refused', async () => {
  const file = manifests('served', '100ms');
  cpSync(file, path.join(dir, 'served-2.yaml'));
  const host = begin(['up', manifests('host', '100ms'), '--data', 'host', '-o', 'json']);
  await until(() => host.lines.some((line) => line.includes('"Started"')));
  const recordIn = (data: string): UpRecord | undefined => readRecord(dataFolder(path.join(dir, data)));
  const temporal = recordIn('host')?.temporal?.address ?? '';
  expect(recordIn('host')?.platform).toEqual({ name: 'simulated', files: [] });
  const simulator = begin(['simulator', file, '--data', 'sim', '--port', '0']);
  const address = await until(() => simulator.lines[0]);
  expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);

  const served = ['--data', 'served', '--temporal', temporal, '--simulator', address];
  const serve = begin(['bridge', file, ...served]);
  const health = await until(() => /"address":"([^"]+)"/.exec(serve.lines.join('\n'))?.[1]);
  const page = async (name: string) => {
    const response = await fetch(`http://${health}/${name}`);
    return { status: response.status, text: await response.text() };
  };
  expect(await page('healthz')).toEqual({ status: 200, text: 'ok\n' });
  await until(async () => (await page('readyz')).status === 200);
  await until(async () => (await page('metrics')).text.includes('vmgroup_events_total'));
  expect((await page('nowhere')).status).toBe(404);
  expect(recordIn('served')).toMatchObject({
    command: 'bridge',
    simulator: { address },
    platform: { name: 'simulated', files: [] },
  });

  const other = await run('bridge', file, ...served);
  expect(other).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('vmgroup bridge works on') as string,
  });

  serve.kill('SIGTERM');
  expect(await once(serve, 'exit')).toEqual([0, null]);
  simulator.kill('SIGTERM');
  expect(await once(simulator, 'exit')).toEqual([0, null]);
  host.kill('SIGINT');
  const [code] = (await once(host, 'exit')) as [number | null];
  expect({ code, stderr: host.errors.join('') }).toEqual({ code: 0, stderr: '' });
}, 180_000);
