/** The groups of one namespace of a cluster, and how they contain each other. */
import { COMPANION, COMPANION_STATUS, own, type ObjectName } from '../../api';
import type { ApiServer, KubernetesObject } from '../../kubernetes';
import { listObjects } from '../connections';
import { needsNewRun, noSuchGroup, storedGroup } from '../groups';
import * as lazy from '../lazy';

/** The fields of a group's spec that the commands read. */
export interface GroupSpec {
  powerState?: string;
  groupName?: string;
  nextForcePowerStateSyncTime?: string;
}

/** The groups of a namespace. */
export class GroupTree {
  readonly #groups: ReadonlyMap<string, KubernetesObject>;

  constructor(objects: readonly KubernetesObject[]) {
    this.#groups = new Map(objects.map((object) => [object.metadata.name, object]));
  }

  /** @throws CliError if there is no such group. */
  get(name: ObjectName): KubernetesObject {
    const object = this.#groups.get(name.name);
    if (!object) throw noSuchGroup(name, [...this.#groups.values()]);
    return object;
  }

  /** The group whose power state counts for a group: the topmost one with a power state, among the group and those above it. */
  driverOf(object: KubernetesObject): KubernetesObject | undefined {
    return this.#ancestry(object).findLast((each) => groupSpec(each).powerState);
  }

  /** From a group up to its driver. */
  chainTo(driver: KubernetesObject, object: KubernetesObject): KubernetesObject[] {
    const chain = this.#ancestry(object);
    return chain.slice(0, chain.indexOf(driver) + 1);
  }

  /** The other groups with this driver that are not in their desired state and start no run by themselves. */
  leftBehind(driver: KubernetesObject): KubernetesObject[] {
    return [...this.#groups.values()].filter(
      (each) => each !== driver && this.driverOf(each) === driver && isLeftBehind(each),
    );
  }

  /** The group and those above it, the group first. Ends before a group that appears a second time. */
  #ancestry(object: KubernetesObject): KubernetesObject[] {
    const chain: KubernetesObject[] = [];
    for (let at: KubernetesObject | undefined = object; at && !chain.includes(at);) {
      chain.push(at);
      at = this.#groups.get(groupSpec(at).groupName ?? '');
    }
    return chain;
  }
}

/** Reads the groups of a namespace. Throws as `listObjects` of `connections/`. */
export async function readGroupTree(api: ApiServer, namespace: string): Promise<GroupTree> {
  const resource = lazy.kubernetes().RESOURCES.virtualMachineGroups;
  return new GroupTree(await listObjects(api, resource, [namespace]));
}

/** The spec of a group; alongside VM Operator's group controller, with the power state and sync request of its annotations. */
export function groupSpec(object: KubernetesObject): GroupSpec {
  const spec: GroupSpec = object.spec ?? {};
  if (!isCompanionGroup(object)) return spec;
  const { powerState: _theirs, nextForcePowerStateSyncTime: _sync, ...rest } = spec;
  const powerState = own(object.metadata.annotations, COMPANION.powerState);
  const sync = own(object.metadata.annotations, COMPANION.sync);
  return {
    ...rest,
    ...(powerState && { powerState }),
    ...(sync && { nextForcePowerStateSyncTime: sync }),
  };
}

/** Whether annotations say what is to be done with a group: `spec` is there for VM Operator's group controller. */
export function isCompanionGroup({ metadata: { annotations } }: KubernetesObject): boolean {
  return [COMPANION.powerState, COMPANION_STATUS].some((key) => own(annotations, key) !== undefined);
}

/** Whether a group is not in its desired state, and starts no run by itself. */
export function isLeftBehind(object: KubernetesObject): boolean {
  return needsNewRun(storedGroup(object).view.phase);
}
