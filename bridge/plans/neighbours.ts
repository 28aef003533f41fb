/**
 * What affinity rules see of VMs: only the labels that a rule in the namespace selects by, since it travels in plans and stays in histories.
 * Pure.
 */
import { own, type LabelSelector, type VirtualMachine } from '../../api';
import { selects } from '../../placement';
import type { Plan, SeenByRules } from '../../contract';
import type { ManifestIndex } from '../manifests';

/** What rules see of a VM. */
export function seenByRules(index: ManifestIndex, vm: VirtualMachine): SeenByRules {
  const keys = index.selectedBy.get(vm.namespace)?.keys ?? [];
  const labels = Object.fromEntries(
    keys.flatMap((key) => {
      const value = own(vm.labels, key);
      return value === undefined ? [] : [[key, value]];
    }),
  );
  return {
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(vm.affinity.length > 0 && { affinity: vm.affinity }),
  };
}

/**
 * The neighbours of a tree, which is given as its plans: the VMs outside of it that its rules select, or whose rules select VMs of it. In
 * order of name.
 */
export function neighboursOf(
  index: ManifestIndex,
  namespace: string,
  tree: readonly Plan[],
): NonNullable<Plan['beside']> {
  const machines = index.selectedBy.get(namespace)?.machines ?? [];
  const members = tree.flatMap(({ tiers }) => tiers.flatMap((tier) => tier.members));
  const inTree = new Set(members.flatMap(({ uid, link }) => (link === 'Linked' ? (uid ?? []) : [])));
  const mine = machines.filter(({ uid }) => inTree.has(uid));
  const selectors = distinct(mine.flatMap(({ affinity }) => affinity.map(({ selector }) => selector)));
  const labels = distinct(mine.map((vm) => seenByRules(index, vm).labels ?? {}));
  return machines
    .filter(
      (vm) =>
        !inTree.has(vm.uid) &&
        (selectors.some((selector) => selects(selector, vm.labels)) || selectsOne(vm, labels)),
    )
    .map((vm) => ({ name: vm.name, uid: vm.uid, ...seenByRules(index, vm) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function selectsOne({ affinity }: VirtualMachine, labels: Record<string, string>[]): boolean {
  return affinity.some(({ selector }) => labels.some((each) => selects(selector, each)));
}

/** Replicas have the same rules and labels: each is compared once. */
function distinct<T extends LabelSelector | Record<string, string>>(all: T[]): T[] {
  return [...new Map(all.map((each) => [JSON.stringify(each), each])).values()];
}
