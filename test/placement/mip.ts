/**
 * The best answer of a placement problem by HiGHS, an exact solver of mixed-integer linear programs. The program is written from
 * docs/reference/placement.md, and shares nothing with our solver: hosts, pins, requests, rules and the score are in it; placed VMs, zones
 * that hide their hosts, and datastores are not.
 */
import loadHighs from 'highs';
import type { AffinityTerm } from '../../api';
import type { PlacementProblem, PlacementVm } from '../../placement';
import { matches } from './checker';

/** What HiGHS came to. */
export type Exact =
  | { type: 'Best'; score: number }
  | { type: 'Infeasible' }
  /** The time was over before there was a proof. */
  | { type: 'Unproven' };

/** How exact a proof is to be. */
export interface Exactness {
  /** What the score may still lack; 0: only whether there is an answer is asked. */
  tolerance: number;
  /** Seconds after which it is given up; absent: never. */
  patience?: number;
}

/**
 * Loads HiGHS.
 *
 * @returns a function that proves the best score of a problem; it throws where the problem has what the program does not know.
 */
export async function exactSolver(): Promise<(problem: PlacementProblem, exactness: Exactness) => Exact> {
  const highs = await loadHighs();
  return (problem, { tolerance, patience }) => {
    const { placed, zones = [], datastores } = problem;
    if (placed.length + zones.length + datastores.length > 0)
      throw new Error('placed VMs, hidden zones and datastores are not in the program');
    const program = new Program(problem);
    program.rules();
    if (tolerance > 0) program.score();
    const { Status, ObjectiveValue } = highs.solve(program.text(), {
      output_flag: false,
      mip_rel_gap: 0,
      mip_abs_gap: tolerance * program.parts,
      ...(patience !== undefined && { time_limit: patience }),
    });
    if (Status === 'Infeasible') return { type: 'Infeasible' };
    if (Status !== 'Optimal') return { type: 'Unproven' };
    return { type: 'Best', score: 1 - (ObjectiveValue - program.least) / program.parts };
  };
}

/** Factors and names of variables. */
type Sum = [number, string][];

/** Equal terms of VMs of one namespace: who has them, and whom they select, as places in the list of VMs. */
interface Shared {
  term: AffinityTerm;
  holders: number[];
  matched: number[];
}

/** Variables: `x3_1` is 1 if VM 3 is on host 1; the others follow from these. The loss of preferred rules and uneven load are minimized. */
class Program {
  /** `score = 1 - (cost - least) / parts`. */
  least = 0;
  parts = 1;
  readonly #costs: string[] = [];
  readonly #rows: string[] = [];
  readonly #hosts: number[][];
  readonly #zones: number[][];
  #variables = 0;

  constructor(readonly problem: PlacementProblem) {
    const { vms, hosts } = problem;
    this.#hosts = hosts.map((_, host) => [host]);
    const names = new Set(hosts.map(({ zone }) => zone));
    this.#zones = [...names].map((name) => hosts.flatMap(({ zone }, host) => (zone === name ? [host] : [])));
    const everywhere = [...hosts.keys()];
    for (const [vm, { zone }] of vms.entries()) {
      this.#row(this.#at(vm, everywhere), '=', 1);
      const outside = everywhere.filter((host) => zone !== undefined && hosts[host]!.zone !== zone);
      if (outside.length > 0) this.#row(this.#at(vm, outside), '=', 0);
    }
    for (const [host, room] of hosts.entries()) {
      for (const what of ['cpus', 'memory'] as const) {
        const needs = vms.map((vm, at): [number, string] => [vm[what] / room[what], `x${at}_${host}`]);
        if (room[what] > 0) this.#row(needs, '<=', 1);
        else for (const [at, vm] of vms.entries()) if (vm[what] > 0) this.#row(this.#at(at, [host]), '=', 0);
      }
    }
  }

  text(): string {
    const { vms, hosts } = this.problem;
    const chosen = vms.flatMap((_, vm) => hosts.map((_host, host) => `x${vm}_${host}`));
    // A line may hold 560 characters: one part a line.
    return [
      'Minimize',
      'cost:',
      ...this.#costs,
      'Subject To',
      ...this.#rows,
      'Binary',
      ...chosen,
      'End',
    ].join('\n');
  }

  /** Required rules. */
  rules(): void {
    for (const { term, holders, matched } of this.#shared('Required')) {
      for (const place of this.#placesOf(term)) {
        if (term.effect === 'AntiAffinity') this.#exclude(holders, matched, place);
        else {
          for (const vm of holders) {
            const others = matched.filter((other) => other !== vm);
            if (others.length === 0 && matched.length === 1) continue;
            const near = others.flatMap((other) => this.#at(other, place));
            this.#row([...this.#at(vm, place), ...times(-1, near)], '<=', 0);
          }
        }
      }
    }
  }

  /** Preferred rules and load. */
  score(): void {
    for (const { term, holders, matched } of this.#shared('Preferred')) {
      const heeded = holders.filter((vm) => matched.some((other) => other !== vm));
      this.parts += heeded.length;
      if (term.effect === 'Affinity') for (const vm of heeded) this.#prefer(vm, term, matched);
      else for (const place of this.#placesOf(term)) this.#preferApart(heeded, matched, place);
    }
    for (const what of ['cpus', 'memory'] as const)
      for (const places of [this.#hosts, this.#zones]) this.#even(what, places);
  }

  #row(sum: Sum, sign: '<=' | '>=' | '=', bound: number): void {
    this.#rows.push(`r${this.#rows.length}:`, ...sum.map(written), `${sign} ${bound}`);
  }

  /** A new variable, at least 0, and what 1 of it costs. */
  #variable(cost: number): string {
    const name = `y${this.#variables++}`;
    this.#costs.push(written([cost, name]));
    return name;
  }

  #at(vm: number, hosts: number[]): Sum {
    return hosts.map((host) => [1, `x${vm}_${host}`]);
  }

  #placesOf({ topologyKey }: AffinityTerm): number[][] {
    return topologyKey === 'kubernetes.io/hostname' ? this.#hosts : this.#zones;
  }

  #shared(strength: AffinityTerm['strength']): Shared[] {
    const { vms } = this.problem;
    const found = new Map<string, Shared>();
    for (const [at, vm] of vms.entries()) {
      for (const term of vm.affinity) {
        if (term.strength !== strength) continue;
        const text = JSON.stringify([vm.namespace, term.effect, term.topologyKey, term.selector]);
        const matched = vms.flatMap((other, index) => (isSelected(vm, term, other) ? [index] : []));
        const shared = found.get(text) ?? { term, holders: [], matched };
        if (!shared.holders.includes(at)) shared.holders.push(at);
        found.set(text, shared);
      }
    }
    return [...found.values()];
  }

  /** Of VMs that exclude each other one at most stands at a place; of the others no holder with one that is selected. */
  #exclude(holders: number[], matched: number[], place: number[]): void {
    const both = holders.filter((vm) => matched.includes(vm));
    const here = both.flatMap((vm) => this.#at(vm, place));
    if (both.length > 1) this.#row(here, '<=', 1);
    for (const [vm, other] of onlyPairs(holders, matched))
      this.#row([...this.#at(vm, place), ...this.#at(other, place)], '<=', 1);
  }

  /** 1 is lost unless the VM stands, at one of the places, where another stands that is selected. */
  #prefer(vm: number, term: AffinityTerm, matched: number[]): void {
    const kept = this.#placesOf(term).map((place): [number, string] => {
      const here = this.#variable(0);
      const near = matched.filter((other) => other !== vm).flatMap((other) => this.#at(other, place));
      this.#row([[1, here], ...times(-1, this.#at(vm, place))], '<=', 0);
      this.#row([[1, here], ...times(-1, near)], '<=', 0);
      return [1, here];
    });
    this.#row([...kept, [1, this.#variable(1)]], '>=', 1);
  }

  /** Each pair of a holder and another VM that it selects, at one place, costs the share that the other is of all it selects. */
  #preferApart(holders: number[], matched: number[], place: number[]): void {
    const both = holders.filter((vm) => matched.includes(vm));
    if (both.length > 1) {
      const pairs = this.#variable(2 / (matched.length - 1));
      const here = both.flatMap((vm) => this.#at(vm, place));
      // n VMs are n (n - 1) / 2 pairs: the greatest of these lines at each whole n.
      for (let n = 1; n < both.length; n++)
        this.#row([[1, pairs], ...times(-n, here)], '>=', (-n * (n + 1)) / 2);
    }
    for (const [vm, other] of onlyPairs(holders, matched)) {
      const pair = this.#variable(1 / (matched.length - Number(matched.includes(vm))));
      const together = [...this.#at(vm, place), ...this.#at(other, place)];
      this.#row([[1, pair], ...times(-1, together)], '>=', -1);
    }
  }

  /** The squares of loads by capacity, scaled so that the evenest costs nothing and full or empty places cost a quarter. */
  #even(what: 'cpus' | 'memory', places: number[][]): void {
    const { vms, hosts } = this.problem;
    const whole = (amount: number): number => Math.round(what === 'cpus' ? amount * 1000 : amount);
    const unit = vms.map((vm) => whole(vm[what])).reduce(commonDivisor);
    const loads = vms.map((vm) => whole(vm[what]) / unit);
    const capacities = hosts.map((host) => Math.max(1, whole(host[what])) / unit);
    const load = loads.reduce((sum, each) => sum + each, 0);
    const even = load ** 2 / capacities.reduce((sum, each) => sum + each, 0);
    if (load <= even) return;
    const scale = 1 / (load - even) / 4;
    this.least += scale * even;
    for (const place of places) {
      const capacity = place.reduce((sum, host) => sum + capacities[host]!, 0);
      const square = this.#variable(scale / capacity);
      const here = this.#variable(0);
      const taken = loads.flatMap((each, vm) => times(each, this.#at(vm, place)));
      this.#row([...taken, [-1, here]], '=', 0);
      // Squares of whole loads: the greatest of the lines from each to the next.
      for (let n = 0; n < Math.min(load, capacity); n++)
        this.#row([[1, square], ...times(-(2 * n + 1), [[1, here]])], '>=', -n * (n + 1));
    }
  }
}

/** Pairs of a holder and a VM that it selects, except for those that select each other. */
function onlyPairs(holders: number[], matched: number[]): [number, number][] {
  return holders.flatMap((vm) =>
    matched
      .filter((other) => other !== vm && !(holders.includes(other) && matched.includes(vm)))
      .map((other): [number, number] => [vm, other]),
  );
}

function isSelected(vm: PlacementVm, { selector }: AffinityTerm, other: PlacementVm): boolean {
  return other.namespace === vm.namespace && matches(selector, other.labels);
}

function times(factor: number, sum: Sum): Sum {
  return sum.map(([each, name]) => [factor * each, name]);
}

function written([factor, name]: [number, string]): string {
  return `${factor < 0 ? '-' : '+'} ${Math.abs(factor)} ${name}`;
}

function commonDivisor(one: number, other: number): number {
  return other === 0 ? one : commonDivisor(other, one % other);
}
