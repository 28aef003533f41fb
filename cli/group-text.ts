/** A group as lines of text for a terminal: header, tiers with bars, members. Pure. */
import type { GroupView } from '../bridge';
import type { MemberProgress, MemberPhase, Progress, TierProgress } from '../workflows/messages';
import { elapsed } from './output';
import type { Paint } from './paint';

/** How wide a bar is, in characters. */
const BAR = 10;

/** Members of a tier that are shown one by one before the rest is only counted. */
const MOST_MEMBERS = 12;

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

/** Order in which the members of a long tier are shown: those that a person must see first. */
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

/** `full`: every member; `open`: only those that something is the matter with, or that are under way. */
export type Detail = 'full' | 'open';

/** The lines of one group at the time `now` (milliseconds since the epoch). */
export function groupLines(view: GroupView, now: number, paint: Paint, detail: Detail = 'full'): string[] {
  const progress = view.run?.progress;
  const lines = [headline(view, now, paint)];
  if (progress) {
    for (const tier of progress.tiers) lines.push(...tierLines({ view, progress, now, paint, detail }, tier));
  } else {
    lines.push(...restingLines(view, paint));
  }
  for (const problem of view.problems ?? []) lines.push(`  ${paint.bad(`manifest: ${problem.message}`)}`);
  return lines;
}

/** `prod/web` of a view. */
export function groupName(view: GroupView): string {
  return `${view.metadata.namespace}/${view.metadata.name}`;
}

/** How long the run of a view has taken, or took; undefined where there is none. */
export function runTime(view: GroupView, now: number): string | undefined {
  const { run } = view;
  return run && elapsed((run.endedAt ?? now) - run.startedAt);
}

function headline(view: GroupView, now: number, paint: Paint): string {
  const { powerState, groupName: parent } = view.spec;
  const parts = [
    paint.strong(groupName(view)),
    powerState ?? '',
    paintPhase(view.phase, paint),
    runTime(view, now) ?? '',
    parent === undefined ? '' : paint.dim(`in ${view.metadata.namespace}/${parent}`),
  ];
  return parts.filter((part) => part !== '').join('  ');
}

/** A phase or outcome in the colour that fits it. */
export function paintPhase(phase: string, paint: Paint): string {
  if (phase === 'Converged') return paint.good(phase);
  if (phase === 'Failed') return paint.bad(phase);
  if (['ConvergedWithExceptions', 'Cancelled', 'Waiting', 'Paused', 'OutOfSync'].includes(phase))
    return paint.warn(phase);
  return paint.info(phase);
}

interface Scene {
  view: GroupView;
  progress: Progress;
  now: number;
  paint: Paint;
  detail: Detail;
}

function tierLines({ view, progress, now, paint, detail }: Scene, tier: TierProgress): string[] {
  const members = progress.members
    .filter((member) => member.tier === tier.tier)
    .filter(({ phase }) => detail === 'full' || (phase !== 'Done' && phase !== 'Pending'))
    .sort((a, b) => (tier.total > MOST_MEMBERS ? URGENCY.indexOf(a.phase) - URGENCY.indexOf(b.phase) : 0));
  const filled = tier.total === 0 ? BAR : Math.round((tier.done / tier.total) * BAR);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR - filled);
  const head = `  tier ${tier.tier + 1}/${progress.tiers.length}  ${bar}  ${tier.done}/${tier.total}`;
  const lines = [`${head}  ${tierState(tier, now, paint)}`.trimEnd()];
  const width = Math.max(0, ...members.map(({ member }) => member.length));
  for (const member of members.slice(0, MOST_MEMBERS))
    lines.push(...memberLines(view, member, width, now, paint));
  if (members.length > MOST_MEMBERS) lines.push(paint.dim(`    … and ${members.length - MOST_MEMBERS} more`));
  return lines;
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

function memberLines(
  view: GroupView,
  member: MemberProgress,
  width: number,
  now: number,
  paint: Paint,
): string[] {
  const name = member.member.padEnd(width);
  const line = (text: string) => `    ${MARK[member.phase]} ${name}  ${text}`.trimEnd();
  switch (member.phase) {
    case 'Done':
      return [paint.good(line(member.powerState ?? ''))];
    case 'Pending':
      return [paint.dim(line(member.powerState ?? ''))];
    case 'Parked':
      return [paint.bad(line(`parked: ${errorText(member)}`)), `        ${paint.warn(cure(view, member))}`];
    case 'InProgress':
      return [paint.info(line(inProgress(member, now))), ...retryLine(member, now, paint)];
    case 'Queued':
      return [line(`waits for ${member.waitsFor ?? 'its turn'}`)];
    case 'Missing':
      return [paint.warn(line(`waits for ${member.waitsFor ?? 'it to exist'}`))];
    case 'Skipped':
    case 'LeftAlone':
      return [
        paint.warn(line(member.waitsFor ?? (member.phase === 'Skipped' ? 'skipped' : 'left as it is'))),
      ];
  }
}

function inProgress(member: MemberProgress, now: number): string {
  const attempt = (member.attempt ?? 1) > 1 ? `, attempt ${member.attempt}` : '';
  return `waits for ${member.waitsFor ?? 'its power state'}, ${elapsed(now - member.since)}${attempt}`;
}

function retryLine(member: MemberProgress, now: number, paint: Paint): string[] {
  if (!member.lastError) return [];
  const next =
    member.nextRetryAt !== undefined && member.nextRetryAt > now
      ? `, next try in ${elapsed(member.nextRetryAt - now)}`
      : '';
  return [`        ${paint.bad(errorText(member))}${next}`];
}

function errorText({ lastError, waitsFor }: MemberProgress): string {
  return lastError ? `${lastError.class}: ${lastError.message}` : (waitsFor ?? 'its power operation failed');
}

/** The commands that bring a parked member's run on. */
function cure(view: GroupView, { member }: MemberProgress): string {
  const short = member.replace(/^VirtualMachineGroup\//, '');
  return `→ vmgroup retry ${groupName(view)} ${short} --reason TEXT   (or skip, mark-ready)`;
}

/** Members of a group without an open run: those that are not as they should be, and how many are. */
function restingLines(view: GroupView, paint: Paint): string[] {
  const bad = view.status.members.flatMap((member) => {
    const condition = member.conditions.find(({ status }) => status === 'False');
    return condition ? [`    ✖ ${member.name}  ${condition.reason}: ${condition.message}`] : [];
  });
  const good = view.status.members.length - bad.length;
  const lines = bad.slice(0, MOST_MEMBERS).map((line) => paint.bad(line));
  if (bad.length > MOST_MEMBERS) lines.push(paint.dim(`    … and ${bad.length - MOST_MEMBERS} more`));
  if (view.phase === 'Converged')
    return [paint.good(`    ✔ ${good} of ${view.status.members.length} members as wanted`), ...lines];
  return [paint.dim(`    ${view.message}`), ...lines];
}
