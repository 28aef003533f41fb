/**
 * What a change of desired state does to the run of one group. Pure.
 *
 * DIFF-1: the steps are those of the planner that runs the plan, for VMs as they were observed. A VM in its desired state is in none.
 */
import { canonicalText } from '../../api';
import { desireOf, isInState, machinesOf, memberKey, type Plan } from '../../contract';
import { planChanges, type RecordedPlan } from '../../record';
import {
  forecast,
  type Forecast,
  type ForecastStep,
  type ForecastWorld,
  type GivenUp,
} from '../../workflows';

/** What would become of one group that has a run of its own. */
export interface GroupDiff {
  /** `namespace/name`. */
  group: string;
  change: 'New' | 'Changed' | 'Deleted' | 'Unchanged';
  /** What differs, in words. */
  changes: string[];
  /** In the order in which they would happen; times are milliseconds after the change, at the earliest. */
  steps: DiffStep[];
  /** Milliseconds after the change at which the last step is done, at the earliest. */
  end: number;
  /** The same by what past runs took; absent: there are none. */
  about?: number;
  /** What the run would wait for without an end of its own. */
  waits: string[];
  /** Names of the VMs that would be touched, in the order of the steps. */
  touched: string[];
  /** Names of the VMs that would be left as they are, and how many these are. */
  kept: string[];
  untouched: number;
  /** VMs that no longer belong to a group: no run touches them. */
  left: string[];
  /** Phase of the run that is open: it takes the change over at once. */
  openRun?: string;
  /** Operations that the open run, or one below it, has begun and would give up. */
  givenUp: GivenUp[];
}

/** A step. */
export interface DiffStep extends ForecastStep {
  /** By what past runs took: milliseconds after the change. */
  about?: number;
  /** It is due without the change too. */
  anyway?: true;
  /** The VM is in its desired state: it is only asked whether it meets its gate. */
  confirms?: true;
}

/** What is known besides the plans. */
export interface DiffWorld extends Pick<ForecastWorld, 'openRun' | 'durationOf'> {
  /** Milliseconds since the epoch. */
  now: number;
  /** Phase of the group's open run. */
  phase?: string;
}

/** The difference, with what the platforms would be asked to place. */
export type GroupDiffWithPlaces = GroupDiff & Pick<Forecast, 'places'>;

const NOTHING: Forecast = { steps: [], end: 0, waits: [], places: [], givenUp: [] };

/** The difference between two plans of a group, one of which may be absent. Observations in both are those of now. */
export function groupDiff(
  before: Plan | undefined,
  after: Plan | undefined,
  { now, phase, openRun, durationOf }: DiffWorld,
): GroupDiffWithPlaces {
  const plan = after ?? before;
  if (!plan) throw new TypeError('one of the plans is there');
  const world = openRun ? { openRun } : {};
  const changes = before && after ? changesIn(before, after) : [];
  const due = new Set(before && after ? forecast(before, now, world).steps.map(stepKey) : []);
  const { steps, places, ...rest } = after ? forecast(after, now, world) : NOTHING;
  const usual = after && durationOf ? forecast(after, now, { ...world, durationOf }) : undefined;
  const usualAt = new Map(usual?.steps.map((step) => [stepKey(step), { about: step.at }]));
  const inState = new Set(after ? namesInState(after) : []);
  const names = after ? namesIn(after) : [];
  return {
    group: `${plan.namespace}/${plan.name}`,
    change: changeOf(before, after, changes),
    changes: after ? changes : [deletionText(plan)],
    steps: steps.map((step) => ({
      ...step,
      ...usualAt.get(stepKey(step)),
      ...(due.has(stepKey(step)) && { anyway: true as const }),
      ...(inState.has(step.member ?? '') && { confirms: true as const }),
    })),
    ...rest,
    ...(usual && { about: usual.end }),
    ...reachOf(steps, names, inState),
    left: before ? namesIn(before).filter((name) => !names.includes(name)) : [],
    ...(phase !== undefined && { openRun: phase }),
    places,
  };
}

/** Which VMs steps touch: a VM that is in its state is only asked for its gate. */
function reachOf(
  steps: readonly ForecastStep[],
  names: readonly string[],
  inState: ReadonlySet<string>,
): Pick<GroupDiff, 'touched' | 'kept' | 'untouched'> {
  const vms = new Set(names);
  const touched = new Set(
    steps.flatMap(({ member }) =>
      member !== undefined && vms.has(member) && !inState.has(member) ? [member] : [],
    ),
  );
  const kept = names.filter((name) => !touched.has(name));
  return { touched: [...touched], kept, untouched: kept.length };
}

function changeOf(
  before: Plan | undefined,
  after: Plan | undefined,
  changes: readonly string[],
): GroupDiff['change'] {
  if (!before) return 'New';
  if (!after) return 'Deleted';
  return changes.length === 0 ? 'Unchanged' : 'Changed';
}

/** In words; what the words leave out is still a change. */
function changesIn(before: Plan, after: Plan): string[] {
  const [was, is] = [lastingPart(before), lastingPart(after)];
  const nested = nestedChanges(before, after);
  const found = [...planChanges(was, is), ...nested];
  if (found.length > 0) return found;
  return canonicalText(was) === canonicalText(is) ? [] : ['settings that change no step'];
}

function nestedChanges(before: Plan, after: Plan): string[] {
  const inner = nestedPlans(before);
  return [...nestedPlans(after)].flatMap(([name, plan]) => {
    const was = inner.get(name);
    return was ? changesIn(was, plan).map((line) => `${name}: ${line}`) : [];
  });
}

function nestedPlans({ tiers }: Plan): Map<string, Plan> {
  return new Map(
    tiers.flatMap(({ members }) =>
      members.flatMap((member) => (member.plan ? [[memberKey(member), member.plan] as const] : [])),
    ),
  );
}

/** Without what is observed, the names of versions, and the plans of nested groups. */
function lastingPart(plan: Plan): RecordedPlan {
  return JSON.parse(desireOf(plan), (key, value: unknown) =>
    LEFT_OUT.has(key) ? undefined : value,
  ) as RecordedPlan;
}

const LEFT_OUT: ReadonlySet<string> = new Set(['revision', 'lineage', 'beside', 'plan']);

function deletionText({ policy }: Plan): string {
  return policy.deletion === 'Cascade'
    ? 'the group goes, and its VMs with it (deletion: Cascade)'
    : 'the group goes, and its VMs stay as they are (deletion: Orphan)';
}

function namesIn(plan: Plan): string[] {
  return machinesOf(plan).map(({ name }) => name);
}

function namesInState(plan: Plan): string[] {
  return machinesOf(plan)
    .filter(({ observed }) => isInState(plan.powerState, observed))
    .map(({ name }) => name);
}

function stepKey({ group, action, member = '', tier }: ForecastStep): string {
  return `${group} ${action} ${member} ${member === '' ? tier : ''}`;
}
