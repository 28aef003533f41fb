/** Placement: how long it takes, how good it is against a proven best, and what one VM at a time would have come to. */
import { solvePlacement, type PlacementAnswer, type PlacementProblem } from '../placement';
import { mistakes } from '../test/placement/checker';
import { report, rounds, run, spread, type Figure } from './figures';
import { oneByOne } from './one-by-one';
import { proveBest } from './placement-exact';
import { applications, planted } from './placement-problems';

/** VMs and hosts, all in 5 zones; the second is the one with a bound. */
const SIZES = [
  [100, 20],
  [1_000, 200],
  [2_000, 400],
  [5_000, 1_000],
] as const;

/** Small problems whose best answer is proven. */
const PROVEN = 50;
/** What a proof may leave open, as a share of the score; and the nodes after which a problem counts as too hard to prove. */
const TOLERANCE = 0.002;
const MAX_NODES = 40_000;

/** Milliseconds of CPU: the solver only computes, and what else the machine does is not its business. */
function timed(problem: PlacementProblem): { answer: PlacementAnswer; took: number } {
  const began = process.cpuUsage();
  const answer = solvePlacement({ ...problem, safetyStop: Infinity });
  const { user, system } = process.cpuUsage(began);
  return { answer, took: (user + system) / 1000 };
}

function speed(): Figure[] {
  // Compiled code, as in a process that has run for a while.
  timed(applications(1_000, 200, 5, 99));
  return SIZES.flatMap(([count, hosts]) => {
    const samples = Array.from({ length: rounds(3) }, (_, at) => {
      const problem = applications(count, hosts, 5, at + 1);
      const { answer, took } = timed(problem);
      return { took, wrong: answer.type === 'Placed' ? mistakes(problem, answer.placements).length : count };
    });
    const median = spread(samples.map(({ took }) => took)).median / 1000;
    const name = `${count} VMs on ${hosts} hosts`;
    return [
      { name: `${name}: CPU time`, value: median, unit: 's', ...(count === 1_000 && { bound: 1 }) },
      {
        name: `${name}: required rules broken, hosts overcommitted`,
        value: Math.max(...samples.map(({ wrong }) => wrong)),
        bound: 0,
      },
    ];
  });
}

function quality(): Figure[] {
  const ratios: number[] = [];
  const all = { seen: 0, tight: 0, provenTight: 0, unsolved: 0, gaveUp: 0, gaveUpTight: 0 };
  for (let seed = 1; ratios.length < PROVEN || all.seen < 2 * PROVEN; seed++) {
    const { problem, fullness } = planted(seed, seed % 2 === 0);
    const isTight = fullness > 0.95;
    all.seen += 1;
    if (isTight) all.tight += 1;
    if (!oneByOne(problem)) {
      all.gaveUp += 1;
      if (isTight) all.gaveUpTight += 1;
    }
    const answer = solvePlacement(problem);
    if (answer.type !== 'Placed' || mistakes(problem, answer.placements).length > 0) {
      all.unsolved += 1;
      continue;
    }
    if (ratios.length === PROVEN) continue;
    const { bound, closed } = proveBest(problem, answer.score.total, TOLERANCE, MAX_NODES);
    if (!closed) continue;
    ratios.push(answer.score.total / bound);
    if (isTight) all.provenTight += 1;
  }
  const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  return [
    { name: 'small problems, each known to have an answer', value: all.seen },
    { name: 'over 95 % full among them', value: all.tight },
    { name: 'without a right answer', value: all.unsolved, bound: 0 },
    { name: `proven to ${TOLERANCE * 100} % (over 95 % full: ${all.provenTight})`, value: ratios.length },
    { name: 'score below the proven best, mean', value: (1 - mean) * 100, unit: '%', bound: 2 },
    { name: 'score below the proven best, worst', value: (1 - Math.min(...ratios)) * 100, unit: '%' },
    { name: 'one VM at a time gives up', value: all.gaveUp },
    { name: 'over 95 % full among them', value: all.gaveUpTight },
  ];
}

async function main(): Promise<void> {
  report('Placement: time', speed());
  report('Placement: quality', quality());
}

run(main);
