/** The caches of the objects of a cluster that desired state is made of. */
import { COMPANION_STATUS, own, type SpecChange } from '../../api';
import {
  emptyCache,
  RESOURCES,
  resourceCache,
  withoutLastApplied,
  type ApiServer,
  type KubernetesObject,
  type Resource,
  type ResourceCache,
} from '../../kubernetes';
import { otherController, type OtherController } from './other-controller';
import type { Stamps } from '../stamps';
import { specChange } from './spec-writer';
import { statusDigest } from './stored-status';

/** The cache of one resource. */
export type Objects = ResourceCache<KubernetesObject>;

/** An object whose writer is of interest. */
export interface WrittenObject extends KubernetesObject {
  /** Who wrote its spec last. */
  changedBy?: SpecChange;
}

/** A group, with what is kept of its status. */
export interface GroupObject extends WrittenObject {
  /** {@link statusDigest} of the status that the server has. */
  statusDigest: string;
  /** Another controller that writes the status, if any. */
  other?: OtherController;
  /** Text of the annotation in which vmgroup reports alongside VM Operator's group controller. */
  summary?: string;
}

/** The caches that desired state is read from. */
export interface ClusterObjects {
  groups: ResourceCache<GroupObject>;
  machines: Objects;
  classes: Objects;
  policies: Objects;
  /** Stops the caches that {@link clusterObjects} has started: all but that of the VMs. */
  stop(): Promise<void>;
}

/** What {@link clusterObjects} needs. */
export interface ClusterObjectsOptions {
  api: ApiServer;
  /** The VMs: one cache for the whole process. */
  machines: Objects;
  /** The VMs are not of VM Operator: their platform has no classes. */
  withoutClasses?: boolean;
  /** Absent: there is no admission webhook. */
  stamps?: Stamps;
  /** Absent: all namespaces. */
  namespaces?: readonly string[];
  onBroken?: (resource: Resource, error: unknown, retryIn: number) => void;
  onListenerError?: (error: unknown) => void;
  /**
   * VM Operator's group controller acts: it places VMs, so classes are not read; and policies need not be readable. Called if they are not.
   */
  companion?: { onForbidden: (resource: Resource, error: unknown) => void };
}

/** Starts the caches of groups, classes and policies. A cluster need not have classes or policies. */
export function clusterObjects(options: ClusterObjectsOptions): ClusterObjects {
  const { api, machines, stamps, namespaces, onBroken, onListenerError, companion } = options;
  const withoutClasses = options.withoutClasses === true || companion !== undefined;
  const follow = <T extends KubernetesObject>(
    resource: Resource,
    trim: (object: KubernetesObject) => T,
    optional = false,
  ): ResourceCache<T> =>
    resourceCache({
      api,
      resource,
      trim,
      optional,
      ...(namespaces && { namespaces }),
      ...(onBroken && { onBroken: (error, retryIn) => onBroken(resource, error, retryIn) }),
      ...(onListenerError && { onListenerError }),
      ...(optional &&
        companion && { onForbidden: (error: unknown) => companion.onForbidden(resource, error) }),
    });
  const groups = follow(RESOURCES.virtualMachineGroups, (object) => trimGroup(object, stamps));
  const classes = withoutClasses
    ? emptyCache<KubernetesObject>(RESOURCES.virtualMachineClasses)
    : follow(RESOURCES.virtualMachineClasses, withoutUnread, true);
  const trimPolicy = (object: KubernetesObject): WrittenObject => written(object, 'SequencePolicy', stamps);
  const policies = follow(RESOURCES.sequencePolicies, trimPolicy, true);
  return {
    groups,
    machines,
    classes,
    policies,
    stop: async () => void (await Promise.all([groups.stop(), classes.stop(), policies.stop()])),
  };
}

function written(object: KubernetesObject, kind: string, stamps: Stamps | undefined): WrittenObject {
  const changedBy = specChange(object, kind, stamps);
  return { ...withoutUnread(object), ...(changedBy && { changedBy }) };
}

function trimGroup(object: KubernetesObject, stamps: Stamps | undefined): GroupObject {
  const other = otherController(object);
  const summary = own(object.metadata.annotations, COMPANION_STATUS);
  return {
    ...written(object, 'VirtualMachineGroup', stamps),
    statusDigest: statusDigest(object),
    ...(other && { other }),
    ...(summary !== undefined && { summary }),
  };
}

/** What is kept of an object; its status is not read. */
function withoutUnread({ apiVersion, kind, metadata, spec }: KubernetesObject): KubernetesObject {
  const { managedFields, annotations, ...kept } = metadata;
  const { [COMPANION_STATUS]: _summary, ...others } = withoutLastApplied(annotations ?? {});
  return {
    ...(apiVersion !== undefined && { apiVersion }),
    ...(kind !== undefined && { kind }),
    metadata: { ...kept, ...(Object.keys(others).length > 0 && { annotations: others }) },
    ...(spec !== undefined && { spec }),
  };
}
