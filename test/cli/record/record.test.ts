/**
 * The record by hand: record what Temporal has, list it, export a bundle, verify it.
 *
 * Guarantees: G11.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { groupWithVms } from '../../support/manifests';
import { startSystem, type System } from '../../support/system';
import { startTemporal, type TestTemporal } from '../../support/temporal';
import { buildWhenStale, vmgroup, type Result } from '../vmgroup';

jest.setTimeout(180_000);

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-record-'));
const inDir = (name: string): string => path.join(dir, name);
let [temporal, system]: [TestTemporal?, System?] = [];

beforeAll(async () => {
  buildWhenStale();
  execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', inDir('record.key')]);
  execFileSync('openssl', ['pkey', '-in', inDir('record.key'), '-pubout', '-out', inDir('record.pub')]);
  temporal = await startTemporal();
  system = await startSystem(temporal, {
    'app.yaml': groupWithVms({
      namespace: 'prod',
      name: 'app',
      powerState: 'PoweredOn',
      tiers: [{ members: ['db'] }, { members: ['web'] }],
    }),
  });
  await system.outcome('prod', 'app');
});
afterAll(async () => {
  await system?.stop();
  await temporal?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const run = (...args: string[]): Promise<Result> =>
  vmgroup([...args], { cwd: dir, env: { VMGROUP_RECORD: inDir('record') } });

test('a run is recorded once, listed, exported and verified', async () => {
  const address = (temporal as TestTemporal).address;
  const once = ['record', 'run', '--once', '--temporal', address, '--record-key', inDir('record.key')];
  expect(await run(...once)).toMatchObject({ code: 0, stdout: 'recorded 1 executions, 0 gaps\n' });
  expect(await run(...once)).toMatchObject({ code: 0, stdout: 'recorded 0 executions, 0 gaps\n' });

  const listed = await run('record', 'prod/app');
  expect([listed.code, listed.stdout]).toEqual([0, expect.stringContaining('done: power-on/db')]);
  expect(listed.stdout).toMatch(/ended: Converged/);
  const { stdout: csv } = await run('record', '-o', 'csv', '--root', 'prod/app');
  expect(csv.split('\r\n')[0]).toBe('number,time,namespace,group,run,kind,member,who,what,detail');
  const other = await run('record', 'prod/other');
  expect([other.code, other.stdout.includes('db')]).toEqual([0, false]);

  const bundle = ['export', 'prod/app', '-o', inDir('app.json'), '--record-key', inDir('record.key')];
  expect((await run(...bundle)).code).toBe(0);
  const verified = await run('verify', inDir('app.json'), '--key', inDir('record.pub'));
  expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('chain and replay match')]);
});

test('a bundle that was changed does not verify, and the first place is named', async () => {
  const text = readFileSync(inDir('app.json'), 'utf8');
  writeFileSync(inDir('forged.json'), text.replace('"Converged"', '"Failed"'));
  const forged = await run('verify', inDir('forged.json'), '--key', inDir('record.pub'));
  expect([forged.code, forged.stderr]).toEqual([1, expect.stringMatching(/runs\[0\]\./)]);
  writeFileSync(inDir('none.json'), '{}');
  expect((await run('verify', inDir('none.json'))).stderr).toContain('is not a bundle');
});

test('`none` names no record: other commands go by Temporal, and nothing is written', async () => {
  const address = (temporal as TestTemporal).address;
  const none = (...args: string[]): Promise<Result> =>
    vmgroup([...args, '--temporal', address], { cwd: dir, env: { VMGROUP_RECORD: 'none' } });
  const page = await none('report', 'prod/app');
  expect([page.code, page.stdout]).toEqual([0, expect.stringContaining('Converged')]);
  const events = await none('export', 'prod/app', '-o', 'csv');
  expect([events.code, events.stdout]).toEqual([0, expect.stringContaining('power-on/db')]);
  const recorder = await none('record', 'run', '--once');
  expect([recorder.code, recorder.stderr]).toEqual([1, expect.stringContaining('no record is named')]);
  expect(existsSync(inDir('none'))).toBe(false);
});

test('what is missing is named', async () => {
  expect((await run('export', 'prod/other')).stderr).toContain('the record has no such run');
  const without = await vmgroup(['record'], { cwd: dir });
  expect([without.code, without.stderr]).toEqual([1, expect.stringContaining('no record is named')]);
  expect((await vmgroup(['export'], { cwd: dir })).stderr).toContain('no run is named');
});
