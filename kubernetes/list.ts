/** Lists of any length, page by page. */
import type { ApiServer, CallOptions, ListOptions } from './api-server';
import type { KubernetesObject, ObjectList } from './object';
import type { Resource } from './resources';

/** Objects of one page. */
const PAGE = 500;

/** Yields the pages of a list. All of them show the moment of the first one. */
export async function* listPages(
  api: ApiServer,
  resource: Resource,
  options: Omit<ListOptions, 'limit' | 'continue'> = {},
): AsyncGenerator<ObjectList> {
  let next: string | undefined;
  do {
    const page = await api.list(resource, {
      ...options,
      limit: PAGE,
      ...(next !== undefined && { continue: next }),
    });
    yield page;
    next = page.metadata.continue || undefined;
  } while (next !== undefined);
}

/** Yields all objects of a resource, in one namespace or in all, as they were at one moment after the call. */
export async function* listObjects(
  api: ApiServer,
  resource: Resource,
  namespace: string | undefined,
  options: CallOptions = {},
): AsyncGenerator<KubernetesObject> {
  const where = namespace === undefined ? {} : { namespace };
  for await (const page of listPages(api, resource, { ...options, ...where })) yield* page.items;
}
