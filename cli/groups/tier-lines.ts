/** The tiers and members of an open run as lines of text. Pure. */
import type { GroupView } from '../../bridge';
import type { MemberPhase, MemberProgress, Progress, TierProgress } from '../../contract';
import {
  type Estimate,
  failureText,
  leftAloneText,
  memberCommands,
  parkedText,
  pausedActivity,
} from '../../insight';
import { cut, elapsed, type Paint } from '../output';
import { tierEstimateText } from './estimate-text';
import { healthLines } from './health-lines';
import { commandLines, MEMBER_INDENT, moreLine, MOST_MEMBERS, wrapped, type Drawing } from './lines';
import { groupName } from './view';

/** Width of a bar, in characters. */
const BAR = 10;

const MARK: Record<MemberPhase, string> = {
  Pending: '·',
  Missing: '?',
  Queued: '○',
  InProgress: '◐',
  Done: '✔',
  Parked: '✖',
  Skipped: '–',
  LeftAlone: '–',
};

/** Order of the members of a long tier: first those that need attention. */
const URGENCY: MemberPhase[] = [
  'Parked',
  'Missing',
  'LeftAlone',
  'InProgress',
  'Queued',
  'Skipped',
  'Done',
  'Pending',
];

/** A tier of an open run. */
export interface DrawnTier {
  progress: Progress;
  tier: TierProgress;
  /** Absent: the past was not read. */
  expected?: Estimate | undefined;
}

/** The lines of one tier: its bar, and its members. */
export function tierLines(
  view: GroupView,
  { progress, tier, expected }: DrawnTier,
  drawing: Drawing,
): string[] {
  const { now, paint, detail = 'full' } = drawing;
  const members = progress.members
    .filter((member) => member.tier === tier.tier)
    .filter(({ phase }) => detail === 'full' || (phase !== 'Done' && phase !== 'Pending'))
    .sort((a, b) => (tier.total > MOST_MEMBERS ? URGENCY.indexOf(a.phase) - URGENCY.indexOf(b.phase) : 0));
  const filled = tier.total === 0 ? BAR : Math.round((tier.done / tier.total) * BAR);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR - filled);
  const head = `  tier ${tier.tier + 1}/${progress.tiers.length}  ${bar}  ${tier.done}/${tier.total}`;
  const width = Math.max(0, ...members.map(({ member }) => member.length));
  const lines = members.slice(0, MOST_MEMBERS).flatMap((member) => memberLines(view, member, width, drawing));
  const end = expected ? tierEstimateText(expected, tier.tier, now) : '';
  const state = `${tierState(tier, now, paint)}${end && paint.dim(`, ${end}`)}`;
  return [`${head}  ${state}`, ...lines, ...moreLine(members.length, paint)];
}

function tierState(tier: TierProgress, now: number, paint: Paint): string {
  switch (tier.phase) {
    case 'Pending':
      return paint.dim('waits for its turn');
    case 'Delay':
      return paint.info(`delay, ${elapsed((tier.until ?? now) - now)} left`);
    case 'Running':
      return paint.info('running');
    case 'Done':
      return paint.good('done');
  }
}

function memberLines(view: GroupView, member: MemberProgress, nameWidth: number, drawing: Drawing): string[] {
  const { now, paint, width = 80 } = drawing;
  const { powerState = '' } = member;
  const line = (text: string) =>
    cut(`    ${MARK[member.phase]} ${member.member.padEnd(nameWidth)}  ${text}`.trimEnd(), width);
  switch (member.phase) {
    case 'Done':
      return [paint.good(line(powerState))];
    case 'Pending':
      return [paint.dim(line(powerState))];
    case 'Parked':
      return [
        paint.bad(line('parked')),
        ...wrapped(parkedText(member), width).map((text) => paint.bad(text)),
        ...wayOut(view, member, drawing),
      ];
    case 'InProgress':
      return [paint.info(line(waitText(member, now))), ...troubleLines(view, member, drawing)];
    case 'Queued':
      return [line(`waits for ${member.waitsFor ?? 'its turn'}`)];
    case 'Missing':
      return [paint.warn(line(`waits for ${member.waitsFor ?? 'it to exist'}`))];
    case 'Skipped':
    case 'LeftAlone':
      return [paint.warn(line(leftAloneText(member)))];
  }
}

/** The last error of a member's operation, and whether the operation is paused in Temporal. */
function troubleLines(view: GroupView, member: MemberProgress, drawing: Drawing): string[] {
  const { now, paint, width = 80 } = drawing;
  const error = member.lastError
    ? wrapped(`${failureText(member.lastError)}${nextTry(member, now)}`, width)
    : [];
  const finding = pausedActivity(view, member);
  const paused = finding ? healthLines(finding, MEMBER_INDENT, drawing) : [];
  return [...error.map((text) => paint.bad(text)), ...paused];
}

function waitText(member: MemberProgress, now: number): string {
  const attempt = (member.attempt ?? 1) > 1 ? `, attempt ${member.attempt}` : '';
  return `waits for ${member.waitsFor ?? 'its power state'}, ${elapsed(now - member.since)}${attempt}`;
}

function nextTry({ nextRetryAt }: MemberProgress, now: number): string {
  return nextRetryAt !== undefined && nextRetryAt > now ? `; next try in ${elapsed(nextRetryAt - now)}` : '';
}

/** The command by which the run of a parked member continues, and the names of the others. */
function wayOut(view: GroupView, { member }: MemberProgress, drawing: Drawing): string[] {
  const [retry = ''] = memberCommands(groupName(view), member);
  return [
    ...commandLines(retry, MEMBER_INDENT, drawing),
    drawing.paint.dim(`${MEMBER_INDENT}  or, in the same way: skip, mark-ready`),
  ];
}
