/** What is kept in memory of a VirtualMachine. */
import { trimVirtualMachine, type KubernetesObject } from '../../kubernetes';

/** As the API server sends it, with fields that vmgroup does not read. */
const whole: KubernetesObject = {
  apiVersion: 'vmoperator.vmware.com/v1alpha6',
  kind: 'VirtualMachine',
  metadata: {
    name: 'db',
    namespace: 'prod',
    uid: 'u-1',
    generation: 3,
    resourceVersion: '77',
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: { tier: 'db' },
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', 'vmgroup.dev/operation': '{}' },
    finalizers: ['virtualmachine.vmoperator.vmware.com'],
    managedFields: [{ manager: 'kubectl' }],
  },
  spec: {
    groupName: 'shop',
    className: 'small',
    powerState: 'PoweredOn',
    powerOffMode: 'TrySoft',
    network: { interfaces: [{ name: 'eth0' }] },
    readinessProbe: { tcpSocket: { port: 22 } },
  },
  status: {
    powerState: 'PoweredOff',
    uniqueID: 'vm-12',
    zone: 'zone-a',
    volumes: [{ name: 'disk-1' }],
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        reason: 'True',
        message: '',
        lastTransitionTime: '2026-01-01T00:00:00Z',
        observedGeneration: 3,
      } as object,
    ],
  },
};

test('CACHE-4: of a VirtualMachine only what is read is kept', () => {
  expect(trimVirtualMachine(whole)).toEqual({
    apiVersion: 'vmoperator.vmware.com/v1alpha6',
    kind: 'VirtualMachine',
    metadata: {
      name: 'db',
      namespace: 'prod',
      uid: 'u-1',
      generation: 3,
      resourceVersion: '77',
      labels: { tier: 'db' },
      annotations: { 'vmgroup.dev/operation': '{}' },
      finalizers: ['virtualmachine.vmoperator.vmware.com'],
    },
    spec: {
      groupName: 'shop',
      className: 'small',
      powerState: 'PoweredOn',
      powerOffMode: 'TrySoft',
      readinessProbe: { tcpSocket: { port: 22 } },
    },
    status: {
      powerState: 'PoweredOff',
      uniqueID: 'vm-12',
      zone: 'zone-a',
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'True',
          message: '',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    },
  });
});

test('CACHE-4: a VirtualMachine without labels, spec or status is kept as one that says nothing', () => {
  const bare = { metadata: { name: 'db', namespace: 'prod', uid: 'u-1' } };
  expect(trimVirtualMachine(bare)).toEqual({ ...bare, spec: {}, status: {} });
});

test('the host of a VM has the name of later versions, also where the server has an earlier one', () => {
  const early = { ...whole, status: { host: 'esx-1' } };
  expect(trimVirtualMachine(early).status).toEqual({ nodeName: 'esx-1' });
});
