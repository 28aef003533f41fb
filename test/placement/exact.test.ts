/**
 * SOLVE-2 and SOLVE-4 against HiGHS, on problems with too many answers to try them all.
 *
 * Guarantees: G9.
 */
import fc from 'fast-check';
import { solvePlacement, type PlacedVm, type PlacementProblem } from '../../placement';
import { exactSolver } from './mip';
import { anyProblem, HOST, hosts, term, vm } from './problems';
import { propertyRuns } from '../support/property-runs';

/** Nothing placed before, and no zone without hosts. */
const ofHosts = (vms: number): fc.Arbitrary<PlacementProblem> =>
  anyProblem(vms, 6)
    .filter(({ hosts }) => hosts.length > 0)
    .map((problem) => ({ ...problem, placed: [], zones: [], datastores: [] }));

test('SOLVE-1, SOLVE-2: there is an answer where HiGHS finds one, and none where it proves that', async () => {
  const prove = await exactSolver();
  const seen = { Placed: 0, Infeasible: 0, Undecided: 0 };
  fc.assert(
    fc.property(ofHosts(12), (problem) => {
      const answer = solvePlacement(problem);
      seen[answer.type] += 1;
      const { type } = prove(problem, { tolerance: 0 });
      expect(type).toBe(answer.type === 'Placed' ? 'Best' : 'Infeasible');
    }),
    { numRuns: propertyRuns(300) },
  );
  expect(seen.Undecided).toBe(0);
  expect(Math.min(seen.Placed, seen.Infeasible)).toBeGreaterThan(propertyRuns(50));
});

test('SOLVE-4: HiGHS finds no better answer for up to eight VMs', async () => {
  const prove = await exactSolver();
  let placed = 0;
  fc.assert(
    fc.property(ofHosts(8), (problem) => {
      // VMs that ask for nothing would make the grid of loads too fine for a quick proof.
      const vms = problem.vms.map((vm) => ({ ...vm, cpus: vm.cpus || 1, memory: vm.memory || 2 ** 30 }));
      const answer = solvePlacement({ ...problem, vms });
      if (answer.type !== 'Placed') return;
      placed += 1;
      const exact = prove({ ...problem, vms }, { tolerance: 1e-6 });
      if (exact.type !== 'Best') throw new Error(`HiGHS says ${exact.type}`);
      expect(answer.score.total).toBeCloseTo(exact.score, 5);
    }),
    { numRuns: propertyRuns(300) },
  );
  expect(placed).toBeGreaterThan(propertyRuns(75));
});

test('SOLVE-4: the best hosts of replicas that exclude each other are proven in a few hundred steps', () => {
  const named = hosts(
    Array.from({ length: 20 }, (_, at) => `zone-a/host-${at}`),
    24,
  );
  const standing: PlacedVm[] = [];
  const vmsOn = (name: string | undefined): number =>
    standing.filter(({ placement }) => placement.node === name).length;
  for (let group = 0; group < 90; group += 1) {
    const labels = { group: `${group}` };
    const affinity = [term('AntiAffinity', HOST, labels)];
    const vms = ['a', 'b', 'c', 'd', 'e'].map((name) => vm(`${group}-${name}`, { labels, affinity }));
    const answer = solvePlacement({ vms, placed: standing, hosts: named, datastores: [] });
    if (answer.type !== 'Placed') throw new Error(answer.message);
    expect(answer.search.steps).toBeLessThan(1_000);
    const taken = new Set(answer.placements.map(({ placement }) => placement.node));
    expect(taken.size).toBe(5);
    const others = named.filter(({ name }) => !taken.has(name)).map(({ name }) => vmsOn(name));
    expect(Math.max(...[...taken].map(vmsOn))).toBeLessThanOrEqual(Math.min(...others));
    standing.push(...vms.map((each, at) => ({ ...each, placement: answer.placements[at]!.placement })));
  }
});
