/**
 * Worker and two bridges on a cluster as processes of their own: each is killed, and a bridge is paused for longer than its lease is good for.
 * What they need is taken away: they say so on their pages, stay alive, and continue.
 *
 * Guarantees: G1.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/ports';
import { connectKubernetes, RESOURCES, type ApiServer, type KubernetesObject } from '../../kubernetes';
import { SimulatorConsole } from '../../platforms/simulated';
import { buildWhenStale } from '../cli/vmgroup';
import { startCluster, type TestCluster } from '../support/kubernetes';
import { groupWithVms } from '../support/manifests';
import { startCommand, type Command } from '../support/processes';
import { accepted } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-cluster-processes-'));
let cluster: TestCluster;
let temporal: TestTemporal;
let api: ApiServer;
let console: SimulatorConsole;
let worker: Command;
let platform: Command;
const bridges: Command[] = [];
const others: Command[] = [];

beforeAll(async () => {
  buildWhenStale();
  [cluster, temporal] = await Promise.all([startCluster(), startTemporal()]);
  api = connectKubernetes({ kubeconfig: cluster.kubeconfig() });
  await cluster.define();
  const simulator = await startCommand(
    ['simulator', 'run', '--data', 'simulator', '--port', String(await freePort())],
    dir,
    /^http:.*\n/m,
  );
  const address = simulator.output().split('\n')[0] ?? '';
  console = new SimulatorConsole(address);
  const reach = ['--temporal', temporal.address, '--simulator', address];
  worker = await startCommand(['worker', ...reach], dir, /"msg":"ready"/);
  others.push(simulator, worker);
  platform = simulator;
  const bridge = ['bridge', ...reach, '--source', 'kubernetes', '--kubeconfig', cluster.kubeconfig()];
  for (let count = 0; count < 2; count += 1) {
    bridges.push(await startCommand(bridge, dir, /"msg":"ready"/));
  }
}, 240_000);
afterAll(async () => {
  console.close();
  await Promise.all(bridges.map((bridge) => bridge.stop()));
  await Promise.all(others.map((other) => other.stop()));
  await Promise.all([temporal.stop(), cluster.stop()]);
  rmSync(dir, { recursive: true, force: true });
}, 60_000);

function kubectl(args: string[], input?: string): Promise<string> {
  return cluster.run(args, input);
}

async function apply(namespace: string): Promise<void> {
  const tiers = [{ members: ['a'], delay: '1s' }, { members: ['b'] }];
  await kubectl(['create', 'namespace', namespace]);
  const text = groupWithVms({ namespace, name: 'app', powerState: 'PoweredOn', tiers });
  await kubectl(['apply', '--server-side', '--validate=strict', '-f', '-'], text);
}

const group = (namespace: string): Promise<KubernetesObject | undefined> =>
  api.get(RESOURCES.virtualMachineGroups, { namespace, name: 'app' });

async function converged(namespace: string, generation: number): Promise<void> {
  let status: { observedGeneration?: number; phase?: string } | undefined;
  const look = async (): Promise<boolean> => {
    status = (await group(namespace))?.status as typeof status;
    return status?.observedGeneration === generation && status.phase === 'Converged';
  };
  await until(look, `${namespace}/app`, { seconds: 90, context: () => JSON.stringify(status) });
}

const operations = async (namespace: string): Promise<string[]> =>
  accepted(await console.journal(), namespace);

/** The bridge that holds the lease, by what it prints of its name once it has it. */
function leader(): Promise<Command> {
  return until(async () => {
    const lease = await api.get(RESOURCES.leases, { namespace: 'default', name: 'vmgroup-bridge' });
    const { holderIdentity = '' } = (lease?.spec ?? {}) as { holderIdentity?: string };
    return bridges.find((bridge) => bridge.output().includes(`"identity":"${holderIdentity}"`));
  }, 'a bridge that says that it leads');
}

test('the leader is killed in the middle of a run: the other bridge writes, and nothing is done twice', async () => {
  await apply('killed');
  const first = await leader();
  await until(async () => (await operations('killed')).length > 0);
  await first.kill();
  await converged('killed', 1);
  expect(await operations('killed')).toEqual(['PoweredOn a', 'PoweredOn b']);
  expect(await leader()).not.toBe(first);
  await first.restart();
}, 180_000);

test('the worker is killed in the middle of a run: the next one continues, and nothing is done twice', async () => {
  await apply('worker');
  await until(async () => (await operations('worker')).length > 0);
  await worker.kill();
  await sleep(1_500);
  await worker.restart();
  await converged('worker', 1);
  expect(await operations('worker')).toEqual(['PoweredOn a', 'PoweredOn b']);
}, 180_000);

test('a bridge that is paused while another one takes over writes nothing stale when it resumes', async () => {
  await apply('paused');
  await converged('paused', 1);
  const first = await leader();
  const patch = { spec: { powerState: 'PoweredOff' } };
  // Paused with the change on its way to it.
  await api.merge(RESOURCES.virtualMachineGroups, { namespace: 'paused', name: 'app' }, patch);
  first.pause();
  let before: string | undefined;
  try {
    await until(async () => (await leader()) !== first, 'another leader', { seconds: 90 });
    await converged('paused', 2);
    before = (await group('paused'))?.metadata.resourceVersion;
  } finally {
    first.resume();
  }
  await sleep(5_000);
  expect((await group('paused'))?.metadata.resourceVersion).toBe(before);
  expect((await operations('paused')).slice(2).sort()).toEqual(['PoweredOff a', 'PoweredOff b']);
}, 180_000);

/** What a page of a process says: the status, and its first line. */
async function page(command: Command, name: string): Promise<string> {
  const addresses = [...command.output().matchAll(/"address":"(127\.0\.0\.1:\d+)"/g)];
  const response = await fetch(`http://${addresses.at(-1)?.[1]}/${name}`);
  return `${response.status} ${(await response.text()).split('\n')[0]}`;
}

/** Waits until `/readyz` says so, and sees that the process counts as alive all the same. */
async function readiness(command: Command, wanted: RegExp): Promise<void> {
  let said = '';
  // A process that starts does not listen yet.
  const look = async (): Promise<boolean> =>
    wanted.test((said = await page(command, 'readyz').catch((error: unknown) => String(error))));
  await until(look, String(wanted), { seconds: 60, context: () => said });
  expect(await page(command, 'healthz')).toBe('200 ok');
}

/** The value of a metric, by its name with labels; NaN where it is not shown. */
async function metric(command: Command, name: string): Promise<number> {
  const addresses = [...command.output().matchAll(/"address":"(127\.0\.0\.1:\d+)"/g)];
  const text = await (await fetch(`http://${addresses.at(-1)?.[1]}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? NaN);
}

const edit = (namespace: string, powerState: string): Promise<unknown> =>
  api.merge(RESOURCES.virtualMachineGroups, { namespace, name: 'app' }, { spec: { powerState } });

test('METRICS-5: the leader alone shows how groups stand, not the bridge that led before', async () => {
  const shown = bridges.map((bridge) => metric(bridge, 'vmgroup_groups{phase="Converged"}'));
  const first = bridges.indexOf(await leader());
  expect(await Promise.all(shown)).toEqual([0, 1].map((at) => (at === first ? 3 : NaN)));
}, 60_000);

test('Temporal away: pages and metrics of worker and bridges say so, and nothing is missed', async () => {
  const LIVE = 'vmgroup_cache_live{resource="virtualmachinegroups"}';
  const away = 'vmgroup_events_total{reason="TemporalUnreachable",type="Warning"}';
  const back = 'vmgroup_events_total{reason="TemporalReachable",type="Normal"}';
  await apply('away');
  await converged('away', 1);
  for (const command of [worker, ...bridges]) await readiness(command, /^200 ok/);
  await temporal.kill();
  for (const powerState of ['PoweredOff', 'PoweredOn', 'PoweredOff']) await edit('away', powerState);
  for (const command of [worker, ...bridges]) await readiness(command, /^503 Temporal does not answer/);
  for (const bridge of bridges) {
    expect(await metric(bridge, 'vmgroup_bridge_ready')).toBe(0);
    expect(await metric(bridge, LIVE)).toBe(1);
    expect(await metric(bridge, away)).toBeGreaterThan(0);
  }
  // One leads, whatever becomes of Temporal.
  const leading = bridges.map((bridge) => metric(bridge, 'vmgroup_bridge_leading'));
  expect((await Promise.all(leading)).sort()).toEqual([0, 1]);

  await temporal.restart();
  await converged('away', 4);
  for (const command of [worker, ...bridges]) await readiness(command, /^200 ok/);
  for (const bridge of bridges) {
    expect(await metric(bridge, 'vmgroup_bridge_ready')).toBe(1);
    expect(await metric(bridge, back)).toBeGreaterThan(0);
  }
  expect(await operations('away')).toHaveLength(4);
  expect((await operations('away')).slice(2).sort()).toEqual(['PoweredOff a', 'PoweredOff b']);
}, 180_000);

test('the platform away: the page of the worker says so until it is back', async () => {
  await platform.kill();
  await readiness(worker, /^503 lost the watch on the platform/);
  await platform.restart();
  await readiness(worker, /^200 ok/);
}, 180_000);

test('a bridge without permissions says on its page which one is missing', async () => {
  const reach = ['--temporal', temporal.address, '--source', 'kubernetes', '--platform', 'vm-operator'];
  const args = ['bridge', ...reach, '--kubeconfig', cluster.kubeconfig('nobody')];
  const bridge = await startCommand(args, dir, /"msg":"starting"/);
  others.push(bridge);
  await readiness(
    bridge,
    /^503 the bridge has not started yet: .*User "nobody" cannot list resource "virtualmachine/,
  );
}, 180_000);

test('the API server away: the page of a worker that powers VMs there says so until it is back', async () => {
  await worker.stop();
  const reach = ['--temporal', temporal.address, '--platform', 'vm-operator'];
  const other = await startCommand(
    ['worker', ...reach, '--kubeconfig', cluster.kubeconfig()],
    dir,
    /"msg":"ready"/,
  );
  others.push(other);
  await readiness(other, /^200 ok/);
  await cluster.killApiServer();
  await readiness(other, /^503 lost the watch on the platform/);
  await cluster.restartApiServer();
  await readiness(other, /^200 ok/);
}, 180_000);
