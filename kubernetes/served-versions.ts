/**
 * The version of each resource that is used on one API server: older servers do not serve the newest one.
 *
 * SERVED-1: what is used is the newest version that the server serves of those that we read and write.
 * SERVED-2: a server is asked which versions it serves only after it did not know the one in use: that costs most servers no call, and follows an
 *     update of the definitions.
 */
import { KubernetesError } from './error';
import { apiVersionOf, type Resource } from './resources';

/** Reads a path of the API server; rejects with a `KubernetesError`. */
export type Read = (path: string) => Promise<unknown>;

/** The versions in use. */
export class ServedVersions {
  readonly #read: Read;
  /** By group and plural, where it is not the newest. */
  readonly #used = new Map<string, Resource>();
  /** Questions that are open. */
  readonly #asked = new Map<string, Promise<Resource>>();

  constructor(read: Read) {
    this.#read = read;
  }

  /**
   * Makes a call about a resource in the version in use; if the server does not know the call in that version, makes it again in another one.
   *
   * @throws KubernetesError as `call` does; one with the reason `NotServed` if the server serves none of our versions.
   */
  async call<T>(resource: Resource, call: (resource: Resource) => Promise<T>): Promise<T> {
    const key = `${resource.plural}.${resource.group}`;
    const used = this.#used.get(key) ?? resource;
    try {
      return await call(used);
    } catch (error: unknown) {
      const isUnknown = error instanceof KubernetesError && error.isUnknownPath;
      if (!isUnknown || !resource.olderVersions) throw error;
      const served = await this.#ask(key, resource, error);
      if (served.version === used.version) throw error;
      this.#used.set(key, served);
      return call(served);
    }
  }

  #ask(key: string, resource: Resource, unknown: KubernetesError): Promise<Resource> {
    let asked = this.#asked.get(key);
    if (!asked) {
      asked = this.#newest(resource, unknown).finally(() => this.#asked.delete(key));
      this.#asked.set(key, asked);
    }
    return asked;
  }

  /** SERVED-1. */
  async #newest(resource: Resource, unknown: KubernetesError): Promise<Resource> {
    const { group, plural, version, olderVersions = [] } = resource;
    const { versions } = await this.#readIfKnown(`/apis/${group}`);
    const served = textsOf(versions, (item) => item.version);
    if (served.length === 0) throw unknown;
    const ours = [version, ...olderVersions];
    for (const each of ours.filter((one) => served.includes(one))) {
      const found = { ...resource, version: each };
      const { resources } = await this.#readIfKnown(`/apis/${apiVersionOf(found)}`);
      if (textsOf(resources, ({ name }) => name).includes(plural)) return found;
    }
    const said = `the API server serves ${plural}.${group} in none of ${ours.join(', ')}; versions of ${group}: ${served.join(', ')}`;
    throw new KubernetesError(said, 404, NOT_SERVED);
  }

  async #readIfKnown(path: string): Promise<Answer> {
    try {
      return (await this.#read(path)) ?? {};
    } catch (error: unknown) {
      if (error instanceof KubernetesError && error.isAbsent) return {};
      throw error;
    }
  }
}

/** Reason of the error for a resource that the server serves, if at all, in versions that we do not know. */
export const NOT_SERVED = 'NotServed';

/** What answers are read of. */
interface Answer {
  versions?: unknown;
  resources?: unknown;
}

/** The texts in the items of a list of an answer. */
function textsOf(list: unknown, textOf: (item: { version?: unknown; name?: unknown }) => unknown): string[] {
  if (!Array.isArray(list)) return [];
  return list
    .map((item: unknown) => textOf(item ?? {}))
    .filter((text): text is string => typeof text === 'string');
}
