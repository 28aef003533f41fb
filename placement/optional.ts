/**
 * Optional VMs: the others are placed first, and these where there is room.
 *
 * OPTIONAL-1: they never cost another VM its place: where all have room together, all are placed together; else the others come first.
 * OPTIONAL-2: one is only left out where it was tried by itself, next to all that are placed, unless the budget ended before.
 */
import type { Budget } from './search';
import type { Placed, PlacementAnswer, PlacementProblem, PlacementVm, PlacedVm, UnplacedVm } from './problem';

/** What came of a search for all VMs of a problem. */
export type Attempt =
  | { type: 'Placed'; answer: Placed }
  /** The answer is found out once it is asked for: it takes steps. */
  | { type: 'NotPlaced'; answer: () => PlacementAnswer };

/** Searches for places of all VMs of a problem, optional or not. */
export type Search = (problem: PlacementProblem, budget: Budget) => Attempt;

/** Steps in which one VM is tried with all others of the call free to move. */
const MOVING_STEPS = 20_000;

/** VMs left out for a reason that is stated, each on its own. */
const EXPLAINED = 20;

/**
 * Places the VMs of a problem, some of them optional.
 *
 * @param assess rates how good places are that were found one after another.
 */
export function placeOptional(
  problem: PlacementProblem,
  budget: Budget,
  search: Search,
  assess: (problem: PlacementProblem, placed: readonly PlacedVm[], budget: Budget) => Placed,
): PlacementAnswer {
  const all = budget.spend(budget.limit, (part) => search(problem, part));
  if (all.type === 'Placed') return all.answer;
  const required = problem.vms.filter((vm) => !vm.optional);
  const first = budget.spend(budget.limit, (part) => search({ ...problem, vms: required }, part));
  if (first.type === 'NotPlaced') return first.answer();
  const adding = budget.spend(budget.limit, (part) => {
    const next = new Adding(problem, placedVms(required, first.answer), part, search);
    next.add(problem.vms.filter((vm) => vm.optional));
    return next;
  });
  const { placed, unplaced } = adding;
  const vms = problem.vms.filter(({ uid }) => placed.has(uid));
  const answer = assess({ ...problem, vms }, [...placed.values()], budget);
  const left = problem.vms.flatMap((vm) => unplaced.get(vm.uid) ?? []);
  return { ...answer, ...(left.length > 0 && { unplaced: left }) };
}

function placedVms(vms: readonly PlacementVm[], { placements }: Placed): Map<string, PlacedVm> {
  const places = new Map(placements.map(({ uid, placement }) => [uid, placement]));
  return new Map(
    vms.flatMap((vm) => {
      const placement = places.get(vm.uid);
      return placement ? [[vm.uid, { ...vm, placement }] as const] : [];
    }),
  );
}

class Adding {
  readonly unplaced = new Map<string, UnplacedVm>();

  constructor(
    readonly problem: PlacementProblem,
    /** By uid. */
    readonly placed: Map<string, PlacedVm>,
    readonly budget: Budget,
    readonly search: Search,
  ) {}

  /** Adds all of them at once, else by halves: so those that come first have the first choice. */
  add(vms: readonly PlacementVm[]): void {
    const [first] = vms;
    if (!first) return;
    const { budget, search } = this;
    const attempt = budget.spend(budget.limit - budget.steps, (part) => search(this.#next(vms), part));
    if (attempt.type === 'Placed') return this.#take(vms, attempt.answer);
    if (vms.length === 1) return this.#leaveOut(first, attempt.answer);
    const middle = Math.ceil(vms.length / 2);
    this.add(vms.slice(0, middle));
    this.add(vms.slice(middle));
  }

  /** The problem in which all that have a place keep it. */
  #next(vms: readonly PlacementVm[]): PlacementProblem {
    const { problem, placed } = this;
    return { ...problem, vms: [...vms], placed: [...problem.placed, ...placed.values()] };
  }

  #take(vms: readonly PlacementVm[], answer: Placed): void {
    for (const [uid, vm] of placedVms(vms, answer)) this.placed.set(uid, vm);
  }

  /** What this call has placed is only found so far, so it may move to make room. */
  #leaveOut(vm: PlacementVm, why: () => PlacementAnswer): void {
    const { problem, placed, budget } = this;
    if (budget.steps + MOVING_STEPS <= budget.limit && placed.size > 0) {
      const vms = [...placed.values(), vm];
      const moved = budget.spend(MOVING_STEPS, (part) => this.search({ ...problem, vms }, part));
      if (moved.type === 'Placed') return this.#take(vms, moved.answer);
    }
    const { namespace, name, uid } = vm;
    this.unplaced.set(uid, { namespace, name, uid, message: this.#reason(vm, why) });
  }

  #reason({ namespace, name }: PlacementVm, why: () => PlacementAnswer): string {
    const answer = this.unplaced.size < EXPLAINED && !this.budget.stoppedByClock ? why() : undefined;
    return answer && 'message' in answer
      ? answer.message
      : `no place for ${namespace}/${name} was found next to the VMs that are placed`;
  }
}
