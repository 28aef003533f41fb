/** Requests for runs by `spec.nextForcePowerStateSyncTime` of groups on a cluster. */
import { ASKED_FOR_ANNOTATION, COMPANION, type ObjectName } from '../../api';
import type { ApiServer, KubernetesObject } from '../../kubernetes';
import { callCluster, connectCluster, FIELD_MANAGER } from '../connections';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { clusterFlags, type SourceOptions } from '../options';
import { firstNames } from '../output';
import { groupSpec, isCompanionGroup, readGroupTree, type GroupTree } from './group-tree';

/** Who asks for a run and why, and of which cluster. */
export interface RunRequester extends SourceOptions {
  actor: string;
  reason: string;
}

/**
 * Requests a run of a group on a cluster.
 *
 * @returns the text to print.
 * @throws CliError if there is no such group, it has no power state, or the API server refuses.
 */
export async function requestOnCluster(name: ObjectName, requester: RunRequester): Promise<string> {
  const api = connectCluster(requester);
  const tree = await readGroupTree(api, name.namespace);
  return requestRunOf(api, tree, tree.get(name), requester);
}

/**
 * Requests a run of a group of `tree`. A group that earlier runs have left behind is tried again only if its own object asks for it, so
 * those below the same driver ask too. Returns and throws as {@link requestOnCluster}.
 */
export async function requestRunOf(
  api: ApiServer,
  tree: GroupTree,
  object: KubernetesObject,
  requester: RunRequester,
): Promise<string> {
  const driver = tree.driverOf(object);
  const { namespace = '', name } = object.metadata;
  if (!driver) {
    throw new CliError(`${namespace}/${name} has no spec.powerState, so a run would do nothing`, [
      `set it: vmgroup power on ${namespace}/${name}${clusterFlags(requester)}`,
    ]);
  }
  const written: string[] = [];
  // The driver last: its run then knows of all of them.
  for (const each of new Set([...tree.leftBehind(driver), ...tree.chainTo(driver, object)])) {
    const field = await forceSync(api, each, requester).catch((error: unknown) => {
      throw halfAsked(error, `${namespace}/${each.metadata.name}`, written);
    });
    written.push(`${namespace}/${each.metadata.name} (${field})`);
  }
  const root = `${namespace}/${driver.metadata.name}`;
  return (
    `asked for a new run of ${root}: wrote spec.nextForcePowerStateSyncTime of ${firstNames(written)}; ` +
    `follow it with vmgroup watch ${root}${clusterFlags(requester)}`
  );
}

/** The error of a request that was refused after others were made: those stand. */
function halfAsked(error: unknown, name: string, written: readonly string[]): unknown {
  if (written.length === 0) return error;
  const { nextSteps, exitCode } = error instanceof CliError ? error : new CliError('');
  return new CliError(
    `${name} was not asked for a new run: ${messageOf(error)}; asked already: ${firstNames(written)}`,
    [...nextSteps, 'then repeat the command: it asks all of them again'],
    { cause: error, exitCode },
  );
}

/** Patches a group by merge. Throws as `callCluster` of `connections/`. */
export async function patchGroup(
  api: ApiServer,
  { namespace, name }: ObjectName,
  patch: object,
): Promise<KubernetesObject> {
  const resource = lazy.kubernetes().RESOURCES.virtualMachineGroups;
  return callCluster(api, { verb: 'patch', resource, namespace }, () =>
    api.merge(resource, { namespace, name }, patch, { fieldManager: FIELD_MANAGER }),
  );
}

/**
 * Writes `now`, which admission replaces by the time. If `now` is there already, no webhook has replaced it, and a second one would change
 * nothing: then the time is written.
 *
 * @returns the value of the field afterwards.
 */
async function forceSync(api: ApiServer, object: KubernetesObject, requester: RunRequester): Promise<string> {
  const { namespace = '', name } = object.metadata;
  if (isCompanionGroup(object)) {
    // An annotation does not change the generation, so the request names its own value.
    const token = new Date().toISOString();
    const annotations = {
      ...lazy.bridge().askerAnnotations(requester, object.metadata),
      [ASKED_FOR_ANNOTATION]: token,
      [COMPANION.sync]: token,
    };
    await patchGroup(api, { namespace, name }, { metadata: { annotations } });
    return `annotation ${COMPANION.sync}: ${token}`;
  }
  const isNow = /^now$/i.test(groupSpec(object).nextForcePowerStateSyncTime ?? '');
  const after = await patchGroup(
    api,
    { namespace, name },
    {
      metadata: { annotations: lazy.bridge().askerAnnotations(requester, object.metadata) },
      spec: { nextForcePowerStateSyncTime: isNow ? new Date().toISOString() : 'now' },
    },
  );
  return groupSpec(after).nextForcePowerStateSyncTime ?? '';
}
