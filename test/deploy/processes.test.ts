/**
 * The commands of `deploy/` and of `docker-compose.yml`, run outside of containers: the same arguments and variables, with other folders, ports
 * and addresses after them, the last of which holds.
 *
 * X1: each of them starts, gets ready, and the three of a set-up do together what they are for.
 * X2: on a cluster each asks for nothing that its role does not grant, and for all that it grants.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { ROLE, type ClusterProcess } from '../../cli/doctor/permissions';
import { workflowId } from '../../contract';
import { buildWhenStale } from '../cli/vmgroup';
import { auditArguments, requestsOf } from '../support/audit';
import { grantsOf, podOf, rendered, type Manifest } from '../support/deploy';
import { startCluster, type ClusterUser, type TestCluster } from '../support/kubernetes';
import { startCommand, type Command } from '../support/processes';
import { startPostgres, type TestPostgres } from '../support/postgres';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';

const root = path.join(__dirname, '../..');
const READY = /"msg":"ready"/;
/** Listen where this machine has room. */
const HERE = ['--health-host', '127.0.0.1', '--health-port', '0'];

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-commands-'));
let temporal: TestTemporal;
beforeAll(async () => {
  buildWhenStale();
  temporal = await startTemporal();
}, 180_000);
afterAll(async () => {
  await temporal.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** What `/readyz` answers to the kubelet, or to a health check. */
async function readyz(command: Command): Promise<number> {
  const address = /"address":"(127\.0\.0\.1:\d+)"/.exec(command.output())?.[1];
  return (await fetch(`http://${address}/readyz`)).status;
}

async function untilReady(command: Command): Promise<void> {
  const context = (): string => command.output().slice(-2_000);
  await until(async () => (await readyz(command)) === 200, 'the process to be ready', {
    seconds: 30,
    context,
  });
}

describe('docker-compose.yml', () => {
  interface Service {
    command: string[];
    environment: Record<string, string>;
  }
  const { services } = parse(readFileSync(path.join(root, 'docker-compose.yml'), 'utf8'), {
    merge: true,
  }) as {
    services: Record<'simulator' | 'worker' | 'bridge', Service>;
  };
  const started: Command[] = [];
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
    await postgres.database('vmgroup');
  });
  afterAll(async () => {
    await Promise.all(started.map((command) => command.stop()));
    await postgres.stop();
  });

  async function begin(name: keyof typeof services, more: string[], ready = READY): Promise<Command> {
    const { command, environment } = services[name];
    const args = command.map((word) =>
      word === '/manifests' ? path.join(root, 'examples/dev-environment') : word,
    );
    const { hostname, port, username } = new URL(postgres.url);
    const env = {
      ...environment,
      TEMPORAL_ADDRESS: temporal.address,
      VMGROUP_DATA: path.join(dir, name),
      // The database that the service record-database makes.
      ...(environment['PGHOST'] && { PGHOST: hostname, PGPORT: port, PGUSER: username }),
    };
    const running = await startCommand([...args, ...more], dir, ready, env);
    started.push(running);
    return running;
  }

  test('X1: simulator, worker and bridge', async () => {
    const simulator = await begin('simulator', ['--port', '0'], /^http:.*\n/m);
    const [address = ''] = simulator.output().split('\n');
    expect((await fetch(`${address}/v1/health`)).status).toBe(200);
    const there = ['--simulator', address, ...HERE];
    const [worker, bridge] = await Promise.all([begin('worker', there), begin('bridge', there)]);
    await Promise.all([untilReady(worker), untilReady(bridge)]);
    await until(() => bridge.output().includes('records runs'), 'the record to be kept');
  }, 120_000);
});

describe('deploy/', () => {
  let cluster: TestCluster;
  let manifests: Manifest[];
  const started: Command[] = [];
  beforeAll(async () => {
    manifests = await rendered('simulator');
    cluster = await startCluster({ args: auditArguments(dir) });
    await cluster.run(['apply', '--server-side', '-k', path.join(root, 'deploy/simulator')]);
    await cluster.run([
      'wait',
      '--for=condition=Established',
      '--timeout=30s',
      '-f',
      path.join(root, 'deploy/crds'),
    ]);
  }, 120_000);
  afterAll(async () => {
    await Promise.all(started.map((command) => command.stop()));
    await cluster.stop();
  });

  async function begin(name: ClusterProcess, more: string[], ready = READY): Promise<Command> {
    const deployment = manifests.find(
      ({ kind, metadata }) => kind === 'Deployment' && metadata.name === ROLE[name],
    );
    const [container] = deployment ? podOf(deployment).containers : [];
    const settings = manifests.find(({ kind }) => kind === 'ConfigMap')?.data;
    const env = {
      ...settings,
      TEMPORAL_ADDRESS: temporal.address,
      KUBECONFIG: cluster.kubeconfig(accountOf(name)),
      // In a pod both are known.
      VMGROUP_LEASE_NAMESPACE: 'vmgroup-system',
    };
    const running = await startCommand([...(container?.args ?? []), ...more], dir, ready, env);
    started.push(running);
    return running;
  }

  function accountOf(name: ClusterProcess): ClusterUser {
    return `system:serviceaccount:vmgroup-system:${ROLE[name]}` as ClusterUser;
  }

  test('X1: simulator, worker and bridge, and the example on them', async () => {
    await begin(
      'simulator',
      ['--data', path.join(dir, 'stand-in'), '--port', '0'],
      /watches the VirtualMachines/,
    );
    const [worker, bridge] = await Promise.all([begin('worker', HERE), begin('bridge', HERE)]);
    await Promise.all([untilReady(worker), untilReady(bridge)]);

    await cluster.run(['create', 'namespace', 'development']);
    await cluster.run(['apply', '--server-side', '-f', path.join(root, 'examples/dev-environment')]);
    const where = ['-n', 'development', 'vmg/dev-environment'];
    for (const powerState of ['PoweredOn', 'PoweredOff']) {
      const patch = ['--type=merge', '-p', JSON.stringify({ spec: { powerState } })];
      await cluster.run(['patch', ...where, ...patch]);
      await cluster
        .run(['wait', '--for=condition=Ready=False', '--timeout=10s', ...where])
        .catch(() => undefined);
      await cluster.run(['wait', '--for=condition=Ready', '--timeout=60s', ...where]);
    }
    const { status } = await temporal.client.workflow
      .getHandle(workflowId('development', 'dev-environment'))
      .describe();
    expect(status.name).toBe('COMPLETED');
  }, 180_000);

  test.each<ClusterProcess>(['bridge', 'worker', 'simulator'])('X2: the role of the %s', (name) => {
    const requests = requestsOf(dir, accountOf(name));
    expect(requests.filter(({ refused }) => refused)).toEqual([]);
    const granted = manifests
      .filter(({ kind, metadata }) => /Role$/.test(kind) && metadata.name === ROLE[name])
      .flatMap(grantsOf);
    const used = new Set(requests.map(({ grant }) => grant));
    expect(granted.filter((grant) => !used.has(grant) && !RARE[name].includes(grant))).toEqual([]);
  });

  /** What this test does not reach. */
  const RARE: Record<ClusterProcess, string[]> = {
    bridge: [
      'patch events.k8s.io/events',
      // Operator commands: test/deploy/rights.test.ts gives one.
      'patch vmgroup.dev/operatorcommands/status',
      'delete vmgroup.dev/operatorcommands',
    ],
    worker: [
      // After a conflict, or where the watch is behind.
      'get vmoperator.vmware.com/virtualmachines',
      // Where a namespace has no Zone.
      'list topology.tanzu.vmware.com/availabilityzones',
    ],
    simulator: [
      // An object that was deleted while it was not watched.
      'get vmoperator.vmware.com/virtualmachines',
      // An apply that makes a Zone: the API server wants both verbs, and calls it a patch.
      'create topology.tanzu.vmware.com/zones',
      // An inventory that has lost a zone.
      'delete topology.tanzu.vmware.com/zones',
      'create events.k8s.io/events',
      'patch events.k8s.io/events',
    ],
  };
});
