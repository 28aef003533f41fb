/**
 * The instances of VMs, as new as they are known.
 *
 * KUBEVIRT-8: what the server said when it was asked counts until the cache shows something later: an event from before that does not bring back an
 *     instance that is gone, and neither does an answer from before that. What a server says that was restored to an older state counts too (see
 *     NEWEST-3).
 */
import { isLower, RESOURCES, type ApiServer, type ResourceCache } from '../../kubernetes';
import { AnswersAhead, Deletions, platformError, resourceName } from '../on-kubernetes';
import { trimInstance, type KubevirtInstance } from './objects';

/** What the server said. */
interface Look {
  /** Resource version of the answer. */
  version: string;
  vmi: KubevirtInstance | undefined;
}

/** Follows a cache until `close`. */
export class Instances {
  readonly #api: Pick<ApiServer, 'list'>;
  readonly #cache: ResourceCache<KubevirtInstance>;
  readonly #looks: AnswersAhead<Look>;
  /** From which version on there was no instance, by key. */
  readonly #absent = new Map<string, string>();
  readonly #deletions = new Deletions();
  readonly #unsubscribe: () => void;

  constructor(
    api: Pick<ApiServer, 'list'>,
    cache: ResourceCache<KubevirtInstance>,
    changed: (key: string) => void,
  ) {
    this.#api = api;
    this.#cache = cache;
    this.#looks = new AnswersAhead({
      isLive: () => cache.live,
      expired: (key, { vmi }) => {
        if (!isSame(vmi, cache.get(key))) changed(key);
      },
    });
    this.#unsubscribe = cache.onChange(({ key, object, previous }) => {
      if (!object) this.#gone(key, previous);
      changed(key);
    });
  }

  close(): void {
    this.#unsubscribe();
    this.#looks.close();
  }

  /** The instance of a VM; undefined: it has none. */
  get(key: string): KubevirtInstance | undefined {
    const cached = this.#cache.get(key);
    const look = this.#looks.get(key);
    if (!look) return cached;
    if (!cached || !isLower(look.version, cached.metadata.resourceVersion)) return look.vmi;
    this.#looks.delete(key);
    return cached;
  }

  /** The version that {@link get} is of. */
  versionOf(key: string): string | undefined {
    return this.get(key)?.metadata.resourceVersion ?? this.#absent.get(key);
  }

  /**
   * Asks the server. A list, since it has a version also if there is nothing to be listed.
   *
   * @throws PlatformError when the server cannot be asked.
   */
  async look(
    { namespace, name }: { namespace: string; name: string },
    signal?: AbortSignal,
  ): Promise<KubevirtInstance | undefined> {
    const resource = RESOURCES.kubevirtInstances;
    const key = `${namespace}/${name}`;
    const options = { namespace, fieldSelector: `metadata.name=${name}`, ...(signal && { signal }) };
    const before = this.#looks.get(key)?.version;
    try {
      await this.#deletions.during(
        () => this.#api.list(resource, options),
        ({ items: [object], metadata: { resourceVersion = '' } }, isGone) => {
          // A server that was not restored never answers with less than it has said before the call.
          if (isLower(resourceVersion, before)) this.#looks.delete(key);
          if (!object || !isGone(object)) this.#looked(key, resourceVersion, object && trimInstance(object));
        },
      );
    } catch (error: unknown) {
      throw platformError(error, 'list', resourceName(resource));
    }
    return this.get(key);
  }

  /** Its VM is gone. */
  forget(key: string): void {
    this.#looks.delete(key);
    this.#absent.delete(key);
  }

  #looked(key: string, version: string, vmi: KubevirtInstance | undefined): void {
    const known = this.#looks.get(key);
    if (!known || isLower(known.version, version)) this.#looks.set(key, { version, vmi });
    if (!vmi) this.#absent.set(key, version);
  }

  #gone(key: string, instance: KubevirtInstance): void {
    const { uid, resourceVersion = '' } = instance.metadata;
    this.#deletions.note(instance);
    const look = this.#looks.get(key);
    if (look?.vmi?.metadata.uid === uid) this.#looks.delete(key);
    // The deletion itself has a greater version than the last change.
    if (/^\d+$/.test(resourceVersion)) this.#absent.set(key, String(BigInt(resourceVersion) + 1n));
  }
}

function isSame(one: KubevirtInstance | undefined, other: KubevirtInstance | undefined): boolean {
  const [a, b] = [one?.metadata, other?.metadata];
  return a?.uid === b?.uid && a?.resourceVersion === b?.resourceVersion;
}
