/** `vmgroup plan` on a cluster with VM Operator, for which the simulator stands in: it shows where a run would place VMs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { findTemporalCli } from '../../../cli/temporal-server';
import { RESOURCES } from '../../../kubernetes';
import { SimulatedPlatform, SimulatorConsole } from '../../../platforms/simulated';
import { startSimulator } from '../../../simulator';
import { startClusterSystem, type ClusterSystem } from '../../support/cluster-system';
import type { ClusterUser } from '../../support/kubernetes';
import { groupManifest, platformManifest, vmManifest, webServerManifest } from '../../support/manifests';
import { buildWhenStale, vmgroup } from '../vmgroup';

jest.setTimeout(120_000);

let system: ClusterSystem;

/** `plan` in the table "Who may do what" of the how-to; with zones, or without. */
function role(name: string, zones: boolean): string {
  const lists = (group: string, ...resources: string[]): object => ({
    apiGroups: [group],
    resources,
    verbs: ['list'],
  });
  return stringify({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name },
    rules: [
      lists('vmoperator.vmware.com', 'virtualmachinegroups', 'virtualmachines', 'virtualmachineclasses'),
      lists('vmgroup.dev', 'sequencepolicies'),
      ...(zones ? [lists('topology.tanzu.vmware.com', 'zones')] : []),
    ],
  });
}

beforeAll(async () => {
  buildWhenStale();
  await findTemporalCli();
  system = await startClusterSystem({ platform: 'vm-operator' });
  for (const [user, zones] of [
    ['alice', true],
    ['nobody', false],
  ] as const) {
    await system.kubectl(['apply', '-f', '-'], role(`plan-${user}`, zones));
    await system.kubectl([
      ...['create', 'clusterrolebinding', `plan-${user}`, `--clusterrole=plan-${user}`],
      `--user=${user}`,
    ]);
  }
}, 240_000);
afterAll(() => system.stop());

/** Zones that the simulator does not own, so that it does not change them; VMs of the class `small` take 4 GiB. */
async function namespaceWithZones(namespace: string, limits: Record<string, string>): Promise<void> {
  const zones = Object.entries(limits).map(([name, limit]) =>
    stringify({
      apiVersion: 'topology.tanzu.vmware.com/v1alpha1',
      kind: 'Zone',
      metadata: { name, namespace },
      spec: { managedVMs: { poolMoIDs: [`pool-of-${name}`] }, memory: { limit } },
    }),
  );
  const small = stringify({
    apiVersion: 'vmoperator.vmware.com/v1alpha5',
    kind: 'VirtualMachineClass',
    metadata: { name: 'small', namespace },
    spec: { hardware: { cpus: 1, memory: '4Gi' } },
  });
  await system.apply(namespace, [...zones, small].join('---\n'));
}

async function plan(namespace: string, args: string[] = [], user: ClusterUser = 'alice'): Promise<string> {
  const env = { KUBECONFIG: system.cluster.kubeconfig(user), VMGROUP_SOURCE: 'kubernetes' };
  const { code, stdout, stderr } = await vmgroup(['plan', '--watch-namespaces', namespace, ...args], { env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

interface Step {
  action: string;
  member?: string;
}

interface Planned {
  group: string;
  forecast?: { steps: Step[] };
  /** Of `diff`. */
  steps?: Step[];
  placement?: {
    type: string;
    message?: string;
    placements?: { name: string; placement: { zoneID: string; pool: string } }[];
  };
}

async function planned(namespace: string): Promise<Planned[]> {
  return JSON.parse(await plan(namespace, ['-o', 'json'])) as Planned[];
}

/** The members that are powered on. */
function poweredIn(steps: readonly Step[] = []): { PowerOn: (string | undefined)[] } {
  return { PowerOn: steps.filter(({ action }) => action === 'PowerOn').map(({ member }) => member) };
}

/** By the name of the VM. */
async function places(namespace: string, group: string): Promise<Record<string, unknown>> {
  const status = await system.status(namespace, group);
  return Object.fromEntries(status?.members.map(({ name, placement }) => [name, placement]) ?? []);
}

function asPlaces(plan: Planned | undefined): Record<string, unknown> {
  return Object.fromEntries(
    plan?.placement?.placements?.map(({ name, placement }) => [name, placement]) ?? [],
  );
}

test('the places are those of the run that follows, next to VMs that have a place', async () => {
  await namespaceWithZones('site', { 'zone-a': '4Gi', 'zone-b': '64Gi', 'zone-c': '64Gi' });
  const small = { className: 'small', powerState: 'PoweredOff' };
  const webs = ['web-1', 'web-2', 'web-3'];
  await system.apply(
    'site',
    [
      groupManifest({ namespace: 'site', name: 'web', powerState: 'PoweredOn', tiers: [{ members: webs }] }),
      ...webs.map((name) => webServerManifest('site', name, 'web', small)),
    ].join('---\n'),
  );
  const [web, ...more] = await planned('site');
  expect(more).toEqual([]);
  const table = await plan('site');
  expect(table).toMatch(/^ZONE +HOST +VM +DATASTORE\nzone-a +- +web-\d +-\nzone-b +- +web-\d +-\nzone-c/m);
  expect(table).toMatch(/^web-1 +Kept +Required +spec\.affinity\.zoneAntiAffinity/m);

  const bridge = await system.startBridge();
  await system.ready('site', 'web');
  const webPlaces = await places('site', 'web');
  for (const [name, { zoneID, pool }] of Object.entries(asPlaces(web)) as [
    string,
    { zoneID: string; pool: string },
  ][]) {
    expect(pool).toBe(`pool-of-${zoneID}`);
    expect(webPlaces[name]).toMatchObject({ zoneID });
  }
  await bridge.stop();

  // The zone that is full now takes none of these; a group without a power state has its VMs placed too.
  await system.apply(
    'site',
    [
      groupManifest({ namespace: 'site', name: 'jobs', tiers: [{ members: ['job-1', 'job-2', 'job-3'] }] }),
      ...['job-1', 'job-2', 'job-3'].map((name) => vmManifest('site', name, 'jobs', small)),
    ].join('---\n'),
  );
  const [jobs, again] = await planned('site');
  expect(again).toMatchObject({ group: 'site/web', forecast: { steps: [] } });
  expect(again?.placement).toBeUndefined();
  const jobPlaces = asPlaces(jobs) as Record<string, { zoneID: string }>;
  expect(Object.values(jobPlaces).map(({ zoneID }) => zoneID)).not.toContain('zone-a');
  expect(await plan('site', ['--group', 'site/jobs'])).toContain('site/jobs: as observed → power unchanged');
  const next = await system.startBridge();
  await system.ready('site', 'jobs');
  const found = await places('site', 'jobs');
  expect(Object.keys(jobPlaces).sort()).toEqual(['job-1', 'job-2', 'job-3']);
  for (const [name, { zoneID }] of Object.entries(jobPlaces)) expect(found[name]).toMatchObject({ zoneID });
  await next.stop();
});

test('VMs on a platform that a Platform describes are as that platform has them, for plan and for diff', async () => {
  const ns = 'afar';
  const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-plan-'));
  const simulator = await startSimulator({ dataDir: path.join(dir, 'afar') });
  const console = new SimulatorConsole(simulator.address);
  const afar = new SimulatedPlatform(simulator.address);
  try {
    const tiers = [{ members: ['runs', 'rests'] }];
    await system.apply(
      ns,
      [
        groupManifest({ namespace: ns, name: 'app', powerState: 'PoweredOn', tiers }),
        ...['runs', 'rests'].map((name) => vmManifest(ns, name, 'app')),
      ].join('---\n'),
    );
    const vm = { namespace: ns, name: 'runs' };
    const { metadata } = (await system.get(RESOURCES.virtualMachines, ns, vm.name)) ?? {};
    const request = { vm: { ...vm, uid: metadata?.uid ?? '' }, cpus: 1, memory: 2 ** 30 };
    await afar.place([request], { caller: 'test' });
    await console.power(vm, 'PoweredOn');
    const file = path.join(dir, 'platform.yaml');
    const spec = { namespaces: [ns], simulated: { address: simulator.address } };
    writeFileSync(file, platformManifest('afar', spec));
    const steps = { PowerOn: ['rests'] };
    const [found] = JSON.parse(await plan(ns, ['--platforms', file, '-o', 'json'])) as Planned[];
    expect(poweredIn(found?.forecast?.steps)).toEqual(steps);
    const words = ['diff', '--watch-namespaces', ns, '--platforms', file, '-o', 'json'];
    const env = { KUBECONFIG: system.cluster.kubeconfig('alice'), VMGROUP_SOURCE: 'kubernetes' };
    const { stdout } = await vmgroup(words, { env });
    expect(poweredIn((JSON.parse(stdout) as Planned[])[0]?.steps)).toEqual(steps);
  } finally {
    console.close();
    await afar.close();
    await simulator.close();
    rmSync(dir, { recursive: true });
  }
});

test('if the VMs have no place: the message of the run that follows', async () => {
  await namespaceWithZones('full', { 'zone-a': '64Gi', 'zone-b': '64Gi', 'zone-c': '64Gi' });
  const webs = ['web-1', 'web-2', 'web-3', 'web-4'];
  await system.apply(
    'full',
    [
      groupManifest({ namespace: 'full', name: 'web', powerState: 'PoweredOn', tiers: [{ members: webs }] }),
      ...webs.map((name) => webServerManifest('full', name, 'web')),
    ].join('---\n'),
  );
  const [web] = await planned('full');
  expect(web?.placement?.type).toBe('Infeasible');
  const message = web?.placement?.message ?? '';
  expect(message).toContain('full/web-1, full/web-2, full/web-3 and full/web-4 may not share a zone');
  expect(await plan('full')).toContain(`  placement: ${message}\n`);
  const bridge = await system.startBridge();
  const why = await system.until(async () => {
    const member = (await system.status('full', 'web'))?.members.find(({ name }) => name === 'web-4');
    const condition = member?.conditions.find(({ type }) => type === 'PlacementReady');
    return condition?.message.includes('may not share a zone') ? condition.message : undefined;
  }, 'the run to say why');
  expect(why).toContain(message);
  await bridge.stop();
});

test('a user who may not list zones gets a message about it, and the rest of the plan', async () => {
  await namespaceWithZones('blind', { 'zone-a': '64Gi' });
  await system.apply(
    'blind',
    [
      groupManifest({
        namespace: 'blind',
        name: 'app',
        powerState: 'PoweredOn',
        tiers: [{ members: ['db'] }],
      }),
      vmManifest('blind', 'db', 'app'),
    ].join('---\n'),
  );
  expect(await plan('blind')).toMatch(/^zone-. +- +db +-$/m);
  const table = await plan('blind', [], 'nobody');
  expect(table).toMatch(/^\+0s +app +1 +PowerOn +db /m);
  expect(table).toContain(
    '  placement: unknown: you may not list zones.topology.tanzu.vmware.com in namespace blind; ' +
      'ask a cluster administrator to grant the verb list on zones.topology.tanzu.vmware.com\n',
  );
});
