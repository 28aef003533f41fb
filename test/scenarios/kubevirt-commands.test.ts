/** VMs of KubeVirt before they have groups: `import`, what it leaves out, `validate`, `plan`, a run on what was imported, and `doctor`. */
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { parseManifests, type Manifests } from '../../api';
import type { CheckResult } from '../../cli/doctor/check-result';
import { otherDrivers } from '../../cli/doctor/platforms/kubevirt-drivers';
import { RESOURCES, type KubernetesObject } from '../../kubernetes';
import type { ShownDiff } from '../../cli/diff/text';
import { buildWhenStale, start, vmgroup, type Result } from '../cli/vmgroup';
import { Kubevirt } from '../support/kubevirt';
import { platformManifest, vmManifest } from '../support/manifests';
import { until } from '../support/until';

jest.setTimeout(120_000);

const LABEL = 'vmgroup.dev/group';
let kubevirt: Kubevirt;
let dir: string;

beforeAll(async () => {
  buildWhenStale();
  dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-kubevirt-commands-'));
  kubevirt = await Kubevirt.start({ times: { start: 60, shutdown: 40 } });
  for (const name of ['db', 'front.end'])
    await kubevirt.vm(name, { labels: { [LABEL]: 'shop', app: 'shop' } });
  await kubevirt.vm('slow', { labels: { app: 'shop' }, spec: { terminationGracePeriodSeconds: 600 } });
  await kubevirt.vm('receiver', { runStrategy: 'WaitAsReceiver' });
  await kubevirt.vm('done', { runStrategy: 'Once' });
  const pool = { apiVersion: 'pool.kubevirt.io/v1beta1', kind: 'VirtualMachinePool', name: 'pool', uid: 'p' };
  const pooled = await kubevirt.vm('pool-0');
  await kubevirt.merge(pooled, { metadata: { ownerReferences: [pool] } });
  const spec = { runStrategy: 'Halted', template: { metadata: {}, spec: { domain: {} } } };
  await kubevirt.api.apply(
    RESOURCES.kubevirtMachines,
    { metadata: { namespace: 'prod', name: 'synced' }, spec },
    { fieldManager: 'argocd-controller' },
  );
  const platform = platformManifest('west', { kubevirt: { kubeconfig: kubevirt.cluster.kubeconfig() } });
  writeFileSync(path.join(dir, 'platform.yaml'), platform);
}, 240_000);
afterAll(async () => {
  await kubevirt?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const run = (...words: string[]): Promise<Result> => vmgroup(words, { cwd: dir });
const importing = (...words: string[]): Promise<Result> => run('import', 'kubevirt', ...words);
const cluster = (): string[] => ['--kubeconfig', kubevirt.cluster.kubeconfig()];

/** The manifests that were printed. */
function printed({ stdout }: Result): Manifests {
  const { manifests, problems } = parseManifests([{ path: 'stdout', text: stdout }]);
  expect(problems).toEqual([]);
  return manifests;
}
const namesOf = ({ virtualMachines }: Manifests): string[] => virtualMachines.map(({ name }) => name).sort();

describe('import kubevirt', () => {
  it('a label makes a group; the others are one; the output states what is not carried over', async () => {
    const result = await importing('--platforms', 'platform.yaml', '--group', 'rest');
    const { groups, virtualMachines } = printed(result);
    const members = groups.map(({ namespace, name, tiers }) => [
      `${namespace}/${name}`,
      tiers.map((tier) => tier.members.map((member) => member.name).sort()),
    ]);
    expect(members).toEqual([
      ['prod/shop', [['db', 'front.end']]],
      ['prod/rest', [['done', 'slow', 'synced']]],
    ]);
    expect(groups.every(({ powerState }) => powerState === undefined)).toBe(true);
    expect(virtualMachines.map(({ platform }) => platform)).toEqual(virtualMachines.map(() => 'west'));
    for (const said of [
      'prod/receiver waits for a migration (runStrategy WaitAsReceiver): it is left out',
      'prod/pool-0 belongs to a VirtualMachinePool: it is left out',
      'prod/slow: a power-off gives its guest 300 s, not the 600 s of terminationGracePeriodSeconds',
      'prod/done: runStrategy Once has one start',
      'a label says no order: all VMs are in one tier',
    ])
      expect(result.stderr).toContain(said);
  });

  it('VMs are selected by label, name and namespace', async () => {
    expect(namesOf(printed(await importing(...cluster(), '--selector', 'app=shop')))).toEqual([
      ...['db', 'front.end', 'slow'],
    ]);
    expect(namesOf(printed(await importing(...cluster(), '--name', 'd*')))).toEqual(['db', 'done']);
    const none = await importing(...cluster(), '--watch-namespaces', 'default');
    expect(none).toMatchObject({ code: 1, stdout: '' });
    expect(none.stderr).toContain('none of the 0 VMs of kubevirt is selected');
  });

  it('what was imported is valid, is planned with the places left to the scheduler, and runs; nothing is overwritten', async () => {
    const words = ['--platforms', 'platform.yaml', '--selector', LABEL, '--dir', 'shop'];
    expect(await importing(...words)).toMatchObject({ code: 0 });
    expect(await run('validate', 'shop', 'platform.yaml')).toMatchObject({ code: 0, stdout: '' });
    expect(await run('power', 'on', 'prod/shop', '--path', 'shop')).toMatchObject({ code: 0 });
    const plan = await run('plan', 'shop', 'platform.yaml', '--platform', 'west');
    expect(plan.stdout).toContain(
      'placement: left to the platform: the scheduler of the cluster chooses nodes when VMs start',
    );
    const up = await run('up', 'shop', 'platform.yaml', '--platform', 'west', '--exit-when-converged');
    expect({ code: up.code, said: up.code === 0 ? '' : up.stdout + up.stderr }).toEqual({
      code: 0,
      said: '',
    });
    for (const name of ['db', 'front.end'])
      expect((await kubevirt.instance({ namespace: 'prod', name }))?.status.phase).toBe('Running');

    const again = await importing(...words);
    expect(again).toMatchObject({ code: 1, stdout: '' });
    expect(again.stderr).toMatch(/shop\.yaml exists already; nothing was written/);
    expect(readdirSync(path.join(dir, 'shop'))).toEqual(['shop.yaml']);
    expect(readFileSync(path.join(dir, 'shop/shop.yaml'), 'utf8')).toContain('powerState: PoweredOn');
  });
});

describe('groups of the cluster', () => {
  beforeAll(async () => {
    const crds = path.join(__dirname, '../../deploy/crds');
    const files = ['virtualmachinegroups', 'sequencepolicies'].flatMap((name) => [
      ...['-f', path.join(crds, `${name}.yaml`)],
    ]);
    await kubevirt.cluster.run(['apply', '--server-side', ...files]);
    await kubevirt.cluster.run(['wait', '--for=condition=Established', '--timeout=30s', ...files]);
    await kubevirt.api.create(RESOURCES.virtualMachineGroups, {
      metadata: { namespace: 'prod', name: 'shop' },
      spec: {
        powerState: 'PoweredOff',
        bootOrder: [{ members: [{ name: 'db' }] }, { members: [{ name: 'front.end' }] }],
      },
    });
  });

  it('VMs that are in one are not imported', async () => {
    const result = await importing(...cluster());
    expect(namesOf(printed(result))).toEqual(['done', 'slow', 'synced']);
    expect(result.stderr).toContain(
      'prod/db is a member of the VirtualMachineGroup prod/shop of the cluster: it is left out',
    );
  });

  it('plan and validate read the VMs of KubeVirt, with their state', async () => {
    expect(await run('validate', ...cluster())).toMatchObject({ code: 0 });
    const plan = await run('plan', ...cluster(), '--platform', 'kubevirt', '-o', 'json');
    expect({ code: plan.code, said: plan.code === 0 ? '' : plan.stderr }).toEqual({ code: 0, said: '' });
    const [only] = JSON.parse(plan.stdout) as {
      group: string;
      from: string;
      forecast: { steps: object[] };
    }[];
    expect(only).toMatchObject({ group: 'prod/shop', from: 'Observed' });
    const off = (only?.forecast.steps ?? []) as { action: string; member?: string }[];
    expect(off.flatMap(({ member }) => member ?? []).sort()).toEqual(['db', 'front.end']);
    const on = await run('plan', ...cluster(), '--platform', 'kubevirt', '--to', 'PoweredOn');
    expect(on.stdout).toContain('nothing to do');
  });

  it('diff takes VMs by their instances, and leaves the places to the scheduler', async () => {
    const file = path.join(dir, 'changed.yaml');
    const bootOrder = [{ members: [{ name: 'db' }] }, { members: [{ name: 'front.end' }] }];
    const write = (powerState: string): void =>
      writeFileSync(
        file,
        stringify({
          apiVersion: 'vmoperator.vmware.com/v1alpha5',
          kind: 'VirtualMachineGroup',
          metadata: { namespace: 'prod', name: 'shop' },
          spec: { powerState, bootOrder },
        }),
      );
    const diff = async (): Promise<ShownDiff | undefined> => {
      const words = ['diff', 'prod/shop', '-f', file, ...cluster(), '--platform', 'kubevirt'];
      const { stdout, stderr, code } = await run(...words, '-o', 'json');
      expect([code, stderr]).toEqual([0, '']);
      return (JSON.parse(stdout) as ShownDiff[])[0];
    };
    write('PoweredOff');
    expect(await diff()).toMatchObject({ change: 'Unchanged', touched: ['db', 'front.end'] });
    // Both run already.
    write('PoweredOn');
    expect(await diff()).toMatchObject({ change: 'Changed', touched: [], kept: ['db', 'front.end'] });
    const vm = { namespace: 'prod', name: 'front.end' };
    await kubevirt.merge(vm, { spec: { runStrategy: 'Halted' } });
    await until(async () => !(await kubevirt.instance(vm)), 'front.end to be off');
    expect(await diff()).toMatchObject({
      touched: ['front.end'],
      kept: ['db'],
      placement: { type: 'LeftToPlatform' },
    });
  });
});

describe('diff', () => {
  it('in a folder: a VM that only joins by the change is asked of the cluster', async () => {
    const up = start(['up', 'shop', 'platform.yaml', '--platform', 'west'], { cwd: dir });
    up.stdout.resume();
    up.stderr.resume();
    try {
      const shop = readFileSync(path.join(dir, 'shop/shop.yaml'), 'utf8');
      const changed = path.join(dir, 'changed');
      mkdirSync(changed, { recursive: true });
      const more = ['slow', 'done'].map((name) => vmManifest('prod', name, 'shop'));
      writeFileSync(path.join(changed, 'shop.yaml'), [shop, ...more].join('---\n'));
      const words = ['diff', 'prod/shop', '-f', 'changed', '-f', 'platform.yaml', '--platform', 'west'];
      const found = await until(
        async () => {
          const { stdout } = await run(...words, '-o', 'json');
          const [each] = JSON.parse(stdout || '[]') as ShownDiff[];
          return each?.kept.includes('front.end') && each;
        },
        'both to be on',
        { seconds: 60 },
      );
      // `done` had its one start before.
      expect(found).toMatchObject({ touched: ['slow'], kept: ['db', 'front.end', 'done'] });
    } finally {
      up.kill('SIGINT');
      await once(up, 'exit');
    }
  });
});

describe('doctor', () => {
  const checked = async (words: string[]): Promise<{ code: number | null; results: CheckResult[] }> => {
    const { code, stdout } = await run('doctor', ...words, '-o', 'json');
    return { code, results: JSON.parse(stdout) as CheckResult[] };
  };
  const of = (results: CheckResult[], check: string): CheckResult[] =>
    results.filter((each) => each.check.startsWith(`${check} of `));

  it('a cluster that is well: versions, actions, rights, and who else powers VMs', async () => {
    const { code, results } = await checked(['--platform', 'west', '--platforms', 'platform.yaml']);
    expect(code).toBe(0);
    expect(of(results, 'api server')[0]?.message).toMatch(/^https:.*: Kubernetes v1\./);
    expect(of(results, 'KubeVirt')).toMatchObject([{ result: 'ok', facts: { version: 'v0.0.0-stand-in' } }]);
    expect(of(results, 'actions')).toMatchObject([
      { result: 'ok', message: 'start, stop, pause, unpause are served' },
    ]);
    expect(of(results, 'rights')).toMatchObject([{ result: 'ok' }]);
    expect(of(results, 'VMs').map(({ message }) => message)).toEqual([
      '7 VirtualMachines',
      'a VirtualMachinePool has prod/pool-0: it keeps their power state, and vmgroup refuses them',
      'a migration is to bring prod/receiver: their runStrategy is WaitAsReceiver, and vmgroup refuses them',
      'argocd-controller writes the run strategy of prod/synced: a power-off by a group may be undone at its next sync',
    ]);
  });

  it('each verb that is missing is named, and what is lost without it', async () => {
    const role = ['create', 'clusterrole', 'some', '--verb=get,list,watch'];
    await kubevirt.cluster.run([...role, '--resource=virtualmachines.kubevirt.io']);
    await kubevirt.cluster.run([
      '-n',
      'prod',
      'create',
      'rolebinding',
      'some',
      '--clusterrole=some',
      '--user=alice',
    ]);
    const words = ['--platform', 'kubevirt', '--watch-namespaces', 'prod'];
    const { code, results } = await checked([...words, '--kubeconfig', kubevirt.cluster.kubeconfig('alice')]);
    expect(code).toBe(1);
    const rights = of(results, 'rights');
    const shown = rights.map(
      ({ result, message }) => `${result}: ${message.replace(/, (namespace|the) .*/, '')}`,
    );
    expect(shown).toEqual([
      'problem: cannot patch virtualmachines in kubevirt.io',
      'note: cannot patch virtualmachines/status in kubevirt.io',
      'problem: cannot list, watch virtualmachineinstances in kubevirt.io',
      'problem: cannot update virtualmachines/start in subresources.kubevirt.io',
      'problem: cannot update virtualmachines/stop in subresources.kubevirt.io',
      'note: cannot update virtualmachineinstances/pause in subresources.kubevirt.io',
      'note: cannot update virtualmachineinstances/unpause in subresources.kubevirt.io',
      'note: cannot list, watch nodes in core',
    ]);
    expect(rights[1]?.message).toContain('a pending request to restart fails a power-off');
    expect(of(results, 'VMs')[0]?.message).toBe('7 VirtualMachines');
  });

  it('no API server, and one that does not serve the actions, are told apart', async () => {
    const nowhere = path.join(dir, 'nowhere.yaml');
    writeFileSync(
      nowhere,
      readFileSync(kubevirt.cluster.kubeconfig(), 'utf8').replace(
        /server: .*/,
        'server: https://127.0.0.1:1',
      ),
    );
    const away = await checked(['--platform', 'kubevirt', '--kubeconfig', nowhere]);
    expect(away.code).toBe(1);
    expect(away.results.filter(({ result }) => result === 'problem')).toMatchObject([
      { check: 'api server of kubevirt' },
    ]);
    await kubevirt.cluster.run(['delete', 'apiservice', 'v1.subresources.kubevirt.io']);
    const without = await checked(['--platform', 'kubevirt', ...cluster()]);
    expect(of(without.results, 'actions')[0]).toMatchObject({ result: 'problem' });
    expect(of(without.results, 'actions')[0]?.message).toContain('virtualmachines/start');
    expect(of(without.results, 'KubeVirt')[0]?.message).toContain('its version is not known');
  });
});

test('a person who writes a run strategy by hand drives no VM, and neither do we or KubeVirt', () => {
  const written = (manager: string, operation: string, fields: object): KubernetesObject => ({
    metadata: {
      namespace: 'prod',
      name: manager,
      managedFields: [{ manager, operation, fieldsV1: { 'f:spec': fields } }],
    },
  });
  const strategy = { 'f:runStrategy': {} };
  const drivers = otherDrivers([
    written('kubectl-edit', 'Update', strategy),
    written('kubectl', 'Apply', strategy),
    written('vmgroup-worker', 'Update', strategy),
    written('virt-controller', 'Update', strategy),
    written('some-operator', 'Update', strategy),
    written('some-tool', 'Apply', { 'f:template': {} }),
    written('another-tool', 'Apply', { 'f:running': {} }),
    written('kustomize-controller', 'Apply', { 'f:template': {} }),
  ]);
  expect(drivers.flatMap(({ vms }) => vms)).toEqual(['prod/another-tool', 'prod/kustomize-controller']);
});
