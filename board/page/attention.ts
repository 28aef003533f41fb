/** What waits for an operator (BOARD-2). Pure. */
import type { MemberProgress, Progress } from '../../contract';
import {
  healthFindings,
  holdOf,
  memberCommands,
  nameOf as groupNameOf,
  openProgress,
  parkedText,
  shortName,
  type KnownGroup,
} from '../../insight';
import type { AttentionItem } from './page';

/** Phases in which a group without an open run waits for an operator. */
const NEEDS_OPERATOR: ReadonlySet<string> = new Set([
  'Failed',
  'Cancelled',
  'OutOfSync',
  'ConvergedWithExceptions',
]);
/** Phases that a change of the manifests ends. */
const NEEDS_CHANGE: ReadonlySet<string> = new Set(['Invalid', 'Contested']);

/** What of one group waits for an operator: its run first, then its members. */
export function attentionOf(group: KnownGroup): AttentionItem[] {
  const name = groupNameOf(group);
  const progress = openProgress(group);
  if (group.run && group.run.endedAt === undefined)
    return [
      ...runTroubles(group, name),
      ...(progress ? [...pausedRun(progress, name), ...memberItems(group, progress, name)] : []),
    ];
  return [...restingGroup(group, name), ...restingMembers(group, name)];
}

function runTroubles({ metadata, run }: KnownGroup, name: string): AttentionItem[] {
  if (!run?.health) return [];
  return healthFindings(metadata, run.workflowId, run.health).map(({ kind, message, cure }) => ({
    group: name,
    mark: 'Parked',
    what: TROUBLE[kind],
    message,
    commands: cure,
  }));
}

const TROUBLE = {
  WorkflowTaskFailing: 'makes no progress',
  ActivityPaused: 'has a paused activity',
  RunPaused: 'is paused in Temporal',
  NoPlatformWorker: 'has no worker for a platform',
} as const;

function pausedRun({ phase, words }: Progress, name: string): AttentionItem[] {
  if (phase !== 'Paused') return [];
  const pause = words.findLast(({ verb }) => verb === 'pause');
  return [
    {
      group: name,
      mark: 'Parked',
      what: 'is paused',
      message: pause ? `by ${pause.actor}: ${pause.reason}` : 'An operator has to resume the run.',
      ...(pause && { since: pause.at }),
      commands: [`vmgroup resume ${name} --reason TEXT`],
    },
  ];
}

function memberItems(group: KnownGroup, progress: Progress, name: string): AttentionItem[] {
  return progress.members
    .filter(({ phase }) => phase === 'Parked' || phase === 'Missing')
    .map((member) => memberItem(group, progress, member, name));
}

function memberItem(
  group: KnownGroup,
  progress: Progress,
  member: MemberProgress,
  name: string,
): AttentionItem {
  const hold = holdOf(group, progress, member);
  const isParked = member.phase === 'Parked';
  const { failed, lastError } = member;
  const attempts = failed === undefined ? '' : `, ${failed} attempt${failed === 1 ? '' : 's'}`;
  return {
    group: name,
    member: shortName(member.member),
    mark: isParked ? 'Parked' : 'Missing',
    what: isParked ? `parked: ${lastError?.class ?? 'gave up'}${attempts}` : 'missing',
    message: isParked ? (lastError?.message ?? parkedText(member)) : (hold?.text ?? ''),
    since: member.since,
    commands: hold?.commands ?? [],
  };
}

function restingGroup({ phase, message }: KnownGroup, name: string): AttentionItem[] {
  if (NEEDS_CHANGE.has(phase)) return [{ group: name, mark: 'Parked', what: phase, message, commands: [] }];
  if (!NEEDS_OPERATOR.has(phase)) return [];
  const mark = phase === 'ConvergedWithExceptions' ? 'SetAside' : 'Parked';
  return [{ group: name, mark, what: phase, message, commands: [`vmgroup retry ${name} --reason TEXT`] }];
}

function restingMembers({ phase, run }: KnownGroup, name: string): AttentionItem[] {
  if (!NEEDS_OPERATOR.has(phase)) return [];
  return (run?.outcome?.exceptions ?? [])
    .filter(({ reason }) => reason === 'Parked')
    .map(({ member, message }) => ({
      group: name,
      member: shortName(member),
      mark: 'Parked',
      what: 'parked',
      message,
      commands: memberCommands(name, member).slice(0, 1),
    }));
}
