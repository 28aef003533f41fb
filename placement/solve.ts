/**
 * Places VMs together: pure, the same answer for the same input on every machine.
 *
 * SOLVE-1: a `Placed` answer keeps every required rule, of VMs placed before too, and overcommits nothing.
 * SOLVE-2: an `Infeasible` answer is proven.
 * SOLVE-3: the same problem gets the same answer, unless the safety stop ended the search, which the answer says.
 * SOLVE-4: of up to eight VMs no answer has a better score, unless the steps ended first.
 */
import { firstFew } from '../api';
import {
  Assignment,
  Budget,
  DUST,
  exhaust,
  Filling,
  isTight,
  polish,
  Random,
  repair,
  Search,
  search,
  type Verdict,
} from './search';
import { Balance, layOut, type Model, type Network, readProblem } from './model';
import { mistakes } from './check';
import { chooseDatastores, conflictMessage, explain, Outcome } from './answer';
import { placeOptional, type Attempt } from './optional';
import type {
  Infeasible,
  Placed,
  PlacedVm,
  PlacementAnswer,
  PlacementProblem,
  SearchRecord,
  Undecided,
  VmPlacement,
} from './problem';

/** The remark on an answer with `stoppedByClock`. The messages of answers without places contain it. */
export const STOPPED_BY_CLOCK =
  'the clock ended the search for places before its steps were used up: another machine may answer otherwise';

/** Steps of a search where the problem names none. */
const STEPS = 400_000;

/** Milliseconds until the safety stop. */
const SAFETY_STOP = 10_000;

/** Between the seeds of two searches for one answer. */
const SEED_STEP = 7_919;

/** Searches in a row without better places before the search ends. */
const PATIENCE = 3;

/** Repairs in a row, at most, before a proof is tried again. */
const REPAIRS = 2;

/** Steps of one repair. */
const ROUND = 30_000;

/** Steps of one search that fills spots one after the other, where hosts are nearly full. */
const FILL = 180_000;

/** Attempts before the rules are checked without room, and VMs are put where they break least. */
const FIRST_ATTEMPTS = 4;

/**
 * Finds a place for every VM of a problem; for optional ones where there is room.
 *
 * @throws Error when two VMs share a uid, two hosts or zones share a name, or a zone that hides its hosts has one.
 */
export function solvePlacement(problem: PlacementProblem): PlacementAnswer {
  const { steps = STEPS, safetyStop = SAFETY_STOP } = problem;
  const budget = new Budget(steps, safetyStop);
  if (problem.vms.some(({ optional }) => optional))
    return { ...placeOptional(problem, budget, searchAll, assess), search: recordOf(budget) };
  const attempt = searchAll(problem, budget);
  return attempt.type === 'Placed' ? attempt.answer : attempt.answer();
}

/** Searches for places of all VMs. */
function searchAll(problem: PlacementProblem, budget: Budget): Attempt {
  const model = readProblem(problem);
  const found = findPlaces(model, problem.seed ?? 1, budget);
  switch (found.type) {
    case 'Found':
      return { type: 'Placed', answer: placed(model, found.assignment, budget) };
    case 'None':
      return { type: 'NotPlaced', answer: () => infeasible(model, budget) };
    case 'Unknown':
      return { type: 'NotPlaced', answer: () => undecided(model, budget) };
  }
}

/** The answer with these places for all VMs of a problem. */
function assess(problem: PlacementProblem, places: readonly PlacedVm[], budget: Budget): Placed {
  const model = readProblem(problem);
  const spots = new Map(
    model.spots.map(({ zone, host }, at) => [spotName(model.zones[zone]!, host), at] as const),
  );
  const assignment = new Assignment(layOut(model, { room: true, preferred: true }), new Balance(model));
  const at = new Map(places.map(({ uid, placement: { zoneID, node } }) => [uid, spotName(zoneID, node)]));
  for (const [vm, { uid }] of problem.vms.entries()) assignment.place(vm, spots.get(at.get(uid)!)!);
  return placed(model, assignment, budget);
}

/** The answer that has these places for all VMs of a problem. Nothing checks them: see `mistakes`. */
export function answerWith(problem: PlacementProblem, placements: readonly VmPlacement[]): Placed {
  const at = new Map(placements.map(({ uid, placement }) => [uid, placement]));
  const placed = problem.vms.flatMap((vm) => {
    const placement = at.get(vm.uid);
    return placement ? [{ ...vm, placement }] : [];
  });
  return assess(problem, placed, new Budget(0, SAFETY_STOP));
}

function spotName(zone: string, host: string | undefined): string {
  return host === undefined ? `zone ${zone}` : `host ${host}`;
}

/**
 * {@link solvePlacement}, with a second look at the places.
 *
 * @throws Error also where the places break a required rule or overcommit something.
 */
export function solveChecked(problem: PlacementProblem): PlacementAnswer {
  const answer = solvePlacement(problem);
  const wrong = answer.type === 'Placed' ? mistakes(problem, answer.placements) : [];
  if (wrong.length > 0) throw new Error(`the solver's answer is wrong: ${firstFew(wrong, 5).join('; ')}`);
  return answer;
}

/** The best places that a search found. */
type Places = { type: 'Found'; assignment: Assignment } | { type: 'None' } | { type: 'Unknown' };

/** Searches with one seed after another, until the best places are proven, the budget is over, or more seeds bring no improvement. */
function findPlaces(model: Model, seed: number, budget: Budget): Places {
  const network = layOut(model, { room: true, preferred: true });
  let best: Assignment | undefined;
  let idle = 0;
  for (let attempt = 0; !budget.isOver || attempt === 0; attempt += 1) {
    const random = new Random(seed + attempt * SEED_STEP);
    const verdict = firstPlaces(model, network, random, budget);
    if (verdict.type === 'None') return verdict;
    if (verdict.type === 'Unknown') continue;
    const assignment = new Assignment(network, new Balance(model));
    for (const [vm, spot] of verdict.spotOf.entries()) assignment.place(vm, spot);
    if (!best && exhaust(assignment, new Balance(model), budget)) return { type: 'Found', assignment };
    polish(assignment, random, budget, () => new Balance(model));
    if (!best || assignment.cost < best.cost - DUST) {
      best = assignment;
      idle = 0;
    } else if (++idle >= PATIENCE) break;
  }
  return best ? { type: 'Found', assignment: best } : { type: 'Unknown' };
}

/** First places that keep all rules, or the proof that there are none. */
function firstPlaces(model: Model, network: Network, random: Random, budget: Budget): Verdict {
  const searching = new Search(network, () => new Balance(model), random, budget);
  const first = searching.run(FIRST_ATTEMPTS);
  if (first.type !== 'Unknown') return first;
  // Rules that contradict each other are found sooner where room does not matter.
  const rulesAlone = layOut(model, { room: false, preferred: false });
  if (search(rulesAlone, undefined, random, budget, FIRST_ATTEMPTS).type === 'None') return { type: 'None' };
  // Repair finds what is tight, search proves what is impossible: by turns, with as many steps for each. What is nearly full is filled first.
  const required = layOut(model, { room: true, preferred: false });
  const filling = isTight(required) ? new Filling(required, random, budget) : undefined;
  while (!budget.isOver) {
    const filled = filling?.run(FILL);
    if (filled && filled.type !== 'Unknown') return filled;
    const before = budget.steps;
    // Several short repairs, each from the start, find what one long one does not.
    for (let start = 0; start < REPAIRS; start += 1) {
      const repairing = new Assignment(required);
      if (repair(repairing, random, budget, ROUND)) return { type: 'Found', spotOf: repairing.spotOf };
    }
    const verdict = searching.run(Infinity, budget.steps - before);
    if (verdict.type !== 'Unknown') return verdict;
  }
  return { type: 'Unknown' };
}

function placed(model: Model, assignment: Assignment, budget: Budget): Placed {
  const outcome = new Outcome(model, assignment.spotOf);
  const datastores = chooseDatastores(model, assignment.spotOf);
  return {
    type: 'Placed',
    placements: model.problem.vms.map(({ namespace, name, uid }, vm) => {
      const { zone, host, pool } = model.spots[assignment.spotOf[vm]!]!;
      const chosen = datastores[vm];
      return {
        namespace,
        name,
        uid,
        placement: {
          zoneID: model.zones[zone]!,
          ...(host !== undefined && { node: host }),
          ...(pool !== undefined && { pool }),
          ...(chosen && { datastores: [chosen] }),
        },
      };
    }),
    score: outcome.score(assignment.balance!),
    rules: outcome.rules(),
    search: recordOf(budget),
  };
}

function infeasible(model: Model, budget: Budget): Infeasible {
  const conflict = explain(model, budget);
  return {
    type: 'Infeasible',
    message: conflictMessage(model, conflict) + clockNote(budget),
    conflict,
    search: recordOf(budget),
  };
}

function undecided(model: Model, budget: Budget): Undecided {
  return {
    type: 'Undecided',
    message:
      `neither a place for all ${model.size} VMs nor a proof that there is none was found in ${budget.steps} steps; ` +
      `more room or fewer required rules can help${clockNote(budget)}`,
    search: recordOf(budget),
  };
}

function clockNote({ stoppedByClock }: Budget): string {
  return stoppedByClock ? `; ${STOPPED_BY_CLOCK}` : '';
}

function recordOf({ steps, stoppedByClock }: Budget): SearchRecord {
  return { steps, ...(stoppedByClock && { stoppedByClock }) };
}
