/**
 * What holds one member of an open run, as the run's progress says: the one text of it for status, commands and board. Pure.
 *
 * HOLD-1: no text depends on the time of the reader: what changes with it (how long, how long still) is a field.
 */
import { listed } from '../api/text';
import type { MemberProgress, Progress, TierProgress } from '../contract';
import type { HealthFinding } from './health-findings';
import { nameOf, type KnownGroup } from './known-group';
import { findingOn, lookupIn, machineIn } from './run-lookup';

/** Kinds of {@link Hold}. */
export type HoldKind =
  /** The delay before its tier. */
  | 'Delay'
  /** A tier before its own. */
  | 'Tier'
  /** A free slot of `maxConcurrentOperations`. */
  | 'Slot'
  | 'Placement'
  /** The platform carries its power operation out. */
  | 'Operation'
  /** It is powered on, and its gate is not met. */
  | 'Gate'
  /** An attempt failed, and the next one is due later. */
  | 'Retry'
  | 'Parked'
  /** It does not exist, or does not name the group. */
  | 'Missing'
  /** The run of a nested group. */
  | 'NestedRun'
  /** The run of the group above. */
  | 'ParentRun'
  /** An operator has paused the run. */
  | 'Paused'
  /** Its activity was paused in Temporal. */
  | 'ActivityPaused'
  /** Left as it is, by an operator or by policy. */
  | 'LeftAlone'
  /** A trouble of the whole run, or the lack of a run: `reason` says which. */
  | 'Group'
  /** No worker or no bridge is at work. */
  | 'Process';

/** One thing that holds a member, or another thing that holds it. */
export interface Hold {
  kind: HoldKind;
  /** The group that this is about: `namespace/name`. */
  group: string;
  /** The member of it that this is about; absent: the whole group. */
  member?: string;
  /** What it does or waits for, to follow its name. */
  text: string;
  /** The condition of the status that says the same: a reason such as `StalePlan`. */
  reason?: string;
  /** Since when; milliseconds since the epoch, like all times here. */
  since?: number;
  /** When it ends by itself. */
  until?: number;
  /** Failed attempts. */
  attempts?: number;
  lastError?: NonNullable<MemberProgress['lastError']>;
  /** When the next attempt is due. */
  nextRetryAt?: number;
  /** Commands that help, the best one first. */
  commands: string[];
}

/** A failure as it is shown everywhere: `Transient: host is busy`. */
export function failureText(failure: { class: string; message: string }): string {
  return `${failure.class}: ${failure.message}`;
}

/** The last failed attempt of a member whose operation is open: `attempt 1 failed: Transient: host is busy`. */
export function attemptText({ attempt = 2, lastError }: MemberProgress): string | undefined {
  return lastError && `attempt ${attempt - 1} failed: ${failureText(lastError)}`;
}

/** What a parked member has to show: the failure that used its budget up. */
export function parkedText({ lastError, waitsFor }: MemberProgress): string {
  return lastError ? failureText(lastError) : (waitsFor ?? 'its power operation failed');
}

/** Why a member was set aside by an operator or by policy. */
export function leftAloneText({ phase, waitsFor }: MemberProgress): string {
  return waitsFor ?? (phase === 'Skipped' ? 'skipped' : 'left as it is');
}

/** The commands that let the run of a parked or failing member continue. */
export function memberCommands(group: string, member: string): string[] {
  const target = `${group} ${shortName(member)} --reason TEXT`;
  return [`vmgroup retry ${target}`, `vmgroup skip ${target}`, `vmgroup mark-ready ${target}`];
}

/** A member as commands take it: `db` for a VM, `caches` for `VirtualMachineGroup/caches`. */
export function shortName(member: string): string {
  return member.replace(/^VirtualMachineGroup\//, '');
}

/** The finding about the activity of a member that was paused in Temporal. */
export function pausedActivity(group: KnownGroup, { activityId }: MemberProgress): HealthFinding | undefined {
  return activityId === undefined ? undefined : findingOn(group, activityId);
}

/** What holds a member of an open run; undefined for one that is done. */
export function holdOf(group: KnownGroup, progress: Progress, member: MemberProgress): Hold | undefined {
  const name = nameOf(group);
  const about = { group: name, member: member.member, since: member.since };
  const waits = `waits for ${member.waitsFor ?? 'its turn'}`;
  switch (member.phase) {
    case 'Done':
      return undefined;
    case 'Parked':
      return parked(about, member);
    case 'InProgress':
      return inProgress(group, progress, about, member);
    case 'Missing':
      return {
        ...about,
        kind: 'Missing',
        text: waits,
        commands: memberCommands(name, member.member).slice(1, 2),
      };
    case 'Skipped':
    case 'LeftAlone':
      return {
        ...about,
        kind: 'LeftAlone',
        text: leftAloneText(member),
        commands: memberCommands(name, member.member).slice(0, 1),
      };
    case 'Queued':
      return (
        pausedRun(progress, about) ??
        placing(progress, about) ?? { ...about, kind: 'Slot', text: waits, commands: [] }
      );
    case 'Pending':
      return pending(progress, about, member, waits);
  }
}

/** What a hold is about. */
type About = Pick<Hold, 'group' | 'since'> & { member: string };

function parked(about: About, member: MemberProgress): Hold {
  const { failed, lastError } = member;
  const after = failed === undefined ? '' : ` after ${failed} attempt${failed === 1 ? '' : 's'}`;
  return {
    ...about,
    kind: 'Parked',
    text: `is parked${after}`,
    ...(failed !== undefined && { attempts: failed }),
    ...(lastError && { lastError }),
    commands: memberCommands(about.group, about.member),
  };
}

function inProgress(
  group: KnownGroup,
  { powerState: desired }: Progress,
  about: About,
  member: MemberProgress,
): Hold {
  const { waitsFor = 'its power state', lastError, nextRetryAt, failed, powerState } = member;
  const finding = pausedActivity(group, member);
  const trouble = {
    ...(lastError && { lastError }),
    ...(failed !== undefined && { attempts: failed }),
    ...(nextRetryAt !== undefined && { nextRetryAt }),
  };
  if (finding)
    return {
      ...about,
      ...trouble,
      kind: 'ActivityPaused',
      text: `waits: ${finding.message}`,
      commands: finding.cure,
    };
  const text = `waits for ${waitsFor}`;
  if (member.paused) return { ...about, ...trouble, kind: 'ActivityPaused', text, commands: [] };
  if (isGroup(member)) return { ...about, ...trouble, kind: 'NestedRun', text, commands: [] };
  const commands = lastError ? memberCommands(about.group, about.member) : [];
  if (nextRetryAt !== undefined && lastError)
    return { ...about, ...trouble, kind: 'Retry', text, until: nextRetryAt, commands };
  const seen = seenMember(group, member);
  const isOn = (seen?.powerState ?? powerState) === 'PoweredOn';
  if (desired !== 'PoweredOn' || !isOn || waitsFor === 'PoweredOn')
    return { ...about, ...trouble, kind: 'Operation', text, commands };
  const since = seen?.since ?? about.since;
  return { ...about, ...trouble, kind: 'Gate', text, ...(since !== undefined && { since }), commands };
}

/** The power state of a member as its status has it, and since when it is the one that the group wants. */
function seenMember(
  { status }: KnownGroup,
  { member }: MemberProgress,
): { powerState?: string; since?: number } | undefined {
  const found = machineIn(status, member);
  if (!found) return undefined;
  const synced = found.conditions.find(({ type }) => type === 'PowerStateSynced');
  return {
    ...(found.powerState && { powerState: found.powerState }),
    ...(synced?.status === 'True' && { since: Date.parse(synced.lastTransitionTime) }),
  };
}

/** The pause of an operator, who is named if the run still has the command on record. */
function pausedRun({ phase, words }: Progress, { group, ...about }: About): Hold | undefined {
  if (phase !== 'Paused') return undefined;
  const pause = words.findLast(({ verb }) => verb === 'pause');
  const who = pause ? `, paused by ${pause.actor}: ${pause.reason}` : '';
  return {
    ...about,
    group,
    kind: 'Paused',
    text: `waits for an operator to resume the run${who}`,
    ...(pause && { since: pause.at }),
    commands: [`vmgroup resume ${group} --reason TEXT`],
  };
}

function placing({ placement }: Progress, about: About): Hold | undefined {
  if (placement.phase !== 'InProgress' && placement.phase !== 'Pending') return undefined;
  const why = placement.message === undefined ? '' : `: ${placement.message}`;
  const commands = placement.message === undefined ? [] : [`vmgroup retry ${about.group} --reason TEXT`];
  return { ...about, kind: 'Placement', text: `waits for placement${why}`, commands };
}

function pending(progress: Progress, about: About, member: MemberProgress, waits: string): Hold {
  const tier = lookupIn(progress).tier(member.tier);
  if (tier?.phase === 'Delay') {
    return (
      pausedRun(progress, about) ?? {
        ...about,
        kind: 'Delay',
        text: waits,
        ...(tier.until !== undefined && { until: tier.until }),
        commands: [`vmgroup skip-delay ${about.group} --reason TEXT`],
      }
    );
  }
  const open = openMembers(progress, awaitedTier(progress, member));
  if (open.length === 0)
    return pausedRun(progress, about) ?? { ...about, kind: 'Tier', text: waits, commands: [] };
  const names = listed(
    open.map((each) => each.member),
    MOST_NAMES,
  );
  const verb = open.length === 1 ? 'is' : 'are';
  return { ...about, kind: 'Tier', text: `${waits}: ${names} ${verb} not`, commands: [] };
}

/** Most members that a text names. */
const MOST_NAMES = 5;

/** The tier that has to be done before that of a member, and is not. */
export function awaitedTier(progress: Progress, { tier }: MemberProgress): TierProgress | undefined {
  const look = lookupIn(progress);
  const before = look.tier(look.tier(tier)?.after);
  // Once a tier was released, those before it hold nothing, even if members of them are parked.
  return before && (look.activeFrom(before) ?? before);
}

/** The members of a tier that keep it from being done, those first that need attention most. */
export function openMembers(progress: Progress, tier: TierProgress | undefined): readonly MemberProgress[] {
  return tier ? lookupIn(progress).openIn(tier) : [];
}

function isGroup({ member }: MemberProgress): boolean {
  return member.startsWith('VirtualMachineGroup/');
}
