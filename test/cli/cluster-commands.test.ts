/** The commands on a cluster, as processes, by a user with exactly the permissions that the reference names. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import type { GroupView } from '../../bridge';
import type { RecordLine } from '../../cli/export/run-record';
import { findTemporalCli } from '../../cli/temporal-server';
import { RESOURCES } from '../../kubernetes';
import { startClusterSystem, type ClusterSystem } from '../support/cluster-system';
import { startCluster, type ClusterUser, type TestCluster } from '../support/kubernetes';
import { groupManifest, groupWithVms, webServerManifest } from '../support/manifests';
import { buildWhenStale, start, vmgroup, type Result } from './vmgroup';

let system: ClusterSystem;
let bare: TestCluster;
const children: ChildProcess[] = [];

/** The table "Who may do what" of the how-to. */
const RIGHTS = stringify({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'vmgroup-operator' },
  rules: [
    {
      apiGroups: ['vmoperator.vmware.com'],
      resources: ['virtualmachinegroups'],
      verbs: ['get', 'list', 'watch', 'patch'],
    },
    {
      apiGroups: ['vmoperator.vmware.com'],
      resources: ['virtualmachines', 'virtualmachineclasses'],
      verbs: ['list'],
    },
    { apiGroups: ['vmgroup.dev'], resources: ['sequencepolicies'], verbs: ['list'] },
    {
      apiGroups: ['topology.tanzu.vmware.com'],
      resources: ['zones', 'availabilityzones'],
      verbs: ['list'],
    },
  ],
});

beforeAll(async () => {
  buildWhenStale();
  await findTemporalCli();
  [system, bare] = await Promise.all([startClusterSystem(), startCluster()]);
  await system.kubectl(['apply', '-f', '-'], RIGHTS);
  await system.kubectl([
    'create',
    'clusterrolebinding',
    'alice',
    '--clusterrole=vmgroup-operator',
    '--user=alice',
  ]);
}, 240_000);
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all([system.stop(), bare.stop()]);
}, 60_000);

function environment(user: ClusterUser = 'alice'): NodeJS.ProcessEnv {
  return {
    KUBECONFIG: system.cluster.kubeconfig(user),
    VMGROUP_SOURCE: 'kubernetes',
    TEMPORAL_ADDRESS: system.temporal.address,
    NO_COLOR: '1',
  };
}

const run = (...args: string[]): Promise<Result> => vmgroup(args, { env: environment() });

/** Runs a command that has to succeed without a note; what it printed. */
async function printed(...args: string[]): Promise<string> {
  const result = await run(...args);
  expect(result).toMatchObject({ code: 0, stderr: '' });
  return result.stdout;
}

async function phase(namespace: string, name: string, ...wanted: string[]): Promise<void> {
  await system.until(
    async () => (wanted.includes((await system.status(namespace, name))?.phase ?? '') ? true : undefined),
    `${namespace}/${name} to be ${wanted.join(' or ')}`,
  );
}

async function spec(namespace: string, name: string): Promise<Record<string, unknown>> {
  return ((await system.get(RESOURCES.virtualMachineGroups, namespace, name))?.spec ?? {}) as Record<
    string,
    unknown
  >;
}

test('a group that no bridge has handled is shown, with a note', async () => {
  await system.apply(
    'early',
    groupManifest({ namespace: 'early', name: 'app', powerState: 'PoweredOn', tiers: [] }),
  );
  const { code, stdout, stderr } = await run('get', 'groups');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^early +app +PoweredOn +Pending +0\/0 +-$/m);
  expect(stderr).toBe(
    'note: no bridge has handled the last change of early/app; if that does not change, no bridge runs: see vmgroup doctor\n',
  );
  await system.startBridge();
  await phase('early', 'app', 'Converged');
});

test('get, describe: the status, and the progress of an open run from Temporal', async () => {
  await system.apply(
    'shop',
    groupWithVms({
      namespace: 'shop',
      name: 'app',
      powerState: 'PoweredOn',
      tiers: [{ members: ['db'], delay: '1h' }, { members: ['web'] }],
    }),
  );
  await system.until(
    async () => ((await system.status('shop', 'app'))?.readyMembers === '1/2' ? true : undefined),
    'db to be on',
  );
  expect(await printed('get', 'groups', 'shop/app')).toMatch(
    /^NAMESPACE +NAME +DESIRED +PHASE +READY +RUN\nshop +app +PoweredOn +\w+ +1\/2 +\d+[ms](\d+s)?\n$/,
  );
  expect(await printed('get', 'groups', '--watch-namespaces', 'shop')).not.toContain('early');
  const vms = await printed('get', 'vms', 'shop/app');
  expect(vms).toMatch(/^shop +db +app +PoweredOn +True +zone-/m);
  expect(vms).toMatch(/^shop +web +app +PoweredOff +False \(Pending\) +zone-/m);

  const described = await printed('describe', 'shop/app');
  expect(described).toMatch(/tier 1\/2 +█{10} +1\/1 +done\n +✔ db +PoweredOn\n/);
  expect(described).toMatch(/tier 2\/2 +░{10} +0\/1 +delay, (1h|5\dm(\d+s)?) left/);
  const { run: open } = JSON.parse(await printed('describe', 'shop/app', '-o', 'json')) as GroupView;
  expect(open?.progress?.tiers.map((tier) => tier.phase)).toEqual(['Done', 'Delay']);

  const alone = await run('describe', 'shop/app', '--temporal', '127.0.0.1:1');
  expect(alone.code).toBe(0);
  expect(alone.stdout).toMatch(/✔ db +PoweredOn +zone-.*\n +· web +PoweredOff/);
  expect(alone.stderr).toMatch(
    /^note: no Temporal server answers at 127\.0\.0\.1:1.*open runs are shown from the status alone\n$/,
  );
});

test('power, abort, and a new run on demand', async () => {
  await system.apply(
    'power',
    groupWithVms({
      namespace: 'power',
      name: 'app',
      powerState: 'PoweredOff',
      tiers: [{ members: ['db'], delay: '1h' }, { members: ['web'] }],
    }),
  );
  await phase('power', 'app', 'Converged');
  expect(await printed('power', 'off', 'power/app')).toBe(
    'power/app: spec.powerState is PoweredOff already\n',
  );
  const on = await vmgroup(
    ['power', 'on', 'power/app', '--kubeconfig', system.cluster.kubeconfig('alice')],
    {},
  );
  expect(on).toEqual({
    code: 0,
    stderr: '',
    stdout:
      'power/app: spec.powerState is now PoweredOn (was PoweredOff); follow it with vmgroup watch power/app ' +
      `--kubeconfig ${system.cluster.kubeconfig('alice')}\n`,
  });
  const object = await system.get(RESOURCES.virtualMachineGroups, 'power', 'app');
  expect(object?.metadata.managedFields?.map(({ manager }) => manager)).toContain('vmgroup-cli');
  await phase('power', 'app', 'PoweringOn');
  await printed('abort', 'power/app', '--reason', 'not yet');
  await phase('power', 'app', 'Cancelled');

  expect(await printed('power', 'on', 'power/app', '--reason', 'now then', '--actor', 'alice')).toBe(
    'asked for a new run of power/app: wrote spec.nextForcePowerStateSyncTime of power/app (now); follow it with vmgroup watch power/app\n',
  );
  await phase('power', 'app', 'PoweringOn');
  await printed('abort', 'power/app', '--reason', 'again');
  await phase('power', 'app', 'Cancelled');

  // No webhook has replaced the first `now` by a time, so a second one would change nothing.
  expect(await printed('retry', 'power/app', '--reason', 'INC-4711', '--actor', 'bob')).toMatch(
    /of power\/app \(\d{4}-\d\d-\d\dT[\d:.]+Z\); follow/,
  );
  await phase('power', 'app', 'PoweringOn');
  const asked = await system.get(RESOURCES.virtualMachineGroups, 'power', 'app');
  expect(asked?.metadata.annotations).toMatchObject({
    'vmgroup.dev/asked-by': 'bob',
    'vmgroup.dev/asked-because': 'INC-4711',
  });
  const recorded = async (): Promise<string[]> => {
    await phase('power', 'app', 'PoweringOn');
    const { record } = JSON.parse(await printed('export', 'power/app')) as { record: RecordLine[] };
    return record.map(({ who, what, detail = '' }) => `${who} ${what} ${detail}`);
  };
  expect(await recorded()).toContainEqual(expect.stringMatching(/^bob plan: .* \(ForceSync\) INC-4711$/));
  const bob = { verb: 'retryMember', actor: 'bob', reason: 'INC-4711' };
  const handle = system.temporal.client.workflow.getHandle('vmgroup/power/app');
  expect(await handle.query('progress')).toMatchObject({ words: [bob] });

  // A request with kubectl says nothing about who made it.
  await printed('abort', 'power/app', '--reason', 'once more');
  await phase('power', 'app', 'Cancelled');
  const sync = JSON.stringify({ spec: { nextForcePowerStateSyncTime: new Date().toISOString() } });
  await system.kubectl(['-n', 'power', 'patch', 'vmg/app', '--type=merge', '-p', sync]);
  const record = await recorded();
  expect(record).toContainEqual(expect.stringMatching(/^bridge plan: .* \(ForceSync\) $/));
  expect(record.filter((entry) => entry.startsWith('bob'))).toEqual([]);
});

test('a group that another one outranks is not written; a run of it is one of the whole tree', async () => {
  const parent = groupManifest({
    namespace: 'nested',
    name: 'site',
    powerState: 'PoweredOn',
    tiers: [{ members: ['group:tier'] }],
  });
  const child = groupWithVms({
    namespace: 'nested',
    name: 'tier',
    groupName: 'site',
    tiers: [{ members: ['vm'] }],
  });
  await system.apply('nested', `${parent}---\n${child}`);
  await phase('nested', 'site', 'Converged');
  const before = await spec('nested', 'tier');
  const { code, stderr } = await run('power', 'off', 'nested/tier');
  expect(code).toBe(1);
  expect(stderr).toContain('error: nested/tier is in nested/site, whose power state PoweredOn outranks it');
  expect(stderr).toContain('→ change all of nested/site: vmgroup power off nested/site\n');
  expect(await spec('nested', 'tier')).toEqual(before);

  const first = (await system.status('nested', 'site'))?.run?.runId;
  expect(await printed('retry', 'nested/tier', '--reason', 'once more')).toContain(
    'a new run of nested/site: wrote spec.nextForcePowerStateSyncTime of nested/tier (now), nested/site (now); ',
  );
  await system.until(async () => {
    const now = (await system.status('nested', 'site'))?.run;
    return now && now.runId !== first && now.outcome === 'Converged' ? true : undefined;
  }, 'another run of nested/site');
});

test('watch: each change once, also after the API server was away', async () => {
  await system.apply(
    'watched',
    groupWithVms({
      namespace: 'watched',
      name: 'app',
      powerState: 'PoweredOn',
      tiers: [{ members: ['db'], delay: '1h' }, { members: ['web'] }],
    }),
  );
  await phase('watched', 'app', 'PoweringOn');
  const child = start(['watch', 'watched/app', '-o', 'json'], { env: environment() });
  children.push(child);
  const ended = once(child, 'exit');
  const lines: { reason: string; message: string }[] = [];
  child.stdout.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().split('\n').filter(Boolean))
      lines.push(JSON.parse(line) as { reason: string; message: string });
  });
  const told = (reason: string): string[] =>
    lines.flatMap((line) => (line.reason === reason ? [line.message] : []));
  const heard = (reason: string, text: string): Promise<true> =>
    system.until(
      () => told(reason).some((message) => message.includes(text)) || undefined,
      `${reason} with ${text}`,
    );
  await heard('RunStarted', 'is open');
  await heard('DelayStarted', 'tier 2 of 2');

  await system.cluster.killApiServer();
  await heard('Notice', 'lost the watch on the API server');
  await system.cluster.restartApiServer();
  await heard('Notice', 'the API server is watched again');
  await printed('skip-delay', 'watched/app', '--reason', 'in a hurry');
  await heard('RunEnded', 'Converged');
  // A run so short that it has ended when it is first seen.
  await printed('power', 'off', 'watched/app');
  await heard('RunEnded', 'PoweredOff');
  expect(told('RunEnded')).toHaveLength(2);
  child.kill('SIGINT');
  expect(await ended).toEqual([0, null]);
}, 120_000);

test('plan: by what is observed', async () => {
  await system.apply(
    'planned',
    groupWithVms({
      namespace: 'planned',
      name: 'app',
      powerState: 'PoweredOn',
      tiers: [{ members: ['a'] }, { members: ['b'] }],
    }),
  );
  await phase('planned', 'app', 'Converged');
  expect(await printed('plan', '--group', 'planned/app')).toMatch(
    /^planned\/app: as observed → PoweredOn, .*\n\n +nothing to do\n$/,
  );
  const off = await printed('plan', '--group', 'planned/app', '--to', 'PoweredOff');
  expect(off).toMatch(/PowerOff +a/);
  expect(off).toMatch(/PowerOff +b/);
  const { code, stderr } = await run('plan', '--group', 'planned/nothing');
  expect(code).toBe(1);
  expect(stderr).toContain('there is no valid group planned/nothing');
  expect(stderr).toContain('planned/app');
});

test('plan: the places that a run finds then, asked of the simulator', async () => {
  const shape = { namespace: 'places', name: 'web', tiers: [{ members: ['w-1', 'w-2', 'w-3'] }] };
  const webs = ['w-1', 'w-2', 'w-3'].map((name) => webServerManifest('places', name, 'web'));
  await system.apply('places', [groupManifest(shape), ...webs].join('---\n'));
  const args = ['plan', '--group', 'places/web', '--to', 'PoweredOn'];
  expect(await printed(...args)).toContain(
    '  placement: unknown: the API server has no zones (topology.tanzu.vmware.com)',
  );
  expect(await printed(...args, '--simulator', 'http://127.0.0.1:1')).toMatch(
    / {2}placement: unknown: GET http:\/\/127\.0\.0\.1:1\/v1\/inventory: .*ECONNREFUSED/,
  );
  const asked = await printed(...args, '--simulator', system.simulator, '-o', 'json');
  const [plan] = JSON.parse(asked) as { placement: { placements: { name: string; placement: object }[] } }[];
  await system.apply('places', groupManifest({ ...shape, powerState: 'PoweredOn' }));
  await phase('places', 'web', 'Converged');
  const members = (await system.status('places', 'web'))?.members ?? [];
  expect(plan?.placement.placements.map(({ name, placement }) => ({ name, placement }))).toEqual(
    members.map(({ name, placement }) => ({ name, placement })),
  );
  expect(await printed(...args, '--simulator', system.simulator)).toMatch(/\n\n +nothing to do\n$/);
  // Without the simulator the status of the group says as much.
  expect(await printed(...args)).toMatch(/\n\n +nothing to do\n$/);
});

test('validate: each problem with the name of its object', async () => {
  expect(await run('validate')).toMatchObject({ code: 0, stdout: '' });
  const two = ['one', 'two'].map((name) =>
    groupManifest({ namespace: 'judged', name, tiers: [{ members: ['vm'] }] }),
  );
  await system.apply('judged', two.join('---\n'));
  const { code, stdout, stderr } = await run('validate', '--watch-namespaces', 'judged');
  expect(code).toBe(1);
  expect(stdout).toMatch(
    /^VirtualMachineGroup judged\/one: spec\.bootOrder\[0\]\.members\[0\].*two.*\nVirtualMachineGroup judged\/two: /,
  );
  expect(stderr).toContain('error: 2 errors in 2 objects');
  const problems = JSON.parse(
    (await run('validate', '--watch-namespaces', 'judged', '-o', 'json')).stdout,
  ) as { object: { name: string } }[];
  expect(problems.map(({ object }) => object.name)).toEqual(['one', 'two']);
  const both = await run('validate', 'examples');
  expect(both.code).toBe(1);
  expect(both.stderr).toContain('reads the objects of a cluster, and no files');
  expect(await vmgroup(['plan'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('--source') as string,
  });
});

describe('errors say what to do', () => {
  test('there is no such group', async () => {
    for (const args of [['describe'], ['watch'], ['power', 'on'], ['retry', '--reason', 'x']]) {
      const { code, stderr } = await run(...args, 'early/apq');
      expect({ args, code }).toEqual({ args, code: 1 });
      expect(stderr).toBe(
        'error: there is no group early/apq on the cluster\n  → groups in that namespace: early/app\n',
      );
    }
  });

  test.each([
    ['list', ['get', 'groups']],
    ['get', ['describe', 'early/app']],
    ['list', ['power', 'on', 'early/app']],
  ])('the error for a user without permissions names the verb %s: %j', async (verb, args) => {
    const { code, stderr } = await vmgroup(args, { env: environment('nobody') });
    expect(code).toBe(1);
    expect(stderr).toContain(`error: you may not ${verb} virtualmachinegroups.vmoperator.vmware.com`);
    expect(stderr).toContain(`kubectl auth can-i ${verb} virtualmachinegroups.vmoperator.vmware.com`);
  });

  test('the error for a user who may only read names the verb patch', async () => {
    await system.kubectl([
      ...['create', 'clusterrole', 'reader', '--verb=get,list,watch'],
      '--resource=virtualmachinegroups.vmoperator.vmware.com',
    ]);
    await system.kubectl([
      ...['create', 'clusterrolebinding', 'reader', '--clusterrole=reader'],
      '--user=nobody',
    ]);
    const before = await spec('early', 'app');
    const { code, stderr } = await vmgroup(['power', 'off', 'early/app'], { env: environment('nobody') });
    expect(code).toBe(1);
    expect(stderr).toContain(
      'you may not patch virtualmachinegroups.vmoperator.vmware.com in namespace early',
    );
    expect(await spec('early', 'app')).toEqual(before);
  });

  test('the definitions are missing, the server is away, the credentials are wrong', async () => {
    const missing = await vmgroup(['get', 'groups', '--kubeconfig', bare.kubeconfig()]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('has no virtualmachinegroups.vmoperator.vmware.com in version v1alpha6');
    expect(missing.stderr).toContain('vmgroup crds | kubectl apply --server-side -f -');

    const config = await system.kubectl(['config', 'view', '--raw', '--minify']);
    const file = path.join(path.dirname(system.cluster.kubeconfig()), 'wrong.yaml');
    writeFileSync(file, config.replace(/token: .*/, 'token: wrong'));
    const unknown = await vmgroup(['get', 'groups', '--kubeconfig', file]);
    expect(unknown.stderr).toContain('does not accept these credentials');

    await bare.killApiServer();
    const away = await vmgroup(['get', 'groups', '--kubeconfig', bare.kubeconfig()]);
    expect(away.code).toBe(1);
    expect(away.stderr).toContain(`the API server ${bare.server} does not answer`);
  });
});
