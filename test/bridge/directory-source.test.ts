import { mkdir, mkdtemp, rename, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { directorySource, type DirectorySourceOptions, type Source, type SourceState } from '../../bridge';
import { until } from './until';

let folder: string;
let sources: Source[];
let states: SourceState[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vmgroup-source-'));
  sources = [];
  states = [];
});
afterEach(async () => {
  for (const source of sources) await source.stop();
  await rm(folder, { recursive: true, force: true });
});

async function put(file: string, text: string): Promise<void> {
  const path = join(folder, 'manifests', file);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(join(folder, 'draft'), text);
  await rename(join(folder, 'draft'), path);
}

async function begin(over: Partial<DirectorySourceOptions> = {}): Promise<Source> {
  const source = directorySource({
    paths: [join(folder, 'manifests')],
    lastValidFile: join(folder, 'last-valid.json'),
    debounce: 20,
    settle: 300,
    ...over,
  });
  sources.push(source);
  states = [];
  await source.start((state) => states.push(state));
  return source;
}

function group(powerState: string | undefined, name = 'app'): string {
  return [
    'apiVersion: vmoperator.vmware.com/v1alpha5',
    'kind: VirtualMachineGroup',
    `metadata: { name: ${name}, namespace: prod }`,
    powerState === undefined ? 'spec: {}' : `spec: { powerState: ${powerState} }`,
    '',
  ].join('\n');
}

const now = (): SourceState => states.at(-1) as SourceState;
const groups = (): Record<string, string | undefined> =>
  Object.fromEntries([...now().index.groups.values()].map((each) => [each.name, each.powerState]));
const messages = (): string[] => now().problems.map((problem) => problem.message);

test('reads a folder with all below it, hidden and foreign files left out, and sees each change once', async () => {
  await put('app.yaml', group('PoweredOn'));
  await put('deep/er/other.yml', group('PoweredOff', 'other'));
  await put('.git/hidden.yaml', group('PoweredOn', 'hidden'));
  await put('notes.txt', group('PoweredOn', 'notes'));
  await begin();
  expect(states).toHaveLength(1);
  expect(groups()).toEqual({ app: 'PoweredOn', other: 'PoweredOff' });

  await put('app.yaml', group('PoweredOff'));
  await until(() => groups()['app'] === 'PoweredOff');
  await put(
    'third.json',
    JSON.stringify({
      apiVersion: 'vmoperator.vmware.com/v1alpha4',
      kind: 'VirtualMachineGroup',
      metadata: { name: 'third', namespace: 'prod' },
      spec: {},
    }),
  );
  await until(() => 'third' in groups());
  expect(states).toHaveLength(3);
});

test('a single file, replaced again and again', async () => {
  await put('app.yaml', group('PoweredOn'));
  await begin({ paths: [join(folder, 'manifests', 'app.yaml')] });
  for (const state of ['PoweredOff', 'Suspended', 'PoweredOn']) {
    await put('app.yaml', group(state));
    await until(() => groups()['app'] === state);
  }
  expect(groups()).toEqual({ app: 'PoweredOn' });
});

test('D1: an invalid edit changes nothing and is reported; mending it does', async () => {
  await put('app.yaml', group('PoweredOn') + '---\n' + group('PoweredOn', 'beside'));
  await begin();
  const before = [...now().index.groups.values()].find((each) => each.name === 'app');
  await put('app.yaml', group('PowerdOff') + '---\n' + group('PoweredOff', 'beside'));
  await until(() => groups()['beside'] === 'PoweredOff');
  expect([...now().index.groups.values()].find((each) => each.name === 'app')).toEqual(before);
  expect(now().problems[0]).toMatchObject({
    severity: 'Error',
    object: { name: 'app' },
    path: 'spec.powerState',
  });
  await put('app.yaml', 'a: [broken');
  await until(() => messages()[0] !== undefined && now().problems[0]?.object === undefined);
  expect(groups()).toEqual({ app: 'PoweredOn', beside: 'PoweredOff' });
  await put('app.yaml', group('PoweredOff') + '---\n' + group('PoweredOff', 'beside'));
  await until(() => groups()['app'] === 'PoweredOff');
  expect(now().problems).toEqual([]);
});

test('D1: the last valid form is in force also after a restart', async () => {
  await put('app.yaml', group('PoweredOn'));
  await (await begin()).stop();
  await put('app.yaml', 'a: [broken');
  await begin();
  expect(groups()).toEqual({ app: 'PoweredOn' });
  expect(messages()).toHaveLength(1);
});

test('a power state may not be emptied, also across a restart', async () => {
  await put('app.yaml', group('PoweredOn'));
  await (await begin()).stop();
  await put('app.yaml', group(undefined));
  await begin();
  expect(groups()).toEqual({ app: 'PoweredOn' });
  expect(now().problems[0]).toMatchObject({ severity: 'Error', object: { name: 'app' } });
});

test('D2: a file that is gone for a moment deletes nothing; one that stays away does', async () => {
  await put('app.yaml', group('PoweredOn'));
  await put('other.yaml', group('PoweredOn', 'other'));
  await begin({ settle: 1_500 });
  const path = join(folder, 'manifests', 'app.yaml');
  await unlink(path);
  await new Promise((over) => setTimeout(over, 200));
  await put('app.yaml', group('PoweredOff'));
  await until(() => groups()['app'] === 'PoweredOff');
  expect(states.every((state) => state.index.groups.size === 2)).toBe(true);
  await unlink(path);
  await until(() => !('app' in groups()));
  expect(groups()).toEqual({ other: 'PoweredOn' });
});

test('an object that was deleted while nobody watched is gone before anything is said', async () => {
  await put('app.yaml', group('PoweredOn'));
  await put('other.yaml', group('PoweredOn', 'other'));
  await (await begin()).stop();
  await unlink(join(folder, 'manifests', 'app.yaml'));
  await begin();
  expect(states).toHaveLength(1);
  expect(groups()).toEqual({ other: 'PoweredOn' });
});

test('a folder that is lost deletes nothing', async () => {
  await put('app.yaml', group('PoweredOn'));
  await begin({ reread: 100 });
  await rename(join(folder, 'manifests'), join(folder, 'away'));
  await until(() => messages().some((message) => message.includes('the folder is gone')));
  await new Promise((over) => setTimeout(over, 600));
  expect(groups()).toEqual({ app: 'PoweredOn' });
});

test('D3: a change that is not reported is found by reading again', async () => {
  // The link is watched, what it points to is not.
  await put('app.yaml', group('PoweredOn'));
  await rename(join(folder, 'manifests', 'app.yaml'), join(folder, 'target.yaml'));
  await symlink(join(folder, 'target.yaml'), join(folder, 'manifests', 'app.yaml'));
  await begin({ reread: 100 });
  await writeFile(join(folder, 'target.yaml'), group('PoweredOff'));
  await until(() => groups()['app'] === 'PoweredOff');
  expect(states.length).toBeGreaterThan(1);
});

test('a touched file has another generation and the same revision', async () => {
  await put('app.yaml', group('PoweredOn'));
  await begin();
  const before = [...now().index.groups.values()][0];
  const later = new Date(Date.now() + 60_000);
  await new Promise((over) => setTimeout(over, 50));
  await utimes(join(folder, 'manifests', 'app.yaml'), later, later);
  await until(() => states.length === 2);
  const after = [...now().index.groups.values()][0];
  expect(after?.revision).toBe(before?.revision);
  expect(after?.generation).toBeGreaterThan(before?.generation ?? 0);
});

test('a path that is not there is refused; a data folder below is left out', async () => {
  const nowhere = directorySource({ paths: [join(folder, 'nowhere')] });
  await expect(nowhere.start(() => undefined)).rejects.toThrow('ENOENT');
  await nowhere.stop();
  await put('app.yaml', group('PoweredOn'));
  await put(
    'data/status/prod/app.json',
    JSON.stringify({ kind: 'VirtualMachineGroup', apiVersion: 'vmoperator.vmware.com/v1alpha6' }),
  );
  await begin({ ignore: [join(folder, 'manifests', 'data')] });
  expect(now().problems).toEqual([]);
  expect(groups()).toEqual({ app: 'PoweredOn' });
});
