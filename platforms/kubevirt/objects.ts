/** VirtualMachines and VirtualMachineInstances of kubevirt.io/v1: the fields that are read. */
import { fieldsOf, ZONE_LABEL } from '../../api';
import { withoutLastApplied, type KubernetesObject, type ObjectCondition } from '../../kubernetes';

/** The run strategy of a VM. */
export type RunStrategy = 'Always' | 'Halted' | 'Manual' | 'RerunOnFailure' | 'Once' | 'WaitAsReceiver';

/** A request that waits in the status of a VM until KubeVirt has carried it out. */
export interface StateChangeRequest {
  action: string;
  /** Of the instance that a `Stop` is about. */
  uid?: string;
}

/** The parts of an instance's spec that are read; a VM has them in its template. */
export interface InstanceSpec {
  /** Seconds between the signal to shut down and the end of QEMU. */
  terminationGracePeriodSeconds?: number;
  readinessProbe?: object;
  livenessProbe?: object;
}

/** A VirtualMachine. */
export interface KubevirtMachine extends KubernetesObject {
  spec: {
    runStrategy?: string;
    /** The older form of `Always` and `Halted`. */
    running?: boolean;
    template?: { spec?: InstanceSpec };
  };
  status: {
    /** The strategy that KubeVirt last carried out. */
    runStrategy?: string;
    printableStatus?: string;
    created?: boolean;
    ready?: boolean;
    stateChangeRequests?: StateChangeRequest[];
    startFailure?: {
      consecutiveFailCount?: number;
      lastFailedVMIUID?: string;
      retryAfterTimestamp?: string;
    };
    conditions?: ObjectCondition[];
  };
}

/** A VirtualMachineInstance: one boot of the VM of its name. */
export interface KubevirtInstance extends KubernetesObject {
  spec: InstanceSpec;
  status: {
    phase?: string;
    nodeName?: string;
    conditions?: ObjectCondition[];
    phaseTransitionTimestamps?: { phase?: string; phaseTransitionTimestamp?: string }[];
    interfaces?: { ipAddress?: string }[];
  };
}

/** What is known of a node. */
export interface KubevirtNode {
  ready: boolean;
  zone?: string;
}

/** Removes the fields of a VirtualMachine that are not read. */
export function trimMachine(object: KubernetesObject): KubevirtMachine {
  const { runStrategy, running, template } = mapping<KubevirtMachine['spec']>(object.spec);
  const status = mapping<KubevirtMachine['status']>(object.status);
  return {
    ...trimmed(object),
    spec: {
      ...(typeof runStrategy === 'string' && { runStrategy }),
      ...(typeof running === 'boolean' && { running }),
      template: { spec: instanceSpec(mapping<{ spec?: unknown }>(template).spec) },
    },
    status: {
      ...pick(status, 'runStrategy', 'printableStatus', 'created', 'ready', 'startFailure'),
      stateChangeRequests: list<StateChangeRequest>(status.stateChangeRequests),
      conditions: list<ObjectCondition>(status.conditions),
    },
  };
}

/** Removes the fields of a VirtualMachineInstance that are not read. */
export function trimInstance(object: KubernetesObject): KubevirtInstance {
  const status = mapping<KubevirtInstance['status']>(object.status);
  return {
    ...trimmed(object),
    spec: instanceSpec(object.spec),
    status: {
      ...pick(status, 'phase', 'nodeName'),
      conditions: list<ObjectCondition>(status.conditions),
      phaseTransitionTimestamps: list(status.phaseTransitionTimestamps),
      interfaces: list<{ ipAddress?: string }>(status.interfaces),
    },
  };
}

/** What is read of a Node. */
export function trimNode({ metadata, status }: KubernetesObject): KubevirtNode {
  const { conditions } = mapping<{ conditions?: unknown }>(status);
  const ready = list<ObjectCondition>(conditions).find(({ type }) => type === 'Ready');
  const zone = metadata.labels?.[ZONE_LABEL];
  return { ready: ready?.status === 'True', ...(zone !== undefined && { zone }) };
}

/** The strategy of a VM, whichever way it is written. What a later KubeVirt may add is returned as it is. */
export function strategyOf({ spec }: Pick<KubevirtMachine, 'spec'>): string {
  if (spec.runStrategy !== undefined) return spec.runStrategy;
  return spec.running === true ? 'Always' : 'Halted';
}

/** Whether an instance has ended. */
export function isFinal({ status }: KubevirtInstance): boolean {
  return status.phase === 'Succeeded' || status.phase === 'Failed';
}

/** A condition of an object. */
export function conditionOf(
  { status }: { status: { conditions?: ObjectCondition[] } },
  type: string,
): ObjectCondition | undefined {
  return status.conditions?.find((condition) => condition.type === type);
}

/** Whether a condition holds. */
export function holds(object: { status: { conditions?: ObjectCondition[] } }, type: string): boolean {
  return conditionOf(object, type)?.status === 'True';
}

function trimmed({ apiVersion, kind, metadata }: KubernetesObject): KubernetesObject {
  const { managedFields, annotations, ...kept } = metadata;
  return {
    ...(apiVersion !== undefined && { apiVersion }),
    ...(kind !== undefined && { kind }),
    metadata: { ...kept, ...(annotations && { annotations: withoutLastApplied(annotations) }) },
  };
}

function instanceSpec(value: unknown): InstanceSpec {
  return pick(
    mapping<InstanceSpec>(value),
    'terminationGracePeriodSeconds',
    'readinessProbe',
    'livenessProbe',
  );
}

function mapping<T extends object>(value: unknown): Partial<T> {
  return fieldsOf(value) as Partial<T>;
}

function list<T>(value: unknown): T[] {
  return Array.isArray(value) ? (value as T[]).filter((item) => typeof item === 'object' && item) : [];
}

function pick<T extends object, K extends keyof T>(from: T, ...keys: K[]): Pick<T, K> {
  return Object.fromEntries(
    keys.flatMap((key) => (from[key] === undefined || from[key] === null ? [] : [[key, from[key]]])),
  ) as Pick<T, K>;
}
