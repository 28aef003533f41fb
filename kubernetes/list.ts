/** Lists of any length, page by page, and of one object. */
import type { ApiServer, CallOptions, ListOptions, ObjectKeyParts } from './api-server';
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

/** An object as it is now, by the right to list alone; undefined if there is none of that name. */
export async function findListed(
  api: ApiServer,
  resource: Resource,
  { namespace, name }: ObjectKeyParts,
  options: CallOptions = {},
): Promise<KubernetesObject | undefined> {
  const { items } = await api.list(resource, {
    ...options,
    ...(namespace !== undefined && { namespace }),
    fieldSelector: `metadata.name=${name.replace(/[\\,=]/g, '\\$&')}`,
  });
  return items.find(({ metadata }) => metadata.name === name);
}
