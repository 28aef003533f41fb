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
const node: KubernetesObject = {
  metadata: { name: 'node-a', resourceVersion: '3' },
  status: { conditions: [{ type: 'Ready', status: 'Unknown' }] },
};

/** A platform that lists nodes as `listNodes` does, and can watch nothing. */
async function withPlatform(
  listNodes: () => Promise<ObjectList>,
  use: (platform: KubevirtPlatform) => Promise<void>,
): Promise<void> {
  const instances = { metadata: { resourceVersion: '9' }, items: [instance] };
  const api = {
    get: () => Promise.resolve(machine),
    list: ({ plural }: Resource) => (plural === nodes.plural ? listNodes() : Promise.resolve(instances)),
    watch: () => Promise.reject(new KubernetesError('connection refused', 0, '')),
  } as unknown as ApiServer;
  const platform = new KubevirtPlatform({ api, machines: emptyCache(kubevirtMachines) });
  try {
    await use(platform);
  } finally {
    await platform.close();
  }
}

const listed: ObjectList = { metadata: { resourceVersion: '9' }, items: [node] };
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
