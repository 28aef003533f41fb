/** The view of a group from its object on a cluster, even if the CustomResourceDefinition does not hold the whole status. Pure. */
import type { GroupPhase, GroupStatus, GroupView } from '../../bridge';
import type { KubernetesObject } from '../../kubernetes';
import * as lazy from '../lazy';

/** A group as its object shows it. */
export interface StoredGroup {
  view: GroupView;
  /** The CustomResourceDefinition has no `status.run`, as that of VM Operator. */
  lacksRun: boolean;
}

/** Reads the object of a group, with or without a status. */
export function storedGroup(object: KubernetesObject): StoredGroup {
  const { viewOfObject, viewOfSummary, VIEW_API_VERSION } = lazy.bridge();
  const summary = viewOfSummary(object);
  if (summary) return { view: summary, lacksRun: true };
  const written = viewOfObject(object);
  if (written) return { view: written, lacksRun: false };
  const { namespace = '', name, uid = '', generation = 0 } = object.metadata;
  const { powerState, groupName } = (object.spec ?? {}) as GroupView['spec'];
  const status = completeStatus(object.status ?? {});
  const ready = status.conditions.find(({ type }) => type === 'Ready');
  return {
    view: {
      apiVersion: VIEW_API_VERSION,
      kind: 'VirtualMachineGroup',
      metadata: { namespace, name, uid, generation },
      spec: { ...(powerState && { powerState }), ...(groupName && { groupName }) },
      status,
      phase: phaseFromConditions(status, (powerState ?? groupName) !== undefined),
      message: ready?.message ?? 'no bridge has handled this group yet',
    },
    lacksRun: status.conditions.length > 0,
  };
}

function completeStatus(status: Partial<GroupStatus>): GroupStatus {
  const { members = [], conditions = [] } = status;
  const ready = conditions.find(({ type }) => type === 'Ready');
  return {
    ...status,
    members: members.map((member) => ({ ...member, conditions: member.conditions ?? [] })),
    conditions,
    observedGeneration: status.observedGeneration ?? ready?.observedGeneration ?? 0,
  };
}

function phaseFromConditions({ members, conditions }: GroupStatus, isManaged: boolean): GroupPhase {
  const ready = conditions.find(({ type }) => type === 'Ready');
  if (ready?.reason === 'Invalid') return 'Invalid';
  if (!isManaged) return 'Unmanaged';
  if (ready?.status === 'True') return 'Converged';
  // PlacementReady is Pending too after a place was given back, whatever comes next.
  const unmet = members
    .flatMap((member) => member.conditions)
    .filter(({ type, status }) => type !== 'PlacementReady' && status !== 'True');
  const isGivenUp =
    ready !== undefined && unmet.length > 0 && unmet.every(({ reason }) => reason !== 'Pending');
  return isGivenUp ? 'OutOfSync' : 'Pending';
}
