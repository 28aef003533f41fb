/**
 * What affinity rules see of VMs: only the labels that a rule in the namespace selects by, since it travels in plans and stays in histories.
 * Pure.
 */
import { own, type VirtualMachine } from '../../api';
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
  const kinds = kindsOf(index, namespace);
  if (kinds.length === 0) return [];
  const members = tree.flatMap(({ tiers }) => tiers.flatMap((tier) => tier.members));
  const inTree = new Set(members.flatMap(({ uid, link }) => (link === 'Linked' ? (uid ?? []) : [])));
  const mine = kinds.filter(({ machines }) => machines.some(({ uid }) => inTree.has(uid)));
  return kinds
    .filter((kind) => mine.some((each) => hasRuleFor(each, kind) || hasRuleFor(kind, each)))
    .flatMap(({ seen, machines }) =>
      machines.filter(({ uid }) => !inTree.has(uid)).map(({ name, uid }) => ({ name, uid, ...seen })),
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** VMs that are alike to rules, such as replicas: they are compared once. */
interface Kind {
  seen: SeenByRules;
  machines: VirtualMachine[];
}

function hasRuleFor({ seen }: Kind, { seen: { labels = {} } }: Kind): boolean {
  return seen.affinity?.some(({ selector }) => selects(selector, labels)) ?? false;
}

/** By the VMs of a namespace: its kinds, which each pass over a tree of it needs. */
const known = new WeakMap<readonly VirtualMachine[], Kind[]>();

function kindsOf(index: ManifestIndex, namespace: string): Kind[] {
  const machines = index.selectedBy.get(namespace)?.machines ?? [];
  const before = known.get(machines);
  if (before) return before;
  const kinds = new Map<string, Kind>();
  for (const vm of machines) {
    const seen = seenByRules(index, vm);
    const key = JSON.stringify(seen);
    const kind = kinds.get(key);
    if (kind) kind.machines.push(vm);
    else kinds.set(key, { seen, machines: [vm] });
  }
  const all = [...kinds.values()];
  known.set(machines, all);
  return all;
}
