/**
 * A bridge of an older and one of the present build at once, as processes of their own on one API server and one Temporal, with a worker of
 * the present build: an update, and the way back. Their plans differ in every group; see test/support/older-build.ts for what the older one
 * stands for.
 *
 * BRIDGE-1: two bridges at once do no harm, whatever they make of the same objects. Each VM gets the operations that its changes of state need.
 *     Only the one that leads sends and writes status; one of another build that takes over sends its plan to an open run once.
 * BRIDGE-2, RECONCILE-3: the one continues from what the other left in the status of a group; a group that was stopped stays stopped.
 *
 * Guarantees: G5.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { defaultPayloadConverter } from '@temporalio/common';
import { stringify } from 'yaml';
import { connectKubernetes, RESOURCES, type ApiServer } from '../../kubernetes';
import { SimulatorConsole } from '../../platforms/simulated';
import { workflowId, type PlanMessage } from '../../contract';
import { auditArguments, requestsOf } from '../support/audit';
import { startCluster, type TestCluster } from '../support/kubernetes';
import { groupManifest, type GroupShape } from '../support/manifests';
import { olderBuild } from '../support/older-build';
import { startCommand, type Command } from '../support/processes';
import { accepted } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';

jest.setTimeout(180_000);

/** Who each of them is on the API server, so that its audit log tells them apart. */
const USER = { older: 'alice', present: 'admin' } as const;
type Build = keyof typeof USER;

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-two-builds-'));
const audit = path.join(dir, 'audit');
let cluster: TestCluster;
let temporal: TestTemporal;
let api: ApiServer;
let console: SimulatorConsole;
let older: string;
let reach: string[];
const others: Command[] = [];
const bridges: Partial<Record<Build, Command>> = {};

beforeAll(async () => {
  mkdirSync(audit);
  older = olderBuild(dir);
  [cluster, temporal] = await Promise.all([startCluster({ args: auditArguments(audit) }), startTemporal()]);
  api = connectKubernetes({ kubeconfig: cluster.kubeconfig() });
  await cluster.define();
  await kubectl([
    'create',
    'clusterrolebinding',
    'older',
    '--clusterrole=cluster-admin',
    `--user=${USER.older}`,
  ]);
  const inventory = {
    apiVersion: 'vmgroup.dev/v1alpha1',
    kind: 'SimulatedInventory',
    metadata: { name: 'lab', namespace: 'default' },
    spec: { behavior: { powerOnTime: '200ms', powerOffTime: '200ms', guestShutdownTime: '200ms' } },
  };
  writeFileSync(path.join(dir, 'inventory.yaml'), stringify(inventory));
  const simulator = await startCommand(
    ['simulator', 'run', 'inventory.yaml', '--data', 'simulator', '--port', '0'],
    dir,
    /^http:.*\n/m,
  );
  const address = simulator.output().split('\n')[0] ?? '';
  console = new SimulatorConsole(address);
  reach = ['--temporal', temporal.address, '--simulator', address];
  others.push(simulator, await startCommand(['worker', ...reach], dir, /"msg":"ready"/));
  await start('older');
  await start('present');
}, 240_000);
afterAll(async () => {
  console.close();
  await Promise.all([...Object.values(bridges), ...others].map((command) => command.stop()));
  await Promise.all([temporal.stop(), cluster.stop()]);
  rmSync(dir, { recursive: true, force: true });
}, 60_000);

async function start(build: Build): Promise<void> {
  await stop(build);
  const args = [
    ...['bridge', ...reach, '--source', 'kubernetes'],
    ...['--kubeconfig', cluster.kubeconfig(USER[build])],
  ];
  const program = build === 'older' ? older : undefined;
  bridges[build] = await startCommand(args, dir, /"msg":"ready"/, {}, program);
}

async function stop(build: Build): Promise<void> {
  await bridges[build]?.stop();
  delete bridges[build];
}

function kubectl(args: string[], input?: string): Promise<string> {
  return cluster.run(args, input);
}

/** VMs that would rather stand on hosts of their own: what rules see of them is what the older build does not know. */
function vmText(namespace: string, name: string, groupName?: string): string {
  const term = {
    labelSelector: { matchLabels: { app: namespace } },
    topologyKey: 'kubernetes.io/hostname',
  };
  const affinity = { vmAntiAffinity: { preferredDuringSchedulingPreferredDuringExecution: [term] } };
  return stringify({
    apiVersion: 'vmoperator.vmware.com/v1alpha5',
    kind: 'VirtualMachine',
    metadata: { namespace, name, labels: { app: namespace } },
    spec: groupName === undefined ? {} : { groupName, affinity },
  });
}

type Tiers = GroupShape['tiers'];
/** With a delay that no test waits for. */
const LONG: Tiers = [{ members: ['a'], delay: '1h' }, { members: ['b'] }, { members: ['c'] }];

/** A group `app` of three VMs, and a VM outside it that their rules select. */
async function apply(namespace: string, tiers = LONG): Promise<void> {
  await kubectl(['create', 'namespace', namespace]);
  const machines = [
    ...['a', 'b', 'c'].map((name) => vmText(namespace, name, 'app')),
    vmText(namespace, 'beside'),
  ];
  const group = groupManifest({ namespace, name: 'app', powerState: 'PoweredOn', tiers });
  // Its members first, so that nothing joins meanwhile.
  for (const text of [machines.join('---\n'), group]) {
    await kubectl(['apply', '--server-side', '--validate=strict', '-f', '-'], text);
  }
}

const edit = (namespace: string, spec: object): Promise<unknown> =>
  api.merge(RESOURCES.virtualMachineGroups, { namespace, name: 'app' }, { spec });

const bootOrder = (tiers: Tiers): object => ({
  bootOrder: tiers.map(({ members, ...delays }) => ({
    members: members.map((name) => ({ name })),
    ...delays,
  })),
});

/** The end of what each bridge printed. */
function logs(): string {
  return Object.entries(bridges)
    .map(([build, bridge]) => `${build}: ${bridge.output().slice(-3_000)}`)
    .join('\n');
}

interface Status {
  observedGeneration?: number;
  phase?: string;
  readyMembers?: string;
}

async function status(namespace: string): Promise<Status | undefined> {
  const group = await api.get(RESOURCES.virtualMachineGroups, { namespace, name: 'app' });
  return group?.status as Status | undefined;
}

function shows(namespace: string, generation: number, phase: string): Promise<true> {
  return until(
    async () => {
      const now = await status(namespace);
      return now?.observedGeneration === generation && now.phase === phase;
    },
    `${namespace}/app to be ${phase} as of generation ${generation}`,
    { seconds: 60, context: logs },
  );
}

const operations = async (namespace: string): Promise<string[]> =>
  accepted(await console.journal(), namespace);

/** Waits until the first VM is on, and the run waits for its delay. */
async function delayed(namespace: string): Promise<void> {
  await until(
    async () => ((await status(namespace))?.readyMembers === '1/3' ? true : undefined),
    `the first VM of ${namespace} to be on`,
  );
  expect(await operations(namespace)).toEqual(['PoweredOn a']);
}

const handleOf = (namespace: string) => temporal.client.workflow.getHandle(workflowId(namespace, 'app'));

/** The plans that the last run has heard, in order. */
async function plansHeard(namespace: string): Promise<PlanMessage[]> {
  const { events } = await handleOf(namespace).fetchHistory();
  return (events ?? []).flatMap(({ workflowExecutionSignaledEventAttributes: signal }) =>
    signal?.signalName === 'applyPlan'
      ? (signal.input?.payloads ?? []).map((payload) =>
          defaultPayloadConverter.fromPayload<PlanMessage>(payload),
        )
      : [],
  );
}

/** Which builds the plans come from. */
const sendersOf = (messages: PlanMessage[]): Build[] =>
  messages.map(({ plan }) => (plan.beside ? 'present' : 'older'));

/** Everything by which an exchange between the two would show: how often each has sent, all runs of a group, and how long they have grown. */
async function traces(
  namespace: string,
): Promise<{ sent: number; runs: { status: string; events: number }[] }> {
  const runs = [];
  const query = `WorkflowId = "${workflowId(namespace, 'app')}"`;
  for await (const { runId } of temporal.client.workflow.list({ query })) {
    const { status, historyLength } = await temporal.client.workflow
      .getHandle(workflowId(namespace, 'app'), runId)
      .describe();
    runs.push({ status: status.name, events: historyLength });
  }
  const sent = Object.values(bridges).reduce(
    (count, bridge) => count + (bridge.output().match(/"reason":"PlanSent"/g) ?? []).length,
    0,
  );
  return { sent, runs };
}

/** Waits until there is silence, and holds that it lasts; returns how many runs there were in all. */
async function silence(namespace: string): Promise<number> {
  let before = await traces(namespace);
  await until(async () => {
    await sleep(1_500);
    const now = await traces(namespace);
    const still = JSON.stringify(now) === JSON.stringify(before);
    before = now;
    return still ? true : undefined;
  }, `${namespace} to be still`);
  await sleep(5_000);
  expect(await traces(namespace)).toEqual(before);
  return before.runs.length;
}

const statusWrites = (build: Build): number =>
  requestsOf(audit, USER[build]).filter(
    ({ grant }) => grant === 'patch vmoperator.vmware.com/virtualmachinegroups/status',
  ).length;

/** Waits until a bridge leads, and has looked at every group. */
async function leads(build: Build): Promise<void> {
  const last = (): string | undefined =>
    bridges[build]
      ?.output()
      .match(/"msg":"(not )?leading"/g)
      ?.at(-1);
  await until(async () => (last() === '"msg":"leading"' ? true : undefined), `the ${build} one to lead`);
  await sleep(2_000);
}

const stopRun = (namespace: string): Promise<unknown> =>
  handleOf(namespace).executeUpdate('abort', { args: [{ actor: 'alice', reason: 'not tonight' }] });

describe('both at once, the older one leading', () => {
  test('an open run receives each edit of its order once, from the leader, in the middle of a delay', async () => {
    await apply('order');
    await delayed('order');
    expect(await silence('order')).toBe(1);
    const first = sendersOf(await plansHeard('order'));
    expect(first).toEqual(['older']);

    await edit('order', bootOrder([{ members: ['a'], delay: '1s' }, { members: ['c'] }, { members: ['b'] }]));
    await shows('order', 2, 'Converged');
    expect(await silence('order')).toBe(1);
    expect(await operations('order')).toEqual(['PoweredOn a', 'PoweredOn c', 'PoweredOn b']);
    expect(sendersOf(await plansHeard('order'))).toEqual(['older', 'older']);
  });

  test('off and on: no VM is asked twice, and each edit is one run', async () => {
    await edit('order', { powerState: 'PoweredOff' });
    await shows('order', 3, 'Converged');
    const off = await silence('order');
    expect((await operations('order')).slice(3).sort()).toEqual([
      'PoweredOff a',
      'PoweredOff b',
      'PoweredOff c',
    ]);
    await edit('order', { powerState: 'PoweredOn' });
    await shows('order', 4, 'Converged');
    const on = await silence('order');
    expect((await operations('order')).slice(6)).toEqual(['PoweredOn a', 'PoweredOn c', 'PoweredOn b']);
    expect([off, on]).toEqual([2, 3]);
  });

  test('a run that is turned round in the middle of a delay', async () => {
    await apply('turned');
    await delayed('turned');
    await edit('turned', { powerState: 'PoweredOff' });
    await shows('turned', 2, 'Converged');
    await silence('turned');
    expect(await operations('turned')).toEqual(['PoweredOn a', 'PoweredOff a']);
  });

  test('a group that is deleted in the middle of a run', async () => {
    await apply('deleted');
    await delayed('deleted');
    await kubectl(['-n', 'deleted', 'delete', 'vmg', 'app', '--timeout=40s']);
    expect(await handleOf('deleted').result()).toMatchObject({ outcome: 'Superseded' });
    expect(await silence('deleted')).toBe(1);
    expect(await operations('deleted')).toEqual(['PoweredOn a']);
    for (const name of ['a', 'b', 'c']) {
      const vm = await api.get(RESOURCES.virtualMachines, { namespace: 'deleted', name });
      expect(vm?.metadata.ownerReferences ?? []).toEqual([]);
    }
  });

  test('RECONCILE-3: a run that an operator stops stays stopped', async () => {
    await apply('stopped');
    await delayed('stopped');
    await stopRun('stopped');
    await shows('stopped', 1, 'Cancelled');
    expect(await silence('stopped')).toBe(1);
  });

  test('only the one that leads has written status', () => {
    expect(statusWrites('older')).toBeGreaterThan(0);
    expect(statusWrites('present')).toBe(0);
  });
});

describe('the update: the older one stops', () => {
  let written: number;
  beforeAll(async () => {
    await apply('update');
    await delayed('update');
    await silence('update');
    await stop('older');
    written = statusWrites('older');
  }, 120_000);

  test('the open run continues, receives the plan of the new leader once, and an edit reaches it', async () => {
    await leads('present');
    expect(await silence('update')).toBe(1);
    expect(sendersOf(await plansHeard('update'))).toEqual(['older', 'present']);
    await edit('update', bootOrder([{ members: ['a'] }, { members: ['b'] }, { members: ['c'] }]));
    await shows('update', 2, 'Converged');
    expect(await silence('update')).toBe(1);
    expect(await operations('update')).toEqual(['PoweredOn a', 'PoweredOn b', 'PoweredOn c']);
  });

  test('RECONCILE-3: what was stopped stays stopped, also for a bridge that has only read of it', async () => {
    await stop('present');
    await start('present');
    await until(async () => (statusWrites('present') > 0 ? true : undefined), 'it to write');
    expect(await silence('stopped')).toBe(1);
    expect(await operations('stopped')).toEqual(['PoweredOn a']);
    expect(await status('stopped')).toMatchObject({ phase: 'Cancelled' });
  });

  test('only the one that is left has written status', () => {
    expect(statusWrites('older')).toBe(written);
  });
});

describe('the way back: the older one starts again, and the present one stops', () => {
  let written: number;
  beforeAll(async () => {
    await start('older');
    await apply('back');
    await delayed('back');
    await silence('back');
    await stop('present');
    written = statusWrites('present');
  }, 120_000);

  test('the open run continues, is turned round, and ends', async () => {
    await leads('older');
    expect(await silence('back')).toBe(1);
    await edit('back', { powerState: 'PoweredOff' });
    await shows('back', 2, 'Converged');
    expect(await silence('back')).toBe(1);
    expect(await operations('back')).toEqual(['PoweredOn a', 'PoweredOff a']);
  });

  test('RECONCILE-3: what was stopped stays stopped until its membership changes', async () => {
    expect(await silence('stopped')).toBe(1);
    expect(await operations('stopped')).toEqual(['PoweredOn a']);
  });

  test('what the two left converged stays so, and one edit is one run', async () => {
    const runs = await silence('order');
    await edit('order', { powerState: 'PoweredOff' });
    await shows('order', 5, 'Converged');
    expect(await silence('order')).toBe(runs + 1);
    expect(await operations('order')).toHaveLength(12);
    expect(statusWrites('present')).toBe(written);
  });
});

test('RECONCILE-3 ends with a VM that joins, for a bridge of either build', async () => {
  await stop('older');
  await start('present');
  await silence('stopped');
  await kubectl(['apply', '--server-side', '-f', '-'], vmText('stopped', 'd', 'app'));
  await until(async () => ((await traces('stopped')).runs.length === 2 ? true : undefined), 'a second run');
  expect((await operations('stopped')).filter((each) => each === 'PoweredOn a')).toHaveLength(1);
});
