/** What the status of one group is computed from. Pure. */
import type { Gate, Group, Problem, VirtualMachine, VirtualMachineStatus } from '../../api';
import {
  gateOf,
  memberKey,
  workflowId,
  type MemberKey,
  type MemberProgress,
  type Plan,
  type RunException,
  type RunOutcome,
} from '../../contract';
import { isSameDesired, type ResolvedTier } from '../plans';
import type { SendDecision, SentPlan } from '../reconcile';
import { cureText, healthFindings, type HealthFinding } from '../../insight';
import type { RunState } from '../runs';
import type { ConditionReason, GroupView, MemberStatus } from './view';

/** What {@link groupView} needs. */
export interface StatusInput {
  group: Group;
  /** Why another controller powers members of the group's tree, so that nothing is done with it. */
  contest?: string;
  tiers: ResolvedTier[];
  /** The plan in force, as its driver has it; absent if the group has no driver. */
  plan?: Plan;
  observe: (vm: VirtualMachine) => VirtualMachineStatus | undefined;
  /** Whether it is not known if the platform has a VM. */
  isUnseen?: (vm: VirtualMachine) => boolean;
  /** What keeps a VM's open operation from taking effect. */
  holdOf?: (vm: VirtualMachine) => string | undefined;
  run: RunState;
  /** The run of the group's driver, which places the whole tree. */
  driverRun?: RunState;
  /** What the bridge decided, if the group is a driver. */
  decision?: SendDecision;
  /** The run of the group's driver is open, or about to start. */
  moving: boolean;
  /** Views of the nested groups, computed before. */
  childView: (name: string) => GroupView | undefined;
  /** Whether the parent that `spec.groupName` names exists. */
  parentExists: boolean;
  previous?: GroupView;
  problems: Problem[];
  sent?: SentPlan;
  /** Milliseconds since the epoch. */
  now: number;
}

/** The input with what is looked up for each member, by its key. */
export interface StatusFacts extends StatusInput {
  /** Progress of the members in the open run of the same desired state. */
  progress: ReadonlyMap<MemberKey, MemberProgress>;
  /** How the last run of the same desired state left the members that it did not bring there. */
  exceptions: ReadonlyMap<MemberKey, RunException>;
  before: ReadonlyMap<MemberKey, MemberStatus>;
  /** The gate of each member of the plan. */
  gates: ReadonlyMap<MemberKey, Gate>;
  placements: RunOutcome['placements'];
  /** Names of the VMs whose places were given back by the last run. */
  released: ReadonlySet<string>;
  /** Paused activities of members, by activity id (STATUS-5). */
  pausedActivities: ReadonlyMap<string, HealthFinding>;
  /** What else keeps the run from going on (STATUS-5). */
  troubles: RunTrouble[];
}

/** Why a run does not go on, as reason and message of a condition. */
export interface RunTrouble {
  reason: ConditionReason;
  message: string;
}

/** Looks up what the members of a group need. */
export function factsOf(input: StatusInput): StatusFacts {
  const { run, plan, previous } = input;
  return {
    ...input,
    progress: new Map(plan && progressOf(run, plan).map((member) => [member.member, member])),
    exceptions: new Map(plan && exceptionsOf(run, plan).map((exception) => [exception.member, exception])),
    before: new Map(previous?.status.members.map((member) => [memberKey(member), member])),
    gates: new Map(
      plan?.tiers.flatMap((tier) => tier.members.map((member) => [memberKey(member), gateOf(tier, member)])),
    ),
    placements: { ...placementsOf(input.driverRun), ...placementsOf(run) },
    released: new Set([...releasedBy(input.driverRun), ...releasedBy(run)]),
    ...troublesOf(input),
  };
}

function progressOf(run: RunState, plan: Plan): MemberProgress[] {
  if (run.phase !== 'Open' || !run.progress || !isSameDesired(plan, run.progress)) return [];
  return run.progress.members;
}

function exceptionsOf(run: RunState, plan: Plan): RunException[] {
  if (run.phase !== 'Closed' || !run.outcome || !isSameDesired(plan, run.outcome)) return [];
  return run.outcome.exceptions;
}

/** STATUS-5. */
function troublesOf({
  group,
  run,
  decision,
}: StatusInput): Pick<StatusFacts, 'pausedActivities' | 'troubles'> {
  const tooLarge: RunTrouble[] = decision?.tooLarge
    ? [{ reason: 'PlanTooLarge', message: decision.why }]
    : [];
  if (run.phase !== 'Open') return { pausedActivities: new Map(), troubles: tooLarge };
  const { health, progress } = run;
  const findings = health ? healthFindings(group, workflowId(group.namespace, group.name), health) : [];
  const ofMembers = new Set(progress?.members.map(({ activityId }) => activityId));
  const isOfMember = ({ activityId }: HealthFinding): boolean =>
    activityId !== undefined && ofMembers.has(activityId);
  const refused = decision?.refused && refusedTrouble(group, decision);
  return {
    pausedActivities: new Map(
      findings.filter(isOfMember).map((finding) => [finding.activityId ?? '', finding]),
    ),
    troubles: [
      ...findings
        .filter((finding) => !isOfMember(finding))
        .map((finding) => ({ reason: finding.kind, message: withCure(finding) })),
      ...(refused ? [refused] : []),
      ...tooLarge,
    ],
  };
}

/** The message of a finding with the commands that help. */
export function withCure(finding: HealthFinding): string {
  return `${finding.message}; way out: ${cureText(finding)}`;
}

function refusedTrouble({ namespace, name }: Group, { why, refused }: SendDecision): RunTrouble {
  const next =
    refused?.retryIn === undefined
      ? `way out: vmgroup abort ${namespace}/${name} --reason TEXT, then vmgroup retry ${namespace}/${name} --reason TEXT`
      : 'it is sent again in a few seconds, to replace that plan';
  return { reason: 'StalePlan', message: `${why}; ${next}` };
}

/** What a run has placed, by name of the VM. */
function placementsOf(run: RunState | undefined): RunOutcome['placements'] {
  if (run?.phase === 'Open') return run.progress?.placements ?? {};
  return run?.phase === 'Closed' ? (run.outcome?.placements ?? {}) : {};
}

/** The VMs whose promised places a run has given back. */
function releasedBy(run: RunState | undefined): string[] {
  return run?.phase === 'Closed' ? (run.outcome?.released ?? []) : [];
}
