/** Warnings about what manifests need and the platforms of their VMs do not have. */
import type { Manifests, Problem, VirtualMachine } from '../../api';
import type { Plan } from '../../contract';
import type { PlatformType } from '../../platforms';
import * as lazy from '../lazy';

/**
 * The warnings, one for each group, platform and lack.
 *
 * @param plans Plans of drivers; absent: those of all groups, powered on where they have no power state.
 * @param type Type of the default platform; undefined: nothing is said of VMs on it.
 */
export function shortfallWarnings({
  manifests,
  plans,
  type,
}: {
  manifests: Manifests;
  plans?: readonly Plan[];
  type: PlatformType | undefined;
}): Problem[] {
  const types = new Map(manifests.platforms?.map(({ name, settings }) => [name, settings.type]));
  // Nothing is known of any platform, and nothing has to be loaded for that.
  if (type === undefined && types.size === 0) return [];
  const { plansOf } = lazy.bridge();
  const { shortfallsOf, shortfallText } = lazy.platforms();
  const typeOf = ({ platform }: { platform?: string }): PlatformType | undefined =>
    platform === undefined ? type : types.get(platform);
  return shortfallsOf((plans ?? plansToCheck(manifests)).flatMap(plansOf), typeOf).map((shortfall) => {
    const { namespace, group: name } = shortfall;
    return {
      ...{ file: '', line: 0, column: 0, path: '', severity: 'Warning' },
      message: shortfallText(shortfall),
      object: { kind: 'VirtualMachineGroup', namespace, name },
    };
  });
}

/** The platform that a VM names itself. */
function platformOf({ platform }: VirtualMachine): string | undefined {
  return platform;
}

function plansToCheck(manifests: Manifests): Plan[] {
  const { indexManifests, resolvePlan, topOf } = lazy.bridge();
  const index = indexManifests(manifests);
  return manifests.groups
    .filter((group) => topOf(index, group) === group)
    .flatMap((group) => resolvePlan(index, { powerState: 'PoweredOn', ...group }, { platformOf }) ?? []);
}
