/** Placement: how long it takes, how good it is against a proven best, and what one VM at a time would have come to. */
import { solvePlacement, type PlacementAnswer, type PlacementProblem } from '../placement';
import { mistakes } from '../test/placement/checker';
import { exactSolver } from '../test/placement/mip';
import { report, rounds, run, spread, type Figure } from './figures';
import { oneByOne } from './one-by-one';
import { applications, planted } from './placement-problems';

/** VMs and hosts, all in 5 zones; and the most that it may take: milliseconds for a few VMs, else seconds. */
const SIZES: readonly [number, number, number?][] = [
  [5, 5, 1],
  [100, 20],
  [1_000, 200, 1],
  [2_000, 400],
  [5_000, 1_000],
];

/** Small problems with an answer, every other one over 95 % full or nearly; and how many of them are proven to the end. */
const SMALL = 100;
const PROVEN = 50;

/** What a proof may leave open of the score, and the seconds that one may take. */
const EXACTNESS = { tolerance: 0.0001, patience: 120 };

/** Milliseconds: what passed, and what the process computed of it. */
interface Took {
  wall: number;
  cpu: number;
}

function timed(problem: PlacementProblem): { answer: PlacementAnswer; took: Took } {
  const began = performance.now();
  const before = process.cpuUsage();
  const answer = solvePlacement({ ...problem, safetyStop: Infinity });
  const { user, system } = process.cpuUsage(before);
  return { answer, took: { wall: performance.now() - began, cpu: (user + system) / 1000 } };
}

function speed(): Figure[] {
  return SIZES.flatMap(([count, hosts, bound]) => {
    const isSmall = count < 100;
    // Compiled code, as in a process that has run for a while.
    for (let at = 0; at < (isSmall ? 100 : 1); at++)
      timed(applications(Math.min(count, 1_000), hosts, 5, 99));
    const samples = Array.from({ length: isSmall ? 100 : rounds(3) }, (_, at) => {
      const problem = applications(count, hosts, 5, at + 1);
      const { answer, took } = timed(problem);
      return { took, wrong: answer.type === 'Placed' ? mistakes(problem, answer.placements).length : count };
    });
    const median = (of: keyof Took): number => spread(samples.map(({ took }) => took[of])).median;
    const name = `${count} VMs on ${hosts} hosts`;
    const [unit, scale] = isSmall ? ['ms', 1] : ['s', 1000];
    return [
      { name, value: median('wall') / scale, unit, ...(bound !== undefined && { bound }) },
      { name: `${name}: CPU time of it`, value: median('cpu') / scale, unit },
      {
        name: `${name}: required rules broken, hosts overcommitted`,
        value: Math.max(...samples.map(({ wrong }) => wrong)),
        bound: 0,
      },
    ];
  });
}

async function quality(): Promise<Figure[]> {
  const prove = await exactSolver();
  const ratios: number[] = [];
  const all = { tight: 0, provenTight: 0, unsolved: 0, unproven: 0, gaveUp: 0, gaveUpTight: 0 };
  for (let seed = 1; seed <= SMALL; seed++) {
    const { problem, fullness } = planted(seed, seed % 2 === 0);
    const isTight = Number(fullness > 0.95);
    const gaveUp = Number(!oneByOne(problem));
    all.tight += isTight;
    all.gaveUp += gaveUp;
    all.gaveUpTight += gaveUp * isTight;
    const answer = solvePlacement(problem);
    if (answer.type !== 'Placed' || mistakes(problem, answer.placements).length > 0) {
      all.unsolved += 1;
      continue;
    }
    if (seed > PROVEN) continue;
    const exact = prove(problem, EXACTNESS);
    if (exact.type === 'Best') ratios.push(answer.score.total / exact.score);
    else all.unproven += 1;
    if (exact.type === 'Best') all.provenTight += isTight;
  }
  const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  return [
    { name: 'small problems, each known to have an answer', value: SMALL },
    { name: 'over 95 % full among them', value: all.tight },
    { name: 'without a right answer', value: all.unsolved, bound: 0 },
    { name: `proven by HiGHS (over 95 % full: ${all.provenTight})`, value: ratios.length },
    { name: 'tried and not proven', value: all.unproven, bound: 0 },
    { name: 'score below the proven best, mean', value: (1 - mean) * 100, unit: '%', bound: 2 },
    { name: 'score below the proven best, worst', value: (1 - Math.min(...ratios)) * 100, unit: '%' },
    { name: 'one VM at a time gives up', value: all.gaveUp },
    { name: 'over 95 % full among them', value: all.gaveUpTight },
  ];
}

async function main(): Promise<void> {
  report('Placement: time', speed());
  report('Placement: quality', await quality());
}

run(main);
