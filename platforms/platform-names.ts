/** Which platform each VM is on. Pure. */
import type { PlatformObject, VirtualMachine } from '../api';

/** What decides it. */
export interface PlatformNames {
  /** The name of the platform that a VM is on; undefined: the default one. */
  of(vm: Pick<VirtualMachine, 'namespace' | 'platform'>): string | undefined;
}

/**
 * A VM is on the platform that it names itself, else on the one that its namespace is given to, else on the default one.
 *
 * @param defaultName Name of the default platform: a VM may name that one too.
 * @throws Error if two platforms have the same name, or are given the same namespace.
 */
export function platformNames(platforms: readonly PlatformObject[], defaultName: string): PlatformNames {
  const names = new Set<string>();
  const byNamespace = new Map<string, string>();
  for (const { name, namespaces } of platforms) {
    if (names.has(name)) throw new Error(`two platforms are named ${name}: give one of them another name`);
    names.add(name);
    for (const namespace of namespaces) {
      const other = byNamespace.get(namespace);
      if (other !== undefined)
        throw new Error(`platforms ${other} and ${name} both have namespace ${namespace}: take it from one`);
      byNamespace.set(namespace, name);
    }
  }
  return {
    of: ({ namespace, platform }) => {
      const name = platform ?? byNamespace.get(namespace);
      return name === defaultName ? undefined : name;
    },
  };
}
