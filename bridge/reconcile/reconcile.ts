/**
 * Decides whether a driver's run is started or sent a plan, and why. Pure.
 *
 * RECONCILE-1: no run starts for members that are in their desired state already.
 * RECONCILE-2: members that the last run of the same desired state left as exceptions start no run.
 * RECONCILE-3: after a run that was stopped (`Cancelled`, `Failed`, ended from outside) no run starts until the desired state changes or an
 *     operator asks. An upgrade of the bridge does not change that, nor does a plan that another bridge sent.
 * RECONCILE-4: with drift action `Report` a drifted VM starts no run; a VM that joined and a changed desired state do.
 * RECONCILE-5: on a platform that creates VMs only once they are placed, a VM without a place starts a run, whatever the power state.
 * RECONCILE-6: an open run is told once of a VM that it has parked and that was observed in its desired state after that. The run tries the
 *     VM again, which finds it there and fences off any operation still on its way, and goes on.
 * RECONCILE-7: which plan an open run has is what the run itself says, not what was sent to it. A plan that the run refuses as older, although
 *     the source has it now (a clock or a backup was set back), is sent again after a while, as the one that replaces the plan of the run.
 * RECONCILE-8: a plan that is too large for Temporal is not sent, and the status says what to do.
 */
import { isLater, jsonLength, own, type VirtualMachineStatus } from '../../api';
import {
  isInState,
  meetsGate,
  memberKey,
  type Cause,
  type DesiredPowerState,
  type MemberKey,
  type MemberProgress,
  type Plan,
  type PlanMember,
  type PlanMessage,
  type PlanTier,
  type Progress,
  type RunOutcome,
} from '../../contract';
import { excusedMembers, isSameDesired, planDigest, wantsDigest } from '../plans';
import type { RunState } from '../runs';
import type { Asker } from '../requests';

/** What was last sent to a group's workflow. Kept across restarts and updates. */
export interface Sent {
  /** {@link planDigest}: not to be compared with that of another build. */
  digest: string;
  /** {@link wantsDigest}; builds that do not know it leave it out. */
  wants?: string;
  revision: string;
  lineage: string;
  powerState: DesiredPowerState;
  /** Every force sync token of the tree. */
  forceSync: string;
  /** Drifted VMs that were sent, with {@link Missed.seen}, by path (`child/vm`). */
  drift: Record<string, string | number>;
  /** VMs that were parked and then told to be where they belong, by path. */
  recovered?: string[];
  /** The run that it went to. */
  runId?: string;
  /** {@link PlanMessage.supersedes} of the message. */
  supersedes?: string;
}

/** What {@link decide} needs to know beside the plan. */
export interface Knowledge {
  /** The last run of any group of the namespace. */
  runOf(groupName: string): RunState;
  sent?: Sent;
  /** A person asks for a run. */
  asked?: Asker;
  /** Who asked for a force sync that the run has not been told of, where that is known. */
  syncAsker?: Asker;
  /** Milliseconds since the open run was first seen to refuse this plan; absent: it has not. */
  refusedFor?: number;
}

/** A VM (or a nested group whose open run has another plan) that is not in its desired state and may be brought there. */
export interface Missed {
  /** Names of the groups below the driver and of the member, joined by `/`. */
  path: string;
  member: MemberKey;
  /** Names the observation: its version, or its time where it has none; 0: it was never observed. */
  seen: string | number;
  observed?: VirtualMachineStatus;
  /** It was in the desired state under this plan, and has left it. */
  drifted: boolean;
}

/** What to do about a driver now. */
export interface Decision {
  /** Absent: nothing to send. */
  send?: PlanMessage;
  /** To be kept, with the run's id, once it was sent; where nothing is sent, at once: what is kept says too little. */
  sent?: Sent;
  /** In words. */
  why: string;
  missed: Missed[];
  /** Nothing starts until the desired state changes or somebody asks (RECONCILE-3). */
  stopped: boolean;
  /** The open run goes by another plan than the one that it was sent: it has refused that as older, or lost it (RECONCILE-7). */
  refused?: RefusedDecision;
  /** The plan is too large to be sent (RECONCILE-8). */
  tooLarge?: true;
}

/** Bytes of the largest plan that is sent: Temporal takes 2 MB in one signal. */
export const PLAN_BYTES = 1_900_000;

/** See {@link Decision.refused}. */
export interface RefusedDecision {
  /** Milliseconds until the plan is sent again, as the one that replaces the plan of the run; absent: that was refused too. */
  retryIn?: number;
}

/** Decides about one driver. */
export function decide(plan: Plan, knowledge: Knowledge): Decision {
  const run = knowledge.runOf(plan.name);
  const missed = findMissed(plan, knowledge);
  const bytes = jsonLength(plan);
  if (bytes > PLAN_BYTES) return { why: tooLargeText(bytes), missed, stopped: false, tooLarge: true };
  const view: View = { plan, knowledge, digest: planDigest(plan), missed };
  if (knowledge.asked) return sendAsked(view, run, knowledge.asked);
  return run.phase === 'Open' ? decideOpen(view, run) : decideClosed(view, run);
}

function tooLargeText(bytes: number): string {
  return (
    `the plan of this tree of groups takes ${bytes} bytes and Temporal takes ${PLAN_BYTES}, so it is not sent: ` +
    `split the group, or take labels and affinity rules off its VMs`
  );
}

/** A person who asks does not have to wait until a plan that was refused is sent again. */
function sendAsked(view: View, run: RunState, { actor, reason }: Asker): Decision {
  const decision = send(view, 'Asked', `${actor} asks: ${reason}`);
  const { sent } = view.knowledge;
  const refused = run.phase === 'Open' && sent?.runId === run.runId && isRefused(view, run, sent);
  return refused ? superseding(decision, run.progress?.planDigest) : decision;
}

interface View {
  plan: Plan;
  knowledge: Knowledge;
  digest: string;
  missed: Missed[];
}

function decideOpen(view: View, run: RunState & { phase: 'Open' }): Decision {
  const { plan, knowledge, digest } = view;
  const sent = knowledge.sent?.runId === run.runId ? knowledge.sent : undefined;
  if (isRefused(view, run, sent)) return decideRefused(view, run);
  if (digestOf(run, sent) !== digest) {
    const [cause, why] = changeOf(plan, run.progress);
    return send(view, cause, why);
  }
  const told = sent?.recovered ?? [];
  const recovered = findRecovered(plan, knowledge).filter((path) => !told.includes(path));
  if (recovered.length > 0) return sendRecovered(view, recovered);
  const left = view.missed.filter((missed) => hasLeft(missed, saidOf(plan, run), knowledge.sent));
  if (left.length === 0)
    return { ...nothing(view, 'the run has this plan'), ...(!sent && { sent: sentOf(view, []) }) };
  return send(
    { ...view, missed: left.map((missed) => ({ ...missed, drifted: true })) },
    'Drift',
    driftText(left),
  );
}

/**
 * The digest of the plan that an open run has: what it says itself, unless it was sent something since. Runs of older builds do not say, and
 * of a run that does not answer only what was sent to it is known.
 */
function digestOf(
  { progress, unheard }: RunState & { phase: 'Open' },
  sent: Sent | undefined,
): string | undefined {
  return (unheard ? undefined : progress?.planDigest) ?? sent?.digest;
}

/** RECONCILE-7: the run has answered since it was sent this plan, and goes by another one. */
function isRefused(
  { plan, digest }: View,
  { progress, unheard }: RunState & { phase: 'Open' },
  sent: Sent | undefined,
): boolean {
  if (!sent || sent.digest !== digest || !progress || unheard) return false;
  return progress.planDigest === undefined ? !isSameDesired(plan, progress) : progress.planDigest !== digest;
}

/** RECONCILE-7. */
function decideRefused(view: View, { progress }: RunState & { phase: 'Open' }): Decision {
  const inForce = progress?.planDigest;
  const why = progress?.refusedPlan
    ? `the open run refuses the plan of generation ${view.plan.generation} as older than its own of generation ${progress.generation}`
    : `the open run goes by another plan than the one that it was sent`;
  if (inForce === undefined || view.knowledge.sent?.supersedes === inForce)
    return { ...nothing(view, why), refused: {} };
  const retryIn = REFUSED_PAUSE - (view.knowledge.refusedFor ?? 0);
  if (retryIn > 0) return { ...nothing(view, why), refused: { retryIn } };
  return superseding(send(view, 'SpecChanged', `${why}; sent as the one that replaces it`), inForce);
}

/** The same, as what replaces the plan with this digest. */
function superseding(decision: Decision, supersedes: string | undefined): Decision {
  if (supersedes === undefined) return decision;
  return {
    ...decision,
    ...(decision.send && { send: { ...decision.send, supersedes } }),
    ...(decision.sent && { sent: { ...decision.sent, supersedes } }),
  };
}

/**
 * Milliseconds after which a plan that the run refused is sent again as the one that replaces its plan: by then a source that was behind,
 * such as that of a bridge that has just taken over, knows what is wanted.
 */
const REFUSED_PAUSE = 10_000;

/** What an open run says of its members under the desired state of the plan: until it has heard of that, nothing. */
function saidOf(plan: Plan, run: RunState): Progress | undefined {
  if (run.phase !== 'Open' || !run.progress) return undefined;
  return isSameDesired(plan, run.progress) ? run.progress : undefined;
}

/** What the plan of an open run does not have yet. */
function changeOf(plan: Plan, progress: Progress | undefined): [Cause, string] {
  if (!progress || !isSameDesired(plan, progress)) return ['SpecChanged', 'the desired state changed'];
  if (plan.forceSync !== undefined && plan.forceSync !== progress.forceSync) {
    return ['ForceSync', 'nextForcePowerStateSyncTime asks for a sync'];
  }
  const before = progress.members
    .filter((member) => member.phase !== 'Missing')
    .map((member) => member.member);
  const now = membersOf(plan).map(memberKey);
  if (before.length !== now.length || now.some((key) => !before.includes(key))) {
    return ['MembersChanged', 'members joined or left'];
  }
  return ['SpecChanged', 'the plan may have changed'];
}

/** Whether a VM that the run holds to be done was seen out of its desired state since, and the run was not told. */
function hasLeft(missed: Missed, progress: Progress | undefined, sent: Sent | undefined): boolean {
  const known = progress?.members.find((member) => member.member === topMember(missed));
  if (known?.phase !== 'Done' || own(sent?.drift, missed.path) === missed.seen) return false;
  return missed.observed !== undefined && isLaterThan(missed.observed, known);
}

/** Whether a VM was observed later than by its run, or by an older build than the member came into its phase. */
function isLaterThan(observed: VirtualMachineStatus, { version, since }: MemberProgress): boolean {
  return isLater(observed, { at: since, ...(version !== undefined && { version }) });
}

/** The driver's own member that a missed one is, or is below. */
function topMember(missed: Missed): MemberKey {
  const slash = missed.path.indexOf('/');
  return slash < 0
    ? missed.member
    : memberKey({ kind: 'VirtualMachineGroup', name: missed.path.slice(0, slash) });
}

function decideClosed(view: View, run: Exclude<RunState, { phase: 'Open' }>): Decision {
  const { plan, knowledge, missed } = view;
  const last = run.phase === 'Closed' ? run.outcome : undefined;
  if (run.phase === 'Closed' && isStopped(view, run)) {
    const how = last ? `${last.outcome}: ${last.message}` : run.closedAs;
    return {
      ...nothing(view, `stopped (${how}): nothing starts until the desired state changes or somebody asks`),
      // From now on a change can be told.
      ...(knowledge.sent?.wants !== wantsDigest(plan) && { sent: sentOf(view, []) }),
      stopped: true,
    };
  }
  if (asksForSync(plan, last, knowledge.sent)) {
    return send(view, 'ForceSync', 'nextForcePowerStateSyncTime asks for a sync');
  }
  if (missed.length === 0) return nothing(view, 'everything is in its desired state');
  if (!last || !isSameDesired(plan, last)) return send(view, 'SpecChanged', 'the desired state is not met');
  const joined = missed.filter((one) => !one.drifted);
  if (joined.length > 0) {
    return send(view, 'MembersChanged', `${names(joined.map(({ path }) => path))} joined or came into being`);
  }
  if (plan.policy.drift.action === 'Report')
    return nothing(view, `${driftText(missed)}; the policy only reports it`);
  return send(view, 'Drift', driftText(missed));
}

/** RECONCILE-3. */
function isStopped(view: View, run: RunState & { phase: 'Closed' }): boolean {
  const { plan } = view;
  const { sent } = view.knowledge;
  const last = run.outcome;
  if (last && last.outcome !== 'Cancelled' && last.outcome !== 'Failed') return false;
  if (last && !isSameDesired(plan, last)) return false;
  // What another bridge has sent to the run is not known: its outcome alone tells.
  if (sent === undefined || (last && sent.runId !== run.runId)) return true;
  return sent.wants === undefined ? isSameDesired(plan, sent) : sent.wants === wantsDigest(plan);
}

function asksForSync(plan: Plan, last: RunOutcome | undefined, sent: Sent | undefined): boolean {
  const tokens = forceSyncTokens(plan);
  if (sent) return tokens !== '' && tokens !== sent.forceSync;
  return plan.forceSync !== undefined && plan.forceSync !== last?.forceSync;
}

/** Every force sync token of a tree. */
function forceSyncTokens(plan: Plan): string {
  const below = membersOf(plan).flatMap((member) => (member.plan ? [forceSyncTokens(member.plan)] : []));
  return [...new Set([plan.forceSync ?? '', ...below])].filter((token) => token !== '').join(' ');
}

/** The linked members of a plan. */
function membersOf(plan: Plan): PlanMember[] {
  return linkedMembers(plan).map(({ member }) => member);
}

function linkedMembers(plan: Plan): { tier: PlanTier; member: PlanMember }[] {
  return plan.tiers.flatMap((tier) =>
    tier.members.filter((member) => member.link === 'Linked').map((member) => ({ tier, member })),
  );
}

/** With gate `None` a run may end before its power operations show: what was observed earlier says nothing of them. */
function isUnderway(plan: Plan, tier: PlanTier, member: PlanMember, last: RunOutcome | undefined): boolean {
  if (tier.gate !== 'None' || !last || !isSameDesired(plan, last)) return false;
  if (!last.outcome.startsWith('Converged')) return false;
  const { version } = own(last.observed, memberKey(member)) ?? {};
  return (
    !member.observed ||
    !isLater(member.observed, { at: last.endedAt, ...(version !== undefined && { version }) })
  );
}

function findMissed(plan: Plan, knowledge: Knowledge): Missed[] {
  const run = knowledge.runOf(plan.name);
  const wasMet = run.phase === 'Closed' && (run.outcome?.outcome ?? '').startsWith('Converged');
  const unchanged = wasMet && knowledge.sent?.wants === wantsDigest(plan);
  return missedBelow(plan, knowledge, '', unchanged);
}

function missedBelow(plan: Plan, knowledge: Knowledge, prefix: string, unchanged: boolean): Missed[] {
  const run = knowledge.runOf(plan.name);
  const last = run.phase === 'Closed' ? run.outcome : undefined;
  // A person who asks wants every member to be tried again.
  const excused = knowledge.asked ? new Set<MemberKey>() : excusedMembers(plan, last);
  return linkedMembers(plan).flatMap(({ tier, member }): Missed[] => {
    const key = memberKey(member);
    const path = `${prefix}${member.name}`;
    if (excused.has(key)) return [];
    if (member.plan) return missedInGroup(member.plan, key, knowledge, path, unchanged);
    if (member.kind !== 'VirtualMachine') return [];
    if (needsPlace(plan, member, knowledge)) return [{ path, member: key, seen: 0, drifted: false }];
    if (isInState(plan.powerState, member.observed)) return [];
    if (isUnderway(plan, tier, member, last)) return [];
    const drifted = unchanged || wasThere(plan, last, key);
    const { observed } = member;
    return [
      {
        path,
        member: key,
        seen: observed?.version ?? observed?.at ?? 0,
        ...(observed && { observed }),
        drifted,
      },
    ];
  });
}

/** RECONCILE-5. The driver's run places its whole tree. */
function needsPlace(plan: Plan, member: PlanMember, knowledge: Knowledge): boolean {
  if (!plan.placesAhead || member.observed?.placement) return false;
  const driver = knowledge.runOf(plan.root);
  const placed = driver.phase === 'Closed' ? own(driver.outcome?.placements, member.name) : undefined;
  return !placed || (placed.uid ?? member.uid) !== member.uid;
}

function missedInGroup(
  plan: Plan,
  key: MemberKey,
  knowledge: Knowledge,
  path: string,
  unchanged: boolean,
): Missed[] {
  const below = missedBelow(plan, knowledge, `${path}/`, unchanged);
  const run = knowledge.runOf(plan.name);
  // A run that was started for another driver goes on with its own plan until it is asked under this one.
  const foreign = run.phase === 'Open' && run.progress !== undefined && run.progress.lineage !== plan.lineage;
  return foreign ? [...below, { path: `${path}/`, member: key, seen: 0, drifted: false }] : below;
}

/** RECONCILE-6: the paths of VMs that were observed where they belong after their run has parked them. */
function findRecovered(plan: Plan, knowledge: Knowledge, prefix = ''): string[] {
  const run = knowledge.runOf(plan.name);
  const members = saidOf(plan, run)?.members ?? [];
  return linkedMembers(plan).flatMap(({ tier, member }): string[] => {
    const path = `${prefix}${member.name}`;
    if (member.plan) return findRecovered(member.plan, knowledge, `${path}/`);
    const known = members.find((each) => each.member === memberKey(member));
    if (known?.phase !== 'Parked' || !member.observed || !isLaterThan(member.observed, known)) return [];
    const isOn = plan.powerState !== 'PoweredOn' || meetsGate(tier.gate, member.observed);
    return isInState(plan.powerState, member.observed) && isOn ? [path] : [];
  });
}

/** Whether the last run of the same desired state saw the VM where it belongs. */
function wasThere(plan: Plan, last: RunOutcome | undefined, key: MemberKey): boolean {
  const seen = own(last?.observed, key);
  return (
    last !== undefined && seen !== undefined && isSameDesired(plan, last) && isInState(plan.powerState, seen)
  );
}

function nothing(view: View, why: string): Decision {
  return { why, missed: view.missed, stopped: false };
}

function send(view: View, cause: Cause, why: string): Decision {
  const { plan, knowledge, missed, digest } = view;
  // Whoever changes the desired state or asks wants the VM brought back, whatever the policy for drift says.
  const marked = cause === 'Drift' || cause === 'MembersChanged';
  const drifted = marked ? missed.filter((one) => one.drifted) : [];
  return {
    send: {
      plan: markMembers(
        plan,
        drifted.map(({ path }) => path),
        { drifted: true },
      ),
      cause,
      digest,
      ...(cause === 'ForceSync' ? knowledge.syncAsker : knowledge.asked),
    },
    sent: {
      ...sentOf(view, drifted),
      ...(marked && knowledge.sent?.recovered && { recovered: knowledge.sent.recovered }),
    },
    why,
    missed,
    stopped: false,
  };
}

function sentOf({ plan, digest }: View, drifted: Missed[]): Sent {
  return {
    digest,
    wants: wantsDigest(plan),
    revision: plan.revision,
    lineage: plan.lineage,
    powerState: plan.powerState,
    forceSync: forceSyncTokens(plan),
    drift: Object.fromEntries(drifted.map((one) => [one.path, one.seen])),
  };
}

/** RECONCILE-6. */
function sendRecovered(view: View, recovered: string[]): Decision {
  const { drift = {}, recovered: before = [] } = view.knowledge.sent ?? {};
  const why = `${names(recovered)} reached the desired state after being parked`;
  const { send: message, sent: next, ...decision } = send(view, 'Recovered', why);
  return {
    ...decision,
    ...(message && {
      send: { ...message, plan: markMembers(view.plan, recovered, { recovered: true }) },
    }),
    ...(next && {
      sent: { ...next, drift, recovered: [...before, ...recovered] },
    }),
  };
}

/** The plan with marks on the VMs of these paths and on the groups above them. */
function markMembers(
  plan: Plan,
  paths: readonly string[],
  marks: Pick<PlanMember, 'drifted' | 'recovered'>,
  prefix = '',
): Plan {
  if (paths.length === 0) return plan;
  const mark = (member: PlanMember): PlanMember => {
    const path = `${prefix}${member.name}`;
    if (member.kind === 'VirtualMachine') return paths.includes(path) ? { ...member, ...marks } : member;
    const below = paths.filter((each) => each.startsWith(`${path}/`));
    return member.plan && below.length > 0
      ? { ...member, ...marks, plan: markMembers(member.plan, below, marks, `${path}/`) }
      : member;
  };
  return { ...plan, tiers: plan.tiers.map((tier) => ({ ...tier, members: tier.members.map(mark) })) };
}

function driftText(missed: Missed[]): string {
  return `${names(missed.map(({ path }) => path))} left the desired state`;
}

/** Names for messages: the first few. */
function names(paths: string[]): string {
  const shown = paths.slice(0, 5);
  return paths.length > shown.length
    ? `${shown.join(', ')} and ${paths.length - shown.length} more`
    : shown.join(', ');
}
