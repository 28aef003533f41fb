/** Guarantees: G10. */
import { mkdtemp, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  fileStatusStore,
  readViews,
  requestRun,
  watchRequests,
  type GroupView,
  type RunRequest,
} from '../../../bridge';
import { until } from '../../support/until';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vmgroup-bridge-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function view(name: string, message = 'fine'): GroupView {
  return {
    apiVersion: 'vmoperator.vmware.com/v1alpha6',
    kind: 'VirtualMachineGroup',
    metadata: { namespace: 'prod', name, uid: name, generation: 1 },
    spec: {},
    status: { observedGeneration: 1, members: [], conditions: [] },
    phase: 'Converged',
    message,
  };
}

describe('fileStatusStore', () => {
  test('writes views whole, reads them back, removes them', async () => {
    const store = fileStatusStore(folder);
    store.save(view('b'));
    store.save(view('a'));
    await store.flush();
    expect((await readViews(folder)).map((each) => each.metadata.name)).toEqual(['a', 'b']);
    expect(await readdir(join(folder, 'prod'))).toEqual(['a.json', 'b.json']);
    store.remove({ namespace: 'prod', name: 'a' });
    await store.flush();
    expect(await store.load()).toEqual([view('b')]);
  });

  test('the last of many views wins, and what did not change is not written', async () => {
    const store = fileStatusStore(folder);
    for (let count = 0; count < 100; count += 1) store.save(view('a', `${count}`));
    await store.flush();
    expect((await readViews(folder))[0]?.message).toBe('99');
    const { ino } = await stat(join(folder, 'prod', 'a.json'));
    store.save(view('a', '99'));
    await store.flush();
    expect((await stat(join(folder, 'prod', 'a.json'))).ino).toBe(ino);
  });

  test('a view of every name that a group can have is kept', async () => {
    const names = [
      'a'.repeat(253),
      'b'.repeat(252),
      'c'.repeat(250),
      `${'d.'.repeat(126)}d`,
      `${'d.'.repeat(126)}e`,
    ];
    const store = fileStatusStore(folder, (error) => expect(error).toBeUndefined());
    for (const name of names) store.save(view(name));
    await store.flush();
    expect((await readViews(folder)).map(({ metadata }) => metadata.name).sort()).toEqual([...names].sort());
    for (const name of names) store.remove({ namespace: 'prod', name });
    await store.flush();
    expect(await readdir(join(folder, 'prod'))).toEqual([]);
  });

  test('a write that fails is reported and retried', async () => {
    const errors: unknown[] = [];
    await writeFile(join(folder, 'prod'), 'a file where a folder has to be');
    const store = fileStatusStore(folder, (error) => errors.push(error));
    store.save(view('a'));
    await until(() => errors.length > 0);
    await rm(join(folder, 'prod'));
    await until(async () => (await readViews(folder)).length === 1);
    await store.flush();
  });

  test('a missing folder and a broken file hold no views', async () => {
    expect(await readViews(join(folder, 'nothing'))).toEqual([]);
    await mkdir(join(folder, 'prod'));
    await writeFile(join(folder, 'prod', 'a.json'), '{"half');
    expect(await readViews(folder)).toEqual([]);
  });

  test.each(['{}', '[]', 'null', '{"metadata":{"namespace":"prod","name":"a"}}', '{"status":{"members":7}}'])(
    'a file that is no view holds none: %s',
    async (text) => {
      const store = fileStatusStore(folder);
      store.save(view('b'));
      await store.flush();
      await writeFile(join(folder, 'prod', 'a.json'), text);
      expect(await readViews(folder)).toEqual([view('b')]);
    },
  );

  test('a failed write is reported', async () => {
    const errors: unknown[] = [];
    await writeFile(join(folder, 'prod'), 'a file where a folder should be');
    const store = fileStatusStore(folder, (error) => errors.push(error));
    store.save(view('a'));
    await store.flush();
    expect(errors).toHaveLength(1);
  });
});

describe('requests for a run', () => {
  const request: RunRequest = { namespace: 'prod', name: 'app', actor: 'ann', reason: 'disk replaced' };

  test('those that wait and those that come are handled once and taken away', async () => {
    const handled: RunRequest[] = [];
    await requestRun(folder, request);
    const watching = await watchRequests(
      folder,
      async (each) => void handled.push(each),
      () => undefined,
    );
    await until(() => handled.length === 1);
    await requestRun(folder, { ...request, name: 'other' });
    await until(async () => handled.length === 2 && (await readdir(folder)).length === 0);
    await watching.stop();
    expect(handled.map((each) => each.name)).toEqual(['app', 'other']);
  });

  test('one that is refused, or is invalid, is reported and removed', async () => {
    const refused: string[] = [];
    const refuse = async (): Promise<void> => {
      throw new Error('no such group');
    };
    await writeFile(join(folder, 'x.json'), '{"namespace": 1}');
    const watching = await watchRequests(folder, refuse, (message) => refused.push(message));
    await requestRun(folder, request);
    await until(async () => refused.length === 2 && (await readdir(folder)).length === 0);
    await watching.stop();
    expect(refused).toContain('no such group');
  });
});
