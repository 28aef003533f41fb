/** Which cluster a process of `serve` works on, and whether VM Operator's group controller acts there. */
import type { PlatformObject } from '../../../api';
import { clusterUse } from '../../../cli/serve/cluster-use';

const supervisor = {
  name: 'supervisor',
  settings: { type: 'vm-operator', kubeconfig: '/etc/supervisor.yaml', context: 'team' },
} as PlatformObject;
const west = { name: 'west', settings: { type: 'simulated', address: 'http://h:1' } } as PlatformObject;
const there = { kubeconfig: '/etc/supervisor.yaml', context: 'team' };

type Options = Parameters<typeof clusterUse>[1];
const use = (role: Parameters<typeof clusterUse>[0], options: Partial<Options>) => {
  const found = clusterUse(role, { platform: 'simulated', mode: 'controller', ...options }, [
    supervisor,
    west,
  ]);
  if (!found) return undefined;
  const { kubeconfig, context } = found.options;
  return { ...found, options: { ...(kubeconfig !== undefined && { kubeconfig, context }) } };
};

test.each<[string, ReturnType<typeof use>, ReturnType<typeof use>]>([
  ['nothing of one', use('serve', { source: 'directory' }), undefined],
  ['nothing, on a Platform of another type', use('worker', { platform: 'west' }), undefined],
  [
    'groups of a cluster, VMs elsewhere',
    use('bridge', { source: 'kubernetes', platform: 'west', mode: 'companion' }),
    { options: {}, companion: false, isDefaultPlatform: false },
  ],
  [
    'the built-in platform instead of the group controller',
    use('serve', { source: 'kubernetes', platform: 'vm-operator' }),
    { options: {}, companion: false, isDefaultPlatform: true },
  ],
  [
    'the built-in platform next to it',
    use('serve', { source: 'kubernetes', platform: 'vm-operator', mode: 'companion' }),
    { options: {}, companion: true, isDefaultPlatform: true },
  ],
  [
    'a Platform of that type under another name, and groups of a folder',
    use('serve', { source: 'directory', platform: 'supervisor' }),
    { options: there, companion: true, isDefaultPlatform: true },
  ],
  [
    'its worker',
    use('worker', { platform: 'supervisor', mode: 'companion' }),
    { options: there, companion: true, isDefaultPlatform: true },
  ],
  [
    'such a Platform, and groups of the cluster of the options',
    use('bridge', { source: 'kubernetes', platform: 'supervisor', mode: 'companion' }),
    { options: {}, companion: true, isDefaultPlatform: false },
  ],
])('%s', (_, found, expected) => expect(found).toEqual(expected));
