import { EventEmitter } from 'node:events';
import fs from 'node:fs';
import { appendFile, mkdir, mkdtemp, rename, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { MAX_DOCUMENTS } from '../../../api';
import { directorySource, type DirectorySourceOptions, type Source, type SourceState } from '../../../bridge';
import { NO_MANIFESTS } from '../../../bridge/source/last-valid';
import { LinkReader } from '../../../bridge/source/links';
import type { ManifestFiles } from '../../../bridge/source/manifest-files';
import { ManifestParser } from '../../../bridge/source/manifest-parser';
import { until } from '../../support/until';

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

test('DIRECTORY-1: an invalid edit changes nothing and is reported; its repair is taken over', async () => {
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

test('DIRECTORY-1: the last valid form is in force also after a restart', async () => {
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

test('DIRECTORY-2: a file that is gone for a moment deletes nothing; one that stays away does', async () => {
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

test('an object that was deleted while nothing watched is gone before anything is reported', async () => {
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

test('LAST-VALID-3: a folder that is empty deletes nothing, also at a start; a file without manifests in it does', async () => {
  await put('app.yaml', group('PoweredOn'));
  await begin();
  await unlink(join(folder, 'manifests', 'app.yaml'));
  await until(() => messages().some((message) => message.includes('as when a volume is not mounted')));
  await new Promise((over) => setTimeout(over, 600));
  expect(groups()).toEqual({ app: 'PoweredOn' });
  await sources.at(-1)?.stop();

  await begin();
  expect(groups()).toEqual({ app: 'PoweredOn' });
  expect(messages()).toEqual([
    expect.stringMatching(/leave any file in it.*what was read there before stays in force/),
  ]);
  await put('README', 'No groups any more.');
  await until(() => Object.keys(groups()).length === 0);
  expect(messages()).toEqual([]);
});

describe('LAST-VALID-3: what may be on a volume that is not mounted, or half written, deletes nothing', () => {
  const settled = (): Promise<void> => new Promise((over) => setTimeout(over, 700));
  const kept = async (word: RegExp): Promise<void> => {
    await until(() => messages().some((message) => word.test(message)));
    await settled();
    expect(Object.keys(groups()).sort()).toEqual(['app', 'other']);
    await sources.at(-1)?.stop();
    await begin();
    expect(Object.keys(groups()).sort()).toEqual(['app', 'other']);
    expect(messages()).toEqual([expect.stringMatching(word)]);
  };
  beforeEach(async () => put('other.yaml', group('PoweredOn', 'other')));

  test('a folder below the root that is empty; removed, it deletes what it held', async () => {
    await put('site/app.yaml', group('PoweredOn'));
    await begin();
    await unlink(join(folder, 'manifests/site/app.yaml'));
    await kept(/^cannot be read: it is empty, as when a volume/);
    await rm(join(folder, 'manifests/site'), { recursive: true });
    await until(() => !('app' in groups()));
    expect(messages()).toEqual([]);
  });

  test('a folder whose files are all in another one now is no problem', async () => {
    await put('site/app.yaml', group('PoweredOn'));
    await put('else/keep.yaml', '# here');
    await begin();
    await rename(join(folder, 'manifests/site/app.yaml'), join(folder, 'manifests/else/app.yaml'));
    await settled();
    await put('new.yaml', group('PoweredOn', 'new'));
    await until(() => 'new' in groups());
    expect(states.flatMap(({ problems }) => problems)).toEqual([]);
  });

  test('a link that leads nowhere; removed, it deletes what it led to', async () => {
    await mkdir(join(folder, 'volume/site'), { recursive: true });
    await writeFile(join(folder, 'volume/site/app.yaml'), group('PoweredOn'));
    await symlink(join(folder, 'volume/site'), join(folder, 'manifests/site'));
    await symlink(join(folder, 'nowhere'), join(folder, 'manifests/never.yaml'));
    await begin({ reread: 100 });
    expect(messages()).toEqual([]);
    await rename(join(folder, 'volume'), join(folder, 'away'));
    await kept(/^cannot be read: it is a link that leads nowhere/);
    await unlink(join(folder, 'manifests/site'));
    await until(() => !('app' in groups()));
  });

  test.each(['gone', 'empty'])('a single file whose folder is %s', async (how) => {
    await mkdir(join(folder, 'volume'));
    await writeFile(join(folder, 'volume/app.yaml'), group('PoweredOn'));
    await begin({ reread: 100, paths: [join(folder, 'manifests'), join(folder, 'volume/app.yaml')] });
    await rename(join(folder, 'volume'), join(folder, 'away'));
    if (how === 'empty') await mkdir(join(folder, 'volume'));
    await until(() => messages().some((message) => message.includes('its folder is gone or empty')));
    await settled();
    expect(Object.keys(groups()).sort()).toEqual(['app', 'other']);
  });

  test('a single file that is deleted is deleted', async () => {
    await put('app.yaml', group('PoweredOn'));
    const paths = ['app.yaml', 'other.yaml'].map((file) => join(folder, 'manifests', file));
    await begin({ reread: 100, paths });
    await unlink(join(folder, 'manifests/app.yaml'));
    await until(() => !('app' in groups()));
  });

  test('a file without text, as while a command writes it; removed, it deletes what it held', async () => {
    await put('app.yaml', group('PoweredOn'));
    await begin();
    await writeFile(join(folder, 'manifests/app.yaml'), '');
    await kept(/^cannot be read: it is empty, as when a command/);
    await unlink(join(folder, 'manifests/app.yaml'));
    await until(() => !('app' in groups()));
  });

  test('LAST-VALID-2: a file that is written bit by bit', async () => {
    const text = [group('PoweredOn', 'first'), group('PoweredOn')].join('---\n');
    await put('all.yaml', text);
    await begin();
    const path = join(folder, 'manifests/all.yaml');
    await writeFile(path, group('PoweredOff', 'first'));
    for (let line = 0; line < 12; line += 1) {
      await new Promise((over) => setTimeout(over, 100));
      await appendFile(path, '# a line\n');
    }
    expect(states.every(({ index }) => index.groups.size === 3)).toBe(true);
    await until(() => !('app' in groups()));
  });
});

test('nothing is parsed again if neither a file nor the last valid form has changed', () => {
  const file = { path: 'app.yaml', text: group('PoweredOn'), changedAt: 1 };
  const found = (over: Partial<typeof file> = {}): ManifestFiles => ({
    files: [{ ...file, ...over }],
    unreadable: [],
    unrendered: [],
    vacant: [],
    folders: [],
    isComplete: true,
  });
  const parser = new ManifestParser();
  const { manifests } = parser.parse(found(), { manifests: NO_MANIFESTS, files: {} });
  const inForce = { manifests, files: {} };
  const again = parser.parse(found(), inForce).manifests;
  expect(parser.parse(found(), structuredClone(inForce)).manifests).toBe(again);
  expect(parser.parse(found({ changedAt: 2 }), inForce).manifests.groups[0]?.generation).toBe(2);
  const { problems } = parser.parse(found({ text: group(undefined) }), inForce);
  expect(problems).toMatchObject([{ severity: 'Error', path: 'spec.powerState' }]);
  expect(
    parser.parse(found({ text: group(undefined) }), { manifests: NO_MANIFESTS, files: {} }).problems,
  ).toEqual([]);
});

test('a folder that is empty from the beginning is no problem', async () => {
  await mkdir(join(folder, 'manifests'));
  await begin();
  expect([groups(), messages()]).toEqual([{}, []]);
});

test('DIRECTORY-3: a change that is not reported is found by reading again', async () => {
  await put('app.yaml', group('PoweredOn'));
  // What a file system without notifications does, such as one over the network.
  const silent = jest
    .spyOn(fs, 'watch')
    .mockImplementation(() => Object.assign(new EventEmitter(), { close: () => undefined }) as fs.FSWatcher);
  await begin({ reread: 100 });
  await put('app.yaml', group('PoweredOff'));
  await until(() => groups()['app'] === 'PoweredOff');
  silent.mockRestore();
});

describe('LAST-VALID-4: what a limit keeps from being read', () => {
  const tooMany = (what: string): string =>
    `cannot be read: more than ${what}: the rest is not read; what was read there before stays in force`;

  test('as many files as are allowed are no problem, and a kustomization is none of them', async () => {
    await put('kustomization.yaml', 'resources: [a.yaml, z.yaml]\n');
    await put('a.yaml', '# nothing\n');
    await put('z.yaml', group('PoweredOn'));
    await begin({ limits: { files: 2, folders: 1 } });
    expect([groups(), messages()]).toEqual([{ app: 'PoweredOn' }, []]);
  });

  test.each(['z.yaml', 'z/v1.2/app.yaml'])('a file too many deletes nothing of %s', async (last) => {
    const limits = { files: 3, folders: 10 };
    for (const file of ['b.yaml', 'c.yaml']) await put(file, '# nothing\n');
    await put(last, group('PoweredOn'));
    await (await begin({ limits })).stop();

    await put('a.yaml', '# one more\n');
    await (await begin({ limits })).stop();
    expect(groups()).toEqual({ app: 'PoweredOn' });
    expect(now().problems).toMatchObject([
      { severity: 'Error', file: join(folder, 'manifests'), message: tooMany('3 manifest files') },
    ]);

    await rm(join(folder, 'manifests', last.replace(/\/.*/, '')), { recursive: true });
    await begin({ limits });
    expect([groups(), messages()]).toEqual([{}, []]);
  });

  test('folders too many are one problem, and delete nothing of a folder that is now one of them', async () => {
    const limits = { files: 10, folders: 3 };
    await put('a/a.yaml', '# nothing\n');
    await put('b/app.yaml', group('PoweredOn'));
    await (await begin({ limits })).stop();
    expect([groups(), messages()]).toEqual([{ app: 'PoweredOn' }, []]);

    await rename(join(folder, 'manifests', 'b'), join(folder, 'manifests', 'z'));
    for (const file of ['b/b.yaml', 'y/y.yaml']) await put(file, '# nothing\n');
    await begin({ limits });
    expect(groups()).toEqual({ app: 'PoweredOn' });
    expect(messages()).toEqual([tooMany('3 folders')]);
  });

  test('a file too many deletes nothing that was moved to it from another root', async () => {
    const limits = { files: 2, folders: 10 };
    const paths = ['one', 'two'].map((root) => join(folder, 'manifests', root));
    await put('one/README', 'The root is not empty later on.');
    await put('one/app.yaml', group('PoweredOn'));
    await put('two/a.yaml', '# nothing\n');
    await (await begin({ limits, paths })).stop();

    await rename(join(folder, 'manifests/one/app.yaml'), join(folder, 'manifests/two/z.yaml'));
    await put('two/b.yaml', '# one more\n');
    await begin({ limits, paths });
    expect(groups()).toEqual({ app: 'PoweredOn' });
    expect(messages()).toEqual([tooMany('2 manifest files')]);
  });

  test('documents too many delete nothing that was moved to them', async () => {
    const items = ['&one {apiVersion: v1, kind: Service}', ...Array<string>(MAX_DOCUMENTS - 2).fill('*one')];
    await put('a.yaml', `{apiVersion: v1, kind: List, items: [${items.join(', ')}]}`);
    await put('b.yaml', group('PoweredOn'));
    await (await begin()).stop();
    expect([groups(), messages()]).toEqual([{ app: 'PoweredOn' }, []]);

    await rename(join(folder, 'manifests/b.yaml'), join(folder, 'manifests/z.yaml'));
    await put('c.yaml', group('PoweredOn', 'one-more'));
    await begin();
    expect(groups()).toEqual({ app: 'PoweredOn', 'one-more': 'PoweredOn' });
    expect(messages()).toEqual([
      `more than ${MAX_DOCUMENTS} documents in all files: nothing is read from here on`,
    ]);
  });
});

describe('DIRECTORY-4: links', () => {
  const at = (...parts: string[]): string => join(folder, ...parts);

  /** Makes a link, or has it point elsewhere in one step. */
  async function link(target: string, ...parts: string[]): Promise<void> {
    await symlink(target, at('draft-link'));
    await rename(at('draft-link'), at(...parts));
  }

  test('a root that is a link, which git-sync replaces, is followed to each new folder', async () => {
    for (const [revision, state] of ['PoweredOn', 'PoweredOff', 'Suspended'].entries()) {
      await mkdir(at('git/.worktrees', String(revision), 'deep'), { recursive: true });
      await writeFile(at('git/.worktrees', String(revision), 'deep/app.yaml'), group(state));
    }
    await link('.worktrees/0', 'git/current');
    await begin({ paths: [at('git/current/deep')] });
    expect(groups()).toEqual({ app: 'PoweredOn' });

    await link('.worktrees/1', 'git/current');
    await until(() => groups()['app'] === 'PoweredOff');
    // The old folder is gone from the watch, the new one is in it.
    await rm(at('git/.worktrees/0'), { recursive: true });
    await writeFile(at('git/.worktrees/1/deep/app.yaml'), group('PoweredOn'));
    await until(() => groups()['app'] === 'PoweredOn');
    await link('.worktrees/2', 'git/current');
    await until(() => groups()['app'] === 'Suspended');
    expect(now().problems).toEqual([]);
  });

  test('a chain of links is watched at each of them', async () => {
    await mkdir(at('a'));
    await mkdir(at('b'));
    await writeFile(at('a/app.yaml'), group('PoweredOn'));
    await writeFile(at('b/app.yaml'), group('PoweredOff'));
    await symlink(at('a'), at('inner'));
    await symlink(at('inner'), at('outer'));
    await begin({ paths: [at('outer')] });
    await link(at('b'), 'inner');
    await until(() => groups()['app'] === 'PoweredOff');
    await link(at('a'), 'outer');
    await until(() => groups()['app'] === 'PoweredOn');
  });

  test('a mounted ConfigMap, whole and as a single file', async () => {
    for (const [version, state] of ['PoweredOn', 'PoweredOff', 'Suspended'].entries()) {
      await mkdir(at('mount', `..v${version}`), { recursive: true });
      await writeFile(at('mount', `..v${version}`, 'app.yaml'), group(state));
    }
    await symlink('..v0', at('mount/..data'));
    await symlink('..data/app.yaml', at('mount/app.yaml'));
    const whole = await begin({ paths: [at('mount')] });
    await link('..v1', 'mount/..data');
    await until(() => groups()['app'] === 'PoweredOff');
    await whole.stop();
    await begin({ paths: [at('mount/app.yaml')] });
    await link('..v2', 'mount/..data');
    await until(() => groups()['app'] === 'Suspended');
  });

  test('what a linked file points to is watched, and a link to a folder above ends', async () => {
    await put('app.yaml', group('PoweredOn'));
    await rename(at('manifests/app.yaml'), at('target.yaml'));
    await symlink(at('target.yaml'), at('manifests/app.yaml'));
    await symlink(at('manifests'), at('manifests/self'));
    await symlink(at('manifests'), at('manifests/again'));
    await begin();
    expect(now().problems).toEqual([]);
    await writeFile(at('target.yaml'), group('PoweredOff'));
    await until(() => groups()['app'] === 'PoweredOff');
  });

  test('LAST-VALID-4: links that are replaced during every reading delete nothing', async () => {
    for (const [revision, text] of [group('PoweredOn'), group('PoweredOn'), '# nothing\n'].entries()) {
      await mkdir(at(`v${revision}`));
      await writeFile(at(`v${revision}`, 'app.yaml'), text);
    }
    await link('v0', 'current');
    await (await begin({ paths: [at('current')] })).stop();

    let next = 'v1';
    const isCurrent = jest.spyOn(LinkReader.prototype, 'isCurrent').mockImplementation(async () => {
      await link(next, 'current');
      next = next === 'v1' ? 'v2' : 'v1';
      return false;
    });
    await (await begin({ paths: [at('current')] })).stop();
    isCurrent.mockRestore();
    expect(groups()).toEqual({ app: 'PoweredOn' });
    expect(messages()).toEqual([
      expect.stringMatching(/^cannot be read: links were replaced during each of 3 readings;/),
    ]);
    await link('v2', 'current');
    await begin({ paths: [at('current')] });
    expect([groups(), messages()]).toEqual([{}, []]);
  });

  test('a folder that is moved away and another one put in its place', async () => {
    await put('app.yaml', group('PoweredOn'));
    await mkdir(at('next'));
    await writeFile(at('next/app.yaml'), group('PoweredOff'));
    await begin();
    await rename(at('manifests'), at('away'));
    await rename(at('next'), at('manifests'));
    await until(() => groups()['app'] === 'PoweredOff');
    await put('app.yaml', group('Suspended'));
    await until(() => groups()['app'] === 'Suspended');
  });
});

describe('input of kustomize and Helm', () => {
  const overlay = 'resources: [../../base]\npatches: [{path: on.yaml}]\n';

  test('a kustomization that changes what it names is one problem, and nothing of it is acted on', async () => {
    await put('base/kustomization.yaml', 'resources: [group.yaml]\n');
    await put('base/group.yaml', group('PoweredOff'));
    await put('overlays/prod/kustomization.yaml', overlay);
    await put('overlays/prod/on.yaml', group('PoweredOn'));
    await put('overlays/dev/Kustomization', overlay);
    await put('other/app.yaml', group('PoweredOn', 'other'));
    await begin();
    expect(groups()).toEqual({ other: 'PoweredOn' });
    expect(messages()).toEqual([
      expect.stringMatching(
        /^input of kustomize \(and 1 more\), which is not read: render it, and read the result: kubectl kustomize .*overlays\/dev > FILE; what was read there before stays in force$/,
      ),
    ]);
  });

  test('a kustomization that only lists files changes nothing', async () => {
    await put(
      'kustomization.yml',
      'apiVersion: kustomize.config.k8s.io/v1beta1\nresources: [app.yaml, below]\n',
    );
    await put('app.yaml', group('PoweredOn'));
    await put('below/kustomization.yaml', 'resources: [app.yaml]\n');
    await put('below/app.yaml', group('PoweredOff', 'below'));
    await begin();
    expect(groups()).toEqual({ app: 'PoweredOn', below: 'PoweredOff' });
    expect(messages()).toEqual([]);
  });

  test('YAML-2: a kustomization that is no YAML has one problem, whatever its size', async () => {
    await put('kustomization.yaml', `a: "${'\\q'.repeat(400_000)}"\n`);
    await put('app.yaml', group('PoweredOn'));
    await begin();
    expect(groups()).toEqual({});
    expect(messages()).toEqual([expect.stringMatching(/^input of kustomize, which is not read/)]);
  });

  test('what was in force stays so when a folder becomes a chart', async () => {
    await put('app/group.yaml', group('PoweredOn'));
    await begin();
    await put('app/templates/all.yaml', '{{- range .Values.groups }}\n');
    await put('app/Chart.yaml', 'apiVersion: v2\nname: app\n');
    await until(() => messages().length === 1 && (messages()[0] ?? '').startsWith('a Helm chart'));
    await new Promise((over) => setTimeout(over, 600));
    expect(groups()).toEqual({ app: 'PoweredOn' });
  });
});

test('files in UTF-16 are read; what is no text is a problem of its file', async () => {
  await mkdir(join(folder, 'manifests'));
  const text = group('PoweredOn');
  const write = (name: string, bytes: Uint8Array): Promise<void> =>
    writeFile(join(folder, 'manifests', name), bytes);
  await write('a.yaml', Buffer.from(`\ufeff${text.replace('app', 'little')}`, 'utf16le'));
  await write('b.yaml', Buffer.from(`\ufeff${text.replace('app', 'big')}`, 'utf16le').swap16());
  await write('c.yaml', Buffer.from(`\ufeff${text.replace('app', 'marked')}`));
  await write('d.yaml', Buffer.from(text, 'utf16le'));
  await write('e.yaml', Buffer.from([0x6b, 0x3a, 0x20, 0xff]));
  await begin();
  expect(groups()).toEqual({ little: 'PoweredOn', big: 'PoweredOn', marked: 'PoweredOn' });
  expect(messages()).toEqual([
    expect.stringContaining('UTF-16 without byte order mark') as string,
    expect.stringMatching(/^cannot be read: it is not valid UTF-8: save it as UTF-8; what was/) as string,
  ]);
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

test.each([
  ['the folder of the manifests', 'manifests', false],
  ['above it', '.', false],
  ['below it', 'manifests/data', true],
])('manifests are read, and data is not, where the data folder is %s', async (_, place, isBelow) => {
  await put('app.yaml', group('PoweredOn'));
  const data = join(folder, place);
  await mkdir(join(data, 'status/prod'), { recursive: true });
  const view = {
    kind: 'VirtualMachineGroup',
    apiVersion: 'vmoperator.vmware.com/v1alpha6',
    phase: 'Pending',
  };
  await writeFile(join(data, 'status/prod/app.json'), JSON.stringify(view));
  for (const file of ['up.json', 'last-valid.json']) await writeFile(join(data, file), '{}');
  for (const ignore of isBelow ? [[], [data]] : [[data]]) {
    await begin({ ignore });
    expect([groups(), messages()]).toEqual([{ app: 'PoweredOn' }, []]);
    await sources.at(-1)?.stop();
  }
});
