/**
 * What is written alongside VM Operator's own group controller. Pure.
 *
 * COMPANION-4: only these are written: of a VM, the power state with its modes and the record of the operation; of a group, the annotation with
 *     our report; of operator commands, which are ours, the answer. No status, no owner reference, no finalizer, and no annotation of VM Operator's.
 */
import { COMPANION_STATUS } from '../../api';
import type { WriteRule } from '../../kubernetes';
import * as lazy from '../lazy';

/** The writes of bridge and worker. */
export function companionWrites(): WriteRule[] {
  const { virtualMachines, virtualMachineGroups, operatorCommands, subjectAccessReviews, leases, events } =
    lazy.kubernetes().RESOURCES;
  return [
    {
      resource: virtualMachines,
      verbs: ['merge'],
      fields: [
        ['spec', 'powerState'],
        ['spec', 'powerOffMode'],
        ['spec', 'suspendMode'],
        ['metadata', 'annotations', lazy.vmOperator().OPERATION_ANNOTATION],
      ],
    },
    {
      resource: virtualMachineGroups,
      verbs: ['merge'],
      fields: [['metadata', 'annotations', COMPANION_STATUS]],
    },
    { resource: operatorCommands, subresource: 'status', verbs: ['apply'] },
    { resource: operatorCommands, verbs: ['delete'] },
    // The webhook asks whether a user may give a command; nothing is stored.
    { resource: subjectAccessReviews, verbs: ['create'] },
    { resource: leases, verbs: ['create', 'replace'] },
    { resource: events, verbs: ['create', 'merge'] },
  ];
}
