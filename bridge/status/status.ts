/**
 * The status of every group, computed from the group, what was observed of its members, and its run. Pure.
 *
 * STATUS-1: a condition says only what was observed: an operator command lets a tier go on, it does not make a VM count as powered on.
 * STATUS-2: status is right whether a run is open, has ended or never was.
 * STATUS-3: `lastTransitionTime` moves only when a condition's status moves.
 * STATUS-4: a group becomes ready when its run has ended, so that phase and `Ready` change together. A ready group stays ready while a run is
 *     open that has nothing to do.
 * STATUS-5: what stops a run and the run cannot report itself (a failing workflow task, a pause, a plan that it refuses) is shown with the
 *     commands that help.
 *
 * Field names are those of VirtualMachineGroup in vmoperator.vmware.com (v1alpha4 to v1alpha6); conditions are `metav1.Condition`.
 */
import {
  formatProblem,
  own,
  type Group,
  type MemberKind,
  type Placement,
  type PowerState,
  type Problem,
  type VirtualMachine,
  type VirtualMachineStatus,
} from '../../api';
import {
  isInState,
  observedState,
  meetsGate,
  memberKey,
  workflowId,
  type MemberKey,
  type MemberProgress,
  type OutcomeType,
  type Plan,
  type PlanTier,
  type Progress,
  type RunException,
  type RunOutcome,
  type RunPhase,
} from '../../contract';
import { isSameDesired, type ResolvedMember, type ResolvedTier } from '../plans';
import type { SendDecision, SentPlan } from '../reconcile';
import { healthFindings, type HealthFinding, type RunHealth, type RunState } from '../runs';

/** A Kubernetes `metav1.Condition`. */
export interface Condition {
  type: 'GroupLinked' | 'PowerStateSynced' | 'PlacementReady' | 'Ready';
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
  /** RFC 3339, whole seconds. */
  lastTransitionTime: string;
  observedGeneration: number;
}

/** One entry of `status.members`. */
export interface MemberStatus {
  name: string;
  kind: MemberKind;
  uid?: string;
  placement?: Placement;
  /** VMs only: as observed. */
  powerState?: PowerState;
  conditions: Condition[];
}

/** `status` of a VirtualMachineGroup. */
export interface GroupStatus {
  observedGeneration: number;
  /** In boot order. */
  members: MemberStatus[];
  /** RFC 3339: when a run last brought the members to the group's power state. */
  lastUpdatedPowerStateTime?: string;
  conditions: Condition[];
}

/**
 * Where a group stands. Beside the phases and outcomes of runs: `Starting` (a run is asked for and has not answered yet), `Pending` (out of
 * the desired state, and a run will start), `OutOfSync` (out of the desired state, and none will), `Unmanaged` (no power state), `Invalid`
 * (no valid form of the group is known).
 */
export type GroupPhase =
  RunPhase | OutcomeType | 'Starting' | 'Pending' | 'OutOfSync' | 'Unmanaged' | 'Invalid';

/** The last run of a group, as a view shows it. Times are milliseconds since the epoch. */
export interface RunView {
  workflowId: string;
  runId: string;
  startedAt: number;
  endedAt?: number;
  outcome?: RunOutcome;
  /** While the run is open. */
  progress?: Progress;
  /** How Temporal closed it, where it left no outcome. */
  closedAs?: string;
  /** While the run is open: what Temporal knows of it and the run itself cannot report. */
  health?: RunHealth;
}

/** A group as people and programs see it: what `vmgroup get` prints. */
export interface GroupView {
  apiVersion: string;
  kind: 'VirtualMachineGroup';
  metadata: { namespace: string; name: string; uid: string; generation: number };
  spec: { powerState?: PowerState; groupName?: string };
  status: GroupStatus;
  phase: GroupPhase;
  /** Why the phase is what it is, in a sentence. */
  message: string;
  run?: RunView;
  /** What is wrong with the group's manifest; the last valid form is in force. */
  problems?: Problem[];
  /** What the bridge remembers across restarts. */
  sent?: SentPlan;
}

/** What the status of one group is computed from. */
export interface StatusInput {
  group: Group;
  tiers: ResolvedTier[];
  /** The plan in force, as its driver has it; absent where nobody drives the group. */
  plan?: Plan;
  observe: (vm: VirtualMachine) => VirtualMachineStatus | undefined;
  /** What keeps a VM's open operation from taking effect. */
  holdOf?: (vm: VirtualMachine) => string | undefined;
  run: RunState;
  /** The run of the group's driver, which places the whole tree. */
  driverRun?: RunState;
  /** What the bridge decided, where the group is a driver. */
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

/** The API version that views are shown in. */
export const VIEW_API_VERSION = 'vmoperator.vmware.com/v1alpha6';

/** The input with what is looked up for each member, by its key. */
interface Facts extends StatusInput {
  /** Where the members stand in the open run of the same desired state. */
  progress: ReadonlyMap<MemberKey, MemberProgress>;
  /** How the last run of the same desired state left the members that it did not bring there. */
  exceptions: ReadonlyMap<MemberKey, RunException>;
  before: ReadonlyMap<MemberKey, MemberStatus>;
  placements: RunOutcome['placements'];
  /** Names of the VMs whose places were given back by the last run. */
  released: ReadonlySet<string>;
  /** What is wrong with the open run (STATUS-5): with activities of members by their ids, and with the rest of it. */
  pausedActivities: ReadonlyMap<string, HealthFinding>;
  troubles: Trouble[];
}

/** Why a run does not go on, as reason and message of a condition. */
interface Trouble {
  reason: string;
  message: string;
}

function factsOf(input: StatusInput): Facts {
  const { run, plan, previous } = input;
  return {
    ...input,
    progress: new Map(plan && openMembers(run, plan).map((member) => [member.member, member])),
    exceptions: new Map(plan && exceptionsOf(run, plan).map((exception) => [exception.member, exception])),
    before: new Map(previous?.status.members.map((member) => [memberKey(member), member])),
    placements: { ...placementsOf(input.driverRun), ...placementsOf(run) },
    released: new Set([...releasedBy(input.driverRun), ...releasedBy(run)]),
    ...troublesOf(input),
  };
}

/** STATUS-5. */
function troublesOf({ group, run, decision }: StatusInput): Pick<Facts, 'pausedActivities' | 'troubles'> {
  const tooLarge = decision?.tooLarge ? [{ reason: 'PlanTooLarge', message: decision.why }] : [];
  if (run.phase !== 'Open') return { pausedActivities: new Map(), troubles: tooLarge };
  const { health, progress } = run;
  const id = workflowId(group.namespace, group.name);
  const findings = health ? healthFindings(group, id, health) : [];
  const ofMembers = new Set(progress?.members.map(({ activityId }) => activityId));
  const isOfMember = ({ activityId }: HealthFinding): boolean =>
    activityId !== undefined && ofMembers.has(activityId);
  const refused = decision?.refused && refusedTrouble(group, decision);
  return {
    pausedActivities: new Map(findings.filter(isOfMember).map((found) => [found.activityId ?? '', found])),
    troubles: [
      ...findings
        .filter((found) => !isOfMember(found))
        .map((found) => ({ reason: found.kind, message: withCure(found) })),
      ...(refused ? [refused] : []),
      ...tooLarge,
    ],
  };
}

function withCure({ message, cure }: HealthFinding): string {
  return `${message}; way out: ${cure.join(', then ')}`;
}

function refusedTrouble({ namespace, name }: Group, { why, refused }: SendDecision): Trouble {
  const next =
    refused?.retryIn === undefined
      ? `way out: vmgroup abort ${namespace}/${name} --reason TEXT, then vmgroup retry ${namespace}/${name} --reason TEXT`
      : 'it is sent again in a few seconds, as the one that replaces it';
  return { reason: 'StalePlan', message: `${why}; ${next}` };
}

/** Computes the view of one group. Nested groups come first. */
export function groupView(given: StatusInput): GroupView {
  const input = factsOf(given);
  const { group, plan, run, previous, problems, sent } = input;
  const members = input.tiers.flatMap((tier) =>
    tier.members.map((member) => assessMember(input, tier, member)),
  );
  const unready = members.filter((member) => member.unready !== undefined);
  const updated = lastUpdated(run, plan) ?? previous?.status.lastUpdatedPowerStateTime;
  const status: GroupStatus = {
    observedGeneration: group.generation,
    members: members.map((member) => member.status),
    ...(updated !== undefined && { lastUpdatedPowerStateTime: updated }),
    conditions: groupConditions(input, unready, members.length),
  };
  const { phase, message } = phaseOf(input, unready);
  const runView = viewOfRun(group, run);
  return {
    apiVersion: VIEW_API_VERSION,
    kind: 'VirtualMachineGroup',
    metadata: {
      namespace: group.namespace,
      name: group.name,
      uid: group.uid,
      generation: group.generation,
    },
    spec: {
      ...(group.powerState && { powerState: group.powerState }),
      ...(group.groupName !== undefined && { groupName: group.groupName }),
    },
    status,
    phase,
    message,
    ...(runView && { run: runView }),
    ...(problems.length > 0 && { problems }),
    ...(sent && { sent }),
  };
}

/** What {@link unusableView} is computed from. */
export interface UnusableInput {
  group: { namespace: string; name: string; uid: string; generation: number };
  problems: Problem[];
  previous?: GroupView;
  /** Milliseconds since the epoch. */
  now: number;
}

/** The view of a group of which no valid form is known: what was seen of its members before stays, and `Ready` says what is wrong. */
export function unusableView({ group, problems, previous, now }: UnusableInput): GroupView {
  const before = previous?.metadata.uid === group.uid ? previous : undefined;
  const message = problemsText(problems);
  const found = finding('Ready', 'False', 'Invalid', message);
  const { namespace, name, uid, generation } = group;
  return {
    apiVersion: VIEW_API_VERSION,
    kind: 'VirtualMachineGroup',
    metadata: { namespace, name, uid, generation },
    spec: before?.spec ?? {},
    status: {
      ...(before?.status ?? { members: [] }),
      observedGeneration: generation,
      conditions: stamp([found], before?.status.conditions, { group, now }),
    },
    phase: 'Invalid',
    message,
    ...(before?.run && { run: before.run }),
    problems,
    ...(before?.sent && { sent: before.sent }),
  };
}

/** The errors of a group, in one message. */
function problemsText(problems: readonly Problem[]): string {
  const errors = problems.filter(({ severity }) => severity === 'Error').map(formatProblem);
  const more = errors.length > NAMED ? `; and ${errors.length - NAMED} more` : '';
  return `${errors.slice(0, NAMED).join('; ')}${more}`;
}

/** A condition before its times. */
type Finding = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

interface Assessed {
  status: MemberStatus;
  /** Why the member is not ready; absent: it is. */
  unready?: string;
}

function assessMember(input: Facts, tier: ResolvedTier, member: ResolvedMember): Assessed {
  const key = memberKey(member.ref);
  const before = input.before.get(key);
  const vmParts = member.vm && machineStatus(input, member, member.vm, before);
  const findings = [linkFinding(input.group, member)];
  if (member.link === 'Linked' && member.vm) {
    findings.push(...machineFindings(input, key, member.vm, vmParts?.placement, before));
  }
  if (member.link === 'Linked' && member.group) findings.push(childFinding(input, member.ref.name));
  const failing = findings.find((finding) => finding.status !== 'True');
  const unready = failing ? `${key}: ${failing.message}` : gateUnready(input, tier, key, member);
  return {
    status: {
      ...member.ref,
      ...(member.vm && { uid: member.vm.uid }),
      ...(member.group && { uid: member.group.uid }),
      ...vmParts,
      conditions: stamp(findings, before?.conditions, input),
    },
    ...(unready !== undefined && { unready }),
  };
}

function linkFinding(group: Group, member: ResolvedMember): Finding {
  const { kind, name } = member.ref;
  switch (member.link) {
    case 'Linked':
      return finding('GroupLinked', 'True', 'MemberLinked', 'Member is linked to this group');
    case 'NotFound':
      return finding('GroupLinked', 'False', 'NotFound', `${kind} "${name}" does not exist`);
    case 'NotMember': {
      const other = member.vm?.groupName ?? member.group?.groupName;
      const text = other === undefined ? 'has no spec.groupName' : `names "${other}" in spec.groupName`;
      return finding('GroupLinked', 'False', 'NotMember', `${kind} "${name}" ${text}, not "${group.name}"`);
    }
  }
}

function machineStatus(
  input: Facts,
  member: ResolvedMember,
  vm: VirtualMachine,
  before: MemberStatus | undefined,
): Pick<MemberStatus, 'placement' | 'powerState'> {
  const observed = input.observe(vm);
  // What was placed stays placed while the VM exists, but for what was given back; another VM of the same name starts anew.
  const kept = before?.uid === vm.uid && !input.released.has(vm.name) ? before.placement : undefined;
  const placement = located(observed?.placement ?? vm.placed, runPlacement(input, vm) ?? kept);
  return {
    ...(placement && member.link === 'Linked' && { placement }),
    ...(observed && { powerState: observed.powerState }),
  };
}

/** Where a VM is. Pool and datastores are those that it was given in its zone where the platform does not report them. */
function located(seen: Placement | undefined, given: Placement | undefined): Placement | undefined {
  if (!seen || seen.zoneID !== given?.zoneID) return seen ?? given;
  const { pool, datastores } = given;
  return { ...(pool !== undefined && { pool }), ...(datastores && { datastores }), ...seen };
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

/** Where a run has placed this VM; another one of the same name is placed anew. */
function runPlacement({ placements }: Facts, vm: VirtualMachine): Placement | undefined {
  const found = own(placements, vm.name);
  if (!found) return undefined;
  const { uid = vm.uid, note: _note, ...placement } = found;
  return uid === vm.uid && placement.zoneID !== '' ? placement : undefined;
}

function machineFindings(
  input: Facts,
  key: MemberKey,
  vm: VirtualMachine,
  placement: Placement | undefined,
  before: MemberStatus | undefined,
): Finding[] {
  const placed = placementFinding(input, vm, placement, before);
  if (!input.plan || input.plan.powerState === 'Unchanged') return placed ? [placed] : [];
  const power = powerFinding(input, input.plan, key, vm);
  return placed ? [power, placed] : [power];
}

function placementFinding(
  input: Facts,
  vm: VirtualMachine,
  placement: Placement | undefined,
  before: MemberStatus | undefined,
): Finding | undefined {
  if (placement) {
    const computed = runPlacement(input, vm) !== undefined || wasComputed(before, placement);
    return computed
      ? finding('PlacementReady', 'True', 'PlacementComputed', computedMessage(input, vm, before))
      : finding('PlacementReady', 'True', 'AlreadyPlaced', placement.zoneID);
  }
  // VMs are placed before they are powered on for the first time, and not before, but where they come into being only then.
  if (input.plan?.powerState !== 'PoweredOn' && !input.plan?.placesAhead) return undefined;
  const run = input.driverRun ?? input.run;
  const text = (run.phase === 'Open' && run.progress?.placement.message) || 'not placed yet';
  return finding('PlacementReady', 'False', 'Pending', text);
}

/** With what the platform said of the place, which stays. */
function computedMessage(
  { placements }: Facts,
  vm: VirtualMachine,
  before: MemberStatus | undefined,
): string {
  const old = before?.conditions.find(({ reason }) => reason === 'PlacementComputed')?.message;
  const found = own(placements, vm.name);
  if (!found || (found.uid ?? vm.uid) !== vm.uid) return old ?? COMPUTED;
  return found.note === undefined ? COMPUTED : `${COMPUTED}; ${found.note}`;
}

const COMPUTED = 'Placement decision is ready';

function wasComputed(before: MemberStatus | undefined, placement: Placement): boolean {
  const old = before?.conditions.find((condition) => condition.type === 'PlacementReady');
  return old?.reason === 'PlacementComputed' && before?.placement?.zoneID === placement.zoneID;
}

function powerFinding(input: Facts, plan: Plan, key: MemberKey, vm: VirtualMachine): Finding {
  const observed = input.observe(vm);
  const state = observedState(observed);
  const type = 'PowerStateSynced';
  if (isInState(plan.powerState, observed)) {
    return state === plan.powerState
      ? finding(type, 'True', 'PowerStateMatches', 'Member power state matches group specification')
      : finding(
          type,
          'True',
          'LeftPoweredOff',
          'Member was powered off and stays so while the group is suspended',
        );
  }
  const progress = input.progress.get(key);
  if (progress) {
    const paused = input.pausedActivities.get(progress.activityId ?? '');
    if (paused) {
      return finding(type, 'False', paused.kind, `${mismatch(plan, key, state)}: ${withCure(paused)}`);
    }
    return openFinding(plan, key, state, progress, input.holdOf?.(vm));
  }
  const exception = input.exceptions.get(key);
  if (exception) return exceptionFinding(plan, key, state, exception);
  return restingFinding(input, plan, key, state);
}

/** What the open run says of the members, if it is one of the same desired state. */
function openMembers(run: RunState, plan: Plan): MemberProgress[] {
  if (run.phase !== 'Open' || !run.progress || !isSameDesired(plan, run.progress)) return [];
  return run.progress.members;
}

function exceptionsOf(run: RunState, plan: Plan): RunException[] {
  if (run.phase !== 'Closed' || !run.outcome || !isSameDesired(plan, run.outcome)) return [];
  return run.outcome.exceptions;
}

function openFinding(
  plan: Plan,
  key: MemberKey,
  state: PowerState,
  progress: MemberProgress,
  hold: string | undefined,
): Finding {
  const type = 'PowerStateSynced';
  const is = mismatch(plan, key, state);
  switch (progress.phase) {
    case 'Parked': {
      const error = progress.lastError;
      const text = error ? `${error.class}: ${error.message}` : (progress.waitsFor ?? 'parked');
      return finding(type, 'False', 'PowerOperationFailed', `${is}: ${text}`);
    }
    case 'Skipped':
    case 'LeftAlone':
      return finding(type, 'False', 'NotSynced', `${is}: ${progress.waitsFor ?? 'left as it is'}`);
    case 'Done':
      return finding(type, 'False', 'NotSynced', `${is}: it left the desired state`);
    case 'Pending':
    case 'Missing':
    case 'Queued':
      return finding(type, 'False', 'Pending', [is, progress.waitsFor].filter(Boolean).join(': '));
    case 'InProgress': {
      // That it waits for the state that the group wants is said already.
      const waitsFor = progress.waitsFor === plan.powerState ? undefined : progress.waitsFor;
      // Between two attempts the platform holds nothing: what made the last one fail is still the cause.
      const { lastError, attempt } = progress;
      const failed =
        lastError && `attempt ${(attempt ?? 2) - 1} failed: ${lastError.class}: ${lastError.message}`;
      return finding(type, 'False', 'Pending', [is, hold ?? failed ?? waitsFor].filter(Boolean).join(': '));
    }
  }
}

function exceptionFinding(plan: Plan, key: MemberKey, state: PowerState, exception: RunException): Finding {
  const reason = exception.reason === 'Parked' ? 'PowerOperationFailed' : 'NotSynced';
  return finding('PowerStateSynced', 'False', reason, `${mismatch(plan, key, state)}: ${exception.message}`);
}

function restingFinding(input: Facts, plan: Plan, key: MemberKey, state: PowerState): Finding {
  const is = mismatch(plan, key, state);
  const { decision } = input;
  if (input.moving) return finding('PowerStateSynced', 'False', 'Pending', is);
  return finding('PowerStateSynced', 'False', 'NotSynced', decision ? `${is}: ${decision.why}` : is);
}

function mismatch(plan: Plan, key: MemberKey, state: PowerState): string {
  return `${key} is ${state}, the group wants ${plan.powerState}`;
}

function childFinding(input: Facts, name: string): Finding {
  const ready = input.childView(name)?.status.conditions.find((condition) => condition.type === 'Ready');
  if (!ready)
    return finding('Ready', 'Unknown', 'Pending', `VirtualMachineGroup "${name}" has no status yet`);
  return finding('Ready', ready.status, ready.reason, ready.message);
}

/** Why a VM that is in its power state is not ready all the same: its gate. */
function gateUnready(
  input: Facts,
  tier: ResolvedTier,
  key: MemberKey,
  member: ResolvedMember,
): string | undefined {
  const { plan } = input;
  if (!plan || !member.vm || member.link !== 'Linked') return undefined;
  const planned: PlanTier | undefined = plan.tiers[tier.index];
  if (!planned || plan.powerState !== 'PoweredOn') return undefined;
  if (meetsGate(planned.gate, input.observe(member.vm))) return undefined;
  const progress = input.progress.get(key);
  if (progress && progress.phase !== 'Done') return `${key}: ${progress.waitsFor ?? 'not ready yet'}`;
  const exception = progress ? undefined : input.exceptions.get(key);
  return exception && `${key}: ${exception.message}`;
}

function groupConditions(input: Facts, unready: Assessed[], total: number): Condition[] {
  const invalid = input.problems.some(({ severity }) => severity === 'Error');
  const ready = invalid
    ? finding('Ready', 'False', 'Invalid', problemsText(input.problems))
    : readyFinding(input, unready, total);
  const findings: Finding[] = [ready];
  const parent = input.group.groupName;
  if (parent !== undefined) {
    findings.push(
      input.parentExists
        ? finding('GroupLinked', 'True', 'MemberLinked', `Group is linked to its parent "${parent}"`)
        : finding('GroupLinked', 'False', 'NotFound', `VirtualMachineGroup "${parent}" does not exist`),
    );
  }
  return stamp(findings, input.previous?.status.conditions, input);
}

/** Most members that a message names. */
const NAMED = 5;

const ALL_READY = 'All group members are in desired state';

function readyFinding(input: Facts, unready: Assessed[], total: number): Finding {
  const { groupName } = input.group;
  if (groupName !== undefined && !input.parentExists) {
    const members = unready.length === 0 ? ALL_READY : unreadyText(unready, total);
    return finding(
      'Ready',
      'False',
      'ParentNotFound',
      `VirtualMachineGroup "${groupName}", which spec.groupName names, does not exist; ${members}`,
    );
  }
  const [trouble] = input.troubles;
  if (unready.length > 0) {
    const text = unreadyText(unready, total);
    return trouble
      ? finding('Ready', 'False', trouble.reason, `${trouble.message}; ${text}`)
      : finding('Ready', 'False', 'MembersNotReady', text);
  }
  if (isRunAhead(input)) {
    const message = trouble?.message ?? `${ALL_READY}; the run has not ended yet`;
    return finding('Ready', 'False', trouble?.reason ?? 'RunOpen', message);
  }
  return finding('Ready', 'True', 'AllMembersReady', ALL_READY);
}

/** STATUS-4. */
function isRunAhead({ run, previous }: Facts): boolean {
  const before = previous?.status.conditions.find(({ type }) => type === 'Ready');
  return run.phase === 'Open' && before?.status !== 'True';
}

function unreadyText(unready: Assessed[], total: number): string {
  const shown = unready.slice(0, NAMED).map((member) => member.unready);
  const more = unready.length > NAMED ? `; and ${unready.length - NAMED} more` : '';
  return `${unready.length} of ${total} members not ready: ${shown.join('; ')}${more}`;
}

function finding(
  type: Condition['type'],
  status: Condition['status'],
  reason: string,
  message: string,
): Finding {
  return { type, status, reason, message };
}

/** STATUS-3. */
function stamp(
  findings: Finding[],
  before: Condition[] | undefined,
  input: Pick<UnusableInput, 'group' | 'now'>,
): Condition[] {
  return findings.map((found) => {
    const old = before?.find((condition) => condition.type === found.type);
    return {
      ...found,
      lastTransitionTime: old?.status === found.status ? old.lastTransitionTime : rfc3339(input.now),
      observedGeneration: input.group.generation,
    };
  });
}

/** A time on the wire, in whole seconds as Kubernetes has them. */
export function rfc3339(time: number): string {
  return new Date(time).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

function lastUpdated(run: RunState, plan: Plan | undefined): string | undefined {
  if (run.phase !== 'Closed' || !run.outcome || !plan) return undefined;
  const reached = run.outcome.outcome === 'Converged' || run.outcome.outcome === 'ConvergedWithExceptions';
  return reached && run.outcome.powerState === plan.powerState ? rfc3339(run.outcome.endedAt) : undefined;
}

function phaseOf(input: Facts, unready: Assessed[]): { phase: GroupPhase; message: string } {
  const { run, plan, decision } = input;
  if (run.phase === 'Open') {
    const { progress } = run;
    const [trouble] = input.troubles;
    const message = trouble?.message ?? progress?.message ?? 'the run has not answered yet';
    return { phase: progress?.phase ?? 'Starting', message };
  }
  if (decision?.send && unready.length > 0)
    return { phase: 'Pending', message: `a run is about to start: ${decision.why}` };
  if (!plan || plan.powerState === 'Unchanged')
    return { phase: 'Unmanaged', message: 'no power state: the power of the members is left alone' };
  if (unready.length === 0) return { phase: 'Converged', message: ALL_READY };
  const message = unreadyText(unready, input.tiers.flatMap((tier) => tier.members).length);
  if (input.moving) return { phase: 'Pending', message };
  const last = run.phase === 'Closed' ? run.outcome : undefined;
  if (decision?.stopped) return { phase: last?.outcome ?? 'Cancelled', message: decision.why };
  if (last && isSameDesired(plan, last) && last.outcome !== 'Converged' && last.outcome !== 'Superseded') {
    return { phase: last.outcome, message };
  }
  return { phase: 'OutOfSync', message };
}

function viewOfRun(group: Group, run: RunState): RunView | undefined {
  if (run.phase === 'None') return undefined;
  const base = {
    workflowId: workflowId(group.namespace, group.name),
    runId: run.runId,
    startedAt: run.startedAt,
  };
  if (run.phase === 'Open') {
    return {
      ...base,
      ...(run.progress && { progress: run.progress }),
      ...(run.health && { health: run.health }),
    };
  }
  return {
    ...base,
    endedAt: run.endedAt,
    ...(run.outcome ? { outcome: run.outcome } : { closedAs: run.closedAs }),
  };
}

/** The run that a view remembers; for a server that has forgotten it. */
export function runOfView(view: GroupView | undefined): RunState {
  const run = view?.run;
  if (!run || run.endedAt === undefined) return { phase: 'None' };
  return {
    phase: 'Closed',
    runId: run.runId,
    startedAt: run.startedAt,
    endedAt: run.endedAt,
    closedAs: run.closedAs ?? 'COMPLETED',
    ...(run.outcome && { outcome: run.outcome }),
  };
}
