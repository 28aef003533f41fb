/**
 * Where the record is kept by default: a process that keeps state in a data folder keeps it there. `deploy/record` and the compose file use a
 * PostgreSQL named by its own variables, also with encrypted histories.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { freePort } from '../../support/ports';
import type { RecordEntry } from '../../../record';
import { podOf, renderedWith } from '../../support/deploy';
import { groupWithVms } from '../../support/manifests';
import { startPostgres, type TestPostgres } from '../../support/postgres';
import { startCommand, type Command } from '../../support/processes';
import { startTemporal, type TestTemporal } from '../../support/temporal';
import { until } from '../../support/until';
import { buildWhenStale, vmgroup } from '../vmgroup';

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-default-record-'));
let temporal: TestTemporal;
let postgres: TestPostgres;
let simulator: Command;
let reach: string[];

beforeAll(async () => {
  buildWhenStale();
  [temporal, postgres] = await Promise.all([startTemporal(), startPostgres()]);
  const port = String(await freePort());
  simulator = await startCommand(
    ['simulator', 'run', '--data', 'simulator', '--port', port],
    dir,
    /^http:.*\n/m,
  );
  reach = ['--temporal', temporal.address, '--simulator', simulator.output().split('\n')[0] ?? ''];
}, 120_000);
afterAll(async () => {
  await simulator.stop();
  await Promise.all([temporal.stop(), postgres.stop()]);
  rmSync(dir, { recursive: true, force: true });
}, 60_000);

/** Serves a group in a namespace until its run has ended and `seen` says so. */
async function serveOne(
  namespace: string,
  more: string[],
  env: NodeJS.ProcessEnv,
  seen: () => Promise<boolean>,
): Promise<void> {
  const group = groupWithVms({
    namespace,
    name: 'app',
    powerState: 'PoweredOn',
    tiers: [{ members: ['db'] }],
  });
  mkdirSync(path.join(dir, namespace));
  writeFileSync(path.join(dir, namespace, 'group.yaml'), group);
  const args = ['serve', namespace, ...reach, '--data', `${namespace}-data`, ...more];
  const process = await startCommand(args, dir, /"msg":"ready"/, env);
  try {
    await until(seen, `${namespace}: ${args.join(' ')}`, {
      seconds: 60,
      context: () => process.output().slice(-2_000),
    });
  } finally {
    await process.stop();
  }
}

async function recorded(args: string[], env: NodeJS.ProcessEnv = {}): Promise<RecordEntry[]> {
  const { code, stdout } = await vmgroup(['record', ...args, '-o', 'json'], { cwd: dir, env });
  return code === 0 ? (JSON.parse(stdout) as RecordEntry[]) : [];
}

const hasEnded = (entries: RecordEntry[], namespace: string): boolean =>
  entries.some(({ event }) => event.kind === 'RunCompleted' && event.run.namespace === namespace);

test('serve keeps the record in its data folder, and vmgroup record finds it there', async () => {
  await serveOne('kept', [], {}, async () => hasEnded(await recorded(['--data', 'kept-data']), 'kept'));
  expect(existsSync(path.join(dir, 'kept-data/record'))).toBe(true);
}, 120_000);

test('--record none keeps none', async () => {
  const handle = temporal.client.workflow.getHandle('vmgroup/unkept/app');
  const isOver = async (): Promise<boolean> =>
    (await handle.describe().catch(() => undefined))?.status.name === 'COMPLETED';
  await serveOne('unkept', ['--record', 'none'], {}, isOver);
  expect(existsSync(path.join(dir, 'unkept-data/record'))).toBe(false);
  const { code, stderr } = await vmgroup(['record', '--data', 'unkept-data'], { cwd: dir });
  expect(code).toBe(1);
  expect(stderr).toContain('no record is named');
}, 120_000);

test('deploy/record: a PostgreSQL by its own variables; histories may be encrypted', async () => {
  const manifests = await renderedWith({
    resources: ['../deploy/base'],
    components: ['../deploy/record'],
  });
  const bridge = manifests.find(
    ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'vmgroup-bridge',
  );
  const [container] = podOf(bridge as (typeof manifests)[number]).containers;
  expect(container?.['env']).toEqual([{ name: 'VMGROUP_RECORD', value: 'postgres:' }]);
  expect(container?.['envFrom']).toContainEqual({ secretRef: { name: 'vmgroup-record' } });

  const keys = path.join(dir, 'keys');
  mkdirSync(keys);
  writeFileSync(path.join(keys, 'k1.key'), randomBytes(32).toString('base64'));
  const { hostname, port, username } = new URL(postgres.url);
  await postgres.database('vmgroup');
  const env = {
    VMGROUP_RECORD: 'postgres:',
    PGHOST: hostname,
    PGPORT: port,
    PGUSER: username,
    PGDATABASE: 'vmgroup',
    VMGROUP_ENCRYPTION_KEYS: keys,
  };
  await serveOne('sealed', [], env, async () => hasEnded(await recorded([], env), 'sealed'));
  const entries = await recorded([], env);
  const plan = entries.find(({ event }) => event.kind === 'PlanReceived' && event.run.namespace === 'sealed');
  expect(plan?.event).toMatchObject({ plan: { tiers: [{ members: [{ name: 'db' }] }] } });
  expect(existsSync(path.join(dir, 'sealed-data/record'))).toBe(false);
}, 120_000);

test('a database that is away keeps no process from its work, and is used once it is there', async () => {
  const { hostname, port, username } = new URL(postgres.url);
  const env = {
    VMGROUP_RECORD: 'postgres:',
    PGHOST: hostname,
    PGPORT: port,
    PGUSER: username,
    PGDATABASE: 'later',
  };
  let isMade = false;
  await serveOne('later', [], env, async () => {
    if (!isMade) await postgres.database('later');
    isMade = true;
    return hasEnded(await recorded([], env), 'later');
  });
}, 120_000);

test('the compose file makes the database and names it', () => {
  const { services } = parse(readFileSync(path.join(__dirname, '../../../docker-compose.yml'), 'utf8'), {
    merge: true,
  }) as { services: Record<string, { environment: Record<string, string>; command: string[] }> };
  const { VMGROUP_RECORD, PGDATABASE, PGHOST, TEMPORAL_ADDRESS } = services['bridge']?.environment ?? {};
  expect({ VMGROUP_RECORD, PGDATABASE, PGHOST, TEMPORAL_ADDRESS }).toEqual({
    VMGROUP_RECORD: 'postgres:',
    PGDATABASE: 'vmgroup',
    PGHOST: 'postgresql',
    TEMPORAL_ADDRESS: 'temporal:7233',
  });
  expect(services['record-database']?.command[0]).toContain('createdb vmgroup');
});
