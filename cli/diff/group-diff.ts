/**
 * What a change of desired state does to the run of one group. Pure.
 *
 * DIFF-1: the steps are those of the planner that runs the plan, for VMs as they were observed. A VM in its desired state is in none.
 */
import { canonicalText } from '../../api';
import { desireOf, isInState, machinesOf, memberKey, type Plan } from '../../contract';
import { planChanges, type RecordedPlan } from '../../record';
import { forecast, type ForecastStep } from '../../workflows';

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
  /** What the run would wait for without an end of its own. */
  waits: string[];
  /** Names of the VMs that would be touched, in the order of the steps, and how many would not. */
  touched: string[];
  untouched: number;
  /** VMs that are a group's no more: nobody touches them. */
  left: string[];
  /** Phase of the run that is open: it takes the change over at once. */
  openRun?: string;
}

/** A step. */
export interface DiffStep extends ForecastStep {
  /** It is due without the change too. */
  anyway?: true;
  /** The VM is in its desired state: it is only asked whether it meets its gate. */
  confirms?: true;
}

/** The difference between two plans of a group, one of which may be absent. Observations in both are those of now. */
export function groupDiff(
  before: Plan | undefined,
  after: Plan | undefined,
  openRun: string | undefined,
): GroupDiff {
  const plan = after ?? before;
  if (!plan) throw new TypeError('one of the plans is there');
  const changes = before && after ? changesIn(before, after) : [];
  const due = new Set(before && after ? forecast(before, 0).steps.map(stepKey) : []);
  const { steps, end, waits } = after ? forecast(after, 0) : { steps: [], end: 0, waits: [] };
  const vms = new Set(after ? namesIn(after) : []);
  const inState = new Set(after ? namesInState(after) : []);
  const isTouched = (name: string | undefined): name is string =>
    name !== undefined && vms.has(name) && !inState.has(name);
  const touched = [...new Set(steps.flatMap(({ member }) => (isTouched(member) ? [member] : [])))];
  return {
    group: `${plan.namespace}/${plan.name}`,
    change: changeOf(before, after, changes),
    changes: after ? changes : [deletionText(plan)],
    steps: steps.map((step) => ({
      ...step,
      ...(due.has(stepKey(step)) && { anyway: true as const }),
      ...(inState.has(step.member ?? '') && { confirms: true as const }),
    })),
    end,
    waits,
    touched,
    untouched: vms.size - touched.length,
    left: before ? namesIn(before).filter((name) => !vms.has(name)) : [],
    ...(openRun !== undefined && { openRun }),
  };
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

function stepKey({ group, action, member = '' }: ForecastStep): string {
  return `${group} ${action} ${member}`;
}
