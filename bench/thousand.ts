/**
 * 1,000 VMs: at once, at once with the default limit of 50 at a time, in 20 tiers of 50, and in 5 nested groups of 200, from the call that starts the run to its outcome, placement
 * included. Floor: a plain loop over the same 1,000 activities, placed before. Ours and the floor take turns.
 */
import { group, tier } from '../test/workflows/plans';
import { begin, nextSteps } from '../workflows';
import { workflowId, type Plan } from '../contract';
import { ratioOfMedians, report, rounds, run, spread, withSpread, type Figure } from './figures';
import { brokenOff, historiesOf, workflowTasks, type HistoryEvent } from './history';
import { startLab, type Lab } from './lab';
import { planOf, removeVms, runFloor, runOurs, tiersOf, type Tiers } from './runs';

const ROUNDS = rounds(5);
const AT_ONCE = tiersOf(1, 1_000);
const IN_TIERS = tiersOf(20, 50);
const LEVELS = 5;

/** One way to power 1,000 VMs on. */
interface Shape {
  name: string;
  /** How the VMs are named, and how the floor walks through them. */
  tiers: Tiers;
  /** Most VMs at a time. */
  limit: number;
  plan: (name: string) => Plan;
}

const SHAPES: Shape[] = [
  { name: 'at once', tiers: AT_ONCE, limit: 1_000, plan: (name) => planOf(name, AT_ONCE, 1_000) },
  { name: '50 at a time', tiers: AT_ONCE, limit: 50, plan: (name) => planOf(name, AT_ONCE, 50) },
  { name: '20 tiers', tiers: IN_TIERS, limit: 50, plan: (name) => planOf(name, IN_TIERS, 50) },
  { name: '5 levels', tiers: AT_ONCE, limit: 1_000, plan: nestedPlan },
];

/** Five groups, each a member of the one before, with 200 VMs each; everything boots at once. */
function nestedPlan(name: string): Plan {
  const names = AT_ONCE.flat();
  const share = names.length / LEVELS;
  const uids = Array.from({ length: LEVELS }, (_, level) => `${name}-${level + 1}`);
  return uids.reduceRight<Plan | undefined>((inner, uid, level) => {
    const mine = planOf(name, [names.slice(level * share, (level + 1) * share)], 1_000);
    const members = [...(mine.tiers[0]?.members ?? []), ...(inner ? [group(inner)] : [])];
    const lineage = uids.slice(0, level + 1).join('/');
    return { ...mine, name: level === 0 ? name : uid, uid, lineage, tiers: [tier(members)] };
  }, undefined) as Plan;
}

/** The plan and every plan in it. */
function plansOf(plan: Plan): Plan[] {
  const below = plan.tiers.flatMap(({ members }) => members.flatMap(({ plan: nested }) => nested ?? []));
  return [plan, ...below.flatMap(plansOf)];
}

/** What one run was seen to do. */
interface Sample {
  took: number;
  histories: HistoryEvent[][];
}

async function measureOurs(lab: Lab, { plan, tiers }: Shape, name: string): Promise<Sample> {
  const planned = plan(name);
  const { took } = await runOurs(lab, planned);
  const histories: HistoryEvent[][] = [];
  for (const { namespace, name: each } of plansOf(planned)) {
    histories.push(...(await historiesOf(lab.temporal.client, workflowId(namespace, each))));
  }
  await removeVms(lab, name, tiers);
  return { took, histories };
}

async function measureFloor(lab: Lab, { tiers, limit }: Shape, name: string): Promise<Sample> {
  const { took, handle } = await runFloor(lab, name, tiers, limit);
  const histories = await historiesOf(lab.temporal.client, handle.workflowId);
  await removeVms(lab, name, tiers);
  return { took, histories };
}

async function measure(lab: Lab, shape: Shape): Promise<Figure[]> {
  const ours: Sample[] = [];
  const floor: Sample[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const name = `${SHAPES.indexOf(shape)}-${round}`;
    const turns = [
      async () => ours.push(await measureOurs(lab, shape, `ours-${name}`)),
      async () => floor.push(await measureFloor(lab, shape, `floor-${name}`)),
    ];
    for (const turn of round % 2 === 0 ? turns : turns.reverse()) await turn();
  }
  return figuresOf(shape, ours, floor);
}

function figuresOf(shape: Shape, ours: Sample[], floor: Sample[]): Figure[] {
  const times = (samples: Sample[]): number[] => samples.map(({ took }) => took);
  const tasks = ({ histories }: Sample): number[] => histories.flatMap(workflowTasks);
  const longest = (samples: Sample[]): number => Math.max(...samples.flatMap(tasks));
  const count = (samples: Sample[]): number => spread(samples.map((sample) => tasks(sample).length)).median;
  const broken = (samples: Sample[]): number =>
    samples.flatMap(({ histories }) => histories.flat()).filter(brokenOff).length;
  const ratio = ratioOfMedians(times(ours), times(floor));
  const named = (what: string): string => `${shape.name}: ${what}`;
  return [
    { name: named('ours'), text: `${withSpread(spread(times(ours)), 0)} ms` },
    { name: named('floor'), text: `${withSpread(spread(times(floor)), 0)} ms` },
    { name: named('ratio'), value: ratio.median, text: withSpread(ratio, 2), bound: 1.3 },
    {
      name: named('events of the largest history'),
      value: Math.max(...ours.flatMap(({ histories }) => histories.map(({ length }) => length))),
      bound: 10_240,
    },
    { name: named('workflow tasks (floor)'), text: `${count(ours)} (${count(floor)})` },
    {
      name: named('longest workflow task (floor)'),
      value: longest(ours),
      text: `${longest(ours).toFixed(0)} ms (${longest(floor).toFixed(0)} ms)`,
      unit: 'ms',
      bound: 1_000,
    },
    { name: named('workflow tasks broken off (floor)'), text: `${broken(ours)} (${broken(floor)})` },
  ];
}

/** Milliseconds of one call of the planner, with 1,000 members in progress. */
function planningTime(): Figure {
  const now = Date.now();
  const message = { plan: planOf('planning', AT_ONCE, 1_000), cause: 'SpecChanged', placed: true } as const;
  const planned = nextSteps(begin(message, now), now).run;
  const times = Array.from({ length: 500 }, () => {
    const began = performance.now();
    nextSteps(planned, now);
    return performance.now() - began;
  });
  return { name: 'planning, 1,000 members', value: spread(times).median, unit: 'ms', bound: 10 };
}

/** Not counted: the first runs pay for what is loaded and compiled once. */
async function warmUp(lab: Lab): Promise<void> {
  const tiers = tiersOf(2, 200);
  await runOurs(lab, planOf('warm-ours', tiers, 200));
  await removeVms(lab, 'warm-ours', tiers);
  await runFloor(lab, 'warm-floor', tiers, 200);
  await removeVms(lab, 'warm-floor', tiers);
}

async function main(): Promise<void> {
  const figures = [planningTime()];
  const lab = await startLab({ powerOnTime: 200, readyTime: 100 });
  try {
    await warmUp(lab);
    for (const shape of SHAPES) figures.push(...(await measure(lab, shape)));
  } finally {
    await lab.stop();
  }
  report(`1,000 VMs, ${ROUNDS} rounds each`, figures);
}

run(main);
