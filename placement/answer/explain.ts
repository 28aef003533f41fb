/**
 * Why a problem has no answer: rules that cannot hold together, as few as can be found, and the room that would be enough.
 *
 * EXPLAIN-1: the rules that are named are without solution by themselves (with the VMs' requests where room is missing).
 * EXPLAIN-2: where `minimal` is set, each of them was left out once, and a solution of the others was found.
 * EXPLAIN-3: once the missing room is added, there is an answer in which all rules hold.
 * EXPLAIN-4: all questions together take at most {@link ALL_STEPS} and {@link ALL_PATIENCE}, but for the last one: then the rules that are left are
 *     named.
 */
import { ZONE_LABEL } from '../../api';
import { Assignment, Budget, improve, Random, search, type Verdict } from '../search';
import { Balance, layOut, type Model, readProblem, type Rule } from '../model';
import type { Conflict, ConflictRule, MissingRoom, PlacementProblem, VmRef } from '../problem';

/** Steps that one question may take, and milliseconds. */
const STEPS = 100_000;
const PATIENCE = 2_000;

/** The same for all questions together: there may be hundreds, and an operator waits for the answer. */
const ALL_STEPS = 200_000;
const ALL_PATIENCE = 10_000;

/** Steps in which the least missing room is looked for, for each VM and in all. */
const ROOM_STEPS_A_VM = 2_000;
const ROOM_STEPS = 100_000;

/** Where a VM is pinned to a zone. */
const PIN_PATH = `metadata.labels["${ZONE_LABEL}"]`;

/** Explains a problem that is proven to be without solution. */
export function explain(model: Model, budget: Budget): Conflict {
  const own = new Budget(ALL_STEPS, ALL_PATIENCE);
  const conflict = explainWith(model, own);
  budget.steps += own.steps;
  if (own.stoppedByClock) budget.stoppedByClock = true;
  return conflict;
}

function explainWith(model: Model, budget: Budget): Conflict {
  const asker = new Asker(model, budget);
  if (asker.ask(undefined, false) === 'None') return explainRules(model, budget);
  const { rules, minimal } = asker.smallest(true);
  const capacity = missingRoom(model, budget);
  return { rules: rules.map((rule) => named(model, rule)), minimal, ...(capacity && { capacity }) };
}

/** Without room to share, VMs that no rule connects have nothing to do with each other: one such set of VMs is looked at alone. */
function explainRules(model: Model, budget: Budget): Conflict {
  for (const vms of connected(model)) {
    if (budget.isOverNow) break;
    const part = readProblem({ ...model.problem, vms });
    const asker = new Asker(part, budget);
    if (asker.ask(undefined, false) !== 'None') continue;
    const { rules, minimal } = asker.smallest(false);
    return { rules: rules.map((rule) => named(part, rule)), minimal };
  }
  const { rules, minimal } = new Asker(model, budget).smallest(false);
  return { rules: rules.map((rule) => named(model, rule)), minimal };
}

/** The VMs to be placed in sets that no required rule connects. */
function connected({ size, bonds, problem }: Model): PlacementProblem['vms'][] {
  const setOf = Int32Array.from({ length: size }, (_, vm) => vm);
  const rootOf = (vm: number): number => {
    let root = vm;
    while (setOf[root] !== root) root = setOf[root]!;
    for (let at = vm; setOf[at] !== root;) [at, setOf[at]] = [setOf[at]!, root];
    return root;
  };
  for (const { isRequired, matched, terms } of bonds) {
    if (!isRequired) continue;
    const members = [...matched, ...terms.map(({ entity }) => entity)].filter((entity) => entity < size);
    for (const member of members) setOf[rootOf(member)] = rootOf(members[0]!);
  }
  const sets = new Map<number, PlacementProblem['vms']>();
  for (const [vm, of] of problem.vms.entries()) {
    const root = rootOf(vm);
    const set = sets.get(root);
    if (set) set.push(of);
    else sets.set(root, [of]);
  }
  return [...sets.values()];
}

/** Asks whether some of a model's rules can hold. */
class Asker {
  constructor(
    readonly model: Model,
    readonly budget: Budget,
  ) {}

  /** @param rules absent: all. */
  ask(rules: readonly number[] | undefined, room: boolean): Verdict['type'] {
    const kept = rules && new Uint8Array(this.model.rules.length);
    for (const rule of rules ?? []) kept![rule] = 1;
    const budget = new Budget(STEPS, PATIENCE);
    const network = layOut(this.model, { ...(kept && { rules: kept }), room, preferred: false });
    const { type } = search(network, undefined, new Random(1), budget);
    this.budget.steps += budget.steps;
    if (budget.stoppedByClock) this.budget.stoppedByClock = true;
    return type;
  }

  /** A smallest set of rules without solution: first among whole bonds and pins, then among the rules of those. */
  smallest(room: boolean): { rules: Rule[]; minimal: boolean } {
    const { model } = this;
    const groups = new Map<string, number[]>();
    for (const [at, rule] of model.rules.entries()) {
      const key = 'pin' in rule ? `pin ${rule.pin}` : `bond ${rule.term.bond}`;
      const group = groups.get(key);
      if (group) group.push(at);
      else groups.set(key, [at]);
    }
    // EXPLAIN-4.
    const fails = (sets: number[][]): boolean =>
      !this.budget.isOverNow && this.ask(sets.flat(), room) === 'None';
    const some = smallestFailing([...groups.values()], fails);
    const rules = smallestFailing(
      some.flat().map((rule) => [rule]),
      fails,
    ).flat();
    rules.sort((one, other) => one - other);
    const minimal =
      fails([rules]) &&
      rules.every(
        (rule) =>
          !this.budget.isOverNow &&
          this.ask(
            rules.filter((other) => other !== rule),
            room,
          ) === 'Found',
      );
    return { rules: rules.map((rule) => model.rules[rule]!), minimal };
  }
}

/** The smallest part of `sets` that still fails, by halves (Junker's QuickXplain), given that all of them fail. */
function smallestFailing<T>(sets: T[], fails: (sets: T[]) => boolean): T[] {
  const split = (background: T[], isNew: boolean, candidates: T[]): T[] => {
    if (isNew && fails(background)) return [];
    if (candidates.length <= 1) return candidates;
    const middle = Math.ceil(candidates.length / 2);
    const first = candidates.slice(0, middle);
    const second = candidates.slice(middle);
    const ofSecond = split([...background, ...first], first.length > 0, second);
    const ofFirst = split([...background, ...ofSecond], ofSecond.length > 0, first);
    return [...ofFirst, ...ofSecond];
  };
  return fails([]) ? [] : split([], false, sets);
}

function named(model: Model, rule: Rule): ConflictRule {
  const vm = refOf(model, rule.entity);
  if ('pin' in rule) return { vm, type: 'Pin', path: PIN_PATH };
  const { effect, path } = rule.term.term;
  return { vm, type: effect, path };
}

function refOf(model: Model, entity: number): VmRef {
  const { namespace, name, uid } = model.entities[entity]!;
  return { namespace, name, uid };
}

/** Room that is missing where all rules hold, as little as a short search finds; undefined: none was found in which they do. */
function missingRoom(model: Model, budget: Budget): MissingRoom[] | undefined {
  const random = new Random(1);
  const own = new Budget(STEPS + ROOM_STEPS, PATIENCE);
  const rulesAlone = layOut(model, { room: false, preferred: false });
  const found = search(rulesAlone, () => new Balance(model), random, own);
  const assignment = new Assignment(layOut(model, { room: true, preferred: false }));
  if (found.type === 'Found') {
    for (const [vm, spot] of found.spotOf.entries()) assignment.place(vm, spot);
    improve(assignment, random, own, Math.min(ROOM_STEPS, ROOM_STEPS_A_VM * model.size));
    // The walk weighs room against rules: it may have broken one to save room (EXPLAIN-3).
    if (assignment.broken > 0) assignment.take(found.spotOf);
  }
  budget.steps += own.steps;
  if (own.stoppedByClock) budget.stoppedByClock = true;
  if (found.type !== 'Found') return undefined;
  return model.spots.flatMap((_, spot) => missingAt(model, assignment, spot));
}

function missingAt(model: Model, assignment: Assignment, spot: number): MissingRoom[] {
  const { zone, host } = model.spots[spot]!;
  const needers = model.problem.vms.flatMap((_, vm) => (assignment.spotOf[vm] === spot ? [vm] : []));
  const lacks = (free: Float64Array, needs: Float64Array): number =>
    needers.some((vm) => needs[vm]! > 0) ? Math.max(0, -free[spot]!) : 0;
  const cpus = lacks(assignment.freeCpus, model.cpus) / 1000;
  const memory = lacks(assignment.freeMemory, model.memory);
  if (cpus === 0 && memory === 0) return [];
  const of = memory > 0 ? model.memory : model.cpus;
  const vms = needers.filter((vm) => of[vm]! > 0).sort((one, other) => of[other]! - of[one]!);
  return [
    {
      zone: model.zones[zone]!,
      ...(host !== undefined && { host }),
      cpus,
      memory,
      vms: vms.map((vm) => refOf(model, vm)),
    },
  ];
}
