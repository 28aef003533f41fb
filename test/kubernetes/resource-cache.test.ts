/**
 * Following a resource while much goes wrong. The guarantees are those of kubernetes/cache/resource-cache.ts.
 *
 * Guarantees: G4.
 */
import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  connectKubernetes,
  KubernetesError,
  resourceCache,
  type ApiServer,
  type CacheChange,
  type CacheOptions,
  type KubernetesObject,
  type Resource,
  type ResourceCache,
} from '../../kubernetes';
import { answerError } from '../../kubernetes/error';
import { startFaultProxy, type Fault, type FaultProxy, type SeenCall } from '../support/fault-proxy';
import { startCluster, type TestCluster } from '../support/kubernetes';
import { until } from '../support/until';

const WIDGETS: Resource = {
  group: 'test.vmgroup.dev',
  version: 'v1',
  plural: 'widgets',
  kind: 'Widget',
  namespaced: true,
};
const GADGETS: Resource = { ...WIDGETS, plural: 'gadgets', kind: 'Gadget' };

let cluster: TestCluster;
let direct: ApiServer;
let proxy: FaultProxy;
let api: ApiServer;
const open: ResourceCache<unknown>[] = [];

beforeAll(async () => {
  cluster = await startCluster();
  direct = connectKubernetes({ kubeconfig: cluster.kubeconfig() });
  proxy = await startFaultProxy(cluster.kubeconfig());
  api = connectKubernetes({ kubeconfig: proxy.kubeconfig });
  await install(WIDGETS);
  for (const name of ['a', 'b']) await kubectl('create', 'namespace', name);
}, 120_000);
afterEach(async () => {
  proxy.heal();
  await Promise.all(open.splice(0).map((cache) => cache.stop()));
  const { items } = await direct.list(WIDGETS);
  const left = items.filter(({ metadata }) => !metadata.name.startsWith('many-'));
  await Promise.all(left.map(({ metadata }) => remove(metadata.name, metadata.namespace)));
});
afterAll(async () => {
  await proxy.close();
  await cluster.stop();
});

async function kubectl(...args: string[]): Promise<void> {
  const { code, stderr } = await cluster.kubectl(args);
  if (code !== 0) throw new Error(stderr);
}

async function install({ group, version, plural, kind }: Resource): Promise<void> {
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural, kind },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
          },
        },
      ],
    },
  };
  const { code, stderr } = await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(definition) });
  if (code !== 0) throw new Error(stderr);
  await kubectl('wait', '--for=condition=Established', '--timeout=30s', `crd/${plural}.${group}`);
}

const widget = (name: string, value: unknown, namespace = 'a'): KubernetesObject => ({
  metadata: { namespace, name },
  spec: { value },
});
const make = (name: string, value: unknown = 0, namespace = 'a'): Promise<KubernetesObject> =>
  direct.create(WIDGETS, widget(name, value, namespace));
const change = (name: string, value: unknown): Promise<KubernetesObject> =>
  direct.merge(WIDGETS, { namespace: 'a', name }, { spec: { value } });
const remove = (name: string, namespace = 'a'): Promise<void> => direct.delete(WIDGETS, { namespace, name });
const valueOf = (object: KubernetesObject | undefined): unknown =>
  (object?.spec as { value?: unknown } | undefined)?.value;

/** Follows, and notes every change. */
function follow(options: Partial<CacheOptions<KubernetesObject>> = {}): {
  cache: ResourceCache<KubernetesObject>;
  changes: CacheChange<KubernetesObject>[];
} {
  const cache = resourceCache<KubernetesObject>({
    api,
    resource: WIDGETS,
    trim: (object) => object,
    ...options,
  });
  const changes: CacheChange<KubernetesObject>[] = [];
  cache.onChange((change) => changes.push(change));
  open.push(cache);
  return { cache, changes };
}

/** The cache has what the server has, by resource version. */
async function isTrue(cache: ResourceCache<KubernetesObject>, namespaces?: string[]): Promise<boolean> {
  // A server that has just started refuses for a moment.
  const { items } = await direct.list(WIDGETS).catch(() => ({ items: undefined }));
  if (!items) return false;
  const there = items
    .filter(({ metadata }) => !namespaces || namespaces.includes(metadata.namespace ?? ''))
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name} ${metadata.resourceVersion}`);
  const here = [...cache.entries()].map(([key, { metadata }]) => `${key} ${metadata.resourceVersion}`);
  return JSON.stringify(here.sort()) === JSON.stringify(there.sort());
}

/** The values of one object that listeners received, in order; undefined where it was reported gone. */
function told(changes: CacheChange<KubernetesObject>[], name: string): unknown[] {
  return changes.filter(({ key }) => key === `a/${name}`).map(({ object }) => valueOf(object));
}

test.each<{ name: string; fault: Parameters<FaultProxy['decide']>[0] }>([
  { name: '500', fault: () => ({ answer: 500 }) },
  { name: '410, again and again', fault: ({ watch }) => (watch ? { answer: 410 } : undefined) },
  { name: '429', fault: () => ({ answer: 429, retryAfter: 1 }) },
  {
    name: '404, as a server that starts may say',
    fault: () => ({ answer: 404, body: '404 page not found' }),
  },
  { name: 'an answer that is no JSON', fault: () => ({ answer: 200, body: '<html>' }) },
  { name: 'connections that are cut', fault: () => 'cut' },
])(
  'CACHE-1, CACHE-2: $name: nothing is missed or told twice, and few calls are made meanwhile',
  async ({ fault }) => {
    await make('one');
    const { cache, changes } = follow();
    await until(() => cache.live);
    proxy.decide(fault);
    proxy.cutAll();
    proxy.forget();
    await change('one', 1);
    await make('two');
    await remove('two');
    await make('three');
    await until(() => !cache.live);
    await sleep(2_500);
    // 50 to 100 ms, 100 to 200, ... and a list with its watch each time.
    expect(proxy.calls().length).toBeGreaterThanOrEqual(2);
    expect(proxy.calls().length).toBeLessThanOrEqual(16);
    expect(cache.get('a/one')).toBeDefined();
    await until(() => cache.error instanceof KubernetesError);
    proxy.heal();
    await until(() => cache.live);
    await until(() => isTrue(cache));
    expect(cache.error).toBeUndefined();
    expect(told(changes, 'three')).toEqual([0]);
    expect(told(changes, 'one').at(-1)).toBe(1);
    await remove('one');
    await remove('three');
    await until(() => cache.size === 0);
  },
);

test('CACHE-2: a watch that is cut in the middle of a line resumes where it was, without a new list', async () => {
  const { cache, changes } = follow();
  await until(() => cache.live);
  const { lists } = cache.counts;
  await make('cut');
  await until(() => cache.size === 1);
  for (let value = 1; value <= 5; value += 1) {
    let cuts = 0;
    proxy.decide(({ watch }) => (watch && cuts++ === 0 ? 'cut' : undefined));
    await change('cut', value);
    await until(() => cuts > 1 && cache.live);
    proxy.heal();
    // A separator of lines for some, and none for JSON.
    await change('cut', `${value} \u2028 \u2029 ü`);
    await until(() => isTrue(cache));
  }
  expect(cache.counts.lists).toBe(lists);
  expect(told(changes, 'cut')).toEqual([0, ...[1, 2, 3, 4, 5].flatMap((n) => [n, `${n} \u2028 \u2029 ü`])]);
  await remove('cut');
});

test('CACHE-1: a server that accepts the watch and stays silent is detected, reported, and watched again', async () => {
  const { cache } = follow();
  await until(() => cache.live);
  proxy.decide(() => 'silent');
  await make('unheard');
  await until(() => !cache.live, 'the cache to notice', { seconds: 90 });
  expect(cache.get('a/unheard')).toBeUndefined();
  expect(cache.error).toMatchObject({ code: 0 });
  proxy.heal();
  await until(() => isTrue(cache));
  await until(() => cache.live);
  await remove('unheard');
}, 120_000);

test('CACHE-1: a single watch that is silent while the server answers is opened again', async () => {
  const { cache } = follow();
  await until(() => cache.live);
  const calls = proxy.calls().length;
  // What is open now hears nothing any more; what is opened later does.
  proxy.decide(({ watch }) => (watch && proxy.calls().length === calls ? 'silent' : undefined));
  await make('unheard');
  await sleep(1_000);
  expect(cache.size).toBe(0);
  await until(() => isTrue(cache), 'the cache to be true again', { seconds: 90 });
  expect(cache.live).toBe(true);
  await remove('unheard');
}, 120_000);

test('CACHE-2: deletions that the server no longer has in its history are reported', async () => {
  await make('stays');
  await make('goes');
  await make('again', 'old');
  const { cache, changes } = follow();
  await until(() => cache.live && cache.size === 3);
  const before = cache.get('a/again');
  proxy.decide(() => 'cut');
  proxy.cutAll();
  await remove('goes');
  await remove('again');
  await make('again', 'new');
  await make('comes');
  await cluster.compact();
  proxy.heal();
  await until(() => isTrue(cache));
  expect(told(changes, 'goes').at(-1)).toBeUndefined();
  expect(told(changes, 'comes')).toEqual([0]);
  expect(cache.get('a/again')?.metadata.uid).not.toBe(before?.metadata.uid);
  for (const name of ['stays', 'again', 'comes']) await remove(name);
}, 120_000);

test('CACHE-1: an API server that is killed and started again is followed again', async () => {
  const { cache } = follow();
  await until(() => cache.live);
  await cluster.killApiServer();
  await until(() => !cache.live);
  await cluster.restartApiServer();
  await make('after');
  await until(() => isTrue(cache));
  await until(() => cache.live);
  await remove('after');
}, 120_000);

describe('more objects than a page', () => {
  const names = Array.from({ length: 1_200 }, (_, at) => `many-${at}`);
  const each = async (call: (name: string) => Promise<unknown>): Promise<void> => {
    for (let at = 0; at < names.length; at += 50) await Promise.all(names.slice(at, at + 50).map(call));
  };
  beforeAll(() => each((name) => make(name)), 120_000);
  afterAll(() => each((name) => remove(name)), 120_000);

  test('CACHE-2: all pages are read, and what changes between two of them is not missed', async () => {
    const isNext = ({ path }: SeenCall): boolean => path.includes('continue=');
    proxy.forget();
    proxy.decide((call) => (isNext(call) ? { delay: 300 } : undefined));
    const { cache, changes } = follow();
    await until(() => proxy.calls().some(isNext));
    await change('many-0', 'changed');
    await remove('many-999');
    await make('late');
    await cache.synced();
    await until(() => isTrue(cache));
    expect(proxy.calls().filter(isNext)).toHaveLength(2);
    expect(cache.counts.lists).toBe(1);
    expect(told(changes, 'many-0')).toEqual([0, 'changed']);
    await make('many-999');
    await remove('late');
  });

  test('CACHE-2: a list whose continuation has expired starts over, and reports deletions', async () => {
    const { cache } = follow();
    await cache.synced();
    expect(cache.size).toBe(1_200);
    proxy.decide(() => 'cut');
    proxy.cutAll();
    await remove('many-1');
    await cluster.compact();
    let refused = 0;
    proxy.decide(({ path }) => {
      if (!path.includes('continue=') || refused === 2) return undefined;
      refused += 1;
      return { answer: 410 };
    });
    await until(() => isTrue(cache));
    expect(refused).toBe(2);
    expect(cache.size).toBe(1_199);
    await make('many-1');
  }, 120_000);
});

test('CACHE-3: a listener or a trim that throws does not affect the others', async () => {
  const errors: unknown[] = [];
  const { cache, changes } = follow({
    trim: (object) => {
      if (valueOf(object) === 'poison') throw new Error('not readable');
      return object;
    },
    onListenerError: (error) => {
      errors.push(error);
      throw new Error('and this one throws too');
    },
  });
  cache.onChange(({ key }) => {
    throw new Error(`no ${key}`);
  });
  cache.onLive(() => {
    throw new Error('no');
  });
  await until(() => cache.live);
  await make('poisoned', 'poison');
  await make('fine');
  await until(() => cache.size === 1);
  await change('poisoned', 'cured');
  await until(() => isTrue(cache));
  expect(told(changes, 'fine')).toEqual([0]);
  expect(told(changes, 'poisoned')).toEqual(['cured']);
  expect(errors).toContainEqual(new Error('not readable'));
  expect(errors).toContainEqual(new Error('no a/fine'));
  await remove('poisoned');
  await remove('fine');
});

test('CACHE-8: an object that can no longer be read stays as it was read last, and is not reported gone', async () => {
  const errors: unknown[] = [];
  const { cache, changes } = follow({
    trim: (object) => {
      if (valueOf(object) === 'poison') throw new Error('not readable');
      return object;
    },
    onListenerError: (error) => errors.push(error),
  });
  await until(() => cache.live);
  await make('spoilt', 'good');
  await until(() => cache.size === 1);
  await change('spoilt', 'poison');
  await until(() => errors.length > 0);
  expect(valueOf(cache.get('a/spoilt'))).toBe('good');
  await change('spoilt', 'cured');
  await until(() => isTrue(cache));
  expect(told(changes, 'spoilt')).toEqual(['good', 'cured']);
  await remove('spoilt');
  await until(() => cache.size === 0);
});

test('CACHE-2: two namespaces are followed apart, and nothing of a third', async () => {
  await kubectl('create', 'namespace', 'c');
  const { cache, changes } = follow({ namespaces: ['a', 'b'] });
  await until(() => cache.live);
  for (const namespace of ['a', 'b', 'c']) await make('same', namespace, namespace);
  await until(() => cache.size === 2);
  proxy.decide(({ path }) => (path.includes('/namespaces/b/') ? { answer: 500 } : undefined));
  proxy.cutAll();
  await until(() => !cache.live);
  await remove('same', 'b');
  await remove('same', 'a');
  await until(() => cache.get('a/same') === undefined);
  expect(cache.get('b/same')).toBeDefined();
  proxy.heal();
  await until(() => cache.live && cache.size === 0);
  expect(changes.map(({ key }) => key).sort()).toEqual(['a/same', 'a/same', 'b/same', 'b/same']);
  await remove('same', 'c');
});

/** A fault of all calls but that by which a client sees that an API server answers. */
function unlessAsked(fault: Fault): (call: SeenCall) => Fault | undefined {
  return ({ path }) => (path === '/version' ? undefined : fault);
}

describe('a resource that the server does not have', () => {
  test('is empty where it is optional; installed later it is followed, and removed it is empty again', async () => {
    const { cache } = follow({ resource: GADGETS, optional: true });
    await cache.synced();
    expect([cache.size, cache.live]).toEqual([0, true]);
    // The alert "lists again and again" is about watches that are lost.
    expect(cache.counts).toEqual({ lists: 0, watches: 0, failures: 0 });
    await install(GADGETS);
    await direct.create(GADGETS, { metadata: { namespace: 'a', name: 'one' } });
    await until(() => cache.size === 1);
    await kubectl('delete', 'crd', `${GADGETS.plural}.${GADGETS.group}`);
    await until(() => cache.size === 0);
    await until(() => cache.live);
  }, 120_000);

  test('is not taken for removed because the server does not have it for a moment', async () => {
    await make('here');
    const { cache, changes } = follow({ optional: true });
    await until(() => cache.live);
    proxy.decide(unlessAsked({ answer: 404 }));
    proxy.cutAll();
    await until(() => !cache.live);
    await sleep(1_500);
    proxy.heal();
    await until(() => cache.live);
    expect(told(changes, 'here')).not.toContain(undefined);
    await remove('here');
  });

  test('is not taken for removed because two servers that start do not have it for a moment each', async () => {
    await make('here');
    const { cache, changes } = follow({ optional: true });
    await until(() => cache.live);
    const fail = async (fault: Fault): Promise<void> => {
      const failures = cache.counts.failures + 2;
      proxy.decide(unlessAsked(fault));
      proxy.cutAll();
      await until(() => cache.counts.failures >= failures || cache.size === 0);
    };
    await fail({ answer: 404 });
    await fail({ answer: 500 });
    const now = performance.now.bind(performance);
    const later = jest.spyOn(performance, 'now').mockImplementation(() => now() + 60_000);
    await fail({ answer: 404 });
    later.mockRestore();
    proxy.heal();
    await until(() => cache.live);
    expect(told(changes, 'here')).not.toContain(undefined);
    await remove('here');
  });

  test('CACHE-7: is not taken for missing because something in front of the server says so', async () => {
    await make('here');
    proxy.decide(() => ({ answer: 404, body: '404 page not found' }));
    proxy.forget();
    const { cache } = follow({ optional: true });
    let synced = false;
    void cache.synced().then(() => (synced = true));
    await until(() => synced || proxy.calls().length > 3);
    expect([synced, cache.live]).toEqual([false, false]);
    proxy.heal();
    await until(() => cache.live && cache.get('a/here') !== undefined);
    await remove('here');
  });

  test('is waited for where it is needed, and then read', async () => {
    const { cache } = follow({ resource: { ...GADGETS, plural: 'gizmos', kind: 'Gizmo' } });
    let synced = false;
    void cache.synced().then(() => (synced = true));
    await sleep(500);
    expect([synced, cache.live]).toEqual([false, false]);
    await install({ ...GADGETS, plural: 'gizmos', kind: 'Gizmo' });
    await until(() => synced && cache.live);
  }, 120_000);
});

test.each<{ name: string; fault: Parameters<FaultProxy['decide']>[0] }>([
  { name: 'a watch is open', fault: () => undefined },
  { name: 'a list is not answered', fault: () => 'silent' },
  { name: 'a watch is opening', fault: ({ watch }) => (watch ? 'silent' : undefined) },
  { name: 'it waits for the next try', fault: () => ({ answer: 429, retryAfter: 60 }) },
])('stop ends at once, with every connection, while $name', async ({ fault }) => {
  proxy.decide(fault);
  const from = proxy.calls().length;
  const { cache, changes } = follow();
  await until(() => proxy.calls().length > from);
  await sleep(200);
  await cache.stop();
  const told = changes.length;
  const calls = proxy.calls().length;
  await cache.synced();
  proxy.heal();
  await make('unseen');
  await sleep(300);
  expect(changes).toHaveLength(told);
  expect(proxy.calls()).toHaveLength(calls);
  // Idle connections are kept for a few seconds; one that waits for an answer would stay.
  await until(async () => (await proxy.connections()) === 0);
  await remove('unseen');
});

test('however often it reconnects, no connection and no listener is left behind', async () => {
  const signals: AbortSignal[] = [];
  const watched: ApiServer = {
    ...api,
    watch: (resource, options, ...rest) => {
      if (options.signal) signals.push(options.signal);
      return api.watch(resource, options, ...rest);
    },
  };
  const { cache } = follow({ api: watched });
  await until(() => cache.live);
  await make('seen');
  for (let time = 0; time < 30; time += 1) {
    proxy.cutAll();
    await change('seen', time);
    await until(() => valueOf(cache.get('a/seen')) === time);
  }
  const [signal] = signals;
  expect(new Set(signals).size).toBe(1);
  expect(signal && getEventListeners(signal, 'abort').length).toBeLessThanOrEqual(2);
  expect(await proxy.connections()).toBeLessThanOrEqual(2);
});

test('CACHE-5: a Retry-After of 30 days, which no timer of Node takes, is waited for a minute', async () => {
  const told: number[][] = [[], []];
  for (const each of told) {
    const { cache } = follow({ onBroken: (_error, retryIn) => void each.push(retryIn) });
    await until(() => cache.live);
  }
  proxy.decide(() => ({ answer: 429, retryAfter: 2_592_000 }));
  proxy.cutAll();
  await until(() => told.every((each) => each.length === 2));
  proxy.forget();
  await sleep(1_500);
  expect([proxy.calls(), told.map((each) => each.at(-1))]).toEqual([[], [60_000, 60_000]]);
});

test.each([
  ['2592000', 60_000],
  ['1', 1_000],
  ['-5', 0],
  ['Wed, 21 Oct 2065 07:28:00 GMT', undefined],
])('CACHE-5: Retry-After: %s', (header, milliseconds) => {
  expect(answerError('GET x', 429, '', header).retryAfter).toBe(milliseconds);
});

test('CACHE-6: a server that is restored from a backup is listed again, also where it gives out versions a second time', async () => {
  const changes: CacheChange<KubernetesObject>[] = [];
  await make('kept');
  await make('removed-later');
  await cluster.backUp();
  const cache = resourceCache({ api: direct, resource: WIDGETS, trim: (object) => object });
  open.push(cache);
  cache.onChange((change) => changes.push(change));
  await until(() => cache.live);
  await change('kept', 1);
  await make('lost');
  await remove('removed-later');
  await until(() => valueOf(cache.get('a/kept')) === 1 && !cache.get('a/removed-later') && cache.size === 2);
  const { resourceVersion } = cache.get('a/kept')?.metadata ?? {};
  await cluster.restore();
  // The same version as before, of another content.
  await change('kept', 2);
  await until(() => valueOf(cache.get('a/kept')) === 2 && cache.size === 2);
  expect(cache.get('a/removed-later')).toBeDefined();
  expect(cache.get('a/lost')).toBeUndefined();
  expect(resourceVersion).toBeDefined();
  await change('kept', 3);
  await until(() => valueOf(cache.get('a/kept')) === 3 && cache.live);
  await remove('kept');
  await remove('removed-later');
  await until(() => cache.size === 0);
}, 120_000);

test('CACHE-6: a server that is restored while it cannot be reached, and has caught up by then, is listed', async () => {
  await make('kept');
  await cluster.backUp();
  const { cache } = follow();
  await until(() => cache.live);
  await make('lost');
  await until(() => cache.get('a/lost') !== undefined);
  const seen = BigInt(cache.get('a/lost')?.metadata.resourceVersion ?? 0);
  // No watch of the old server is left, and the new one is reached when it knows all versions that were seen.
  proxy.decide(() => 'cut');
  proxy.cutAll();
  await until(() => !cache.live);
  await cluster.restore();
  for (let value = 1, version = 0n; version <= seen; value += 1) {
    const { metadata } = await change('kept', value);
    version = BigInt(metadata.resourceVersion ?? 0);
  }
  proxy.heal();
  await until(() => cache.live && cache.get('a/lost') === undefined);
  await until(() => isTrue(cache));
}, 120_000);

test('CACHE-6: a listed object of the same version and another content is a change', async () => {
  let value = 1;
  let relist: () => void = () => undefined;
  const fake: ApiServer = {
    ...direct,
    list: async () => ({
      metadata: { resourceVersion: '7' },
      items: [{ metadata: { namespace: 'a', name: 'one', resourceVersion: '5' }, spec: { value } }],
    }),
    watch: (_resource, { signal }, _onEvent, onOpen) =>
      new Promise((over, reject) => {
        onOpen?.();
        signal?.addEventListener('abort', () => over());
        relist = () => reject(new KubernetesError('gone', 410, 'Expired'));
      }),
  };
  const { cache, changes } = follow({ api: fake });
  await until(() => cache.live);
  relist();
  await until(() => cache.counts.lists === 2);
  expect(changes).toHaveLength(1);
  value = 2;
  relist();
  await until(() => valueOf(cache.get('a/one')) === 2);
  expect(changes).toHaveLength(2);
});
