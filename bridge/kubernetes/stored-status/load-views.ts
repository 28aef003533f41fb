/** Reads what an earlier bridge left on the groups of a cluster. */
import pRetry from 'p-retry';
import { listObjects, RESOURCES, type ApiServer, type KubernetesObject } from '../../../kubernetes';
import type { GroupView } from '../../status';

/** What {@link loadViews} needs. */
export interface LoadViewsOptions {
  api: ApiServer;
  /** Absent: all namespaces. */
  namespaces?: readonly string[];
  /** Called when the reading failed, with the milliseconds until the next try. */
  onError?: (error: unknown, retryIn: number) => void;
  /** Called with each object that was left out because its view could not be read. */
  onUnreadable?: (error: unknown, group: KubernetesObject['metadata']) => void;
}

/** Milliseconds between two tries. */
const PAUSE = 1_000;

/** Reads all groups, and waits for an API server that does not answer. `viewOf`: what an object says; undefined: nothing. */
export function loadViews(
  options: LoadViewsOptions,
  viewOf: (object: KubernetesObject) => GroupView | undefined,
): Promise<GroupView[]> {
  return pRetry(() => loadOnce(options, viewOf), {
    retries: Infinity,
    minTimeout: PAUSE,
    factor: 1,
    onFailedAttempt: ({ error }) => options.onError?.(error, PAUSE),
  });
}

async function loadOnce(
  { api, namespaces, onUnreadable }: LoadViewsOptions,
  viewOf: (object: KubernetesObject) => GroupView | undefined,
): Promise<GroupView[]> {
  const views: GroupView[] = [];
  for (const namespace of namespaces ?? [undefined]) {
    for await (const object of listObjects(api, RESOURCES.virtualMachineGroups, namespace)) {
      try {
        const view = viewOf(object);
        if (view) views.push(view);
      } catch (error: unknown) {
        onUnreadable?.(error, object.metadata);
      }
    }
  }
  return views;
}
