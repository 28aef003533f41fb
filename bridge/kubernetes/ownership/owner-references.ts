/** Owner references from members to their group: reading, adding, removing. References to other kinds of owners are left alone. */
import {
  KubernetesError,
  RESOURCES,
  type ApiServer,
  type KubernetesObject,
  type Resource,
} from '../../../kubernetes';
import { FIELD_MANAGER } from '../field-manager';

type Metadata = KubernetesObject['metadata'];
/** An owner reference. */
export type OwnerReference = NonNullable<Metadata['ownerReferences']>[number];

const OWNER_MANAGER = `${FIELD_MANAGER}-owner`;

/** A group as an owner. `apiVersion` is one that the server serves: the garbage collector looks the owner up in it. */
export type OwnerGroup = Pick<OwnerReference, 'apiVersion' | 'name' | 'uid'>;

/** The owner references of an object that name a group. */
export function groupOwners({ metadata }: KubernetesObject): OwnerReference[] {
  const { group, kind } = RESOURCES.virtualMachineGroups;
  return (metadata.ownerReferences ?? []).filter(
    (owner) => owner.kind === kind && owner.apiVersion.startsWith(`${group}/`),
  );
}

/** Whether an object has an owner reference to the object with this uid. */
export function isOwnedBy({ metadata }: KubernetesObject, uid: string): boolean {
  return metadata.ownerReferences?.some((owner) => owner.uid === uid) === true;
}

/**
 * Adds the reference. Returns the member as it is then; undefined if it is gone, or is another object of its name.
 *
 * @throws KubernetesError
 */
export async function addOwner(
  api: ApiServer,
  resource: Resource,
  { metadata }: KubernetesObject,
  { apiVersion, name, uid }: OwnerGroup,
): Promise<KubernetesObject | undefined> {
  const owner = { apiVersion, kind: RESOURCES.virtualMachineGroups.kind, name, uid };
  try {
    return await api.apply(
      resource,
      { metadata: { ...namesOf(metadata), ownerReferences: [owner] } },
      { fieldManager: OWNER_MANAGER },
    );
  } catch (error: unknown) {
    // An apply with a uid is refused as a conflict if no object has the name.
    const isGone = (refusal: KubernetesError): boolean =>
      refusal.isNotFound || refusal.isConflict || refusal.isOtherObject;
    if (error instanceof KubernetesError && isGone(error)) return undefined;
    throw error;
  }
}

/**
 * Removes the reference from the version of the object that was read, so that no reference that was added since then is lost. An object that
 * is gone needs nothing.
 *
 * @throws KubernetesError also for a conflict.
 */
export async function removeOwner(
  api: ApiServer,
  resource: Resource,
  { metadata }: KubernetesObject,
  ownerUid: string,
): Promise<void> {
  const { resourceVersion, namespace, name, uid } = metadata;
  const ownerReferences = (metadata.ownerReferences ?? []).filter((owner) => owner.uid !== ownerUid);
  try {
    await api.merge(
      resource,
      { name, ...(namespace !== undefined && { namespace }) },
      { metadata: { uid, resourceVersion, ownerReferences } },
      { fieldManager: FIELD_MANAGER },
    );
  } catch (error: unknown) {
    if (!(error instanceof KubernetesError && error.isNotFound)) throw error;
  }
}

function namesOf({ namespace, name, uid }: Metadata): Metadata {
  return { name, ...(namespace !== undefined && { namespace }), ...(uid !== undefined && { uid }) };
}
