/**
 * Finds a place for every VM, or proves that there is none: depth first, the VM with the fewest spots next, its best spot first, with
 * restarts that begin with the VMs at which the search failed before.
 *
 * SEARCH-1: `Found` keeps every required rule and overcommits nothing.
 * SEARCH-2: `None` is a proof: all that was left out is known to be no solution (DOMAINS-1) or to have a mirror image that was searched.
 */
import { type Balance, likenessOf, type Likeness, type Network } from '../model';
import { Assignment } from './assignment';
import type { Budget } from './budget';
import { Descent, type Order, type Verdict } from './descent';
import type { Random } from './random';

const ORDERS: Order[] = ['Best', 'Tightest', 'Best', 'Chance'];

/** Failures after which the first attempt starts again, and how that grows with each. */
const FIRST_LIMIT = 60;
const GROWTH = 1.5;

/** Searches until there is a verdict or the budget is over. */
export function search(
  network: Network,
  balance: (() => Balance) | undefined,
  random: Random,
  budget: Budget,
  attempts = Infinity,
): Verdict {
  return new Search(network, balance, random, budget).run(attempts);
}

/** A search in parts: each continues with the weights that failures have given to VMs, and with longer attempts. */
export class Search {
  readonly #weights: Float64Array;
  readonly #classes: Likeness;
  #attempt = 0;
  #limit = FIRST_LIMIT;

  constructor(
    readonly network: Network,
    readonly balance: (() => Balance) | undefined,
    readonly random: Random,
    readonly budget: Budget,
  ) {
    this.#weights = new Float64Array(network.size).fill(1);
    this.#classes = likenessOf(network, 'Required');
  }

  /** Makes attempts until there is a verdict, so many are made, so many steps are taken, or the budget is over. */
  run(attempts: number, steps = Infinity): Verdict {
    const { network, balance, random, budget } = this;
    const lastAttempt = this.#attempt + attempts;
    const lastStep = budget.steps + steps;
    while (this.#attempt < lastAttempt && budget.steps < lastStep) {
      const order = ORDERS[this.#attempt % ORDERS.length]!;
      const assignment = new Assignment(network, balance?.());
      const descent = new Descent(network, assignment, this.#classes, this.#weights, order, random, budget);
      if (this.#attempt === 0 && !descent.canBegin()) return { type: 'None' };
      this.#attempt += 1;
      const verdict = descent.run(Math.floor(this.#limit));
      if (verdict !== undefined) return verdict;
      // The first descent always gets to its end: without it there is nothing.
      if (budget.isOver) break;
      this.#limit *= GROWTH;
    }
    return { type: 'Unknown' };
  }
}

/** Places that keep all required rules, drawn by chance; undefined: a short search came by none. */
export function draw(
  network: Network,
  balance: Balance,
  random: Random,
  budget: Budget,
): Int32Array | undefined {
  const weights = new Float64Array(network.size).fill(1);
  const assignment = new Assignment(network, balance);
  const classes = likenessOf(network, 'Required');
  const descent = new Descent(network, assignment, classes, weights, 'Chance', random, budget);
  const verdict = descent.run(FIRST_LIMIT);
  return verdict?.type === 'Found' ? verdict.spotOf : undefined;
}
