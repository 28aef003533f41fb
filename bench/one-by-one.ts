/**
 * Placement the way the Kubernetes scheduler goes about it: one VM at a time in the order of a queue, hosts filtered by room and required
 * rules given what stands already, the best of the rest by preferred rules and free room; nothing is ever taken back. A VM that finds no
 * host waits, and is tried again as long as others still find one.
 */
import { selects, type PlacementHost, type PlacementProblem, type PlacementVm } from '../placement';
import type { AffinityTerm } from '../api';

/** Whether every VM finds a host. */
export function oneByOne(problem: PlacementProblem): boolean {
  const at = new Map<PlacementVm, PlacementHost>();
  let queue = problem.vms;
  for (let before = Infinity; queue.length > 0 && queue.length < before;) {
    before = queue.length;
    queue = queue.filter((vm) => {
      const best = bestHost(vm, problem.hosts, at);
      if (best) at.set(vm, best);
      return !best;
    });
  }
  return queue.length === 0;
}

function bestHost(
  vm: PlacementVm,
  hosts: readonly PlacementHost[],
  at: Map<PlacementVm, PlacementHost>,
): PlacementHost | undefined {
  let best: PlacementHost | undefined;
  let bestScore = -Infinity;
  for (const host of hosts) {
    const free = freeOf(host, at);
    if (free.cpus < vm.cpus || free.memory < vm.memory || !allows(vm, host, at)) continue;
    const room = (free.cpus - vm.cpus) / host.cpus + (free.memory - vm.memory) / host.memory;
    const score = room / 2 + preference(vm, host, at);
    if (score <= bestScore) continue;
    best = host;
    bestScore = score;
  }
  return best;
}

function freeOf(host: PlacementHost, at: Map<PlacementVm, PlacementHost>): { cpus: number; memory: number } {
  let { cpus, memory } = host;
  for (const [vm, where] of at) {
    if (where !== host) continue;
    cpus -= vm.cpus;
    memory -= vm.memory;
  }
  return { cpus, memory };
}

function allows(vm: PlacementVm, host: PlacementHost, at: Map<PlacementVm, PlacementHost>): boolean {
  const required = ({ strength }: AffinityTerm): boolean => strength === 'Required';
  for (const [other, where] of at) {
    const excludes = (term: AffinityTerm, chosen: PlacementVm): boolean =>
      required(term) &&
      term.effect === 'AntiAffinity' &&
      selects(term.selector, chosen.labels) &&
      isSame(term, host, where);
    if (
      vm.affinity.some((term) => excludes(term, other)) ||
      other.affinity.some((term) => excludes(term, vm))
    )
      return false;
  }
  return vm.affinity
    .filter((term) => required(term) && term.effect === 'Affinity')
    .every((term) => {
      const chosen = [...at].filter(([other]) => selects(term.selector, other.labels));
      if (chosen.length === 0) return selects(term.selector, vm.labels);
      return chosen.some(([, where]) => isSame(term, host, where));
    });
}

function preference(vm: PlacementVm, host: PlacementHost, at: Map<PlacementVm, PlacementHost>): number {
  let sum = 0;
  for (const term of vm.affinity) {
    if (term.strength === 'Required') continue;
    for (const [other, where] of at)
      if (selects(term.selector, other.labels) && isSame(term, host, where))
        sum += term.effect === 'Affinity' ? 1 : -1;
  }
  return sum;
}

function isSame({ topologyKey }: AffinityTerm, one: PlacementHost, other: PlacementHost): boolean {
  return topologyKey === 'kubernetes.io/hostname' ? one === other : one.zone === other.zone;
}
