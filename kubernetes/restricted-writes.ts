/**
 * A client that writes only what it may, whatever the code behind it asks for.
 *
 * RESTRICTED-1: a write outside the list is refused before it is sent. Reads pass.
 */
import type { ApiServer, WriteOptions } from './api-server';
import { KubernetesError } from './error';
import type { Resource } from './resources';

/** What may be written of one resource. */
export interface WriteRule {
  resource: Resource;
  /** Such as `status`; absent: the object itself. */
  subresource?: string;
  verbs: readonly ('create' | 'replace' | 'apply' | 'merge' | 'invoke' | 'delete')[];
  /**
   * Paths of the fields, for `merge`: a patch may touch these and what is below them. Absent: any field. What identifies the object is always
   * allowed.
   */
  fields?: readonly (readonly string[])[];
}

/** One write. */
export interface AttemptedWrite {
  resource: Resource;
  verb: WriteRule['verbs'][number];
  subresource?: string | undefined;
  /** For `merge`. */
  patch?: object;
}

/** Names the object and its version, and changes nothing. */
const IDENTITY: readonly (readonly string[])[] = ['name', 'namespace', 'uid', 'resourceVersion'].map(
  (field) => ['metadata', field],
);

/** The first thing that is not allowed of a write; undefined: all of it is. Pure. */
export function forbiddenIn(write: AttemptedWrite, rules: readonly WriteRule[]): string | undefined {
  const { resource, verb, subresource, patch = {} } = write;
  const below = subresource === undefined ? '' : `/${subresource}`;
  const what = `${verb} ${resource.plural}.${resource.group}${below}`;
  const mine = rules.filter(
    ({ resource: { group, plural }, verbs, ...rule }) =>
      group === resource.group &&
      plural === resource.plural &&
      rule.subresource === subresource &&
      verbs.includes(verb),
  );
  if (mine.length === 0) return what;
  if (mine.some(({ fields }) => fields === undefined)) return undefined;
  if (verb !== 'merge') return `${what} as a whole`;
  const fields = [...IDENTITY, ...mine.flatMap((rule) => rule.fields ?? [])];
  const wrong = leaves(patch).find((path) => !fields.some((field) => startsWith(path, field)));
  return wrong && `${what}: ${wrong.join('.')}`;
}

/** The same API server, to which only what `rules` allow is written; RESTRICTED-1. */
export function restrictedWrites(api: ApiServer, rules: readonly WriteRule[]): ApiServer {
  const check = (
    resource: Resource,
    verb: AttemptedWrite['verb'],
    options?: WriteOptions,
    patch?: object,
  ): void => {
    const found = forbiddenIn(
      { resource, verb, subresource: options?.subresource, ...(patch && { patch }) },
      rules,
    );
    if (found !== undefined)
      throw new KubernetesError(`${found} was not sent: this process never writes it`, 403, 'Restricted');
  };
  return {
    ...api,
    create: async (resource, object, options) => {
      check(resource, 'create', options);
      return api.create(resource, object, options);
    },
    replace: async (resource, object, options) => {
      check(resource, 'replace', options);
      return api.replace(resource, object, options);
    },
    apply: async (resource, object, options) => {
      check(resource, 'apply', options);
      return api.apply(resource, object, options);
    },
    merge: async (resource, key, patch, options) => {
      check(resource, 'merge', options, patch);
      return api.merge(resource, key, patch, options);
    },
    invoke: async (resource, key, action, body, options) => {
      check(resource, 'invoke');
      return api.invoke(resource, key, action, body, options);
    },
    delete: async (resource, key, options) => {
      check(resource, 'delete');
      return api.delete(resource, key, options);
    },
  };
}

/** The paths at which a patch changes something: those of values, lists and empty mappings. */
function leaves(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[...path]];
  const entries = Object.entries(value);
  if (entries.length === 0) return path.length === 0 ? [] : [[...path]];
  return entries.flatMap(([key, each]) => leaves(each, [...path, key]));
}

function startsWith(path: readonly string[], beginning: readonly string[]): boolean {
  return beginning.every((step, at) => path[at] === step);
}
