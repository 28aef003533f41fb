/**
 * Manifests for what a platform has already. Pure, and the same for every platform.
 *
 * IMPORT-1: a VM is a member of one group at most: of the first order that has it, otherwise of the group for the rest.
 * IMPORT-2: what an order says and the manifests do not is in the notes.
 * IMPORT-3: no group has a power state, so a run on the manifests changes nothing until a person asks for it.
 */
import { Document } from 'yaml';
import { formatDuration, LOCATOR_ANNOTATION, PLATFORM_ANNOTATION, POLICY_ANNOTATION } from '../../api';
import { oneLine } from '../../api/text';
import type { ExistingInventory, ExistingMember, ExistingOrder, ExistingVm } from '../../platforms';
import { Names } from './names';

/** What the manifests contain in addition to what the platform has. */
export interface ImportTarget {
  /** Name of the Platform that the VMs are on. */
  platform: string;
  /** Namespace of VMs that have none. */
  namespace: string;
  /** Name of the group of the VMs that nothing starts in order. */
  group: string;
  /** Whether a VM is imported. */
  selected: (vm: ExistingVm) => boolean;
}

/** The manifests to write, and the notes on them. */
export interface Imported {
  /** One file for each outermost group. */
  files: { name: string; text: string }[];
  /** `namespace/name` of every group. */
  groups: string[];
  vms: number;
  /** What was not carried over. */
  notes: string[];
}

const GROUPS = 'vmoperator.vmware.com/v1alpha5';
const OURS = 'vmgroup.dev/v1alpha1';

/** The manifests for the selected VMs of an inventory. */
export function manifestsFrom(inventory: ExistingInventory, target: ImportTarget): Imported {
  return new Import(inventory, target).run();
}

/** A tier with the members that are imported. */
interface KeptTier {
  members: { kind: 'VirtualMachine' | 'VirtualMachineGroup'; name: string }[];
  gate: ExistingOrder['tiers'][number]['gate'];
  delay: number;
}

class Import {
  readonly #target: ImportTarget;
  readonly #inventory: ExistingInventory;
  readonly #vms: ReadonlyMap<string, ExistingVm>;
  readonly #vmNames = new Names();
  readonly #groupNames = new Names();
  /** What each VM that has a group is in, for notes. */
  readonly #taken = new Map<string, string>();
  readonly #groups: string[] = [];
  readonly #notes: string[];

  constructor(inventory: ExistingInventory, target: ImportTarget) {
    this.#target = target;
    this.#inventory = inventory;
    this.#vms = new Map(inventory.vms.map((vm) => [vm.id, vm]));
    this.#notes = [...inventory.notes];
  }

  run(): Imported {
    const files = [...this.#inventory.orders.map((order) => this.#order(order)), ...this.#rest()];
    return {
      files: files.filter((file) => file !== undefined),
      groups: this.#groups,
      vms: this.#taken.size,
      notes: this.#notes,
    };
  }

  #order(order: ExistingOrder): Imported['files'][number] | undefined {
    const first = vmsOf(order)
      .map((id) => this.#vms.get(id))
      .find((vm) => vm !== undefined && this.#target.selected(vm) && !this.#taken.has(vm.id));
    if (!first) return undefined;
    return this.#file(order, this.#namespaceOf(first));
  }

  /** VMs that no order has: a group of one tier in each namespace. */
  #rest(): Imported['files'][number][] {
    const left = this.#inventory.vms.filter((vm) => this.#target.selected(vm) && !this.#taken.has(vm.id));
    return [...new Set(left.map((vm) => this.#namespaceOf(vm)))].map((namespace) => {
      const members = left.filter((vm) => this.#namespaceOf(vm) === namespace).map(({ id }) => ({ vm: id }));
      const tiers = [{ members, gate: 'PoweredOn' as const, delay: 0 }];
      const order = { what: 'selection', name: this.#target.group, tiers, notes: [] };
      return this.#file(order, namespace);
    });
  }

  #file(order: ExistingOrder, namespace: string): Imported['files'][number] {
    const { documents, name } = this.#group(order, namespace, undefined);
    return { name: `${name}.yaml`, text: documents.map(String).join('---\n') };
  }

  #group(
    order: ExistingOrder,
    namespace: string,
    parent: string | undefined,
  ): { name: string; documents: Document[] } {
    const name = this.#groupNames.take(namespace, order.name);
    this.#groups.push(`${namespace}/${name}`);
    this.#notes.push(...order.notes.map((note) => `${titleOf(order)}: ${note}`));
    const below: Document[] = [];
    const tiers: KeptTier[] = [];
    for (const { members, gate, delay } of order.tiers) {
      const kept = members.flatMap((member) => this.#member(member, { order, namespace, name, below }));
      if (kept.length > 0) tiers.push({ members: kept, gate, delay });
    }
    const policy = policyOf(order, tiers);
    const annotations = policy && { annotations: { [POLICY_ANNOTATION]: name } };
    const group = new Document({
      apiVersion: GROUPS,
      kind: 'VirtualMachineGroup',
      metadata: { name, namespace, ...annotations },
      spec: { ...(parent !== undefined && { groupName: parent }), bootOrder: bootOrder(order, tiers) },
    });
    group.commentBefore = comment(`From the ${titleOf(order)}. It has no powerState: see vmgroup power.`);
    const policies = policy
      ? [
          new Document({
            apiVersion: OURS,
            kind: 'SequencePolicy',
            metadata: { name, namespace },
            spec: policy,
          }),
        ]
      : [];
    return { name, documents: [group, ...policies, ...below] };
  }

  /** A member as the group names it; the manifests of what it stands for are added to `below`. */
  #member(
    member: ExistingMember,
    at: { order: ExistingOrder; namespace: string; name: string; below: Document[] },
  ): KeptTier['members'] {
    if ('order' in member) {
      if (!vmsOf(member.order).some((id) => this.#isLeft(id, at.namespace))) return [];
      const { name, documents } = this.#group(member.order, at.namespace, at.name);
      at.below.push(...documents);
      return [{ kind: 'VirtualMachineGroup', name }];
    }
    const vm = this.#vms.get(member.vm);
    if (!vm || !this.#isLeft(vm.id, at.namespace)) {
      this.#notes.push(`${titleOf(at.order)}: ${this.#whyNot(vm, at.namespace)}`);
      return [];
    }
    this.#taken.set(vm.id, titleOf(at.order));
    const name = vm.namespace === undefined ? this.#vmNames.take(at.namespace, vm.name) : vm.name;
    at.below.push(this.#machine(vm, name, at, member.powerOffMode));
    return [{ kind: 'VirtualMachine', name }];
  }

  #machine(
    vm: ExistingVm,
    name: string,
    { namespace, name: group }: { namespace: string; name: string },
    powerOffMode: string | undefined,
  ): Document {
    const machine = new Document({
      apiVersion: GROUPS,
      kind: 'VirtualMachine',
      metadata: {
        name,
        namespace,
        annotations: {
          [PLATFORM_ANNOTATION]: this.#target.platform,
          ...(vm.locator !== undefined && { [LOCATOR_ANNOTATION]: vm.locator }),
        },
      },
      spec: { groupName: group, ...(powerOffMode !== undefined && { powerOffMode }) },
    });
    machine.commentBefore = comment(vm.path);
    return machine;
  }

  #isLeft(id: string, namespace: string): boolean {
    const vm = this.#vms.get(id);
    if (!vm || this.#taken.has(id)) return false;
    return this.#target.selected(vm) && this.#namespaceOf(vm) === namespace;
  }

  #whyNot(vm: ExistingVm | undefined, namespace: string): string {
    if (!vm) return 'a VM of it cannot be seen, and is left out';
    const taken = this.#taken.get(vm.id);
    if (taken !== undefined) return `${vm.path} is in the group of the ${taken} already`;
    if (!this.#target.selected(vm)) return `${vm.path} is not selected, and is left out`;
    return `${vm.path} is not in the namespace ${namespace}, and is left out`;
  }

  #namespaceOf({ namespace }: ExistingVm): string {
    return namespace ?? this.#target.namespace;
  }
}

function titleOf({ what, name }: ExistingOrder): string {
  return `${what} ${name}`;
}

/** All VMs of an order, those of orders in it too. */
function vmsOf({ tiers }: ExistingOrder): string[] {
  return tiers.flatMap(({ members }) =>
    members.flatMap((member) => ('order' in member ? vmsOf(member.order) : [member.vm])),
  );
}

function bootOrder({ stop }: ExistingOrder, tiers: readonly KeptTier[]): object[] {
  return tiers.map(({ members }, index) => {
    const delay = tiers[index - 1]?.delay ?? 0;
    return {
      ...(delay > 0 && { powerOnDelay: formatDuration(delay) }),
      // One that is given makes the group go tier by tier.
      ...(stop?.inReverse === true && { powerOffDelay: '0s' }),
      members,
    };
  });
}

/** The policy of a group; undefined where the built-in one says the same. */
function policyOf({ stop }: ExistingOrder, tiers: readonly KeptTier[]): object | undefined {
  const own = tiers.flatMap(({ gate }, tier) => (gate === 'PoweredOn' ? [] : [{ tier, gate }]));
  const guest = stop?.guestShutdownTimeout;
  if (own.length === 0 && guest === undefined) return undefined;
  return {
    ...(guest !== undefined && { guestShutdownTimeout: formatDuration(guest) }),
    ...(own.length > 0 && { tiers: own }),
  };
}

/** One line, whatever characters a name has. */
function comment(text: string): string {
  return ` ${oneLine(text)}`;
}
