/** A real Kubernetes API server with its etcd for tests. No controller runs unless a test starts the garbage collector. */
import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { freePort } from './ports';
import { createAuthority } from './certificates';
import { findKubernetesParts } from './kubernetes-parts';

/** Groups of each user. All but `admin` begin without rights: RBAC objects give them some. */
const USERS = {
  admin: ['system:masters'],
  nobody: [],
  alice: [],
  'system:serviceaccount:vmgroup-system:vmgroup-bridge': serviceAccountGroups('vmgroup-system'),
  'system:serviceaccount:vmgroup-system:vmgroup-worker': serviceAccountGroups('vmgroup-system'),
  'system:serviceaccount:vmgroup-system:vmgroup-simulator': serviceAccountGroups('vmgroup-system'),
} as const satisfies Record<string, readonly string[]>;

/** Sockets in the cluster's folder, which is where both parts run. etcd takes an address only with a port; it becomes part of the name. */
const ETCD = 'unix://etcd:1';
const PEER = 'unix://peer:1';

const CRDS = path.join(__dirname, '../../deploy/crds');
const VM_OPERATOR_CRDS = ['virtualmachineclasses', 'virtualmachinegroups', 'virtualmachines'].map(
  (resource) => path.join(CRDS, `${resource}.yaml`),
);
/** Milliseconds after which a command of kubectl is given up, beyond the time that it is told to wait. */
const KUBECTL_LIMIT = 60_000;

/** A user of the cluster. */
export type ClusterUser = keyof typeof USERS;

function serviceAccountGroups(namespace: string): string[] {
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
}

/** What a command printed, and how it ended. */
export interface Printed {
  stdout: string;
  stderr: string;
  code: number;
}

/** A cluster that can be killed, and started again on the same data and port. */
export interface TestCluster {
  /** `https://127.0.0.1:PORT`. */
  server: string;
  /** Path of the kubeconfig file of a user, `admin` where none is named. */
  kubeconfig(user?: ClusterUser): string;
  /** Runs kubectl as a user, `admin` where none is named; `input` goes to its standard input. Never rejects: the exit code tells. */
  kubectl(args: string[], options?: { user?: ClusterUser; input?: string }): Promise<Printed>;
  /** The same as `admin`, and resolves to its standard output; rejects with the standard error when kubectl fails. */
  run(args: string[], input?: string): Promise<string>;
  /** Applies the CRDs of `deploy/crds`, and `more` files of them; resolves once all are established. */
  define(...more: string[]): Promise<void>;
  /** The same without those of `vmgroup.dev`: a cluster on which nobody installed vmgroup. */
  defineVmOperatorOnly(...more: string[]): Promise<void>;
  /** Kills the API server as `kill -9` does. etcd keeps running. */
  killApiServer(): Promise<void>;
  /** Starts it again on the same port and etcd; resolves once it is ready. */
  restartApiServer(): Promise<void>;
  /**
   * Throws away all history up to now, so that a watch from before gets 410 Gone. That takes a restart of the API server, whose cache
   * would still know it: open watches break.
   */
  compact(): Promise<void>;
  /** Stops both and keeps a copy of all data, then starts them again. */
  backUp(): Promise<void>;
  /**
   * Stops both, puts the data of {@link TestCluster.backUp} in place of the present data, and starts them again: resource versions are lower
   * than before, and are given out a second time.
   */
  restore(): Promise<void>;
  /**
   * Starts kube-controller-manager with two of its controllers: objects are deleted when all their owners are gone, and namespaces with
   * all they contain. Resolves once the process is healthy. It learns of a new CRD within 30 s: start it after the CRDs are established, and
   * wait until it deletes an object with a missing owner before you conclude anything from an object that stays.
   */
  startGarbageCollector(): Promise<void>;
  /** Kills all processes and removes their folder. */
  stop(): Promise<void>;
}

/** What {@link startCluster} may be told. */
export interface ClusterOptions {
  /** Further arguments of the API server. */
  args?: string[];
  /** The API server passes calls on to the servers of APIServices. */
  aggregation?: boolean;
}

/**
 * Starts a cluster on 127.0.0.1, on free ports, with RBAC and the users of {@link ClusterUser}; resolves once it is ready.
 *
 * @throws Error with the end of the log when a part does not start.
 */
export async function startCluster({
  args = [],
  aggregation = false,
}: ClusterOptions = {}): Promise<TestCluster> {
  const parts = await findKubernetesParts();
  const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-kubernetes-'));
  const socket = path.join(dir, 'etcd:1');
  const port = await freePort();
  const server = `https://127.0.0.1:${port}`;
  const tokens = Object.fromEntries(
    Object.keys(USERS).map((user) => [user, randomBytes(16).toString('hex')]),
  ) as Record<ClusterUser, string>;
  writeServerFiles(dir, tokens);
  const proxyArguments = aggregation ? aggregationArguments(path.join(dir, 'front-proxy')) : [];
  const kubeconfig = (user: ClusterUser = 'admin'): string =>
    path.join(dir, `${user.replaceAll(':', '-')}.yaml`);
  let apiServer: ChildProcess;
  const controllers: ChildProcess[] = [];

  const data = path.join(dir, 'data');
  let etcd = startEtcd();

  function startEtcd(): ChildProcess {
    return spawnPart(dir, 'etcd', parts.etcd.path, [
      ...['--data-dir', data, '--unsafe-no-fsync', '--log-level', 'error'],
      ...['--listen-client-urls', ETCD, '--advertise-client-urls', ETCD],
      ...['--listen-peer-urls', PEER, '--initial-advertise-peer-urls', PEER],
      ...['--initial-cluster', `default=${PEER}`],
    ]);
  }

  async function startApiServer(): Promise<void> {
    apiServer = spawnPart(dir, 'kube-apiserver', parts.apiServer.path, [
      ...['--etcd-servers', `unix://${socket}`, '--cert-dir', path.join(dir, 'certificates')],
      ...['--bind-address', '127.0.0.1', '--advertise-address', '127.0.0.1', '--secure-port', String(port)],
      ...['--authorization-mode', 'RBAC', '--token-auth-file', path.join(dir, 'tokens.csv')],
      ...['--service-account-issuer', 'https://kubernetes.default.svc'],
      ...['--service-account-key-file', path.join(dir, 'key.pem')],
      ...['--service-account-signing-key-file', path.join(dir, 'key.pem')],
      ...['--service-cluster-ip-range', '10.0.0.0/24', '--endpoint-reconciler-type', 'none'],
      ...['--disable-admission-plugins', 'ServiceAccount'],
      ...proxyArguments,
      ...args,
    ]);
    // Ready, and with the namespaces that every cluster has.
    await untilItAnswers(apiServer, {
      dir,
      port,
      token: tokens.admin,
      paths: ['/readyz', '/api/v1/namespaces/default'],
      parts: ['etcd', 'kube-apiserver'],
    });
  }

  async function restartApiServer(): Promise<void> {
    await kill(apiServer);
    await startApiServer();
  }

  /** Changes the data of etcd while nothing runs on it. */
  async function whileStopped(change: () => void): Promise<void> {
    await kill(apiServer);
    await kill(etcd);
    change();
    etcd = startEtcd();
    await startApiServer();
  }

  async function startGarbageCollector(): Promise<void> {
    const securePort = await freePort();
    const controllerManager = spawnPart(dir, 'kube-controller-manager', parts.controllerManager.path, [
      ...['--controllers', 'garbage-collector-controller,namespace-controller', '--leader-elect=false'],
      ...['--kubeconfig', kubeconfig(), '--authentication-kubeconfig', kubeconfig()],
      ...['--authorization-kubeconfig', kubeconfig(), '--cert-dir', path.join(dir, 'controllers')],
      ...['--bind-address', '127.0.0.1', '--secure-port', String(securePort)],
    ]);
    controllers.push(controllerManager);
    await untilItAnswers(controllerManager, {
      dir,
      port: securePort,
      token: tokens.admin,
      paths: ['/healthz'],
      parts: ['kube-controller-manager'],
    });
  }

  const stop = async (): Promise<void> => {
    await Promise.all([...controllers, apiServer, etcd].map(kill));
    rmSync(dir, { recursive: true, force: true });
  };

  try {
    await startApiServer();
  } catch (error: unknown) {
    await stop();
    throw error;
  }
  for (const user of Object.keys(USERS) as ClusterUser[])
    writeFileSync(kubeconfig(user), kubeconfigText({ dir, server, user, token: tokens[user] }));

  const kubectl: TestCluster['kubectl'] = (command, { user, input = '' } = {}) =>
    runToEnd(parts.kubectl.path, command, input, {
      ...process.env,
      KUBECONFIG: kubeconfig(user),
      // What kubectl learned from another cluster on the same port must not be believed.
      KUBECACHEDIR: path.join(dir, 'kubectl'),
    });

  async function run(command: string[], input = ''): Promise<string> {
    const { stdout, stderr, code } = await kubectl(command, { input });
    if (code !== 0) throw new Error(`kubectl ${command.join(' ')}: ${stderr}`);
    return stdout;
  }

  async function define(definitions: string[]): Promise<void> {
    const files = definitions.flatMap((file) => ['-f', file]);
    await run(['apply', '--server-side', ...files]);
    await run(['wait', '--for=condition=Established', '--timeout=30s', ...files]);
  }

  return {
    server,
    kubeconfig,
    kubectl,
    run,
    define: (...more) => define([CRDS, ...more]),
    defineVmOperatorOnly: (...more) => define([...VM_OPERATOR_CRDS, ...more]),
    killApiServer: () => kill(apiServer),
    restartApiServer,
    compact: async () => {
      const { header } = (await askEtcd(socket, '/v3/kv/range', { key: encode('compact') })) as {
        header: { revision: string };
      };
      await askEtcd(socket, '/v3/kv/compaction', { revision: header.revision, physical: true });
      await restartApiServer();
    },
    backUp: () =>
      whileStopped(() =>
        cpSync(data, path.join(dir, 'backup'), { recursive: true, preserveTimestamps: true }),
      ),
    restore: () =>
      whileStopped(() => {
        rmSync(data, { recursive: true });
        cpSync(path.join(dir, 'backup'), data, { recursive: true, preserveTimestamps: true });
      }),
    startGarbageCollector,
    stop,
  };
}

function writeServerFiles(dir: string, tokens: Record<ClusterUser, string>): void {
  mkdirSync(path.join(dir, 'certificates'));
  // An RSA key would take a second.
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(path.join(dir, 'key.pem'), privateKey.export({ type: 'sec1', format: 'pem' }));
  const lines = Object.entries(USERS).map(
    ([user, groups]) => `${tokens[user as ClusterUser]},${user},${user},"${groups.join(',')}"\n`,
  );
  writeFileSync(path.join(dir, 'tokens.csv'), lines.join(''));
}

/** The API server shows the servers of APIServices who asks, with a certificate that they could verify. */
function aggregationArguments(dir: string): string[] {
  mkdirSync(dir);
  const [certificate, key] = [path.join(dir, 'client.crt'), path.join(dir, 'client.key')];
  createAuthority(dir).issueClient('front-proxy', 86_400, certificate, key);
  return [
    ...['--requestheader-client-ca-file', path.join(dir, 'ca.crt')],
    ...['--requestheader-allowed-names', 'front-proxy'],
    ...['--requestheader-username-headers', 'X-Remote-User'],
    ...['--requestheader-group-headers', 'X-Remote-Group'],
    ...['--requestheader-extra-headers-prefix', 'X-Remote-Extra-'],
    ...['--proxy-client-cert-file', certificate, '--proxy-client-key-file', key],
  ];
}

function kubeconfigText(of: { dir: string; server: string; user: ClusterUser; token: string }): string {
  const { dir, server, user, token } = of;
  const authority = readFileSync(certificateFile(dir)).toString('base64');
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority-data': authority } }],
    users: [{ name: user, user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user } }],
    'current-context': 'test',
  });
}

/** What the API server signed for itself at its first start. */
function certificateFile(dir: string): string {
  return path.join(dir, 'certificates', 'apiserver.crt');
}

function spawnPart(dir: string, name: string, program: string, args: string[]): ChildProcess {
  const log = openSync(path.join(dir, `${name}.log`), 'a');
  // A fifth of an API server's CPU time is garbage collection: it may use some 150 MB more instead.
  const env = { GOGC: '400', ...process.env };
  return spawn(program, args, { cwd: dir, env, stdio: ['ignore', log, log] });
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** What {@link untilItAnswers} asks. */
interface Asked {
  dir: string;
  port: number;
  token: string;
  /** Each must be answered with 200, in this order. */
  paths: readonly string[];
  /** The parts whose logs tell why it does not answer; the last one is the process that is asked. */
  parts: readonly string[];
}

/** Waits for a process that was started a moment ago, at most some 60 s. */
async function untilItAnswers(child: ChildProcess, { dir, port, token, paths, parts }: Asked): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (child.exitCode !== null || child.signalCode !== null) break;
    if (await answersAll()) return;
    await sleep(100);
  }
  const words = parts.map((name) => lastWords(path.join(dir, `${name}.log`)));
  throw new Error(`${parts.at(-1)} did not get ready within 60 s; the end of the logs:\n${words.join('\n')}`);

  async function answersAll(): Promise<boolean> {
    for (const where of paths) {
      const answer = await call(httpsRequest, {
        host: '127.0.0.1',
        port,
        path: where,
        rejectUnauthorized: false,
        headers: { authorization: `Bearer ${token}` },
      }).catch(() => undefined);
      if (answer?.status !== 200) return false;
    }
    return true;
  }
}

function lastWords(file: string): string {
  return readFileSync(file, 'utf8').slice(-2_000);
}

/** Calls etcd's own API, which takes and gives JSON. */
async function askEtcd(socketPath: string, where: string, body: unknown): Promise<unknown> {
  const { status, text } = await call(
    httpRequest,
    { socketPath, path: where, method: 'POST' },
    JSON.stringify(body),
  );
  if (status !== 200) throw new Error(`etcd answered ${status} to ${where}: ${text}`);
  return JSON.parse(text);
}

function encode(key: string): string {
  return Buffer.from(key).toString('base64');
}

async function call(
  request: typeof httpRequest | typeof httpsRequest,
  options: RequestOptions,
  body = '',
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...options, timeout: 10_000 }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      answer.once('error', reject);
    });
    asked.once('timeout', () => asked.destroy(new Error('no answer for 10 s')));
    asked.once('error', reject);
    asked.end(body);
  });
}

async function runToEnd(
  program: string,
  args: string[],
  input: string,
  env: NodeJS.ProcessEnv,
): Promise<Printed> {
  return new Promise((resolve, reject) => {
    const timeout = KUBECTL_LIMIT + waitOf(args);
    const limit = { timeout, killSignal: 'SIGKILL' } as const;
    const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'], ...limit });
    const printed: Printed = { stdout: '', stderr: '', code: 1 };
    child.stdout.on('data', (chunk: Buffer) => (printed.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (printed.stderr += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (signal !== null) printed.stderr += `ended by ${signal}; its limit is ${timeout / 1_000} s`;
      resolve({ ...printed, code: code ?? 1 });
    });
    // A command that ends early does not read its input.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** Milliseconds that `--timeout` tells a command to wait. */
function waitOf(args: readonly string[]): number {
  const [, seconds = '0'] = /(?:^| )--timeout=(\d+)s(?: |$)/.exec(args.join(' ')) ?? [];
  return Number(seconds) * 1_000;
}
