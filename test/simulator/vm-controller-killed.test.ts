/**
 * The command `vmgroup simulator run --kubernetes`, with just the rights that its page names, killed again and again.
 *
 * Guarantees: G1.
 */
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { RESOURCES, type ApiServer, type VirtualMachineObject } from '../../kubernetes';
import type { JournalLine } from '../../platforms/simulated';
import { readJournal } from '../../simulator';
import { buildWhenStale, start } from '../cli/vmgroup';
import type { TestCluster } from '../support/kubernetes';
import { until } from '../support/until';
import { startVmCluster } from './vm-controller-fixtures';

const USER = 'system:serviceaccount:vmgroup-system:vmgroup-simulator';
const namespace = 'prod';
const names = Array.from({ length: 20 }, (_, index) => `vm-${index}`);
const folder = mkdtempSync(join(tmpdir(), 'vmgroup-killed-'));
const journalFile = join(folder, 'data/simulator/journal.jsonl');
let cluster: TestCluster & { api: ApiServer };

beforeAll(async () => {
  buildWhenStale();
  cluster = await startVmCluster();
  await apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'simulator' },
      rules: rules(),
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'simulator' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'simulator' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: USER }],
    },
  );
}, 240_000);
afterAll(async () => {
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function apply(...objects: object[]): Promise<void> {
  const input = objects.map((object) => stringify(object)).join('---\n');
  const { code, stderr } = await cluster.kubectl(['apply', '-f', '-'], { input });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
}

/** The table at the end of the page. */
function rules(): object[] {
  const page = readFileSync(join(__dirname, '../../docs/reference/simulator-on-kubernetes.md'), 'utf8');
  const [, table] = page.split('## Permissions');
  if (table === undefined) throw new Error('the page has no section Permissions');
  const words = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  return rows.map((row) => {
    const [, cell, verbs] = row.split('|');
    const names = words(cell);
    const group = names.find((name) => name.includes('.')) ?? RESOURCES.virtualMachines.group;
    return { apiGroups: [group], resources: names.filter((name) => name !== group), verbs: words(verbs) };
  });
}

async function journal(): Promise<JournalLine[]> {
  const lines: JournalLine[] = [];
  for await (const line of readJournal(journalFile, 0)) lines.push(line);
  return lines;
}

function run(): { kill: () => Promise<void>; stop: () => Promise<string>; address: Promise<string> } {
  const child = start([
    ...['simulator', 'run', join(folder, 'inventory.yaml'), '--kubernetes', '--port', '0'],
    ...['--data', join(folder, 'data'), '--kubeconfig', cluster.kubeconfig(USER)],
    ...['--watch-namespaces', namespace],
  ]);
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  };
  return {
    address: once(createInterface({ input: child.stdout }), 'line').then(([line]) => String(line)),
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM').then(() => log),
  };
}

async function untilAll(powerState: string): Promise<void> {
  await until(
    async () => {
      const { items } = await cluster.api.list(RESOURCES.virtualMachines, { namespace });
      return items.every(
        ({ status }) => (status as VirtualMachineObject['status'] | undefined)?.powerState === powerState,
      );
    },
    `all VMs to be ${powerState}`,
    { seconds: 100 },
  );
}

test('STANDIN-1: killed in the middle of creating, of power-on and of power-off, it does nothing twice', async () => {
  mkdirSync(join(folder, 'data'));
  const behavior = { powerOnTime: { min: '10ms', max: '800ms' }, readyTime: '10ms', powerOffTime: '300ms' };
  const inventory = {
    apiVersion: 'vmgroup.dev/v1alpha1',
    kind: 'SimulatedInventory',
    metadata: { name: 'lab' },
  };
  writeFileSync(join(folder, 'inventory.yaml'), stringify({ ...inventory, spec: { behavior } }));
  for (const name of names) {
    await cluster.api.create(RESOURCES.virtualMachines, {
      metadata: { namespace, name },
      spec: { powerState: 'PoweredOn', powerOffMode: 'Hard' },
    });
  }
  const effects = async (effect: string): Promise<number> =>
    (await journal()).filter((line) => line.type === 'effect' && line.effect === effect).length;
  let simulator = run();
  await simulator.address;
  await until(async () => (await journal()).some((line) => line.type === 'call'));
  await simulator.kill();
  simulator = run();
  await until(async () => (await effects('PoweredOn')) > 5);
  await simulator.kill();
  simulator = run();
  await untilAll('PoweredOn');
  for (const name of names)
    await cluster.api.merge(
      RESOURCES.virtualMachines,
      { namespace, name },
      { spec: { powerState: 'PoweredOff' } },
    );
  await until(async () =>
    (await journal()).some((line) => line.type === 'call' && line.operation === 'PoweredOff'),
  );
  await sleep(20);
  await simulator.kill();
  simulator = run();
  expect(await simulator.address).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  await untilAll('PoweredOff');
  await simulator.stop();
  const lines = await journal();
  for (const name of names) {
    const told = lines.flatMap((line) => {
      if (line.type === 'place')
        return line.vms.some(({ vm }) => vm === `${namespace}/${name}`) ? ['place'] : [];
      if (!('vm' in line) || line.vm !== `${namespace}/${name}`) return [];
      if (line.type === 'call') return [`${line.operation} ${line.answer}`];
      return line.type === 'effect' && line.effect !== 'Ready' ? [`=> ${line.effect}`] : [];
    });
    expect({ name, told }).toEqual({
      name,
      told: ['place', 'PoweredOn Accepted', '=> PoweredOn', 'PoweredOff Accepted', '=> PoweredOff'],
    });
  }
}, 240_000);

test('the rights that its page names are enough', async () => {
  const simulator = run();
  await cluster.api.create(RESOURCES.virtualMachines, {
    metadata: { namespace, name: 'lost', labels: { 'topology.kubernetes.io/zone': 'nowhere' } },
    spec: {},
  });
  await until(async () => {
    const { items } = await cluster.api.list(RESOURCES.events, { namespace });
    return (items as { series?: unknown }[]).some(({ series }) => series !== undefined);
  });
  for (const name of ['lost', 'vm-0']) {
    await cluster.api.delete(RESOURCES.virtualMachines, { namespace, name });
    await until(
      async () => (await cluster.api.get(RESOURCES.virtualMachines, { namespace, name })) === undefined,
    );
  }
  const { items } = await cluster.api.list(RESOURCES.zones, { namespace });
  expect(items.map(({ metadata }) => metadata.name)).toEqual(['zone-a', 'zone-b', 'zone-c']);
  const log = await simulator.stop();
  expect(log).toContain('watches the VirtualMachines');
  expect(log).not.toContain('orbidden');
});
