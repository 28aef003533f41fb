/** The objects of a cluster that desired state is made of, each resource followed once. */
import {
  RESOURCES,
  resourceCache,
  withoutLastApplied,
  type ApiServer,
  type KubernetesObject,
  type Resource,
  type ResourceCache,
} from '../../kubernetes';
import { otherController, type OtherController } from './other-controller';
import { statusDigest } from './stored-status';

/** A resource as it is followed. */
export type Objects = ResourceCache<KubernetesObject>;

/** A group, with what is kept of its status. */
export interface GroupObject extends KubernetesObject {
  /** {@link statusDigest} of the status that the server has. */
  statusDigest: string;
  /** Who else writes it. */
  other?: OtherController;
}

/** Everything that desired state is read from. */
export interface ClusterObjects {
  groups: ResourceCache<GroupObject>;
  machines: Objects;
  classes: Objects;
  policies: Objects;
  /** Stops to follow what {@link clusterObjects} has begun to: all but the VMs, which are shared. */
  stop(): Promise<void>;
}

/** What {@link clusterObjects} needs. */
export interface ClusterObjectsOptions {
  api: ApiServer;
  /** Followed by whoever shares it. */
  machines: Objects;
  /** Left out: all namespaces. */
  namespaces?: readonly string[];
  onBroken?: (resource: Resource, error: unknown, retryIn: number) => void;
  onListenerError?: (error: unknown) => void;
}

/** Begins to follow groups, classes and policies. A cluster without classes or policies is fine. */
export function clusterObjects(options: ClusterObjectsOptions): ClusterObjects {
  const { api, machines, namespaces, onBroken, onListenerError } = options;
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
    });
  const groups = follow(RESOURCES.virtualMachineGroups, trimGroup);
  const classes = follow(RESOURCES.virtualMachineClasses, withoutBallast, true);
  const policies = follow(RESOURCES.sequencePolicies, withoutBallast, true);
  return {
    groups,
    machines,
    classes,
    policies,
    stop: async () => void (await Promise.all([groups.stop(), classes.stop(), policies.stop()])),
  };
}

function trimGroup(object: KubernetesObject): GroupObject {
  const other = otherController(object);
  return { ...withoutBallast(object), statusDigest: statusDigest(object), ...(other && { other }) };
}

/** What is kept of an object: nobody here reads a status. */
function withoutBallast({ apiVersion, kind, metadata, spec }: KubernetesObject): KubernetesObject {
  const { managedFields, annotations, ...kept } = metadata;
  const others = withoutLastApplied(annotations ?? {});
  return {
    ...(apiVersion !== undefined && { apiVersion }),
    ...(kind !== undefined && { kind }),
    metadata: { ...kept, ...(Object.keys(others).length > 0 && { annotations: others }) },
    ...(spec !== undefined && { spec }),
  };
}
