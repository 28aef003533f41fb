/** Which API server a command connects to, and its errors if there is none. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import type * as Connections from '../../../cli/connections';
import { callCluster, connectCluster } from '../../../cli/connections';
import { CliError } from '../../../cli/errors';
import { watchedNamespaces, withCluster, type ClusterOptions } from '../../../cli/options';
import { KubernetesError, RESOURCES, type ApiServer } from '../../../kubernetes';
import { clientLoadError } from '../../../kubernetes/client-node';

const packageFile = path.join(__dirname, '../../../package.json');
const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-cluster-'));
const environment = { ...process.env };
afterAll(() => rmSync(dir, { recursive: true, force: true }));
beforeEach(() => {
  process.env = { ...environment, HOME: dir };
  for (const name of ['KUBECONFIG', 'VMGROUP_CONTEXT', 'VMGROUP_WATCH_NAMESPACES']) delete process.env[name];
});
afterEach(() => (process.env = environment));

function kubeconfig(name: string, ...contexts: string[]): string {
  const file = path.join(dir, name);
  writeFileSync(
    file,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: contexts.map((each) => ({
        name: each,
        cluster: { server: `https://${each}.example:6443/` },
      })),
      users: [{ name, user: { token: 'secret' } }],
      contexts: contexts.map((each) => ({ name: each, context: { cluster: each, user: name } })),
      'current-context': contexts[0],
    }),
  );
  return file;
}

function options(...args: string[]): ClusterOptions {
  const command = withCluster(new Command('try'))
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  return command.parse(args, { from: 'user' }).opts<ClusterOptions>();
}

const two = kubeconfig('two.yaml', 'home', 'away');

test.each<{ name: string; args: string[]; env?: Record<string, string>; address: string }>([
  {
    name: 'a kubeconfig, its current context',
    args: ['--kubeconfig', two],
    address: 'https://home.example:6443',
  },
  {
    name: 'a context of it',
    args: ['--kubeconfig', two, '--context', 'away'],
    address: 'https://away.example:6443',
  },
  { name: 'KUBECONFIG', args: [], env: { KUBECONFIG: two }, address: 'https://home.example:6443' },
  {
    name: 'KUBECONFIG with two files, and VMGROUP_CONTEXT',
    args: [],
    env: {
      KUBECONFIG: `${kubeconfig('one.yaml', 'here')}${path.delimiter}${two}`,
      VMGROUP_CONTEXT: 'away',
    },
    address: 'https://away.example:6443',
  },
])('connects: $name', ({ args, env = {}, address }) => {
  Object.assign(process.env, env);
  expect(connectCluster(options(...args)).address).toBe(address);
});

test.each<{ name: string; args: string[]; message: RegExp }>([
  { name: 'nothing is configured', args: [], message: /^no API server is configured/ },
  {
    name: 'the file is missing',
    args: ['--kubeconfig', '/nowhere/config'],
    message: /ENOENT.*\/nowhere\/config/,
  },
  {
    name: 'the context is missing',
    args: ['--kubeconfig', two, '--context', 'moon'],
    message: /has no context "moon".*two\.yaml/,
  },
])('does not connect, with a next step: $name', ({ args, message }) => {
  let thrown: unknown;
  try {
    connectCluster(options(...args));
  } catch (error: unknown) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(CliError);
  const { message: said, nextSteps } = thrown as CliError;
  expect(said).toMatch(message);
  expect(nextSteps).not.toEqual([]);
});

describe('client-node cannot be loaded', () => {
  afterEach(() => jest.dontMock('@kubernetes/client-node'));

  test('one error says what failed, why, and what to do', () => {
    // As its undici 8 fails on Node.js 20.
    jest.doMock('@kubernetes/client-node', () => {
      throw new TypeError("Cannot read properties of undefined (reading 'bind')");
    });
    let thrown: unknown;
    jest.isolateModules(() => {
      const connections = jest.requireActual<typeof Connections>('../../../cli/connections');
      try {
        connections.connectCluster(options('--kubeconfig', two));
      } catch (error: unknown) {
        thrown = error;
      }
    });
    const { message, remedies } = clientLoadError(
      new TypeError("Cannot read properties of undefined (reading 'bind')"),
      process.versions.node,
    );
    expect(thrown).toMatchObject({ name: 'CliError', message, nextSteps: remedies });
  });

  test.each<[string, RegExp]>([
    ['20.19.0', /^use Node\.js 22\.19 or newer$/],
    ['22.9.0', /^use Node\.js 22\.19 or newer$/],
    ['22.19.0', /^install vmgroup again/],
    ['24.1.0', /^install vmgroup again/],
  ])('on Node.js %s', (version, remedy) => {
    const { message, remedies } = clientLoadError(new Error('broken'), version);
    expect(message).toMatch(`on Node.js ${version}: `);
    expect(message).toContain('broken');
    expect(remedies[0]).toMatch(remedy);
  });

  test('the override that it names is that of the package', () => {
    const { overrides } = JSON.parse(readFileSync(packageFile, 'utf8')) as { overrides: object };
    const text = clientLoadError(new Error('broken'), '20.19.0').remedies.join('\n');
    expect(JSON.parse(/"overrides": (\{.*?\})/.exec(text)?.[1] ?? 'null')).toEqual(overrides);
  });
});

test.each<[string, string[] | undefined]>([
  ['prod, staging,prod', ['prod', 'staging']],
  ['', undefined],
])('namespaces %j', (text, namespaces) => {
  expect(watchedNamespaces(options('--watch-namespaces', text))).toEqual(namespaces);
  process.env['VMGROUP_WATCH_NAMESPACES'] = text;
  expect(watchedNamespaces(options())).toEqual(namespaces);
});

test('an invalid name of a namespace is refused', () => {
  expect(() => options('--watch-namespaces', 'prod,Not_One')).toThrow(
    /"Not_One" is not a valid name of a namespace/,
  );
});

test.each([
  ['a missing right', 'User "me" cannot patch resource "virtualmachinegroups"', /^you may not patch /],
  ['a webhook', 'admission webhook "w" denied the request: not on Fridays', /not on Fridays$/],
  ['a namespace', 'unable to create new content because it is being terminated', /is being terminated$/],
])('a write that %s keeps from being done is explained by what refused it', async (_what, said, expected) => {
  const call = {
    verb: 'patch',
    resource: RESOURCES.virtualMachineGroups,
    namespace: 'prod',
  } as const;
  const refuse = (): Promise<never> => Promise.reject(new KubernetesError(said, 403, 'Forbidden'));
  await expect(callCluster({} as ApiServer, call, refuse)).rejects.toThrow(expected);
});
