/**
 * VMs of KubeVirt on a lost node, while the nodes cannot be watched or are not read yet: as after a failover of the API server.
 *
 * Guarantees: G8.
 */
import {
  emptyCache,
  KubernetesError,
  RESOURCES,
  type ApiServer,
  type KubernetesObject,
  type ListOptions,
  type ObjectList,
  type Resource,
} from '../../../kubernetes';
import { KubevirtPlatform } from '../../../platforms/kubevirt';

const vm = { namespace: 'prod', name: 'db', uid: 'u' };
const { kubevirtMachines, nodes } = RESOURCES;

const machine: KubernetesObject = {
  metadata: { ...vm, resourceVersion: '1' },
  spec: { runStrategy: 'Always' },
  status: { runStrategy: 'Always' },
};
const instance: KubernetesObject = {
  metadata: { ...vm, uid: 'i', resourceVersion: '2' },
  status: { phase: 'Running', nodeName: 'node-a', conditions: [{ type: 'AgentConnected', status: 'True' }] },
};
const node = (name: string, ready: string): KubernetesObject => ({
  metadata: { name, resourceVersion: '3' },
  status: { conditions: [{ type: 'Ready', status: ready }] },
});

type Watch = (...call: Parameters<ApiServer['watch']>) => Promise<void>;

const broken: Watch = () => Promise.reject(new KubernetesError('connection refused', 0, ''));
const open: Watch = (_resource, { signal }, _onEvent, onOpen) =>
  new Promise((resolve) => {
    signal?.addEventListener('abort', () => resolve(), { once: true });
    onOpen?.();
  });

/** A platform that lists and watches nodes as given. */
async function withPlatform(
  listNodes: (signal?: AbortSignal) => Promise<ObjectList>,
  use: (platform: KubevirtPlatform) => Promise<void>,
  watch: Watch = broken,
): Promise<void> {
  const instances = { metadata: { resourceVersion: '9' }, items: [instance] };
  const api = {
    get: () => Promise.resolve(machine),
    list: ({ plural }: Resource, { signal }: ListOptions = {}) =>
      plural === nodes.plural ? listNodes(signal) : Promise.resolve(instances),
    watch,
  } as unknown as ApiServer;
  const platform = new KubevirtPlatform({ api, machines: emptyCache(kubevirtMachines) });
  try {
    await use(platform);
  } finally {
    await platform.close();
  }
}

const nodesOf = (...items: KubernetesObject[]): ObjectList => ({ metadata: { resourceVersion: '9' }, items });
const listed = nodesOf(node('node-a', 'Unknown'));
const held = {
  status: { powerState: 'PoweredOn', ready: false },
  operation: { hold: expect.stringContaining('its node node-a is not ready') as string },
};

test('KUBEVIRT-6: a lost node stays lost while the nodes cannot be watched', () =>
  withPlatform(
    () => Promise.resolve(listed),
    async (platform) => {
      expect(await platform.read(vm)).toMatchObject(held);
      expect(await platform.read(vm)).toMatchObject(held);
    },
  ));

test('KUBEVIRT-6: nothing is said of a VM before the nodes were listed', async () => {
  let answer: (list: ObjectList) => void = () => undefined;
  const listing = new Promise<ObjectList>((resolve) => (answer = resolve));
  await withPlatform(
    () => listing,
    async (platform) => {
      let isRead = false;
      const reading = platform.read(vm).finally(() => (isRead = true));
      await new Promise((resolve) => setImmediate(resolve));
      expect(isRead).toBe(false);
      answer(listed);
      expect(await reading).toMatchObject(held);
    },
  );
});

test.each([
  [
    'is no longer in the cluster',
    nodesOf(node('node-b', 'True')),
    /its node node-a is no longer in the cluster/,
  ],
  ['is ready', nodesOf(node('node-a', 'True')), undefined],
  ['may not be read', nodesOf(), undefined],
])('KUBEVIRT-6: the node %s', (_what, list, hold) =>
  withPlatform(
    () => Promise.resolve(list),
    async (platform) => {
      await platform.read(vm);
      // By then the watch is open.
      await new Promise((resolve) => setImmediate(resolve));
      const state = await platform.read(vm);
      expect(state?.status).toMatchObject({ powerState: 'PoweredOn', ready: hold === undefined });
      if (hold) expect(state?.operation?.hold).toMatch(hold);
      else expect(state?.operation).toBeUndefined();
    },
    open,
  ),
);

test('KUBEVIRT-6: nodes that cannot be listed are waited for once, and for a limited time', async () => {
  jest.useFakeTimers();
  const never = (signal?: AbortSignal): Promise<never> =>
    new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted'))));
  try {
    await withPlatform(never, async (platform) => {
      const reading = platform.read(vm);
      await jest.advanceTimersByTimeAsync(60_000);
      expect(await reading).toMatchObject({ status: { powerState: 'PoweredOn' } });
      expect(await platform.read(vm)).toMatchObject({ status: { powerState: 'PoweredOn' } });
    });
  } finally {
    jest.useRealTimers();
  }
});
