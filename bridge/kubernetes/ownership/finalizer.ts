/** The finalizer of groups: while it is there, a group that is being deleted stays until its run was notified and its members were released. */
import { GROUP_FINALIZER, type Group } from '../../../api';
import {
  findListed,
  isBeingDeleted,
  KubernetesError,
  RESOURCES,
  type ApiServer,
  type KubernetesObject,
} from '../../../kubernetes';
import { FIELD_MANAGER } from '../field-manager';

/** A field manager of its own: what it applies says nothing about owner references. */
const FINALIZER_MANAGER = `${FIELD_MANAGER}-finalizer`;

/** Whether an object has it. */
export function hasFinalizer({ metadata }: KubernetesObject): boolean {
  return metadata.finalizers?.includes(GROUP_FINALIZER) === true;
}

/**
 * Adds it to a group. Returns the group as it is then; undefined if the group is gone or is being deleted.
 *
 * @throws KubernetesError
 */
export async function addFinalizer(
  api: ApiServer,
  { namespace, name, uid }: Group,
): Promise<KubernetesObject | undefined> {
  try {
    return await api.apply(
      RESOURCES.virtualMachineGroups,
      { metadata: { namespace, name, uid, finalizers: [GROUP_FINALIZER] } },
      { fieldManager: FINALIZER_MANAGER },
    );
  } catch (error: unknown) {
    // A group that is being deleted accepts no finalizer. The server calls that invalid, as it does other things.
    const found = await findListed(api, RESOURCES.virtualMachineGroups, { namespace, name });
    if (found && found.metadata.uid === uid && !isBeingDeleted(found)) throw error;
    return undefined;
  }
}

/**
 * Removes it from the version of the group that was read. A group that is gone needs nothing.
 *
 * @throws KubernetesError also for a conflict: what changed the group may change nothing that the source reports.
 */
export async function removeFinalizer(api: ApiServer, { metadata }: KubernetesObject): Promise<void> {
  const { namespace = '', name, uid, resourceVersion } = metadata;
  const finalizers = (metadata.finalizers ?? []).filter((each) => each !== GROUP_FINALIZER);
  try {
    await api.merge(
      RESOURCES.virtualMachineGroups,
      { namespace, name },
      { metadata: { uid, resourceVersion, finalizers } },
      { fieldManager: FIELD_MANAGER },
    );
  } catch (error: unknown) {
    if (!(error instanceof KubernetesError && error.isNotFound)) throw error;
  }
}
