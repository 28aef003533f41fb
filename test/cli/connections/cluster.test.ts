/** Which API server a command connects to, and its errors if there is none. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { connectCluster } from '../../../cli/connections';
import { CliError } from '../../../cli/errors';
import { watchedNamespaces, withCluster, type ClusterOptions } from '../../../cli/options';

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
