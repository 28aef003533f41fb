/**
 * The bridge on a cluster of 1,000 groups with ten VMs each: how long after a change of a group's spec its run starts, against a watch of
 * its own that sees the same change (the floor); what the bridge keeps in memory, at a tenth of that size and at all of it; how many calls
 * to the API server a run takes. Bridge and worker are processes of their own. `BENCH_GROUPS=N` changes the number of groups.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectKubernetes, RESOURCES, type KubernetesObject } from '../kubernetes';
import { workflowId } from '../contract';
import { buildWhenStale } from '../test/cli/vmgroup';
import { startCluster, type TestCluster } from '../test/support/kubernetes';
import { startCommand, type Command } from '../test/support/processes';
import { startTemporal } from '../test/support/temporal';
import { report, run, type Figure } from './figures';

const GROUPS = Number(process.env['BENCH_GROUPS'] ?? 1_000);
/** VMs of each group. */
const VMS = 10;
/** Changes whose latency is measured, each of another group. */
const CHANGES = Math.min(200, GROUPS);
/**
 * Milliseconds between two of them. A run of ten VMs keeps two slow cores busy for a quarter of a second: with more changes a second the figure would be
 * the wait for a core.
 */
const GAP = 1_000;
/** Objects that are made at the same time. */
const PARALLEL = 32;
const NAMESPACES = 10;

interface Name {
  namespace: string;
  name: string;
}

const groupName = (at: number): Name => ({ namespace: `bench-${at % NAMESPACES}`, name: `g-${at}` });

function objectsOf(at: number): { group: KubernetesObject; vms: KubernetesObject[] } {
  const { namespace, name } = groupName(at);
  const names = Array.from({ length: VMS }, (_, index) => `${name}-${index}`);
  const tiers = [names.slice(0, VMS / 2), names.slice(VMS / 2)];
  const bootOrder = tiers.map((members) => ({ members: members.map((member) => ({ name: member })) }));
  return {
    group: { metadata: { namespace, name }, spec: { powerState: 'PoweredOff', bootOrder } },
    vms: names.map((vm) => ({ metadata: { namespace, name: vm }, spec: { groupName: name } })),
  };
}

async function inParallel<T>(items: readonly T[], each: (item: T) => Promise<unknown>): Promise<void> {
  const rest = [...items];
  const work = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await each(item);
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
}

function percentile(sample: readonly number[], share: number): number {
  const sorted = [...sample].sort((one, other) => one - other);
  return sorted[Math.ceil(sorted.length * share) - 1] ?? NaN;
}

/** Calls that the API server has answered so far, by verb and resource. */
async function callsOf(cluster: TestCluster): Promise<Map<string, number>> {
  const { stdout } = await cluster.kubectl(['get', '--raw', '/metrics']);
  const found = new Map<string, number>();
  for (const [, labels = '', count] of stdout.matchAll(/^apiserver_request_total\{(.*)\} (\S+)$/gm)) {
    const label = (name: string): string => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
    const subresource = label('subresource');
    const what = `${label('verb')} ${label('resource')}${subresource && `/${subresource}`}`;
    found.set(what, (found.get(what) ?? 0) + Number(count));
  }
  return found;
}

/** Waits until nothing is written any more. */
async function quiet(cluster: TestCluster): Promise<void> {
  for (let before = -1; ;) {
    const now = [...(await callsOf(cluster))]
      .filter(([what]) => /^(APPLY|PATCH|POST) (virtual|events)/.test(what))
      .reduce((sum, [, count]) => sum + count, 0);
    if (now === before) return;
    before = now;
    await sleep(10_000);
  }
}

/** Memory of a process that shows its metrics, in MiB: what it holds, and the least of its heap in a while. */
async function memoryOf(command: Command): Promise<{ rss: number; heap: number }> {
  const address = /"address":"([^"]+)"/.exec(command.output())?.[1] ?? '';
  let [rss, heap] = [NaN, Infinity];
  for (let look = 0; look < 20; look += 1) {
    const text = await (await fetch(`http://${address}/metrics`)).text();
    const read = (name: string): number =>
      Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]) / 2 ** 20;
    rss = read('process_resident_memory_bytes');
    heap = Math.min(heap, read('nodejs_heap_size_used_bytes'));
    await sleep(500);
  }
  return { rss, heap };
}

run(async () => {
  buildWhenStale();
  const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-bench-'));
  const [cluster, temporal] = await Promise.all([startCluster(), startTemporal()]);
  const crds = path.join(__dirname, '../deploy/crds');
  for (const args of [
    ['apply', '--server-side', '-f', crds],
    ['wait', '--for=condition=Established', '--timeout=30s', '-f', crds],
    ...Array.from({ length: NAMESPACES }, (_, at) => ['create', 'namespace', `bench-${at}`]),
  ]) {
    const { code, stderr } = await cluster.kubectl(args);
    if (code !== 0) throw new Error(stderr);
  }
  const api = connectKubernetes({ kubeconfig: cluster.kubeconfig() });
  const make = (from: number, to: number): Promise<void> =>
    inParallel(
      Array.from({ length: to - from }, (_, at) => objectsOf(from + at)),
      async ({ group, vms }) => {
        await api.create(RESOURCES.virtualMachineGroups, group);
        for (const vm of vms) await api.create(RESOURCES.virtualMachines, vm);
      },
    );
  const progress = (text: string): void => console.error(`${new Date().toISOString()} ${text}`);

  progress('making the first tenth');
  await make(0, GROUPS / 10);
  const simulator = await startCommand(
    ['simulator', 'run', '--data', 'simulator', '--port', '0'],
    dir,
    /^http:.*\n/m,
  );
  const address = simulator.output().split('\n')[0] ?? '';
  const reach = ['--temporal', temporal.address, '--simulator', address];
  const onCluster = ['--source', 'kubernetes', '--kubeconfig', cluster.kubeconfig()];
  const worker = await startCommand(['worker', ...reach], dir, /"msg":"ready"/);
  const bridge = await startCommand(['bridge', ...reach, ...onCluster], dir, /"msg":"ready"/);
  await quiet(cluster);
  const small = await memoryOf(bridge);
  progress('making the rest');
  await make(GROUPS / 10, GROUPS);
  await quiet(cluster);
  const large = await memoryOf(bridge);

  progress('changing');
  const seen = new Map<string, number>();
  const watching = new AbortController();
  const { metadata } = await api.list(RESOURCES.virtualMachineGroups, { limit: 1 });
  void api.watch(
    RESOURCES.virtualMachineGroups,
    {
      signal: watching.signal,
      ...(metadata.resourceVersion !== undefined && { resourceVersion: metadata.resourceVersion }),
    },
    ({ type, object }) => {
      const wants = (object.spec as { powerState?: string } | undefined)?.powerState;
      const { name } = object.metadata;
      if (type === 'MODIFIED' && wants === 'PoweredOn' && !seen.has(name)) seen.set(name, Date.now());
    },
  );
  const before = await callsOf(cluster);
  const changedAt = new Map<string, number>();
  const changed = Array.from({ length: CHANGES }, (_, at) => groupName(Math.floor((at * GROUPS) / CHANGES)));
  for (const group of changed) {
    changedAt.set(group.name, Date.now());
    await api.merge(RESOURCES.virtualMachineGroups, group, { spec: { powerState: 'PoweredOn' } });
    await sleep(GAP);
  }
  await quiet(cluster);
  const after = await callsOf(cluster);
  watching.abort();
  const starts = await Promise.all(
    changed.map(async ({ namespace, name }) => {
      const { startTime } = await temporal.client.workflow.getHandle(workflowId(namespace, name)).describe();
      return startTime.getTime() - (changedAt.get(name) ?? NaN);
    }),
  );
  const watches = changed.map(({ name }) => (seen.get(name) ?? NaN) - (changedAt.get(name) ?? NaN));
  // Of each change: what delays the API server's watch delays both.
  const above = starts.map((start, at) => start - (watches[at] ?? NaN));
  const calls = [...after]
    .map(([what, count]) => ({ what, each: (count - (before.get(what) ?? 0)) / CHANGES }))
    .filter(({ what, each }) => /virtual|events/.test(what) && each >= 0.05)
    .map(({ what, each }): Figure => ({ name: `calls a run: ${what}`, value: each }));
  report(`${GROUPS} groups, ${GROUPS * VMS} VMs, ${CHANGES} changes`, [
    { name: 'change of the spec → start of the run, p50', value: percentile(starts, 0.5), unit: 'ms' },
    { name: 'change of the spec → start of the run, p99', value: percentile(starts, 0.99), unit: 'ms' },
    { name: 'change of the spec → seen by a watch, p50', value: percentile(watches, 0.5), unit: 'ms' },
    { name: 'change of the spec → seen by a watch, p99', value: percentile(watches, 0.99), unit: 'ms' },
    { name: 'seen by a watch → start of the run, p50', value: percentile(above, 0.5), unit: 'ms' },
    {
      name: 'seen by a watch → start of the run, p99',
      value: percentile(above, 0.99),
      unit: 'ms',
      bound: 100,
    },
    { name: `memory at ${(GROUPS * VMS) / 10} VMs`, value: small.rss, unit: 'MiB' },
    { name: `memory at ${GROUPS * VMS} VMs`, value: large.rss, unit: 'MiB' },
    { name: `heap at ${(GROUPS * VMS) / 10} VMs`, value: small.heap, unit: 'MiB' },
    { name: `heap at ${GROUPS * VMS} VMs`, value: large.heap, unit: 'MiB' },
    ...calls,
  ]);
  await Promise.all([bridge.stop(), worker.stop(), simulator.stop()]);
  await Promise.all([temporal.stop(), cluster.stop()]);
  rmSync(dir, { recursive: true, force: true });
});
