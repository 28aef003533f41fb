/**
 * Marks that the bridge does not set alongside VM Operator's group controller: that controller owns the finalizer, owner references and power
 * state of groups. Deleting a group deletes its members there.
 *
 * COMPANION-3: nothing is written to groups and members from here. A run starts only while its group exists.
 */
import type { Group, ObjectName, VirtualMachine } from '../../../api';
import { isBeingDeleted, type KubernetesObject } from '../../../kubernetes';
import { objectKey } from '../../manifests';
import type { Ownership } from '../../ownership';
import type { ResolvedTier } from '../../plans';
import type { ClusterObjects } from '../objects';

/** What {@link companionOwnership} needs. */
export interface CompanionOwnershipOptions {
  objects: ClusterObjects;
  isLeader: () => boolean;
  /** Whether vmgroup brings the members of a group to a power state. */
  isManaged: (group: Group) => boolean;
  /** Whether VM Operator powers a VM on by itself once it has created it. */
  startsByItself: (machine: KubernetesObject) => boolean;
  /** Called once with each member that may be powered on before its turn. */
  onEarlyStart: (vm: ObjectName, message: string) => void;
}

/** Most VMs that are remembered. */
const MOST = 10_000;

/** Makes an ownership that marks nothing. */
export function companionOwnership(options: CompanionOwnershipOptions): Ownership {
  const { objects, isLeader, isManaged } = options;
  const warned = new Set<string>();
  const check = (vm: VirtualMachine): void => {
    const object = objects.machines.get(objectKey(vm));
    if (!object || object.metadata.uid !== vm.uid || warned.has(vm.uid)) return;
    if (!options.startsByItself(object)) return;
    if (warned.size >= MOST) warned.clear();
    warned.add(vm.uid);
    options.onEarlyStart(vm, earlyText(vm));
  };
  return {
    claim: async (group) => {
      const object = objects.groups.get(objectKey(group));
      return isLeader() && object?.metadata.uid === group.uid && !isBeingDeleted(object);
    },
    inherit: async () => undefined,
    own: async (group: Group, tiers: readonly ResolvedTier[]) => {
      if (!isLeader() || !isManaged(group)) return;
      for (const { vm, link } of tiers.flatMap((tier) => tier.members))
        if (vm && link === 'Linked') check(vm);
    },
    release: async () => undefined,
  };
}

function earlyText({ namespace, name }: ObjectName): string {
  return (
    `VirtualMachine ${namespace}/${name} came with spec.powerState PoweredOn or without one, so VM Operator powers it on as soon as it has created ` +
    'it. It is set to PoweredOff until its turn, if there is time for that: write spec.powerState: PoweredOff in its manifest'
  );
}
