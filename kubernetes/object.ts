/** Objects, lists and events as the API server sends them. */

/** An object as the API server sends it. */
export interface KubernetesObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    generateName?: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    generation?: number;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    finalizers?: string[];
    ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean }[];
    creationTimestamp?: string;
    deletionTimestamp?: string;
    managedFields?: {
      manager?: string;
      subresource?: string;
      operation?: string;
      time?: string;
      fieldsV1?: unknown;
    }[];
  };
  spec?: unknown;
  status?: unknown;
}

/** Whether an object is being deleted: it exists until its finalizers are gone. */
export function isBeingDeleted({ metadata }: Pick<KubernetesObject, 'metadata'>): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/** One page of a list. */
export interface ObjectList {
  /** The version that was listed. */
  apiVersion?: string;
  metadata: { resourceVersion?: string; continue?: string };
  items: KubernetesObject[];
}

/** One event of a watch. */
export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  object: KubernetesObject;
}
