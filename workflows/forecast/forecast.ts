/**
 * The dry run: what a plan would do, step by step, asked of the same planner that runs it. Unless their durations are given, operations take
 * no time here, so each time is the earliest possible one.
 */
import { type MemberKey, type PlaceInput, type Progress, type Plan } from '../../contract';
import { formatDuration } from '../../api/duration';
import { nextSteps, openStarts, powerStateOf, workOf, type Start } from '../planner';
import { progressOf } from '../progress';
import { begin } from '../plans';
import type { Run } from '../state';
import { allEnded } from './ends';
import { amended, givenUp } from './seen-run';

/** One step of a {@link Forecast}. */
export interface ForecastStep {
  /** Milliseconds after the start of the run, at the earliest. */
  at: number;
  /** Name of the group whose run takes the step. */
  group: string;
  /** Index of the tier, from 0; -1 for placement. */
  tier: number;
  action: 'Place' | 'PowerOn' | 'PowerOff' | 'Suspend' | 'Wait';
  /** Name of the VM or nested group; absent for placement and waits. */
  member?: string;
  /** Why the step comes when it does. */
  why: string;
  /** The open run has begun it, and continues it. */
  underWay?: true;
}

/** An operation that an open run gives up, as its plan wants something else. */
export interface GivenUp {
  group: string;
  action: ForecastStep['action'];
  member: string;
}

/** What a plan would do. */
export interface Forecast {
  /** In the order in which they would happen. */
  steps: ForecastStep[];
  /** Milliseconds after the start at which the last step is done, at the earliest. */
  end: number;
  /** What the run would wait for without an end of its own. */
  waits: string[];
  /** What the platform would be asked to place. */
  places: PlaceInput[];
  givenUp: GivenUp[];
}

/** What is known of runs besides their plans. */
export interface ForecastWorld {
  /** A parent's run has placed the VMs. */
  placedByParent?: boolean;
  /** The open run of a group by its name, which receives the plan; undefined: a run begins. */
  openRun?: (group: string) => Run | undefined;
  /** How long the operation of a member takes, milliseconds; absent: no time. */
  durationOf?: (group: string, member: MemberKey) => number;
}

const ACTIONS = { PoweredOn: 'PowerOn', PoweredOff: 'PowerOff', Suspended: 'Suspend' } as const;

/** Most rounds of one forecast: a bound against a planner that would never end, not against large plans. */
const ROUNDS = 1_000_000;

/** What a run of the plan that starts at `now`, milliseconds since the Unix epoch, reports before anything has happened. */
export function progressAtStart(plan: Plan, now: number): Progress {
  return progressOf(nextSteps(begin({ plan, cause: 'SpecChanged' }, now), now).run);
}

/** Forecasts the run of a plan that starts, or that an open run receives, at `now`, milliseconds since the Unix epoch. */
export function forecast(plan: Plan, now: number, world: ForecastWorld = {}): Forecast {
  const result: Forecast = { steps: [], end: 0, waits: [], places: [], givenUp: [] };
  const walk: Walk = { result, world, began: now };
  let run = firstRun(result, plan, now, world);
  let time = now;
  let open = openStarts(run).map((start) => ({
    start,
    endsAt: now + begun(walk, run, start, now, { underWay: true }),
  }));
  for (let round = 0; round < ROUNDS; round += 1) {
    const decision = nextSteps(run, time);
    run = decision.run;
    for (const start of decision.start) open.push({ start, endsAt: time + begun(walk, run, start, time) });
    if (decision.outcome) break;
    const next = Math.min(...open.map(({ endsAt }) => endsAt), decision.wake?.at ?? Infinity);
    if (next === Infinity) {
      result.waits.push(progressOf(run).message);
      break;
    }
    if (next > time && decision.wake && decision.wake.at === next) {
      result.steps.push(waitStep(run, time - now, decision.wake.summary));
    }
    time = Math.max(time, next);
    const over = open.filter(({ endsAt }) => endsAt <= time).map(({ start }) => start);
    run = allEnded(run, over, time);
    open = open.filter(({ endsAt }) => endsAt > time);
  }
  result.end = time - now;
  return result;
}

/** A forecast that is being made, of a run that began at `began`. */
interface Walk {
  result: Forecast;
  world: ForecastWorld;
  began: number;
}

/** The run at its start, or an open one once it has received the plan. */
function firstRun(
  result: Forecast,
  plan: Plan,
  now: number,
  { openRun, placedByParent }: ForecastWorld,
): Run {
  // Operations take no time, so how many may be open at once changes nothing but the number of rounds.
  const policy = { ...plan.policy, maxConcurrentOperations: Number.MAX_SAFE_INTEGER };
  const given = { ...plan, policy };
  const seen = openRun?.(plan.name);
  if (!seen)
    return begin({ plan: given, cause: 'SpecChanged', ...(placedByParent && { placed: true }) }, now);
  const run = amended(seen, given, now);
  for (const { member, powerState } of givenUp(seen, run))
    result.givenUp.push({ group: plan.name, action: ACTIONS[powerState], member });
  return run;
}

/** Notes a step that begins; answers how long it takes, in milliseconds. */
function begun(
  { result, world, began }: Walk,
  run: Run,
  start: Start,
  time: number,
  mark: Pick<ForecastStep, 'underWay'> = {},
): number {
  const { plan } = run;
  const at = time - began;
  const work = workOf(start);
  if (work.activity === 'place') {
    result.places.push(work.input);
    const names = work.input.requests.map(({ vm }) => vm.name);
    result.steps.push({
      at,
      group: plan.name,
      tier: -1,
      action: 'Place',
      why: `all VMs together, before the first power-on: ${names.join(', ')}`,
      ...mark,
    });
    return 0;
  }
  // A forecast is never ended from outside, and no nested run takes longer than an activity waits for it.
  if (work.activity === 'release' || work.activity === 'findEndedGroups') return 0;
  const name = work.activity === 'powerGroup' ? work.input.plan.name : work.input.vm.name;
  const kind = work.activity === 'powerGroup' ? 'VirtualMachineGroup' : 'VirtualMachine';
  const tier = plan.tiers.findIndex(({ members }) =>
    members.some((member) => member.name === name && member.kind === kind),
  );
  result.steps.push({
    at,
    group: plan.name,
    tier,
    action: ACTIONS[powerStateOf(plan)],
    member: name,
    why: whyNow(run, tier),
    ...mark,
  });
  if (work.activity !== 'powerGroup') return world.durationOf?.(plan.name, name) ?? 0;
  const nested = forecast(work.input.plan, time, { ...world, placedByParent: true });
  result.steps.push(...nested.steps.map((step) => ({ ...step, at: step.at + at })));
  result.waits.push(...nested.waits.map((wait) => `${name}: ${wait}`));
  result.givenUp.push(...nested.givenUp);
  return nested.end;
}

function whyNow(run: Run, tier: number): string {
  const position = run.stages.findIndex((stage) => stage.tiers.includes(tier));
  const stage = run.stages[position];
  if (!stage || stage.tiers.length > 1 || run.stages.length === 1) return 'all members at once';
  const delay = stage.dueAt === undefined ? '' : `, and ${formatDuration(stage.delay)} after it`;
  const before = run.stages[position - 1]?.tiers[0];
  return before === undefined
    ? `first tier${delay && `, ${formatDuration(stage.delay)} after the start`}`
    : `tier ${before + 1} done${delay}`;
}

function waitStep(run: Run, at: number, summary: string): ForecastStep {
  const stage = run.stages.find((each) => each.dueAt !== undefined && each.releasedAt === undefined);
  return { at, group: run.plan.name, tier: stage?.tiers[0] ?? 0, action: 'Wait', why: summary };
}
