/**
 * Operator commands as objects: Kubernetes decides who may give which, the run and the record name the authenticated user, and each command is
 * carried out once whatever is killed (COMMAND-1 to COMMAND-4, STAMP-1). Bridge and worker are processes of their own, with the shipped
 * definitions, roles and webhook registrations.
 *
 * Guarantees: G1, G11.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { stringify } from 'yaml';
import type { OperatorCommandSpec } from '../../api';
import { freePort } from '../support/ports';
import type { Progress } from '../../contract';
import { connectKubernetes, RESOURCES, type ApiServer } from '../../kubernetes';
import { SimulatorConsole } from '../../platforms/simulated';
import { deriveEvents, type CommandReceived, type PlanReceived, type RunEvent } from '../../record';
import { buildWhenStale, vmgroup, type Result } from '../cli/vmgroup';
import { createAuthority, type Authority } from '../support/certificates';
import { renderedWith, type Manifest } from '../support/deploy';
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy';
import { startCluster, type ClusterUser, type Printed, type TestCluster } from '../support/kubernetes';
import { groupWithVms, policyManifest } from '../support/manifests';
import { startCommand, type Command } from '../support/processes';
import { accepted } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-operator-commands-'));
const files = { cert: path.join(dir, 'tls.crt'), key: path.join(dir, 'tls.key') };
let cluster: TestCluster;
let temporal: TestTemporal;
let api: ApiServer;
let console: SimulatorConsole;
let proxy: FaultProxy;
let authority: Authority;
let bridge: Command;
const others: Command[] = [];

beforeAll(async () => {
  buildWhenStale();
  const manifests = await renderedWith({
    resources: ['../deploy/base'],
    components: ['../deploy/webhook-cert-manager'],
  });
  [cluster, temporal] = await Promise.all([startCluster(), startTemporal()]);
  api = connectKubernetes({ kubeconfig: cluster.kubeconfig() });
  await cluster.run(['apply', '--server-side', '-k', path.join(__dirname, '../../deploy/base')]);
  await cluster.define();
  await cluster.run(['apply', '-f', path.join(__dirname, '../../deploy/webhook/role.yaml')]);
  authority = createAuthority(dir);
  authority.issue(files.cert, files.key);
  const simulator = await startCommand(
    ['simulator', 'run', '--data', 'simulator', '--port', String(await freePort())],
    dir,
    /^http:.*\n/m,
  );
  const address = simulator.output().split('\n')[0] ?? '';
  console = new SimulatorConsole(address);
  const reach = ['--temporal', temporal.address, '--simulator', address];
  others.push(simulator, await startCommand(['worker', ...reach], dir, /"msg":"ready"/));
  // With the rights that are shipped, through a proxy that can keep an answer from being written.
  proxy = await startFaultProxy(cluster.kubeconfig('system:serviceaccount:vmgroup-system:vmgroup-bridge'), {
    body: /"finishedAt"/,
    as: 'answered',
  });
  const webhookPort = await freePort();
  bridge = await startCommand(
    [
      ...['bridge', ...reach, '--source', 'kubernetes', '--kubeconfig', proxy.kubeconfig],
      ...['--lease-namespace', 'vmgroup-system', '--webhook-port', String(webhookPort)],
      ...['--webhook-cert', files.cert, '--webhook-key', files.key],
    ],
    dir,
    /"msg":"ready"/,
  );
  await register(manifests, `127.0.0.1:${webhookPort}`);
}, 240_000);
afterEach(() => proxy.heal());
afterAll(async () => {
  console.close();
  await bridge.stop();
  await Promise.all(others.map((other) => other.stop()));
  await proxy.close();
  await Promise.all([temporal.stop(), cluster.stop()]);
  rmSync(dir, { recursive: true, force: true });
}, 60_000);

/** The registrations as they are shipped, but for the address, and the authority where cert-manager would have put it. */
async function register(manifests: Manifest[], address: string): Promise<void> {
  const caBundle = Buffer.from(authority.certificate).toString('base64');
  for (const each of manifests.filter(({ kind }) => kind.endsWith('WebhookConfiguration'))) {
    const shipped = structuredClone(each) as Manifest & {
      webhooks: { clientConfig: { service?: { path: string } } }[];
    };
    for (const webhook of shipped.webhooks) {
      const { path: where = '' } = webhook.clientConfig.service ?? {};
      webhook.clientConfig = { url: `https://${address}${where}`, caBundle } as object;
    }
    await cluster.run(['apply', '-f', '-'], stringify(shipped));
  }
  // An API server notices registrations a moment later.
  await until(async () => {
    const dry = { group: 'none', command: 'retry', reason: 'asks' } as const;
    const { stdout } = await give('probe', dry, 'admin', ['--dry-run=server', '-o', 'yaml']);
    return stdout.includes('vmgroup.dev/changed-by: admin');
  }, 'the webhook to stamp');
}

const ROLES = { retry: 'vmgroup-operator-retry', abort: 'vmgroup-operator-abort' } as const;

/** A namespace in which alice has a role, and a group whose VM `bad` does not come up and whose VM `last` waits for it. */
async function stuckGroup(namespace: string, role?: keyof typeof ROLES): Promise<void> {
  await cluster.run(['create', 'namespace', namespace]);
  if (role)
    await cluster.run([
      ...['-n', namespace, 'create', 'rolebinding', 'alice', `--clusterrole=${ROLES[role]}`, '--user=alice'],
    ]);
  await console.setFaults([{ type: 'PermanentError', vm: `${namespace}/bad` }]);
  const tiers = [{ members: ['good', 'bad'] }, { members: ['last'] }];
  const group = groupWithVms({ namespace, name: 'app', powerState: 'PoweredOn', tiers });
  const policy = policyManifest(namespace, 'default', {
    retry: { maximumAttempts: 1, initialInterval: '100ms', maximumInterval: '100ms' },
  });
  await cluster.run(['apply', '--server-side', '-f', '-'], [policy, group].join('---\n'));
  let seen: unknown;
  const isParked = async (): Promise<boolean> => {
    const { status } = (await api.get(RESOURCES.virtualMachineGroups, { namespace, name: 'app' })) ?? {};
    seen = status;
    const { run } = (status ?? {}) as { run?: object };
    if (!run) return false;
    const { members } = await temporal.client.workflow
      .getHandle(`vmgroup/${namespace}/app`)
      .query<Progress>('progress');
    return members.some(({ member, phase }) => member === 'bad' && phase === 'Parked');
  };
  await until(isParked, `${namespace}/bad to be parked`, {
    seconds: 30,
    context: () => JSON.stringify(seen) + bridge.output().slice(-2_000),
  });
}

/** Creates an object as kubectl does. */
function give(
  namespace: string,
  spec: OperatorCommandSpec,
  user: ClusterUser = 'admin',
  more: string[] = [],
  metadata: object = { generateName: 'by-hand-' },
): Promise<Printed> {
  const object = { apiVersion: 'vmgroup.dev/v1alpha1', kind: 'OperatorCommand', metadata, spec };
  const where = namespace === 'probe' ? 'default' : namespace;
  return cluster.kubectl(['-n', where, 'create', '-f', '-', ...more], { user, input: stringify(object) });
}

const nameOf = ({ stdout, stderr }: Printed): string => {
  const [, name] = /operatorcommand\.vmgroup\.dev\/(\S+) created/.exec(stdout) ?? [];
  if (name === undefined) throw new Error(`nothing was created: ${stderr}`);
  return name;
};

interface Answered {
  phase: string;
  message: string;
  actor?: string;
  actorKnown?: boolean;
  conditions: { type: string; status: string; reason: string }[];
}

function answered(namespace: string, name: string): Promise<Answered> {
  return until(
    async () => {
      const object = await api.get(RESOURCES.operatorCommands, { namespace, name });
      const status = object?.status as Answered | undefined;
      return status && ['Done', 'Refused', 'Failed'].includes(status.phase) ? status : undefined;
    },
    `an answer to ${namespace}/${name}`,
    { seconds: 60, context: () => bridge.output().slice(-1_500) },
  );
}

/** The events of all runs of a group, the last run first, as the record has them. */
async function eventsOf(namespace: string): Promise<RunEvent[]> {
  const workflowId = `vmgroup/${namespace}/app`;
  const found: RunEvent[] = [];
  for await (const { runId } of temporal.client.workflow.list({ query: `WorkflowId = "${workflowId}"` })) {
    const history = await temporal.client.workflow.getHandle(workflowId, runId).fetchHistory();
    found.push(...deriveEvents(JSON.parse(historyToJSON(history)), { workflowId, runId }).events);
  }
  return found;
}

async function recorded(namespace: string): Promise<CommandReceived[]> {
  return (await eventsOf(namespace)).filter(
    (event): event is typeof event & CommandReceived => event.kind === 'CommandReceived',
  );
}

/** The execution that is asked is noted, the answer is not. Returns whether a bridge has tried to write one. */
function loseAnswers(): () => boolean {
  let tried = false;
  proxy.decide(({ resource }) => {
    if (resource !== 'operatorcommands/status answered') return undefined;
    tried = true;
    return 'silent';
  });
  return () => tried;
}

const operations = async (namespace: string): Promise<string[]> =>
  accepted(await console.journal(), namespace);

/** Who changed the desired state, as the record has it: amendments for other reasons, such as a VM that was seen later, name no user. */
async function changes(namespace: string): Promise<NonNullable<PlanReceived['changedBy']>[]> {
  return (await eventsOf(namespace)).flatMap((event) =>
    (event.kind === 'PlanReceived' || event.kind === 'PlanAmended') && event.changedBy
      ? [event.changedBy]
      : [],
  );
}

/** The command line, on the cluster as a user and with no Temporal server named. */
const cli = (user: ClusterUser, ...args: string[]): Promise<Result> =>
  vmgroup([...args, '--kubeconfig', cluster.kubeconfig(user)], { cwd: dir });

test('a user with only the right to retry can retry and not skip; run and record name that user', async () => {
  await stuckGroup('rights', 'retry');
  const skip: OperatorCommandSpec = { group: 'app', command: 'skip', member: 'bad', reason: 'INC-1' };
  const refused = await give('rights', skip, 'alice');
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(
    'user "alice" cannot skip in group rights/app: that needs the verb override on operatorcommands.vmgroup.dev',
  );
  expect((await cli('alice', 'abort', 'rights/app', '--reason', 'INC-1')).stderr).toContain(
    'needs the verb abort',
  );
  expect((await give('rights', skip, 'nobody')).stderr).toContain('User "nobody" cannot create');
  expect(await recorded('rights')).toEqual([]);

  await console.setFaults([]);
  const done = await cli(
    'alice',
    'retry',
    'rights/app',
    'bad',
    '--reason',
    'disk replaced',
    '--actor',
    'someone',
  );
  expect({ code: done.code, stderr: done.stderr }).toEqual({ code: 0, stderr: '' });
  expect(done.stdout).toBe('Retrying bad.\n');
  expect(await recorded('rights')).toMatchObject([
    {
      verb: 'retryMember',
      member: 'bad',
      actor: { name: 'alice', known: true },
      reason: 'disk replaced',
    },
  ]);
  await until(async () => (await operations('rights')).includes('PoweredOn last'), 'the run to go on');
  const { words } = await temporal.client.workflow
    .getHandle('vmgroup/rights/app')
    .query<Progress>('progress');
  expect(words).toMatchObject([{ verb: 'retryMember', actor: 'alice', known: true }]);
  const objects = await cluster.run(['-n', 'rights', 'get', 'operatorcommands']);
  expect(objects).toMatch(/app +retry +bad +Done +alice/);
}, 120_000);

test('STAMP-1: a stamp cannot be forged, and a command cannot be changed', async () => {
  await stuckGroup('forged', 'retry');
  const retry: OperatorCommandSpec = { group: 'app', command: 'retry', reason: 'INC-2', actor: 'root' };
  const stolen = { 'vmgroup.dev/changed-by': 'root', 'vmgroup.dev/changed-seal': 'AAAA' };
  const name = nameOf(await give('forged', retry, 'alice', [], { name: 'mine', annotations: stolen }));
  expect(await answered('forged', name)).toMatchObject({ phase: 'Done', actor: 'alice', actorKnown: true });
  const patch = ['--type=merge', '-p', '{"spec":{"command":"abort"}}'];
  const changed = await cluster.kubectl(['-n', 'forged', 'patch', 'opcmd', name, ...patch]);
  expect(changed.stderr).toContain('is a command that was given: create another object');
}, 120_000);

test('COMMAND-1: a bridge that is killed between the Update and its answer carries a command out once', async () => {
  await stuckGroup('killed');
  const isAnswered = loseAnswers();
  const skipped = nameOf(
    await give('killed', { group: 'app', command: 'skip', member: 'bad', reason: 'INC-3' }),
  );
  await until(isAnswered, 'the answer to be written', { seconds: 60 });
  expect(await recorded('killed')).toHaveLength(1);
  await bridge.kill();
  proxy.heal();
  await until(async () => (await operations('killed')).includes('PoweredOn last'), 'the run to go on');
  await bridge.restart();
  expect(await answered('killed', skipped)).toMatchObject({ phase: 'Done', message: 'bad is left out.' });
  expect(await recorded('killed')).toHaveLength(1);
}, 120_000);

test('COMMAND-1: the same where the command has ended the run', async () => {
  await stuckGroup('ended');
  const isAnswered = loseAnswers();
  const aborted = nameOf(await give('ended', { group: 'app', command: 'abort', reason: 'INC-4' }));
  await until(isAnswered, 'the answer to be written', { seconds: 60 });
  await bridge.kill();
  proxy.heal();
  const handle = temporal.client.workflow.getHandle('vmgroup/ended/app');
  await until(async () => (await handle.describe()).status.name === 'COMPLETED', 'the run to end');
  await bridge.restart();
  expect(await answered('ended', aborted)).toMatchObject({ phase: 'Done', actor: 'admin' });
  expect(await recorded('ended')).toHaveLength(1);

  // Without an open run there is nothing to abort, and a retry asks for a new one.
  const again = nameOf(await give('ended', { group: 'app', command: 'abort', reason: 'INC-4' }));
  expect(await answered('ended', again)).toMatchObject({
    phase: 'Refused',
    message: 'ended/app has no open run',
  });
  await console.setFaults([]);
  const retried = nameOf(await give('ended', { group: 'app', command: 'retry', reason: 'INC-5' }));
  const { phase, conditions } = await answered('ended', retried);
  expect({ phase, conditions }).toMatchObject({
    phase: 'Done',
    conditions: [{ type: 'Complete', status: 'True', reason: 'Done' }],
  });
  await until(async () => (await operations('ended')).includes('PoweredOn last'), 'the new run');
}, 120_000);

test('COMMAND-3, COMMAND-4: commands of a group in order; finished ones are removed', async () => {
  await stuckGroup('order');
  const commands = ['pause', 'resume', 'pause', 'resume'] as const;
  for (const command of commands)
    nameOf(await give('order', { group: 'app', command, reason: 'INC-6', ttlSecondsAfterFinished: 0 }));
  await until(
    async () => (await api.list(RESOURCES.operatorCommands, { namespace: 'order' })).items.length === 0,
  );
  expect((await recorded('order')).map(({ verb }) => verb)).toEqual(commands);
}, 120_000);

test('the record says who changed the desired state: the stamped user, or the field manager where no webhook was', async () => {
  await stuckGroup('changed');
  expect(await changes('changed')).toMatchObject([
    {
      name: 'admin',
      known: true,
      object: 'VirtualMachineGroup changed/app',
      at: expect.any(String) as string,
    },
  ]);
  await cluster.run([
    ...['-n', 'changed', 'create', 'rolebinding', 'alice', '--clusterrole=edit-groups', '--user=alice'],
  ]);
  await cluster.run([
    ...['create', 'clusterrole', 'edit-groups', '--verb=get,patch'],
    '--resource=virtualmachinegroups.vmoperator.vmware.com',
  ]);
  const turn = (powerState: string, user: ClusterUser): Promise<Printed> =>
    cluster.kubectl(
      [
        '-n',
        'changed',
        'patch',
        'vmg',
        'app',
        '--type=merge',
        '-p',
        JSON.stringify({ spec: { powerState } }),
      ],
      { user },
    );
  await until(async () => (await turn('PoweredOff', 'alice')).code === 0, 'alice to have the right');
  await until(async () => (await changes('changed')).some((each) => each.name === 'alice' && each.known));
  await bridge.kill();
  await turn('PoweredOn', 'admin');
  await bridge.restart();
  await until(async () =>
    (await changes('changed')).some((each) => each.name === 'kubectl-patch' && !each.known),
  );
}, 120_000);

test('the shipped webhook refuses commands while no bridge answers', async () => {
  await cluster.run(['create', 'namespace', 'away']);
  await bridge.kill();
  const { code, stderr } = await give('away', { group: 'app', command: 'abort', reason: 'INC-7' });
  expect(code).toBe(1);
  expect(stderr).toContain('failed calling webhook "mutate-commands.vmgroup.dev"');
  await bridge.restart();
}, 60_000);
