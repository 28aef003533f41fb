/** VirtualMachines as every part of the process shares them: one list and watch, and only what is used of each object. */
import type { ApiServer, KubernetesObject } from './api-server';
import { resourceCache, type CacheOptions, type ResourceCache } from './resource-cache';
import { RESOURCES } from './resources';

/** A condition in the status of an object: `metav1.Condition`, as far as it is read. */
export interface ObjectCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  /** RFC 3339, whole seconds. */
  lastTransitionTime?: string;
}

/** What is kept of a VirtualMachine. The API server has checked the fields; what they say is up to the reader. */
export interface VirtualMachineObject extends KubernetesObject {
  spec: {
    groupName?: string;
    className?: string;
    powerState?: string;
    powerOffMode?: string;
    suspendMode?: string;
    affinity?: unknown;
  };
  status: {
    powerState?: string;
    uniqueID?: string;
    zone?: string;
    nodeName?: string;
    conditions?: ObjectCondition[];
  };
}

/** What {@link virtualMachineCache} needs. */
export interface VirtualMachineCacheOptions extends Pick<
  CacheOptions<VirtualMachineObject>,
  'namespaces' | 'onBroken' | 'onListenerError'
> {
  api: ApiServer;
}

/** Starts to follow the VirtualMachines, at once. One a process: whoever needs them shares it. */
export function virtualMachineCache(
  options: VirtualMachineCacheOptions,
): ResourceCache<VirtualMachineObject> {
  return resourceCache({ ...options, resource: RESOURCES.virtualMachines, trim: trimVirtualMachine });
}

/** A copy of the whole object in an annotation, as `kubectl apply` leaves it; nobody here reads it. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** Leaves out of a VirtualMachine what nobody here reads. */
export function trimVirtualMachine(object: KubernetesObject): VirtualMachineObject {
  const { apiVersion, kind, metadata } = object;
  const spec = (object.spec ?? {}) as VirtualMachineObject['spec'];
  const status = (object.status ?? {}) as VirtualMachineObject['status'];
  return {
    ...(apiVersion !== undefined && { apiVersion }),
    ...(kind !== undefined && { kind }),
    metadata: {
      ...pick(metadata, 'name', 'namespace', 'uid', 'generation', 'resourceVersion', 'labels'),
      ...pick(metadata, 'finalizers', 'ownerReferences', 'deletionTimestamp'),
      ...(metadata.annotations && { annotations: withoutLastApplied(metadata.annotations) }),
    },
    spec: pick(spec, 'groupName', 'className', 'powerState', 'powerOffMode', 'suspendMode', 'affinity'),
    status: {
      ...pick(status, 'powerState', 'uniqueID', 'zone', 'nodeName'),
      ...(Array.isArray(status.conditions) && {
        conditions: status.conditions.map((condition) =>
          pick(condition, 'type', 'status', 'reason', 'message', 'lastTransitionTime'),
        ),
      }),
    },
  };
}

/** A copy with these fields alone, those of them that are there. */
function pick<T extends object, K extends keyof T>(from: T, ...keys: K[]): Pick<T, K> {
  return Object.fromEntries(
    keys.flatMap((key) => (from[key] === undefined ? [] : [[key, from[key]]])),
  ) as Pick<T, K>;
}

/** Annotations without the copy of the whole object that `kubectl apply` leaves there. */
export function withoutLastApplied(annotations: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => key !== LAST_APPLIED));
}
