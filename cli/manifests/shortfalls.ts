/** Warnings about what manifests need and the platforms of their VMs do not have. */
import type { Manifests, Problem } from '../../api';
import { indexManifests, topOf } from '../../bridge/manifests';
import type { Plan } from '../../contract';
import type { PlatformNames } from '../../platforms';
import * as lazy from '../lazy';

/**
 * The warnings, one for each group, platform and lack.
 *
 * @param plans Plans of drivers; absent: those of all groups, powered on where they have no power state.
 * @param names Which platform each VM is on; undefined: not known. VMs on a platform of unknown type are left out.
 */
export function shortfallWarnings({
  manifests,
  plans,
  names,
}: {
  manifests: Manifests;
  plans?: readonly Plan[];
  names: PlatformNames | undefined;
}): Problem[] {
  if (!names) return [];
  const { plansOf } = lazy.plans();
  const { shortfallsOf, shortfallText } = lazy.platforms();
  const checked = (plans ?? plansToCheck(manifests, names)).flatMap(plansOf);
  return shortfallsOf(checked, names.typeOf, names.capabilitiesOf).map((shortfall) => {
    const { namespace, group: name } = shortfall;
    return {
      file: '',
      line: 0,
      column: 0,
      path: '',
      severity: 'Warning',
      message: shortfallText(shortfall),
      object: { kind: 'VirtualMachineGroup', namespace, name },
    };
  });
}

function plansToCheck(manifests: Manifests, { of, probesItself }: PlatformNames): Plan[] {
  const { resolvePlan } = lazy.plans();
  const index = indexManifests(manifests);
  return manifests.groups
    .filter((group) => topOf(index, group) === group)
    .flatMap(
      (group) =>
        resolvePlan(index, { powerState: 'PoweredOn', ...group }, { platformOf: of, probesItself }) ?? [],
    );
}
