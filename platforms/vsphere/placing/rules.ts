/**
 * The rules of DRS that represent affinity rules. Pure.
 *
 * DRS-1: a required anti-affinity over hosts keeps each pair of VMs apart that it names; VMs that must all be apart from each other are one
 *     rule. A required affinity over hosts keeps a VM together with all VMs that it selects, since DRS knows no "with one of them".
 * DRS-2: what DRS cannot keep is noted on the VM: preferred rules, rules over zones, an affinity to a VM of another cluster, and one that contradicts
 *     an anti-affinity.
 * DRS-3: a rule is named by the group that it is for and by its VMs. No rule of another name is touched.
 */
import { createHash } from 'node:crypto';
import type { AffinityTerm } from '../../../api';
import { selects } from '../../../placement';

/** A VM as rules see it. */
export interface RuleVm {
  /** Id of the VM on the server. */
  id: string;
  /** Id of its cluster. */
  cluster: string;
  namespace: string;
  labels: Record<string, string>;
  affinity: readonly AffinityTerm[];
}

/** A rule of a cluster. */
export interface DrsRule {
  name: string;
  kind: 'Apart' | 'Together';
  /** Ids, sorted. */
  vms: readonly string[];
}

/** The rules for some VMs. */
export interface WantedRules {
  /** By cluster. */
  rules: Map<string, DrsRule[]>;
  /** What DRS cannot keep, by VM. */
  notes: Map<string, string[]>;
}

/** Characters of a caller that stand in names of rules: vCenter takes no more than 80 of a name. */
const SHOWN = 40;

/** The beginning of the names of all rules for a caller, `vmgroup/<namespace>/<group>`. */
export function prefixOf(caller: string): string {
  return `${caller.slice(0, SHOWN)} ${digest(caller)} `;
}

/** Whether a rule is one of ours, of whatever group. */
export function isOurs(name: string): boolean {
  return /^vmgroup\/.* [0-9a-f]{8} (?:apart|together) [0-9a-f]{8}$/.test(name);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/** The rules that the affinity of VMs asks for. */
export function rulesFor(caller: string, vms: readonly RuleVm[]): WantedRules {
  const notes = new Map<string, string[]>();
  const note = (vm: string, text: string): void => {
    const known = notes.get(vm) ?? [];
    if (!known.includes(text)) notes.set(vm, [...known, text]);
  };
  const apart = new Pairs();
  for (const [vm, other] of selected(vms, 'AntiAffinity', note))
    if (vm.cluster === other.cluster) apart.add(vm.id, other.id);
  const together = new Sets();
  for (const [vm, other, term] of selected(vms, 'Affinity', () => undefined)) {
    if (vm.cluster !== other.cluster)
      note(vm.id, `${term.path}: DRS cannot keep VMs of two clusters together`);
    else if (together.has(vm.id, other.id)) continue;
    else if (apart.separates(together.of(vm.id), together.of(other.id)))
      note(vm.id, `${term.path}: it contradicts an anti-affinity`);
    else together.join(vm.id, other.id);
  }
  const clusters = new Map(vms.map(({ id, cluster }) => [id, cluster]));
  const rules = new Map<string, DrsRule[]>();
  const add = (kind: DrsRule['kind'], members: readonly string[]): void => {
    const cluster = clusters.get(members[0] ?? '') ?? '';
    rules.set(cluster, [...(rules.get(cluster) ?? []), named(caller, kind, members)]);
  };
  for (const clique of apart.cliques()) add('Apart', clique);
  for (const set of together.all()) add('Together', set);
  return { rules, notes };
}

function named(caller: string, kind: DrsRule['kind'], members: readonly string[]): DrsRule {
  const vms = [...members].sort();
  const name = `${prefixOf(caller)}${kind === 'Apart' ? 'apart' : 'together'} ${digest(vms.join())}`;
  return { name, kind, vms };
}

/** Each VM with each other one that a rule of it with this effect selects, for rules that DRS can keep. Notes the rules that it cannot keep. */
function* selected(
  vms: readonly RuleVm[],
  effect: AffinityTerm['effect'],
  note: (vm: string, text: string) => void,
): Generator<[RuleVm, RuleVm, AffinityTerm]> {
  for (const vm of vms) {
    for (const term of vm.affinity) {
      const cannot = whyNot(term);
      if (cannot !== undefined) note(vm.id, `${term.path}: ${cannot}`);
      else if (term.effect === effect) {
        for (const other of vms) {
          const among = other.namespace === vm.namespace && selects(term.selector, other.labels);
          if (other !== vm && among) yield [vm, other, term];
        }
      }
    }
  }
}

/** Why DRS cannot keep a rule; undefined: it can. */
function whyNot({ strength, topologyKey }: AffinityTerm): string | undefined {
  if (strength === 'Preferred') return 'DRS has no preferred rules between VMs';
  return topologyKey === 'kubernetes.io/hostname' ? undefined : 'DRS keeps no rules over zones';
}

/** VMs that must be apart. */
class Pairs {
  readonly #others = new Map<string, Set<string>>();

  add(one: string, other: string): void {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const)
      this.#others.set(from, (this.#others.get(from) ?? new Set()).add(to));
  }

  /** Whether a VM of one set and a VM of another must be apart. */
  separates(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
    const [fewer, more] = one.size < other.size ? [one, other] : [other, one];
    for (const vm of fewer) for (const apart of this.#others.get(vm) ?? []) if (more.has(apart)) return true;
    return false;
  }

  /** Sets of VMs that are all to be apart from each other; each pair is in one of them. */
  cliques(): string[][] {
    const left = new Map([...this.#others].map(([vm, others]) => [vm, new Set(others)]));
    const found: string[][] = [];
    for (const vm of [...this.#others.keys()].sort()) {
      for (const other of [...(left.get(vm) ?? [])].sort()) {
        if (!left.get(vm)?.has(other)) continue;
        const clique = this.#grown(vm, other);
        for (const one of clique) for (const two of clique) left.get(one)?.delete(two);
        found.push(clique);
      }
    }
    return found;
  }

  #grown(vm: string, other: string): string[] {
    const clique = [vm, other];
    for (const next of [...(this.#others.get(vm) ?? [])].sort())
      if (!clique.includes(next) && clique.every((each) => this.#others.get(next)?.has(each)))
        clique.push(next);
    return clique;
  }
}

/** VMs that must be together. */
class Sets {
  readonly #setOf = new Map<string, Set<string>>();

  /** Whether two are together already. */
  has(one: string, other: string): boolean {
    return this.#setOf.get(one)?.has(other) === true;
  }

  /** All that are together with a VM, and the VM. */
  of(vm: string): Set<string> {
    return this.#setOf.get(vm) ?? new Set([vm]);
  }

  join(one: string, other: string): void {
    const [joined, added] = [this.of(one), this.of(other)];
    for (const vm of added) joined.add(vm);
    for (const vm of joined) this.#setOf.set(vm, joined);
  }

  all(): string[][] {
    return [...new Set(this.#setOf.values())].map((set) => [...set]);
  }
}
