/** Which platform each VM is on. Pure. */
import type { PlatformObject, PlatformSettings, VirtualMachine } from '../api';
import { CAPABILITIES, capabilitiesOf, type Capabilities, type PlatformType } from './capabilities';

/** What decides on which platform a VM is. */
export type PlacedByName = Pick<VirtualMachine, 'namespace' | 'platform'>;

/** What decides it. */
export interface PlatformNames {
  /** The name of the platform that a VM is on; undefined: the default one. */
  of: (vm: PlacedByName) => string | undefined;
  /** The type of that platform; undefined: the platform is not described, or it is the default one and its type is not known. */
  typeOf: (vm: PlacedByName) => PlatformType | undefined;
  /** The settings of that platform; undefined: the platform is not described. */
  settingsOf: (vm: PlacedByName) => PlatformSettings | undefined;
  /** What that platform can do; undefined as for `typeOf`. */
  capabilitiesOf: (vm: PlacedByName) => Capabilities | undefined;
  /** Whether that platform asks the VM's readiness probe itself. */
  probesItself: (vm: PlacedByName) => boolean;
}

/**
 * A VM is on the platform that it names itself, else on the one that its namespace is given to, else on the default one.
 *
 * @param defaultName Name of the default platform: a VM may name that one too; undefined: not known.
 * @param defaultType Its type, unless one of the platforms has its name.
 * @throws Error if two platforms have the same name, or are given the same namespace.
 */
export function platformNames(
  platforms: readonly PlatformObject[],
  defaultName: string | undefined,
  defaultType?: PlatformType,
): PlatformNames {
  const known = new Map(platforms.map(({ name, settings }) => [name, settings]));
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
  const of = ({ namespace, platform }: PlacedByName): string | undefined => {
    const name = platform ?? byNamespace.get(namespace);
    return name === defaultName ? undefined : name;
  };
  const settingsOf = (vm: PlacedByName): PlatformSettings | undefined => {
    const name = of(vm) ?? defaultName;
    return name === undefined ? undefined : known.get(name);
  };
  const typeOf = (vm: PlacedByName): PlatformType | undefined =>
    settingsOf(vm)?.type ?? (of(vm) === undefined ? defaultType : undefined);
  return {
    of,
    typeOf,
    settingsOf,
    capabilitiesOf: (vm) => {
      const settings = settingsOf(vm);
      if (settings) return capabilitiesOf(settings);
      const type = typeOf(vm);
      return type && CAPABILITIES[type];
    },
    probesItself: (vm) => {
      const type = typeOf(vm);
      return type !== undefined && CAPABILITIES[type].readinessProbe === 'Platform';
    },
  };
}
