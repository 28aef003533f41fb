/** The cache of VirtualMachines that all parts of a process share. It holds only the fields that are read. */
import type { ApiServer } from '../api-server';
import type { KubernetesObject } from '../object';
import { resourceCache, type CacheOptions, type ResourceCache } from './resource-cache';
import { RESOURCES } from '../resources';

/** A condition in the status of an object: the fields of `metav1.Condition` that are read. */
export interface ObjectCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  /** RFC 3339, whole seconds. */
  lastTransitionTime?: string;
}

/** The fields of a VirtualMachine that are read. The API server has validated them against the CRD. */
export interface VirtualMachineObject extends KubernetesObject {
  spec: {
    groupName?: string;
    className?: string;
    powerState?: string;
    powerOffMode?: string;
    suspendMode?: string;
    affinity?: unknown;
    readinessProbe?: unknown;
  };
  status: {
    powerState?: string;
    uniqueID?: string;
    zone?: string;
    nodeName?: string;
    network?: { primaryIP4?: string; primaryIP6?: string };
    conditions?: ObjectCondition[];
  };
}

/** Up to v1alpha3, `nodeName` is called `host`. */
type WrittenStatus = VirtualMachineObject['status'] & { host?: string };

/** What {@link virtualMachineCache} needs. */
export interface VirtualMachineCacheOptions extends Pick<
  CacheOptions<VirtualMachineObject>,
  'namespaces' | 'onBroken' | 'onListenerError'
> {
  api: ApiServer;
}

/** Starts to follow the VirtualMachines at once. A process needs one such cache. */
export function virtualMachineCache(
  options: VirtualMachineCacheOptions,
): ResourceCache<VirtualMachineObject> {
  return resourceCache({ ...options, resource: RESOURCES.virtualMachines, trim: trimVirtualMachine });
}

/** Annotation with a copy of the whole object, written by `kubectl apply`. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** Removes the fields of a VirtualMachine that are not read. */
export function trimVirtualMachine(object: KubernetesObject): VirtualMachineObject {
  const { apiVersion, kind, metadata } = object;
  const spec = (object.spec ?? {}) as VirtualMachineObject['spec'];
  const status = (object.status ?? {}) as WrittenStatus;
  const nodeName = status.nodeName ?? status.host;
  return {
    ...(apiVersion !== undefined && { apiVersion }),
    ...(kind !== undefined && { kind }),
    metadata: {
      ...pick(metadata, 'name', 'namespace', 'uid', 'generation', 'resourceVersion', 'labels'),
      ...pick(metadata, 'finalizers', 'ownerReferences', 'deletionTimestamp'),
      ...(metadata.annotations && { annotations: withoutLastApplied(metadata.annotations) }),
    },
    spec: {
      ...pick(spec, 'groupName', 'className', 'powerState', 'powerOffMode', 'suspendMode', 'affinity'),
      ...pick(spec, 'readinessProbe'),
    },
    status: {
      ...pick(status, 'powerState', 'uniqueID', 'zone'),
      ...(nodeName !== undefined && { nodeName }),
      ...(status.network && { network: pick(status.network, 'primaryIP4', 'primaryIP6') }),
      ...(Array.isArray(status.conditions) && {
        conditions: status.conditions.map((condition) =>
          pick(condition, 'type', 'status', 'reason', 'message', 'lastTransitionTime'),
        ),
      }),
    },
  };
}

/** A copy with only these fields, if present. */
function pick<T extends object, K extends keyof T>(from: T, ...keys: K[]): Pick<T, K> {
  return Object.fromEntries(
    keys.flatMap((key) => (from[key] === undefined ? [] : [[key, from[key]]])),
  ) as Pick<T, K>;
}

/** Annotations without the copy of the whole object that `kubectl apply` writes. */
export function withoutLastApplied(annotations: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => key !== LAST_APPLIED));
}
