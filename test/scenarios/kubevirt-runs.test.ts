/**
 * A group in a folder, VMs of KubeVirt: `vmgroup serve FOLDER --platform kubevirt`, as a process, with every run strategy in three tiers. The wanted
 * state is turned round while VMs start and while they stop, a user restarts a VM that should go off, a node is lost, and the process is killed. Then
 * a Platform that describes the cluster, by `vmgroup up`. The stand-in for KubeVirt on a real API server.
 *
 * Guarantees: G1, G5, G8.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { workflowId, type RunOutcome } from '../../contract';
import { SHUTDOWN_TIME, START_TIME } from '../../simulator';
import { buildWhenStale, vmgroup } from '../cli/vmgroup';
import { Kubevirt, type NewMachine } from '../support/kubevirt';
import { groupManifest, groupWithVms, platformManifest, policyManifest } from '../support/manifests';
import { startCommand, type Command } from '../support/processes';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';

jest.setTimeout(120_000);

const TIERS = [['db', 'cache'], ['app', 'job'], ['web']];
const NAMES = TIERS.flat();
const STRATEGIES: Record<string, NewMachine> = {
  db: { runStrategy: 'Always' },
  cache: { runStrategy: 'Manual' },
  app: { running: true },
  job: { runStrategy: 'Once' },
  web: { runStrategy: 'RerunOnFailure' },
};

let kubevirt: Kubevirt;
let temporal: TestTemporal;
let serve: Command;
let dir: string;

beforeAll(async () => {
  buildWhenStale();
  dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-kubevirt-runs-'));
  mkdirSync(path.join(dir, 'manifests'));
  [kubevirt, temporal] = await Promise.all([
    Kubevirt.start({ times: { start: 100, shutdown: 50 } }),
    startTemporal(),
  ]);
  for (const [name, machine] of Object.entries(STRATEGIES))
    await kubevirt.vm(name, { ...machine, labels: { 'vmgroup.dev/group': 'shop' } });
  const reach = ['--kubeconfig', kubevirt.cluster.kubeconfig(), '--temporal', temporal.address];
  write('policy.yaml', policyManifest('prod', 'default', { retry: { initialInterval: '1s' } }));
  serve = await startCommand(
    [
      'serve',
      'manifests',
      '--platform',
      'kubevirt',
      '--watch-namespaces',
      'prod',
      '--data',
      'data',
      ...reach,
    ],
    dir,
    /"msg":"ready"/,
  );
}, 240_000);
afterAll(async () => {
  await serve?.stop();
  await Promise.all([temporal?.stop(), kubevirt?.stop()]);
  rmSync(dir, { recursive: true, force: true });
}, 60_000);

function write(file: string, text: string): void {
  writeFileSync(path.join(dir, 'next'), text);
  renameSync(path.join(dir, 'next'), path.join(dir, 'manifests', file));
}

let wanted = 'none';
/** Asks for a power state; returns where the stand-in's record stands. */
function want(powerState: string): number {
  wanted = powerState;
  // With a delay the tiers go off one after the other.
  const tiers = TIERS.map((members) => ({ members, powerOffDelay: '1ms' }));
  write('shop.yaml', groupManifest({ namespace: 'prod', name: 'shop', powerState, tiers }));
  return kubevirt.deeds.length;
}

const context = (): string => serve.output().slice(-3_000);
const eventually: typeof until = (look, saying, options) =>
  until(look, saying, { seconds: 60, every: 20, context, ...options });

/** The end of the run to the wanted state, once the VMs are there. */
async function converged(after = 0): Promise<RunOutcome> {
  const handle = temporal.client.workflow.getHandle(workflowId('prod', 'shop'));
  return eventually(async () => {
    const described = await handle.describe().catch(() => undefined);
    if (described?.status.name !== 'COMPLETED') return undefined;
    const { workflow } = temporal.client;
    const outcome = (await workflow.getHandle(handle.workflowId, described.runId).result()) as RunOutcome;
    return outcome.powerState === wanted && outcome.endedAt > after ? outcome : undefined;
  }, `a run of shop to ${wanted} to end`);
}

/** Names of VMs in the order in which the stand-in began to bring them somewhere, or had done it. */
function deeds(type: 'Began' | 'Effect', state: string, from: number): string[] {
  return kubevirt.deeds.slice(from).flatMap((deed) => {
    const to = deed.type === 'Began' ? deed.to : deed.effect;
    return deed.type === type && to === state && NAMES.includes(deed.vm.name) ? [deed.vm.name] : [];
  });
}

/** Each VM came into a state once, and no tier began before the tier before it was there. */
function expectOrder(state: string, tiers: readonly string[][], from: number): void {
  expect(deeds('Effect', state, from).sort()).toEqual([...NAMES].sort());
  const seen = kubevirt.deeds.slice(from);
  const began = (name: string): number =>
    seen.findIndex((deed) => deed.type === 'Began' && deed.to === state && deed.vm.name === name);
  const done = (name: string): number =>
    seen.findIndex((deed) => deed.type === 'Effect' && deed.effect === state && deed.vm.name === name);
  for (const [at, names] of tiers.slice(1).entries())
    for (const name of names)
      for (const before of tiers[at] ?? []) expect(began(name)).toBeGreaterThan(done(before));
}

async function strategies(): Promise<unknown[]> {
  const machines = await Promise.all(NAMES.map((name) => kubevirt.machine({ namespace: 'prod', name })));
  return machines.map(({ spec: { runStrategy, running } }) => runStrategy ?? running);
}

const BACKWARDS = [...TIERS].reverse();
const named = (name: string): { namespace: string; name: string } => ({ namespace: 'prod', name });
const isOn = async (name: string): Promise<boolean> =>
  (await kubevirt.instance(named(name)))?.status.phase === 'Running';

it('every run strategy in one group: off tier by tier from the last, and on again in order with the strategies that they had', async () => {
  await eventually(() => isOn('web'), 'KubeVirt to have started what starts by itself');
  want('PoweredOn');
  await converged();
  // The others were on already: only Manual waits for a start request.
  await eventually(() => isOn('cache'), 'cache to be on');
  const kept = await strategies();
  let from = want('PoweredOff');
  await converged();
  expectOrder('PoweredOff', BACKWARDS, from);
  from = want('PoweredOn');
  const { operations } = await converged();
  expect(operations).toBe(NAMES.length);
  expectOrder('PoweredOn', TIERS, from);
  expect(await strategies()).toEqual(kept);
  expect(kept).toEqual(['Always', 'Manual', true, 'Once', 'RerunOnFailure']);
});

it('G1: a power-on is turned round while VMs start, and a power-off while they stop; the process is killed in each', async () => {
  want('PoweredOff');
  await converged();
  const second = TIERS[1] ?? [];
  const slowly = (times: Record<string, string | null>): Promise<unknown> =>
    Promise.all(second.map((name) => kubevirt.annotate(named(name), times)));
  await slowly({ [START_TIME]: '60000' });
  let from = want('PoweredOn');
  await eventually(() => deeds('Began', 'PoweredOn', from).includes('app'), 'the second tier to start');
  want('PoweredOff');
  const begun = (state: string): boolean =>
    second.every((name) => deeds('Began', state, from).includes(name));
  await eventually(() => begun('PoweredOff'), 'the second tier to stop');
  await serve.kill();
  await serve.restart();
  await converged();
  expect(await Promise.all(NAMES.map(isOn))).toEqual(NAMES.map(() => false));
  expect(deeds('Effect', 'PoweredOn', from).sort()).toEqual(['cache', 'db']);

  await slowly({ [START_TIME]: null, [SHUTDOWN_TIME]: '4000' });
  want('PoweredOn');
  await converged();
  from = want('PoweredOff');
  await eventually(() => begun('PoweredOff'), 'the second tier to stop');
  want('PoweredOn');
  await eventually(
    async () => (await kubevirt.machine(named('app'))).spec.running === true,
    'the second tier to be started again',
  );
  await serve.kill();
  await serve.restart();
  await converged();
  expect(await Promise.all(NAMES.map(isOn))).toEqual(NAMES.map(() => true));
  expect(deeds('Began', 'PoweredOff', from).sort()).toEqual(['app', 'job', 'web']);
  expect(deeds('Effect', 'PoweredOn', from).sort()).toEqual(['app', 'job', 'web']);
  await slowly({ [SHUTDOWN_TIME]: null });
});

it('G1: killed in the middle of a run, it continues: each VM is started once', async () => {
  want('PoweredOff');
  await converged();
  const from = want('PoweredOn');
  await eventually(() => deeds('Began', 'PoweredOn', from).includes('db'), 'db to start');
  await serve.kill();
  await serve.restart();
  const { outcome } = await converged();
  expect(outcome).toBe('Converged');
  expect(deeds('Began', 'PoweredOn', from).sort()).toEqual([...NAMES].sort());
  expectOrder('PoweredOn', TIERS, from);
});

it('G5: a restart by a stranger does not undo the power-off of a group', async () => {
  // It still stops for the restart when its turn comes to go off.
  await kubevirt.annotate(named('db'), { [SHUTDOWN_TIME]: '5000' });
  const from = want('PoweredOff');
  await eventually(() => deeds('Began', 'PoweredOff', from).includes('web'), 'web to stop');
  await kubevirt.act(named('db'), 'restart');
  const { outcome } = await converged();
  expect(outcome).toBe('Converged');
  expect(deeds('Effect', 'PoweredOn', from)).toEqual([]);
  expect(await Promise.all(NAMES.map(isOn))).toEqual(NAMES.map(() => false));
});

it('G8: a node is lost in a run: the run waits and says why, and ends once the node is back', async () => {
  want('PoweredOn');
  await converged();
  const node = (await kubevirt.instance(named('app')))?.status.nodeName as 'node-a';
  await kubevirt.node(node, 'Unknown');
  try {
    want('PoweredOff');
    const text = await eventually(
      async () => {
        const { stdout } = await vmgroup(['describe', 'prod/shop', '--data', path.join(dir, 'data')]);
        return stdout.includes('is not ready') ? stdout : undefined;
      },
      'the lost node to show',
      { every: 500 },
    );
    expect(text).toContain(`node ${node} is not ready`);
    expect(await isOn('app')).toBe(true);
  } finally {
    await kubevirt.node(node, 'True');
  }
  expect(await converged()).toMatchObject({ outcome: 'Converged' });
});

it('a Platform describes the cluster: vmgroup up brings its VMs up in order, by their names and by path', async () => {
  await kubevirt.make(['front', 'back']);
  const folder = path.join(dir, 'described');
  mkdirSync(folder);
  const platform = platformManifest('west', { kubevirt: { kubeconfig: kubevirt.cluster.kubeconfig() } });
  writeFileSync(path.join(folder, 'platform.yaml'), platform);
  const tiers = [{ members: ['back'] }, { members: ['entrance'] }];
  const group = groupWithVms({ namespace: 'prod', name: 'site', powerState: 'PoweredOn', tiers }).replace(
    'name: entrance\n  namespace: prod\n',
    'name: entrance\n  namespace: prod\n  annotations:\n    vmgroup.dev/platform-vm: path:prod/front\n',
  );
  writeFileSync(path.join(folder, 'site.yaml'), group);
  const from = kubevirt.deeds.length;
  const up = await vmgroup(
    [
      ...['up', folder, '--platform', 'west', '--exit-when-converged', '-o', 'json'],
      ...['--data', path.join(dir, 'up-data')],
    ],
    { cwd: dir },
  );
  expect({ code: up.code, said: up.code === 0 ? '' : up.stdout + up.stderr }).toEqual({ code: 0, said: '' });
  const on = kubevirt.deeds
    .slice(from)
    .flatMap((deed) => (deed.type === 'Effect' ? [`${deed.effect} ${deed.vm.name}`] : []));
  expect(on).toEqual(['PoweredOn back', 'PoweredOn front']);
});
