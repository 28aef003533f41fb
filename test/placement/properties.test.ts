/**
 * SOLVE-1 to SOLVE-4 and EXPLAIN-1 to EXPLAIN-3 over arbitrary problems, against a checker and a search of their own.
 *
 * Guarantees: G9.
 */
import fc from 'fast-check';
import { solvePlacement, type ConflictRule, type PlacementProblem } from '../../placement';
import { answers, mistakes, scoreOf, tryAll } from './checker';
import { anyProblem } from './problems';
import { propertyRuns } from '../support/property-runs';

const RUNS = { numRuns: propertyRuns(1_000) };

test('SOLVE-1, SOLVE-2: an answer is right, and so is the statement that there is none', () => {
  const seen = { Placed: 0, Infeasible: 0, Undecided: 0 };
  fc.assert(
    fc.property(anyProblem(), (problem) => {
      const answer = solvePlacement(problem);
      seen[answer.type] += 1;
      if (answer.type === 'Placed') expect(mistakes(problem, answer.placements)).toEqual([]);
      else expect(tryAll(problem)).toBeUndefined();
      expect(JSON.parse(JSON.stringify(answer))).toEqual(answer);
    }),
    RUNS,
  );
  expect(seen.Undecided).toBe(0);
  expect(Math.min(seen.Placed, seen.Infeasible)).toBeGreaterThan(RUNS.numRuns / 4);
});

test('SOLVE-3: the same problem, the same answer', () => {
  fc.assert(
    fc.property(anyProblem(8), (problem) => {
      expect(solvePlacement(structuredClone(problem))).toEqual(solvePlacement(problem));
    }),
    RUNS,
  );
});

test('SOLVE-4: no answer is better for a few VMs', () => {
  fc.assert(
    fc.property(anyProblem(4), (problem) => {
      const answer = solvePlacement(problem);
      if (answer.type !== 'Placed') return;
      const { total, spread, load } = answer.score;
      const score = scoreOf(problem, answer.placements);
      if (spread > 0 && load > 0) expect(score).toBeCloseTo(total, 9);
      const scores = [...answers(problem)].map((places) => scoreOf(problem, places));
      expect(score).toBeCloseTo(Math.max(...scores), 9);
    }),
    RUNS,
  );
});

test('EXPLAIN-1, EXPLAIN-2: the rules that are named conflict, and each of them is needed for it', () => {
  fc.assert(
    fc.property(anyProblem(4), (problem) => {
      const answer = solvePlacement(problem);
      if (answer.type !== 'Infeasible') return;
      const { rules, minimal, capacity } = answer.conflict;
      expect(minimal).toBe(true);
      expect(answer.message).not.toMatch(/undefined|NaN|Infinity/);
      const room = capacity !== undefined;
      expect(tryAll(onlyWith(problem, rules, room))).toBeUndefined();
      for (const rule of rules)
        expect(
          tryAll(
            onlyWith(
              problem,
              rules.filter((other) => other !== rule),
              room,
            ),
          ),
        ).toBeDefined();
    }),
    RUNS,
  );
});

test('EXPLAIN-3: with the room that is reported missing there is an answer', () => {
  let checked = 0;
  fc.assert(
    fc.property(anyProblem(5), (problem) => {
      const answer = solvePlacement(problem);
      if (answer.type !== 'Infeasible' || !answer.conflict.capacity) return;
      checked += 1;
      const more = structuredClone(problem);
      for (const { host, zone, cpus, memory } of answer.conflict.capacity) {
        const place =
          more.hosts.find(({ name }) => name === host) ?? more.zones?.find(({ name }) => name === zone);
        if (place?.cpus !== undefined) place.cpus += cpus;
        if (place?.memory !== undefined) place.memory += memory;
      }
      expect(solvePlacement(more).type).toBe('Placed');
    }),
    RUNS,
  );
  expect(checked).toBeGreaterThan(propertyRuns(20));
});

/** The problem with no other required rules than these; requests count only where room does. */
function onlyWith(problem: PlacementProblem, rules: ConflictRule[], room: boolean): PlacementProblem {
  const has = (uid: string, path: string, type: ConflictRule['type']): boolean =>
    rules.some((rule) => rule.vm.uid === uid && rule.path === path && rule.type === type);
  const bare = <T extends PlacementProblem['vms'][number]>({ zone, ...vm }: T): T =>
    ({
      ...vm,
      ...(zone !== undefined &&
        rules.some((rule) => rule.vm.uid === vm.uid && rule.type === 'Pin') && { zone }),
      ...(!room && { cpus: 0, memory: 0 }),
      affinity: vm.affinity.filter(
        ({ path, effect, strength }) => strength === 'Required' && has(vm.uid, path, effect),
      ),
    }) as T;
  return { ...problem, vms: problem.vms.map(bare), placed: problem.placed.map(bare) };
}
