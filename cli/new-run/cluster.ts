/** Writes what a person wants of a group into its object on a cluster. */
import type { PowerState } from '../../api';
import type { ApiServer, KubernetesObject } from '../../kubernetes';
import { callCluster, connectCluster, sameCluster, type SourceOptions } from '../connections/cluster';
import { listObjects, noSuchGroup } from '../groups/cluster-views';
import type { PowerOptions } from '../commands/manifests';
import type { GroupName } from '../get';
import { CliError } from '../errors';
import { WANTS_ASKING } from '../groups/group-text';
import * as lazy from '../lazy';
import { storedGroup } from '../groups/stored-group';

/** Field manager of what people write by these commands. */
const FIELD_MANAGER = 'vmgroup-cli';

/** Where to ask, who asks and why. */
interface Asking extends SourceOptions {
  actor: string;
  reason: string;
}

/** The groups of one namespace, by name. */
type Groups = ReadonlyMap<string, KubernetesObject>;

interface GroupSpec {
  powerState?: string;
  groupName?: string;
  nextForcePowerStateSyncTime?: string;
}

/**
 * Writes `spec.powerState`; where it says so already and the last run was stopped, asks for a new run.
 *
 * @throws CliError where there is no such group, a group above it outranks it, or the API server refuses.
 */
export async function setPowerOnCluster(
  group: GroupName,
  powerState: PowerState,
  options: PowerOptions,
): Promise<void> {
  const name = `${group.namespace}/${group.name}`;
  if (options.path) {
    throw new CliError('on a cluster the power state stands in the object, not in a file', [
      'leave out --path, or say that you mean the file: --source directory',
    ]);
  }
  const api = connectCluster(options);
  const groups = await groupsOf(api, group);
  const object = found(groups, group);
  const driver = driverOf(groups, object);
  if (driver && driver !== object) throw outranked(group, driver, powerState, options);
  const before = specOf(object).powerState;
  if (before !== powerState) {
    await patch(api, group, { spec: { powerState } });
    process.stdout.write(
      `${name}: spec.powerState is now ${powerState} (was ${before ?? 'not set'}); follow it with vmgroup watch ${name}${sameCluster(options)}\n`,
    );
    return;
  }
  if (isLeftBehind(object)) {
    process.stdout.write(`${await ask(api, groups, object, options)}\n`);
    return;
  }
  process.stdout.write(`${name}: spec.powerState is ${powerState} already\n`);
}

/**
 * Asks for a run of a group by `spec.nextForcePowerStateSyncTime`.
 *
 * @returns what to tell the person.
 * @throws CliError where there is no such group, it has no power state, or the API server refuses.
 */
export async function askOnCluster(group: GroupName, options: Asking): Promise<string> {
  const api = connectCluster(options);
  const groups = await groupsOf(api, group);
  return ask(api, groups, found(groups, group), options);
}

/** What earlier runs have left alone is tried again where a group's own object asks for it: so those that were left behind ask too. */
async function ask(
  api: ApiServer,
  groups: Groups,
  object: KubernetesObject,
  asking: Asking,
): Promise<string> {
  const driver = driverOf(groups, object);
  const { namespace = '', name } = object.metadata;
  if (!driver) {
    throw new CliError(`${namespace}/${name} has no spec.powerState, so there is nothing to run`, [
      `say what it should be: vmgroup power on ${namespace}/${name}${sameCluster(asking)}`,
    ]);
  }
  const below = [...groups.values()].filter(
    (each) => each !== driver && driverOf(groups, each) === driver && isLeftBehind(each),
  );
  const written: string[] = [];
  // The driver last: its run then knows of all.
  for (const each of new Set([...below, ...chainOf(groups, object, driver)])) {
    written.push(`${namespace}/${each.metadata.name} (${await forceSync(api, each, asking)})`);
  }
  return (
    `asked for a new run of ${namespace}/${driver.metadata.name}: wrote spec.nextForcePowerStateSyncTime of ${written.join(', ')}; ` +
    `follow it with vmgroup watch ${namespace}/${driver.metadata.name}${sameCluster(asking)}`
  );
}

/**
 * Admission puts the time in the place of `now`. Where nobody did, a second `now` would change nothing: then the time is written.
 *
 * @returns the value that stands there.
 */
async function forceSync(api: ApiServer, object: KubernetesObject, asking: Asking): Promise<string> {
  const { namespace = '', name } = object.metadata;
  const stands = /^now$/i.test(specOf(object).nextForcePowerStateSyncTime ?? '');
  const after = await patch(
    api,
    { namespace, name },
    {
      metadata: { annotations: lazy.bridge().askerAnnotations(asking, object.metadata) },
      spec: { nextForcePowerStateSyncTime: stands ? new Date().toISOString() : 'now' },
    },
  );
  return specOf(after).nextForcePowerStateSyncTime ?? '';
}

async function patch(
  api: ApiServer,
  { namespace, name }: GroupName,
  what: object,
): Promise<KubernetesObject> {
  const resource = lazy.kubernetes().RESOURCES.virtualMachineGroups;
  return callCluster(api, { verb: 'patch', resource, namespace }, () =>
    api.merge(resource, { namespace, name }, what, { fieldManager: FIELD_MANAGER }),
  );
}

async function groupsOf(api: ApiServer, { namespace }: GroupName): Promise<Groups> {
  const resource = lazy.kubernetes().RESOURCES.virtualMachineGroups;
  const objects = await listObjects(api, resource, [namespace]);
  return new Map(objects.map((object) => [object.metadata.name, object]));
}

function found(groups: Groups, group: GroupName): KubernetesObject {
  const object = groups.get(group.name);
  if (!object) throw noSuchGroup(group, [...groups.values()]);
  return object;
}

function specOf({ spec }: KubernetesObject): GroupSpec {
  return spec ?? {};
}

/** Whether the group is out of its desired state and no run starts by itself. */
function isLeftBehind(object: KubernetesObject): boolean {
  return WANTS_ASKING.has(storedGroup(object).view.phase);
}

/** The group and those above it, the group first. Ends where a group comes up a second time. */
function ancestryOf(groups: Groups, object: KubernetesObject): KubernetesObject[] {
  const chain: KubernetesObject[] = [];
  for (let at: KubernetesObject | undefined = object; at && !chain.includes(at);) {
    chain.push(at);
    at = groups.get(specOf(at).groupName ?? '');
  }
  return chain;
}

/** The group whose power state counts: the topmost with one. */
function driverOf(groups: Groups, object: KubernetesObject): KubernetesObject | undefined {
  return ancestryOf(groups, object).findLast((each) => specOf(each).powerState);
}

/** From the group up to its driver. */
function chainOf(groups: Groups, object: KubernetesObject, driver: KubernetesObject): KubernetesObject[] {
  const chain = ancestryOf(groups, object);
  return chain.slice(0, chain.indexOf(driver) + 1);
}

function outranked(
  group: GroupName,
  driver: KubernetesObject,
  powerState: PowerState,
  options: SourceOptions,
): CliError {
  const above = `${group.namespace}/${driver.metadata.name}`;
  const name = `${group.namespace}/${group.name}`;
  const verb = { PoweredOn: 'on', PoweredOff: 'off', Suspended: 'suspend' }[powerState];
  return new CliError(
    `${name} is in ${above}, whose power state ${specOf(driver).powerState} outranks it: what is written here would be written over`,
    [
      `for the whole of it: vmgroup power ${verb} ${above}${sameCluster(options)}`,
      `for this group alone: take spec.groupName out of it first, kubectl patch vmg ${group.name} -n ${group.namespace} --type merge -p '{"spec":{"groupName":null}}'`,
      ...(powerState === specOf(driver).powerState
        ? [
            `or, where its members are not as wanted, ask for a run: vmgroup retry ${name} --reason TEXT${sameCluster(options)}`,
          ]
        : []),
    ],
  );
}
