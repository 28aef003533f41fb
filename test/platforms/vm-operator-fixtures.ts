/** VirtualMachines on a real API server, where the test plays VM Operator. */
import { createActivities } from '../../activities';
import { type Activities, type VirtualMachineRef } from '../../contract';
import {
  connectKubernetes,
  RESOURCES,
  virtualMachineCache,
  type ApiServer,
  type KubernetesObject,
  type ResourceCache,
  type VirtualMachineObject,
} from '../../kubernetes';
import { Observer } from '../../platforms';
import { VmOperatorPlatform, type VmOperatorOptions } from '../../platforms/vm-operator';
import type { TestCluster } from '../support/kubernetes';
import { until } from '../support/until';
import { startVmCluster } from '../simulator/vm-controller-fixtures';

/** A cluster with our CRDs, and those of both kinds of zones. */
export async function startZonedCluster(): Promise<TestCluster> {
  const cluster = await startVmCluster();
  const { group, version, plural, kind } = RESOURCES.availabilityZones;
  await cluster.api.create(RESOURCES.customResourceDefinitions, {
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Cluster',
      names: { plural, kind, singular: kind.toLowerCase() },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  });
  // A new resource is not served at once.
  for (const resource of [RESOURCES.availabilityZones, RESOURCES.zones, RESOURCES.virtualMachines]) {
    await until(() =>
      cluster.api.list(resource).then(
        () => true,
        () => false,
      ),
    );
  }
  await cluster.kubectl(['create', 'namespace', 'prod']);
  return cluster;
}

/** A condition of a status, as the API server wants it. */
export function condition(type: string, status: string, message = ''): object {
  return { type, status, reason: status, message, lastTransitionTime: '2026-01-01T00:00:00Z' };
}

/** A call that was made, as `GET virtualmachines`. */
export type Call = string;

/** Passes every call on, and notes it. `before` runs first, and may be replaced. */
export interface WatchedApi extends ApiServer {
  calls: Call[];
  before: (call: Call) => Promise<void>;
}

function watched(api: ApiServer): WatchedApi {
  const calls: Call[] = [];
  const note = async (call: Call): Promise<void> => {
    calls.push(call);
    await self.before(call);
  };
  const self: WatchedApi = {
    ...api,
    calls,
    before: () => Promise.resolve(),
    get: async (resource, ...rest) => {
      await note(`GET ${resource.plural}`);
      return api.get(resource, ...rest);
    },
    list: async (resource, ...rest) => {
      await note(`LIST ${resource.plural}`);
      return api.list(resource, ...rest);
    },
    merge: async (resource, ...rest) => {
      await note(`PATCH ${resource.plural}`);
      return api.merge(resource, ...rest);
    },
  };
  return self;
}

/** One process: a cache, a platform, an observer and the activities. */
export interface Process {
  api: WatchedApi;
  machines: ResourceCache<VirtualMachineObject>;
  platform: VmOperatorPlatform;
  observer: Observer;
  activities: { [K in keyof Activities]: (...input: Parameters<Activities[K]>) => ReturnType<Activities[K]> };
}

export async function withProcess(
  kubeconfig: string,
  use: (process: Process) => Promise<void>,
  options: Partial<VmOperatorOptions> = {},
): Promise<void> {
  const direct = connectKubernetes({ kubeconfig });
  const api = watched(direct);
  const machines = options.machines ?? virtualMachineCache({ api: direct });
  await machines.synced();
  const platform = new VmOperatorPlatform({ api, machines, ...options });
  const observer = new Observer(platform);
  try {
    await observer.synced();
    api.calls.length = 0;
    await use({
      api,
      machines,
      platform,
      observer,
      activities: createActivities({ platform, observer }),
    });
  } finally {
    await observer.close();
    await platform.close();
    if (!options.machines) await machines.stop();
  }
}

/** What the test does as VM Operator, and as people with kubectl. */
export class Desk {
  readonly api: ApiServer;

  constructor(kubeconfig: string) {
    this.api = connectKubernetes({ kubeconfig });
  }

  /** Makes a VM that exists on vSphere, in this power state. */
  async vm(name: string, powerState = 'PoweredOff', over: Partial<Parts> = {}): Promise<VirtualMachineRef> {
    const ref = await this.manifest(name, {
      ...over,
      spec: { powerState, className: 'small', ...over.spec },
    });
    await this.status(name, { powerState, uniqueID: `id-${name}`, zone: 'zone-a', ...over.status });
    return ref;
  }

  /** Makes a VirtualMachine that VM Operator has not looked at yet. */
  async manifest(name: string, { metadata, spec }: Partial<Parts> = {}): Promise<VirtualMachineRef> {
    const made = await this.api.create(RESOURCES.virtualMachines, {
      metadata: { name, namespace: 'prod', ...metadata },
      spec: { powerState: 'PoweredOn', className: 'small', ...spec },
    });
    return { namespace: 'prod', name, uid: made.metadata.uid ?? '' };
  }

  async status(name: string, status: object): Promise<void> {
    const key = { namespace: 'prod', name };
    await this.api.merge(RESOURCES.virtualMachines, key, { status }, { subresource: 'status' });
  }

  async edit(name: string, patch: object): Promise<void> {
    await this.api.merge(RESOURCES.virtualMachines, { namespace: 'prod', name }, patch);
  }

  async get(name: string): Promise<KubernetesObject & { spec: Record<string, unknown> }> {
    const object = await this.api.get(RESOURCES.virtualMachines, { namespace: 'prod', name });
    return object as KubernetesObject & { spec: Record<string, unknown> };
  }

  /** What stands in an annotation of ours. */
  async record(name: string, annotation: string): Promise<Record<string, unknown>> {
    const { metadata } = await this.get(name);
    return JSON.parse(metadata.annotations?.[annotation] ?? 'null') as Record<string, unknown>;
  }

  async delete(name: string): Promise<void> {
    await this.api.delete(RESOURCES.virtualMachines, { namespace: 'prod', name });
  }

  /** Plays VM Operator for a VM: brings it to the power state of its spec, once. */
  async obey(name: string, over: object = {}): Promise<void> {
    const { spec } = await this.get(name);
    await this.status(name, { powerState: spec['powerState'], ...over });
  }

  /** Says a warning as VM Operator does. */
  async warn(vm: VirtualMachineRef, note: string, reason = 'UpdateFailure'): Promise<void> {
    const { namespace, name, uid } = vm;
    const event = {
      metadata: { name: `${name}.${Math.random().toString(36).slice(2)}`, namespace },
      type: 'Warning',
      reason,
      note,
      action: reason,
      eventTime: new Date().toISOString().replace('Z', '000Z'),
      reportingController: 'vmware-system-vmop/virtualmachine',
      reportingInstance: 'vmop-0',
      regarding: {
        apiVersion: 'vmoperator.vmware.com/v1alpha6',
        kind: 'VirtualMachine',
        namespace,
        name,
        uid,
      },
    };
    await this.api.create(RESOURCES.events, event);
  }
}

interface Parts {
  metadata: Partial<KubernetesObject['metadata']>;
  spec: Record<string, unknown>;
  status: Record<string, unknown>;
}
