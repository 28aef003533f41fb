/** What a run reports: the answer of the query `progress` and the details that the UI shows. Pure. */
import { formatDuration } from '../api/duration';
import { own } from '../api/own';
import { byteLength, fitText, listed } from '../api/text';
import {
  type MemberPhase,
  type MemberProgress,
  type Progress,
  type RunOutcome,
  type RunPhase,
  type TierProgress,
  gateCondition,
  gateOf,
  memberKey,
  type PlanMember,
  type PlanTier,
  RUNNING_PHASE,
} from '../contract';
import { BUDGET, fitProgress } from './size';
import { membersOf, type MemberState, type Run, type Stage } from './state';

/** The phase of an open run, as its search attribute shows it. */
export function runPhase(run: Run): RunPhase {
  if (run.paused) return 'Paused';
  const states = Object.values(run.members);
  if (run.placement.activityId !== undefined && !run.placement.done) return 'Placing';
  const busy =
    states.some((state) => state.operation) ||
    run.stages.some((stage) => stage.dueAt !== undefined && stage.releasedAt === undefined);
  if (!busy && states.some((state) => state.phase === 'Parked' || state.phase === 'Missing'))
    return 'Waiting';
  return RUNNING_PHASE[run.plan.powerState];
}

/** Keys of the members that are parked. */
export function parkedMembers(run: Run): string[] {
  return Object.keys(run.members).filter((key) => own(run.members, key)?.phase === 'Parked');
}

/** The answer of the query `progress`. */
export function progressOf(run: Run, outcome?: RunOutcome): Progress {
  const { plan } = run;
  const members = membersOf(plan).map(({ key, member, index }) => memberProgress(run, key, member, index));
  const result: Progress = {
    namespace: plan.namespace,
    name: plan.name,
    revision: plan.revision,
    generation: plan.generation,
    lineage: plan.lineage,
    root: plan.root,
    powerState: plan.powerState,
    phase: outcome?.outcome ?? runPhase(run),
    message: outcome?.message ?? waitMessage(run),
    startedAt: run.startedAt,
    tiers: plan.tiers.map((tier, index) => tierProgress(run, tier, index)),
    members,
    placement: placementProgress(run),
    placements: run.placements,
    words: run.words,
  };
  if (run.planDigest !== undefined) result.planDigest = run.planDigest;
  if (run.refusedPlan) result.refusedPlan = run.refusedPlan;
  if (run.ignored) result.ignored = run.ignored;
  if (plan.forceSync !== undefined) result.forceSync = plan.forceSync;
  if (plan.policy.targets) result.rto = plan.policy.targets.rto;
  if (plan.test) result.test = true;
  if (outcome) result.outcome = outcome;
  return fitProgress(result);
}

function placementProgress(run: Run): Progress['placement'] {
  if (run.claims?.release?.activityId !== undefined) {
    return { phase: 'Releasing', message: 'the places that were not used are given back' };
  }
  const last = run.placement.attempts.at(-1);
  if (run.placement.activityId !== undefined) {
    if (run.placement.paused) return { phase: 'InProgress', message: pausedText(run.placement) };
    return last
      ? { phase: 'InProgress', message: `attempt ${last.attempt}: ${last.class}: ${last.message}` }
      : { phase: 'InProgress' };
  }
  const places = run.plan.powerState === 'PoweredOn' || run.plan.placesAhead === true;
  if (!places || run.placedByParent) return { phase: 'NotNeeded' };
  return { phase: run.placement.done ? 'Done' : 'Pending' };
}

function stageOf(run: Run, tier: number): Stage | undefined {
  return run.stages.find((stage) => stage.tiers.includes(tier));
}

function tierProgress(run: Run, tier: PlanTier, index: number): TierProgress {
  const stage = stageOf(run, index);
  const hasCome = stage?.releasedAt !== undefined;
  const isOver = (member: PlanMember): boolean =>
    isSettled(own(run.members, memberKey(member))?.phase, hasCome);
  const done = tier.members.filter(isOver).length;
  const result: TierProgress = { tier: index, phase: 'Pending', done, total: tier.members.length };
  if (tier.targets) result.rto = tier.targets.rto;
  const before = stage && run.stages[run.stages.indexOf(stage) - 1];
  // Stages of several tiers are the only ones of their run.
  if (before?.tiers[0] !== undefined) result.after = before.tiers[0];
  if (stage && stage.delay > 0) result.delay = stage.delay;
  if (done === tier.members.length) result.phase = 'Done';
  else if (hasCome) result.phase = 'Running';
  else if (stage?.dueAt !== undefined) {
    result.phase = 'Delay';
    result.until = stage.dueAt;
  }
  return result;
}

/**
 * Whether nothing is left to do for a member. One without room is left alone from the placement on, long before the turn of its tier: until
 * that has come (`hasCome`) the tier is not done.
 */
function isSettled(phase: MemberPhase | undefined, hasCome: boolean): boolean {
  return phase === 'Done' || phase === 'Skipped' || (phase === 'LeftAlone' && hasCome);
}

function memberProgress(run: Run, key: string, member: PlanMember, tier: number): MemberProgress {
  const state = own(run.members, key) ?? { phase: 'Pending' as const, since: run.startedAt };
  const result: MemberProgress = { member: key, tier, phase: state.phase, since: state.since };
  const waitsFor = waitOf(run, member, state, tier);
  if (waitsFor !== undefined) result.waitsFor = waitsFor;
  if (state.observed && !state.uncertain) result.powerState = state.observed.powerState;
  if (state.observed?.version !== undefined) result.version = state.observed.version;
  if (state.operation) {
    const { attempts, activityId, paused, waiting, runId } = state.operation;
    if (paused) result.paused = paused;
    const last = attempts.at(-1);
    if (!waiting) result.activityId = activityId;
    if (waiting === 'ForEnd' && runId !== undefined) result.awaitedRunId = runId;
    result.attempt = (last?.attempt ?? 0) + 1;
    if (attempts.length > 0) result.failed = attempts.length;
    if (last?.retryAt !== undefined) result.nextRetryAt = last.retryAt;
    if (last) result.lastError = { class: last.class, message: last.message, at: last.at };
  } else if (state.parked) {
    const { failed, ...lastError } = state.parked;
    result.lastError = lastError;
    if (failed !== undefined) result.failed = failed;
  }
  return result;
}

/** What a member waits for, in words. */
function waitOf(run: Run, member: PlanMember, state: MemberState, tier: number): string | undefined {
  switch (state.phase) {
    case 'Done':
    case 'Skipped':
      return undefined;
    case 'LeftAlone':
      return state.leftAlone?.message;
    case 'Parked':
      return 'an operator: retryMember, skipMember or markReady';
    case 'Missing':
      return member.link === 'NotFound'
        ? `${member.kind} ${member.name} to exist`
        : `spec.groupName of ${member.kind} ${member.name} to name ${run.plan.name}`;
    case 'InProgress':
      return state.operation?.paused ? pausedText(state.operation) : inProgress(run, member, tier);
    case 'Queued':
      if (run.paused) return 'an operator to resume the run';
      if (run.plan.powerState === 'PoweredOn' && !run.placedByParent && !run.placement.done)
        return 'placement';
      return `one of ${run.plan.policy.maxConcurrentOperations} slots for power operations, or its placement`;
    case 'Pending':
      return pending(run, tier);
  }
}

/** What an activity that was paused from outside waits for. */
function pausedText({ activityId = '', paused }: Pick<Run['placement'], 'activityId' | 'paused'>): string {
  const why = paused?.reason ? ` (${paused.reason})` : '';
  return `an operator to unpause activity ${activityId}, paused by ${paused?.by ?? 'unknown'}${why}`;
}

function inProgress(run: Run, member: PlanMember, tier: number): string {
  if (member.plan) return `its own run, vmgroup/${run.plan.namespace}/${member.name}`;
  const planned = run.plan.tiers[tier];
  const gate = planned ? gateOf(planned, member) : 'PoweredOn';
  if (run.plan.powerState !== 'PoweredOn') return run.plan.powerState;
  if (gate === 'Probe') return 'PoweredOn and its probe';
  const condition = gateCondition(gate);
  if (condition !== undefined) return `PoweredOn and condition ${condition}`;
  return gate === 'Ready' ? 'PoweredOn and Ready' : 'PoweredOn';
}

function pending(run: Run, tier: number): string {
  if (run.ending) return 'nothing: the run is ending';
  const at = run.stages.findIndex((stage) => stage.tiers.includes(tier));
  const stage = run.stages[at];
  if (stage?.dueAt !== undefined)
    return run.paused ? 'an operator to resume the run' : `a delay of ${formatDuration(stage.delay)}`;
  const open = run.stages.findIndex((each) => each.doneAt === undefined);
  const first = run.stages[open]?.tiers[0] ?? 0;
  return `tier ${first + 1} of ${run.plan.tiers.length} to be done`;
}

/** In one sentence, what the run waits for. */
function waitMessage(run: Run): string {
  if (run.ending) return run.ending.message;
  if (run.paused) return 'Paused: an operator has to resume the run.';
  const named: Partial<Record<MemberPhase, string[]>> = {};
  for (const [key, { phase }] of Object.entries(run.members)) (named[phase] ??= []).push(key);
  const parts = [
    namesWith('in progress', named.InProgress),
    namesWith('parked: retryMember, skipMember or markReady', named.Parked),
    namesWith('missing', named.Missing),
  ].filter((part) => part !== undefined);
  const delay = run.stages.find((stage) => stage.dueAt !== undefined && stage.releasedAt === undefined);
  if (delay)
    parts.unshift(`Delay of ${formatDuration(delay.delay)} before tier ${(delay.tiers[0] ?? 0) + 1}`);
  if (run.placement.activityId !== undefined) parts.unshift(placementMessage(run));
  return parts.length > 0 ? `${parts.join('; ')}.` : 'Working.';
}

function placementMessage(run: Run): string {
  const last = run.placement.attempts.at(-1);
  if (run.placement.paused) return `Placement waits for ${pausedText(run.placement)}`;
  return last ? `Placement: ${last.message}` : 'Placement in progress';
}

/** Most names in one list. */
const NAMES = 5;

function namesWith(what: string, names: string[] = []): string | undefined {
  return names.length > 0 ? `${listed(names, NAMES)} ${what}` : undefined;
}

/** Most rows in the details: Temporal takes 20 KB. */
const ROWS = 60;

/** The details that the UI shows next to the run: a Markdown table of tiers and members, at most {@link BUDGET} bytes. */
export function detailsOf(run: Run, outcome?: RunOutcome): string {
  const { plan } = run;
  const members = membersOf(plan);
  const lines = [
    `### ${plan.namespace}/${plan.name}: ${plan.powerState}`,
    '',
    `**${outcome?.outcome ?? runPhase(run)}**: ${fitText(outcome?.message ?? waitMessage(run), 1_000)}`,
    '',
    `Revision \`${plan.revision}\`, started because of \`${run.cause}\`.`,
    '',
    ...ignoredLines(run),
    '| tier | member | phase | power | waits for | last error |',
    '| ---: | --- | --- | --- | --- | --- |',
  ];
  const undone = members.filter(({ key }) => own(run.members, key)?.phase !== 'Done');
  const open = members.length <= ROWS ? members : undone;
  // Room for the last line.
  let room = BUDGET.details - byteLength(lines.join('\n')) - 200;
  let shown = 0;
  for (const { key, member, index } of open.slice(0, ROWS)) {
    const line = row(memberProgress(run, key, member, index));
    room -= byteLength(line) + 1;
    if (room < 0) break;
    lines.push(line);
    shown += 1;
  }
  if (shown < members.length) {
    const done = members.length - undone.length;
    lines.push('', `${done} of ${members.length} members done; ${open.length - shown} more not shown.`);
  }
  return lines.join('\n');
}

/** The last input that could not be read, as a paragraph. */
function ignoredLines({ ignored = [] }: Run): string[] {
  const last = ignored.at(-1);
  if (!last) return [];
  return [
    `Ignored ${ignored.length} unreadable input(s), the last one: \`${last.what}\`: ${oneLine(last.why)}`,
    '',
  ];
}

function oneLine(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function row(member: MemberProgress): string {
  const cells = [
    String(member.tier + 1),
    member.member,
    member.phase,
    member.powerState ?? '',
    member.waitsFor ?? '',
    errorOf(member),
  ];
  return `| ${cells.map((cell) => fitText(oneLine(cell), 120)).join(' | ')} |`;
}

function errorOf({ attempt, lastError }: MemberProgress): string {
  if (!lastError) return '';
  const which = attempt === undefined ? '' : `attempt ${attempt - 1}: `;
  return `${which}${lastError.class}: ${lastError.message}`;
}
