/**
 * The dry run: what a plan would do, step by step, asked of the same planner that runs it. Operations take no time here, so each time is
 * the earliest possible one.
 */
import { type PlaceInput, type Progress, type RunOutcome, gateCondition, type Plan } from '../contract';
import { formatDuration } from '../api/duration';
import { usesAll } from './changes';
import { nextSteps, powerStateOf, workOf, type Start } from './planner';
import { progressOf } from './progress';
import { operationsEnded, type OperationResult } from './operations';
import { placed } from './placing';
import { begin } from './plans';
import type { Run } from './state';

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
}

const ACTIONS = { PoweredOn: 'PowerOn', PoweredOff: 'PowerOff', Suspended: 'Suspend' } as const;

/** Most rounds of one forecast: a bound against a planner that would never end, not against large plans. */
const ROUNDS = 1_000_000;

/** What a run of the plan that starts at `now`, milliseconds since the Unix epoch, reports before anything has happened. */
export function progressAtStart(plan: Plan, now: number): Progress {
  return progressOf(nextSteps(begin({ plan, cause: 'SpecChanged' }, now), now).run);
}

/** Forecasts the run of a plan that starts at `now`, milliseconds since the Unix epoch. */
export function forecast(plan: Plan, now: number, placedByParent = false): Forecast {
  const result: Forecast = { steps: [], end: 0, waits: [], places: [] };
  // Operations take no time, so how many may be open at once changes nothing but the number of rounds.
  const policy = { ...plan.policy, maxConcurrentOperations: Number.MAX_SAFE_INTEGER };
  const placedAlready = placedByParent ? { placed: true as const } : {};
  let run: Run = begin({ plan: { ...plan, policy }, cause: 'SpecChanged', ...placedAlready }, now);
  let time = now;
  let open: { start: Start; endsAt: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const decision = nextSteps(run, time);
    run = decision.run;
    for (const start of decision.start)
      open.push({ start, endsAt: time + begun(result, run, start, time, now) });
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

/** Notes a step that begins; answers how long it takes, in milliseconds. */
function begun(result: Forecast, run: Run, start: Start, time: number, began: number): number {
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
    });
    return 0;
  }
  // A forecast is never ended from outside, and no nested run takes longer than an activity waits for it.
  if (work.activity === 'release' || work.activity === 'findEndedGroups') return 0;
  const name = work.activity === 'powerGroup' ? work.input.plan.name : work.input.vm.name;
  const tier = plan.tiers.findIndex(({ members }) => members.some((member) => member.name === name));
  result.steps.push({
    at,
    group: plan.name,
    tier,
    action: ACTIONS[powerStateOf(plan)],
    member: name,
    why: whyNow(run, tier),
  });
  if (work.activity !== 'powerGroup') return 0;
  const nested = forecast(work.input.plan, time, true);
  result.steps.push(...nested.steps.map((step) => ({ ...step, at: step.at + at })));
  result.waits.push(...nested.waits.map((wait) => `${name}: ${wait}`));
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

/** The run after these activities have ended; operations are ended together, as each look at a large run takes long. */
function allEnded(run: Run, starts: readonly Start[], now: number): Run {
  let next = run;
  for (const start of starts) {
    const work = workOf(start);
    if (work.activity !== 'place') continue;
    const results = work.input.requests.map(({ vm }) => ({ vm, placement: { zoneID: '' } }));
    next = placed(next, start.activityId, results, now);
  }
  const ends = starts.flatMap((start) => {
    const result = resultOf(start, now);
    return result ? [{ activityId: start.activityId, at: now, result }] : [];
  });
  return operationsEnded(next, ends, usesAll);
}

/** What an operation comes to; undefined for what is none. */
function resultOf(start: Start, now: number): OperationResult | undefined {
  const work = workOf(start);
  switch (work.activity) {
    case 'place':
    case 'release':
    case 'findEndedGroups':
      return undefined;
    case 'powerGroup':
      return { kind: 'VirtualMachineGroup', outcome: asForecast(work.input.plan, now) };
    case 'powerOn':
    case 'powerOff':
    case 'suspend': {
      const status = {
        powerState: work.input.powerState,
        at: now,
        since: now,
        ready: work.input.powerState === 'PoweredOn',
        conditions: [gateCondition(work.input.gate) ?? []].flat(),
      };
      return { kind: 'VirtualMachine', status, acted: true };
    }
  }
}

function asForecast({ revision, generation, lineage, powerState }: Plan, now: number): RunOutcome {
  return {
    outcome: 'Converged',
    message: '',
    revision,
    generation,
    lineage,
    powerState,
    startedAt: now,
    endedAt: now,
    operations: 1,
    exceptions: [],
    observed: {},
    placements: {},
    corrections: {},
    words: [],
  };
}
