/** What a cluster with KubeVirt has already, for `vmgroup import`. Pure. */
import { GROUP_LABEL, own } from '../../api';
import type { KubernetesObject } from '../../kubernetes';
import type { ExistingInventory, ExistingOrder, ExistingVm } from '../existing';
import { strategyOf, trimMachine, type KubevirtMachine } from './objects';

/** Seconds that a power-off gives a guest where no policy says otherwise. */
const GUEST_SHUTDOWN_SECONDS = 300;

/**
 * The inventory of some VMs of KubeVirt. Nothing there starts them in order; those that a label puts into a group are members of that one.
 *
 * @param objects VirtualMachines of kubevirt.io.
 * @param groups `namespace/name` of the groups that the cluster has.
 */
export function inventoryOf(
  objects: readonly KubernetesObject[],
  groups: ReadonlySet<string>,
): ExistingInventory {
  const vms: ExistingVm[] = [];
  const notes: string[] = [];
  const members = new Map<string, { group: string; vms: string[] }>();
  for (const vm of objects.map(trimMachine)) {
    const { namespace = '', name, uid = '' } = vm.metadata;
    const key = `${namespace}/${name}`;
    const group = groupOf(vm);
    const grouped = group === undefined ? undefined : `${namespace}/${group}`;
    const why = grouped !== undefined && groups.has(grouped) ? inGroup(grouped) : leftOut(vm);
    if (why !== undefined) {
      notes.push(`${key} ${why}: it is left out`);
      continue;
    }
    vms.push({ id: uid, name, path: key, namespace });
    notes.push(...lost(vm).map((text) => `${key}: ${text}`));
    if (group === undefined || grouped === undefined) continue;
    const known = members.get(grouped) ?? { group, vms: [] };
    members.set(grouped, { group, vms: [...known.vms, uid] });
  }
  return { vms, orders: [...members.values()].map(orderOf), notes };
}

function orderOf({ group, vms }: { group: string; vms: string[] }): ExistingOrder {
  const tiers = [{ members: vms.map((vm) => ({ vm })), gate: 'PoweredOn' as const, delay: 0 }];
  return {
    what: `label ${GROUP_LABEL}`,
    name: group,
    tiers,
    notes: ['a label says no order: all VMs are in one tier'],
  };
}

function groupOf({ metadata: { labels, annotations } }: KubevirtMachine): string | undefined {
  return own(labels, GROUP_LABEL) || own(annotations, GROUP_LABEL) || undefined;
}

function inGroup(group: string): string {
  return `is a member of the VirtualMachineGroup ${group} of the cluster`;
}

/** Why vmgroup does not control the power of a VM. */
function leftOut(vm: KubevirtMachine): string | undefined {
  const { deletionTimestamp, ownerReferences } = vm.metadata;
  if (deletionTimestamp !== undefined) return 'is being deleted';
  if (ownerReferences?.some(({ kind }) => kind === 'VirtualMachinePool'))
    return 'belongs to a VirtualMachinePool';
  return strategyOf(vm) === 'WaitAsReceiver'
    ? 'waits for a migration (runStrategy WaitAsReceiver)'
    : undefined;
}

/** What of a VM counts no more in a group. */
function lost(vm: KubevirtMachine): string[] {
  const { terminationGracePeriodSeconds: grace = 0 } = vm.spec.template?.spec ?? {};
  return [
    ...(grace > GUEST_SHUTDOWN_SECONDS
      ? [
          `a power-off gives its guest ${GUEST_SHUTDOWN_SECONDS} s, not the ${grace} s of terminationGracePeriodSeconds: set guestShutdownTimeout in a SequencePolicy`,
        ]
      : []),
    ...(strategyOf(vm) === 'Once'
      ? ['runStrategy Once has one start: a VM that has ended cannot be powered on']
      : []),
  ];
}
