/** A group as its object on a cluster shows it, also on definitions that have no place for all of the status. Pure. */
import type { GroupPhase, GroupStatus, GroupView } from '../../bridge';
import type { KubernetesObject } from '../../kubernetes';
import * as lazy from '../lazy';
import type { StoredGroup } from './last-run';

/** Reads the object. A group whose status was never written is a group all the same. */
export function storedGroup(object: KubernetesObject): StoredGroup {
  const { viewOfObject, VIEW_API_VERSION } = lazy.bridge();
  const written = viewOfObject(object);
  if (written) return { view: written, lacksRun: false };
  const { namespace = '', name, uid = '', generation = 0 } = object.metadata;
  const { powerState, groupName } = (object.spec ?? {}) as GroupView['spec'];
  const status = wholeStatus(object.status ?? {});
  const ready = status.conditions.find(({ type }) => type === 'Ready');
  return {
    view: {
      apiVersion: VIEW_API_VERSION,
      kind: 'VirtualMachineGroup',
      metadata: { namespace, name, uid, generation },
      spec: { ...(powerState && { powerState }), ...(groupName && { groupName }) },
      status,
      phase: phaseOf(status, (powerState ?? groupName) !== undefined),
      message: ready?.message ?? 'no bridge has looked at this group yet',
    },
    lacksRun: status.conditions.length > 0,
  };
}

function wholeStatus(status: Partial<GroupStatus>): GroupStatus {
  const { members = [], conditions = [] } = status;
  const ready = conditions.find(({ type }) => type === 'Ready');
  return {
    ...status,
    members: members.map((member) => ({ ...member, conditions: member.conditions ?? [] })),
    conditions,
    observedGeneration: status.observedGeneration ?? ready?.observedGeneration ?? 0,
  };
}

/** The phase as far as the conditions tell it. */
function phaseOf({ members, conditions }: GroupStatus, isManaged: boolean): GroupPhase {
  const ready = conditions.find(({ type }) => type === 'Ready');
  if (ready?.reason === 'Invalid') return 'Invalid';
  if (!isManaged) return 'Unmanaged';
  if (ready?.status === 'True') return 'Converged';
  // A place that was given back is Pending too, whatever comes next.
  const wrong = members
    .flatMap((member) => member.conditions)
    .filter(({ type, status }) => type !== 'PlacementReady' && status !== 'True');
  const isLeft = ready !== undefined && wrong.length > 0 && wrong.every(({ reason }) => reason !== 'Pending');
  return isLeft ? 'OutOfSync' : 'Pending';
}
