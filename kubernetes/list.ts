/** Lists of any length, page by page. */
import type { ApiServer, CallOptions, KubernetesObject } from './api-server';
import type { Resource } from './resources';

/** Objects of one page. */
const PAGE = 500;

/** Yields all objects of a resource in a namespace as they were at one moment after the call. */
export async function* listObjects(
  api: ApiServer,
  resource: Resource,
  namespace: string,
  options: CallOptions = {},
): AsyncGenerator<KubernetesObject> {
  let next: string | undefined;
  do {
    const page = await api.list(resource, {
      ...options,
      ...{ namespace, limit: PAGE },
      ...(next !== undefined && { continue: next }),
    });
    yield* page.items;
    next = page.metadata.continue || undefined;
  } while (next !== undefined);
}
