/**
 * What the stand-in of VM Operator's group controller writes.
 *
 * STANDIN-8: see group-controller.ts.
 */
import { RESOURCES, type ApiServer, type KubernetesObject, type ObjectKeyParts } from '../../kubernetes';
import { isFalse, sortConditions, withTimes, type WantedCondition } from '../vm-controller/status';
import { MEMBER, readyOf, withCondition, type AssessedMember } from './members';
import { isSameMember, type ReadGroup, type WantedEntry } from './shape';

/** The name of VM Operator's program, as which all its controllers write. */
export const UPSTREAM_MANAGER = 'manager';

/** Writes groups and their members. */
export class GroupWriter {
  readonly #api: ApiServer;

  constructor(api: ApiServer) {
    this.#api = api;
  }

  /** A member is patched at every reconcile, even if there is nothing to change. */
  async patchMember(group: ReadGroup, member: AssessedMember, pushes: boolean): Promise<AssessedMember> {
    const { object, patch, entry } = member;
    if (!object || !patch) return member;
    const resource =
      entry.kind === 'VirtualMachine' ? RESOURCES.virtualMachines : RESOURCES.virtualMachineGroups;
    try {
      await this.merge(resource, object, patch);
      return member;
    } catch (error: unknown) {
      const message = error instanceof Error ? error.message : String(error);
      const failed = withCondition(entry, isFalse(MEMBER.linked, 'OwnerRefPatchError', message));
      return {
        ...member,
        entry: pushes
          ? withCondition(failed, isFalse(MEMBER.power, 'PowerStatePatchError', message))
          : failed,
        error: `${group.name}: ${message}`,
      };
    }
  }

  /** Writes the status of a group. `link`: its own `GroupLinked`; `error`: what a reconcile failed with. */
  async writeStatus(
    group: ReadGroup,
    entries: readonly WantedEntry[],
    link: WantedCondition | undefined,
    error: string | undefined,
    lastUpdatedPowerStateTime?: string,
  ): Promise<void> {
    const conditions = sortConditions([readyOf(entries, error), ...(link ? [link] : [])]);
    await this.writeEntries(group, entries, {
      conditions: withTimes(conditions, group.conditions),
      ...(lastUpdatedPowerStateTime !== undefined && { lastUpdatedPowerStateTime }),
    });
  }

  /** Writes what the status of a group says of its members, and `more` of the status. */
  async writeEntries(group: ReadGroup, entries: readonly WantedEntry[], more: object = {}): Promise<void> {
    const members = entries.map((entry) => ({
      ...entry,
      conditions: withTimes(
        sortConditions([...entry.conditions]),
        group.entries.find((each) => isSameMember(each, entry))?.conditions ?? [],
      ),
    }));
    await this.merge(
      RESOURCES.virtualMachineGroups,
      group.object,
      { status: { members, ...more } },
      'status',
    );
  }

  /** Patches an object as VM Operator does. Resolves with the object as it is then. */
  async merge(
    resource: Parameters<ApiServer['merge']>[0],
    { metadata: { namespace, name } }: KubernetesObject,
    patch: object,
    subresource?: 'status',
  ): Promise<KubernetesObject> {
    const key: ObjectKeyParts = { name, ...(namespace !== undefined && { namespace }) };
    return this.#api.merge(resource, key, patch, {
      fieldManager: UPSTREAM_MANAGER,
      ...(subresource && { subresource }),
    });
  }
}
