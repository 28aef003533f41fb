/**
 * Groups in a folder, VMs in a cluster where VM Operator's own group controller acts: `vmgroup serve FOLDER --platform vm-operator`, as a process, as
 * a user with the rights of an editor of the namespace. It is killed in mid-run.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { RESOURCES } from '../../kubernetes';
import { startClusterSystem, type ClusterSystem } from '../support/cluster-system';
import { groupManifest, platformManifest, policyManifest, vmManifest } from '../support/manifests';
import { buildWhenStale, vmgroup } from '../cli/vmgroup';
import { startCommand } from '../support/processes';
import { effects, times } from '../support/system';

jest.setTimeout(170_000);

const NAMESPACE = 'team';
let system: ClusterSystem;
let dir: string;

beforeAll(async () => {
  buildWhenStale();
  dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-companion-folder-'));
  system = await startClusterSystem({
    platform: 'vm-operator',
    companion: { user: 'alice', namespaces: [NAMESPACE] },
    prepare: async (cluster) => {
      await cluster.run(['create', 'namespace', NAMESPACE]);
      const resources = ['virtualmachines', 'virtualmachinegroups'].map(
        (each) => `${each}.vmoperator.vmware.com`,
      );
      const role = ['create', 'role', 'editor', '--verb=get,list,watch,patch'];
      await cluster.run(['-n', NAMESPACE, ...role, `--resource=${resources.join(',')}`]);
      const binding = ['create', 'rolebinding', 'editor', '--role=editor', '--user=alice'];
      await cluster.run(['-n', NAMESPACE, ...binding]);
    },
  });
}, 120_000);
afterAll(async () => {
  await system.stop();
  rmSync(dir, { recursive: true, force: true });
});

interface ShownGroup {
  metadata: { name: string };
  phase: string;
  message: string;
  status: { members: { name: string; uid?: string }[] };
}

test('bridge and worker are killed in mid-run: each VM is powered once, in order; the uids are those of the cluster', async () => {
  const manifests = path.join(dir, 'manifests');
  const data = path.join(dir, 'data');
  mkdirSync(manifests);
  // One VM is in no group of the cluster: the folder says that it belongs to the group. The other one is placed by a group of the cluster.
  await system.kubectl(
    ['apply', '-f', '-'],
    [
      vmManifest(NAMESPACE, 'f-1', '', { powerState: 'PoweredOff' }),
      vmManifest(NAMESPACE, 'f-2', 'shop', { powerState: 'PoweredOff' }),
      groupManifest({ namespace: NAMESPACE, name: 'shop', tiers: [{ members: ['f-2'] }] }),
    ].join('---\n'),
  );
  const tiers = [{ members: ['f-1'] }, { members: ['f-2', 'missing'], powerOnDelay: '4s' }];
  const write = (powerState: string): void =>
    writeFileSync(
      path.join(manifests, 'shop.yaml'),
      [
        groupManifest({ namespace: NAMESPACE, name: 'shop', powerState, tiers }),
        vmManifest(NAMESPACE, 'f-1', 'shop'),
        policyManifest(NAMESPACE, 'default', { optionalMembers: [{ name: 'missing' }] }),
      ].join('---\n'),
    );
  write('PoweredOn');
  const serve = await startCommand(
    [
      ...['serve', manifests, '--platform', 'vm-operator', '--watch-namespaces', NAMESPACE],
      ...['--kubeconfig', system.cluster.kubeconfig('alice'), '--temporal', system.temporal.address],
      ...['--data', data],
    ],
    dir,
    /"msg":"ready"/,
  );
  const shown = async (): Promise<ShownGroup | undefined> => {
    const { stdout } = await vmgroup(['get', 'groups', '-o', 'json', '--data', data]);
    const views = stdout === '' ? [] : (JSON.parse(stdout) as ShownGroup[]);
    return views.find(({ metadata }) => metadata.name === 'shop');
  };
  try {
    const powered = async (name: string): Promise<boolean> => {
      const vm = await system.get(RESOURCES.virtualMachines, NAMESPACE, name);
      return (vm?.status as { powerState?: string } | undefined)?.powerState === 'PoweredOn';
    };
    await system.until(() => powered('f-1'), `f-1 to be on; ${serve.output().slice(-2_000)}`);
    await serve.kill();
    await serve.restart();
    await system.until(() => powered('f-2'), 'f-2 to be on');
    const journal = await system.journal();
    expect(effects(journal, NAMESPACE)).toEqual(['PoweredOn f-1', 'PoweredOn f-2']);
    const on = times(journal, NAMESPACE, 'PoweredOn');
    expect(on['f-2']?.asked).toBeGreaterThanOrEqual((on['f-1']?.effect ?? NaN) + 3_900);
    const view = await system.until(shown, 'the group to be shown');
    const vm = await system.get(RESOURCES.virtualMachines, NAMESPACE, 'f-1');
    expect(view.status.members.find(({ name }) => name === 'f-1')?.uid).toBe(vm?.metadata.uid);
    expect(serve.output()).toContain('Events may not be read');

    const contest = '{"spec":{"powerState":"PoweredOn"}}';
    await system.kubectl(['-n', NAMESPACE, 'patch', 'vmg/shop', '--type=merge', '-p', contest]);
    const contested = await system.until(async () => {
      const found = await shown();
      return found?.phase === 'Contested' ? found : undefined;
    }, 'the contest to show');
    expect(contested.message).toContain(
      `spec.powerState of VirtualMachineGroup ${NAMESPACE}/shop is PoweredOn`,
    );
    write('PoweredOff');
    expect(effects(await system.journal(), NAMESPACE)).toHaveLength(2);
  } finally {
    await serve.stop();
  }
});

test('a Platform of type vmOperator under another name: its VMs are powered in order, and its uids are known', async () => {
  const names = ['n-1', 'n-2'];
  await system.kubectl(
    ['apply', '-f', '-'],
    [
      groupManifest({ namespace: NAMESPACE, name: 'named', tiers: [{ members: names }] }),
      ...names.map((name) => vmManifest(NAMESPACE, name, 'named', { powerState: 'PoweredOff' })),
    ].join('---\n'),
  );
  const manifests = path.join(dir, 'named');
  mkdirSync(manifests);
  writeFileSync(
    path.join(dir, 'platform.yaml'),
    platformManifest('supervisor', { vmOperator: { kubeconfig: system.cluster.kubeconfig('alice') } }),
  );
  const tiers = names.map((name) => ({ members: [name] }));
  const write = (powerState: string): void =>
    writeFileSync(
      path.join(manifests, 'named.yaml'),
      [
        groupManifest({ namespace: NAMESPACE, name: 'named', powerState, tiers }),
        ...names.map((name) => vmManifest(NAMESPACE, name, 'named')),
      ].join('---\n'),
    );
  write('PoweredOn');
  const reach = ['--temporal', system.temporal.address, '--watch-namespaces', NAMESPACE];
  const platform = ['--platforms', 'platform.yaml', '--platform', 'supervisor'];
  const data = path.join(dir, 'named-data');
  const serve = await startCommand(
    ['serve', manifests, ...platform, ...reach, '--data', data],
    dir,
    /"msg":"ready"/,
  );
  const mine = async (): Promise<string[]> =>
    effects(await system.journal(), NAMESPACE).filter((effect) => names.includes(effect.split(' ')[1] ?? ''));
  const converged = async (): Promise<ShownGroup | undefined> => {
    const { stdout } = await vmgroup(['get', 'groups', '-o', 'json', '--data', data]);
    const views = stdout === '' ? [] : (JSON.parse(stdout) as ShownGroup[]);
    return views.find(({ metadata, phase }) => metadata.name === 'named' && phase === 'Converged');
  };
  try {
    const logs = (): string => serve.output().slice(-2_000);
    await system.until(async () => (await mine()).length === 2, `both to be on; ${logs()}`);
    expect(await mine()).toEqual(['PoweredOn n-1', 'PoweredOn n-2']);
    const view = await system.until(converged, 'the group to be shown as converged');
    for (const { name, uid } of view.status.members)
      expect(uid).toBe((await system.get(RESOURCES.virtualMachines, NAMESPACE, name))?.metadata.uid);
    write('PoweredOff');
    await system.until(async () => (await mine()).length === 4, `both to be off; ${logs()}`);
    const handle = system.temporal.client.workflow.getHandle(`vmgroup/${NAMESPACE}/named`);
    expect(await handle.result()).toMatchObject({ outcome: 'Converged', powerState: 'PoweredOff' });
  } finally {
    await serve.stop();
  }
});
