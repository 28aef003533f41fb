/** Members of an open run, and of a group at rest. Pure. */
import { own } from '../../api';
import type { MemberPhase, MemberProgress, Progress, RunException } from '../../contract';
import { attemptText, holdOf, parkedText, shortName, type KnownGroup, type KnownMember } from '../../insight';
import type { Mark, MemberItem } from './page';

const MARK_OF: Readonly<Record<MemberPhase, Mark>> = {
  Pending: 'Waiting',
  Missing: 'Missing',
  Queued: 'Queued',
  InProgress: 'Working',
  Done: 'Done',
  Parked: 'Parked',
  Skipped: 'SetAside',
  LeftAlone: 'SetAside',
};

const STATE_WORD: Readonly<Record<string, string>> = {
  PoweredOn: 'up',
  PoweredOff: 'off',
  Suspended: 'suspended',
};

/** A power state in a word. */
export function stateWord(powerState: string | undefined): string {
  return (powerState !== undefined && own(STATE_WORD, powerState)) || 'done';
}

/** A member of an open run. */
export function openMember(group: KnownGroup, progress: Progress, member: MemberProgress): MemberItem {
  const hold = holdOf(group, progress, member);
  const { phase, attempt, since } = member;
  const error = phase === 'Parked' ? parkedText(member) : attemptText(member);
  const until = hold?.nextRetryAt ?? (phase === 'InProgress' ? hold?.until : undefined);
  return {
    ...nameOf(member.member),
    mark: MARK_OF[phase],
    word: phase === 'Done' ? stateWord(member.powerState ?? progress.powerState) : wordOf(phase),
    ...(hold && { detail: hold.text }),
    since: hold?.since ?? since,
    ...(until !== undefined && { until }),
    ...(attempt !== undefined && phase === 'InProgress' && { attempts: attempt }),
    ...(error !== undefined && { error }),
  };
}

function wordOf(phase: MemberPhase): string {
  switch (phase) {
    case 'Pending':
      return 'waiting';
    case 'Missing':
      return 'missing';
    case 'Queued':
      return 'queued';
    case 'InProgress':
      return 'in progress';
    case 'Parked':
      return 'parked';
    case 'Skipped':
      return 'skipped';
    case 'Done':
    case 'LeftAlone':
      return 'left as it is';
  }
}

/** A member of a group without an open run: as its status has it. `exception`: how the last run left it. */
export function restingMember(
  member: KnownMember,
  desired: string | undefined,
  exception: RunException | undefined,
): MemberItem {
  const unmet = member.conditions.find(({ status }) => status !== 'True');
  const named = {
    name: member.name,
    ...(member.kind === 'VirtualMachineGroup' && { isGroup: true as const }),
  };
  if (!unmet) return { ...named, mark: 'Done', word: stateWord(member.powerState ?? desired) };
  if (unmet.reason === 'NotFound' || unmet.reason === 'NotMember')
    return { ...named, mark: 'Missing', word: 'missing', detail: unmet.message };
  if (exception && exception.reason !== 'NotStarted' && exception.reason !== 'InProgress')
    return { ...named, ...exceptionMark(exception), detail: exception.message };
  if (unmet.reason === 'Pending')
    return { ...named, mark: 'Waiting', word: 'waiting', detail: unmet.message };
  return {
    ...named,
    mark: desired === undefined ? 'Waiting' : 'Parked',
    word: 'not in sync',
    error: unmet.message,
  };
}

/** How an exception of a run is marked. */
export function exceptionMark({ reason }: Pick<RunException, 'reason'>): Pick<MemberItem, 'mark' | 'word'> {
  switch (reason) {
    case 'Parked':
      return { mark: 'Parked', word: 'parked' };
    case 'NotFound':
    case 'NotMember':
      return { mark: 'Missing', word: 'missing' };
    case 'NotStarted':
      return { mark: 'Waiting', word: 'not started' };
    case 'InProgress':
      return { mark: 'Working', word: 'in progress' };
    case 'Skipped':
      return { mark: 'SetAside', word: 'skipped' };
    case 'MarkedReady':
      return { mark: 'SetAside', word: 'marked ready' };
    case 'Drifted':
    case 'DriftLimit':
      return { mark: 'SetAside', word: 'drifted' };
    case 'NoRoom':
      return { mark: 'SetAside', word: 'no room' };
    case 'GroupHasExceptions':
      return { mark: 'SetAside', word: 'has exceptions' };
  }
}

/** Name of a member by its key. */
export function nameOf(key: string): Pick<MemberItem, 'name' | 'isGroup'> {
  const name = shortName(key);
  return name === key ? { name } : { name, isGroup: true };
}
