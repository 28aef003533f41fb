/** The operations of members: which may be opened, and the activities that carry them out. Pure. */
import { formatDuration } from '../../api/duration';
import { own } from '../../api/own';
import {
  machineRef,
  operationSettings,
  workflowId,
  type MemberKey,
  type Plan,
  type PlanMember,
  type PlanTier,
  type PowerGroupInput,
  type PowerInput,
} from '../../contract';
import type { Uses } from '../changes';
import { membersOf, type MemberState, type Run, type Stage } from '../state';
import { needsOperation, stageMembers } from './members';
import { mayStart } from './places';
import { confirming, nextId, powerStateOf, shorten, VERBS, type NextSteps, type Start } from './steps';

/**
 * Most operations of VMs, and of nested groups, that are open at a time whatever the policy says: Temporal takes 2,000 pending activities a
 * run, and 4 MB a workflow task.
 */
const MOST_OPEN = { VirtualMachine: 1_000, VirtualMachineGroup: 500 } as const;

/** How many operations of each kind may be opened; PLANNER-5, PLANNER-9. */
export type Slots = Record<PlanMember['kind'], number>;

export function freeSlots(run: Run): Slots {
  const slots: Slots = { ...MOST_OPEN };
  slots.VirtualMachine = Math.min(slots.VirtualMachine, run.plan.policy.maxConcurrentOperations);
  for (const { key, member } of membersOf(run.plan)) {
    if (own(run.members, key)?.operation) slots[member.kind] -= 1;
  }
  return slots;
}

/** Starts what may start in a released stage, and takes its slots. */
export function startMembers(
  steps: NextSteps,
  stage: Stage,
  slots: Slots,
  { now, sequence, uses }: { now: number; sequence: number; uses: Uses },
): void {
  const { run } = steps;
  if (run.paused) return;
  for (const { key, member, tier } of stageMembers(run, stage)) {
    const state = own(run.members, key);
    if (!state || state.operation || member.link !== 'Linked' || !needsOperation(run, key, member)) continue;
    if (slots[member.kind] <= 0 || !mayStart(run, key, member, uses)) continue;
    if (member.kind === 'VirtualMachine' && state.drifted && !mayCorrect(run, key, state, now)) continue;
    slots[member.kind] -= 1;
    run.members[key] = openOperation(run, key, state, now, sequence);
    steps.start.push(memberStart(run, key, member, tier));
  }
}

/** Whether drift of a VM may be corrected again. If not, it is left alone. */
function mayCorrect(run: Run, key: MemberKey, state: MemberState, now: number): boolean {
  const { action, maxCorrections, window } = run.plan.policy.drift;
  const actual = state.observed?.powerState ?? 'PoweredOff';
  const leave = (reason: 'Drifted' | 'DriftLimit', message: string): false => {
    run.members[key] = { ...state, leftAlone: { reason, message, at: now } };
    return false;
  };
  if (action === 'Report') {
    return leave(
      'Drifted',
      `${key} was changed to ${actual} outside of the group; policy says to report it only`,
    );
  }
  const recent = (own(run.corrections, key) ?? []).filter((at) => at > now - window);
  if (recent.length >= maxCorrections) {
    return leave(
      'DriftLimit',
      `${key} was changed to ${actual} outside of the group after ${recent.length} corrections within ${formatDuration(window)}; ` +
        `it is left alone until an operator retries it`,
    );
  }
  run.corrections = { ...run.corrections, [key]: [...recent, now] };
  return true;
}

function openOperation(
  run: Run,
  key: MemberKey,
  state: MemberState,
  now: number,
  sequence: number,
): MemberState {
  run.sequence = sequence;
  const powerState = powerStateOf(run.plan);
  const { verb } = VERBS[powerState];
  const next: MemberState = {
    ...state,
    operation: {
      activityId: nextId(run, `${verb}/${key}`),
      sequence,
      powerState,
      since: now,
      ...(state.uncertain && { fence: true as const }),
      ...(state.confirms && { confirms: true as const }),
      attempts: [],
    },
  };
  delete run.claims?.vms[key];
  delete next.reachedAt;
  delete next.confirms;
  return next;
}

export function memberStart(run: Run, key: MemberKey, member: PlanMember, tier: PlanTier): Start {
  const { plan } = run;
  const operation = own(run.members, key)?.operation;
  if (!operation) throw new TypeError(`${key} has no open operation`);
  const { activityId, sequence, attempts, fence, confirms, runId } = operation;
  const { words, activity } = VERBS[powerStateOf(plan)];
  const id = `${activityId}@${sequence}`;
  const caller = workflowId(plan.namespace, plan.name);
  if (member.plan) {
    const input: PowerGroupInput = {
      operation: id,
      sequence,
      plan: withRoomless(run, member.plan),
      retry: plan.policy.retry,
      earlier: attempts,
      caller,
      member: key,
      ...(runId !== undefined && { runId }),
    };
    if (runId !== undefined)
      return { activityId, activity: 'awaitGroup', summary: shorten(`await group ${member.name}`), input };
    const start = {
      activityId,
      activity: 'powerGroup' as const,
      summary: shorten(`${words} group ${member.name}`),
      input,
    };
    return confirms ? confirming(start) : start;
  }
  const input: PowerInput = {
    vm: machineRef(plan.namespace, member),
    operation: { id, sequence },
    powerState: powerStateOf(plan),
    ...operationSettings(plan, tier, member),
    earlier: attempts,
    caller,
    ...(fence && { fence }),
  };
  const start = {
    activityId,
    activity,
    summary: shorten(`${words} ${member.name}`),
    ...(member.platform !== undefined && { platform: member.platform }),
    input,
  };
  return confirms ? confirming(start) : start;
}

/** A nested group's plan that says for which optional VMs there is no room. */
function withRoomless(run: Run, plan: Plan): Plan {
  if (!run.roomless) return plan;
  const tiers = plan.tiers.map((tier) => ({
    ...tier,
    members: tier.members.map((member): PlanMember => {
      if (member.plan) return { ...member, plan: withRoomless(run, member.plan) };
      const message = member.kind === 'VirtualMachine' ? own(run.roomless, member.name) : undefined;
      return message === undefined ? member : { ...member, setAside: { reason: 'NoRoom', message } };
    }),
  }));
  return { ...plan, tiers };
}
