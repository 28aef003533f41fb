/** The power state in the object of a group on a cluster. */
import { COMPANION, type ObjectName, type PowerState } from '../../api';
import type { KubernetesObject } from '../../kubernetes';
import { connectCluster } from '../connections';
import { CliError } from '../errors';
import {
  groupSpec,
  isCompanionGroup,
  isLeftBehind,
  patchGroup,
  readGroupTree,
  requestRunOf,
} from '../new-run';
import { clusterFlags } from '../options';
import { printLine } from '../output';
import type { PowerOptions } from './options';
import { outranked } from './outranked';

/**
 * Writes `spec.powerState`, or requests a new run if it is there already and the last run stopped short of it.
 *
 * @throws CliError if there is no such group, a group above it outranks it, or the API server refuses.
 */
export async function setPowerOnCluster(
  group: ObjectName,
  powerState: PowerState,
  options: PowerOptions,
): Promise<void> {
  const name = `${group.namespace}/${group.name}`;
  if (options.path) {
    throw new CliError('on a cluster the power state is in the object, not in a file', [
      'omit --path, or change the file: --source directory',
    ]);
  }
  const api = connectCluster(options);
  const tree = await readGroupTree(api, group.namespace);
  const object = tree.get(group);
  const driver = tree.driverOf(object);
  if (driver && driver !== object) {
    throw outranked(group, powerState, {
      above: { name: driver.metadata.name, powerState: groupSpec(driver).powerState },
      effect: 'outranks it and would overwrite the change',
      removal: `kubectl patch vmg ${group.name} -n ${group.namespace} --type merge -p '{"spec":{"groupName":null}}'`,
      flags: clusterFlags(options),
    });
  }
  const before = groupSpec(object).powerState;
  if (before !== powerState) {
    await patchGroup(api, group, patchFor(object, powerState));
    printLine(
      `${name}: ${fieldOf(object)} is now ${powerState} (was ${before ?? 'not set'}); follow it with vmgroup watch ${name}${clusterFlags(options)}`,
    );
  } else if (isLeftBehind(object)) {
    printLine(`${await requestRunOf(api, tree, object, options)}`);
  } else {
    printLine(`${name}: ${fieldOf(object)} is ${powerState} already`);
  }
}

/** Alongside VM Operator's group controller, the power state goes into an annotation: that controller acts on the one in the spec. */
function patchFor(object: KubernetesObject, powerState: PowerState): object {
  return isCompanionGroup(object)
    ? { metadata: { annotations: { [COMPANION.powerState]: powerState } } }
    : { spec: { powerState } };
}

function fieldOf(object: KubernetesObject): string {
  return isCompanionGroup(object) ? `annotation ${COMPANION.powerState}` : 'spec.powerState';
}
