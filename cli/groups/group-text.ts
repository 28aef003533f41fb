/** A group as lines of text for a terminal: header, tiers with bars, members. Pure. */
import type { GroupView, HealthFinding, MemberStatus } from '../../bridge';
import type { MemberProgress, MemberPhase, Progress, TierProgress } from '../../contract';
import * as lazy from '../lazy';
import { elapsed } from '../output/output';
import type { Paint } from '../output/colours';

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

/** Phases in which nothing starts by itself. */
export const WANTS_ASKING = new Set<string>(['Cancelled', 'Failed', 'ConvergedWithExceptions', 'OutOfSync']);

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

/** How groups are drawn. */
export interface Scene {
  /** Milliseconds since the epoch. */
  now: number;
  paint: Paint;
  detail?: Detail;
  /** Columns of the terminal. */
  width?: number;
  /** Drawn below its parent: the parent need not be named. */
  nested?: boolean;
}

/** The lines of one group. */
export function groupLines(view: GroupView, scene: Scene): string[] {
  const { paint } = scene;
  const progress = view.run?.progress;
  const body = progress
    ? progress.tiers.flatMap((tier) => tierLines(view, progress, tier, scene))
    : restingLines(view, scene);
  const found = healthOf(view).filter((finding) => !isShownAtMember(view, finding));
  const health = found.flatMap((finding) => healthLines(finding, '  ', scene));
  const problems = (view.problems ?? []).map(({ message }) => `  ${paint.bad(`manifest: ${message}`)}`);
  return [headline(view, scene), ...health, ...ignoredLines(view, scene), ...body, ...problems];
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

function headline(view: GroupView, { now, paint, nested }: Scene): string {
  const { powerState, groupName: parent } = view.spec;
  const parts = [
    paint.strong(groupName(view)),
    powerState ?? '',
    paintPhase(view.phase, paint),
    runTime(view, now) ?? '',
    parent === undefined || nested ? '' : paint.dim(`in ${view.metadata.namespace}/${parent}`),
  ];
  return parts.filter((part) => part !== '').join('  ');
}

function paintPhase(phase: string, paint: Paint): string {
  if (phase === 'Converged') return paint.good(phase);
  if (phase === 'Failed') return paint.bad(phase);
  if (['ConvergedWithExceptions', 'Cancelled', 'Waiting', 'Paused', 'OutOfSync'].includes(phase))
    return paint.warn(phase);
  return paint.info(phase);
}

/** What Temporal knows of the open run and the run itself cannot report. */
function healthOf({ metadata, run }: GroupView): HealthFinding[] {
  if (!run?.health || run.endedAt !== undefined) return [];
  return lazy.bridge().healthFindings(metadata, run.workflowId, run.health);
}

/** What the run could not read, and left without effect. */
function ignoredLines({ run }: GroupView, { paint, width = 80 }: Scene): string[] {
  const ignored = run?.progress?.ignored ?? [];
  const last = ignored.at(-1);
  if (!last) return [];
  const text = `! ignored what it could not read (${ignored.length}), the last: ${last.what}: ${last.why}`;
  return wrapped(text, width, '  ').map((line) => paint.warn(line));
}

function isShownAtMember({ run }: GroupView, { activityId }: HealthFinding): boolean {
  if (activityId === undefined) return false;
  return run?.progress?.members.some((member) => member.activityId === activityId) ?? false;
}

function healthLines(
  { message, cure }: HealthFinding,
  indent: string,
  { paint, width = 80 }: Scene,
): string[] {
  const lines = (text: string) => wrapped(text, width, indent);
  return [
    ...lines(`✖ ${message}`).map((text) => paint.bad(text)),
    ...cure.flatMap((command) => lines(`→ ${command}`)).map((text) => paint.warn(text)),
  ];
}

function tierLines(view: GroupView, progress: Progress, tier: TierProgress, scene: Scene): string[] {
  const { now, paint, detail = 'full' } = scene;
  const members = progress.members
    .filter((member) => member.tier === tier.tier)
    .filter(({ phase }) => detail === 'full' || (phase !== 'Done' && phase !== 'Pending'))
    .sort((a, b) => (tier.total > MOST_MEMBERS ? URGENCY.indexOf(a.phase) - URGENCY.indexOf(b.phase) : 0));
  const filled = tier.total === 0 ? BAR : Math.round((tier.done / tier.total) * BAR);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR - filled);
  const head = `  tier ${tier.tier + 1}/${progress.tiers.length}  ${bar}  ${tier.done}/${tier.total}`;
  const width = Math.max(0, ...members.map(({ member }) => member.length));
  const lines = members.slice(0, MOST_MEMBERS).flatMap((member) => memberLines(view, member, width, scene));
  return [`${head}  ${tierState(tier, now, paint)}`, ...lines, ...moreLine(members.length, paint)];
}

function moreLine(count: number, paint: Paint): string[] {
  return count > MOST_MEMBERS ? [paint.dim(`    … and ${count - MOST_MEMBERS} more`)] : [];
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

function memberLines(view: GroupView, member: MemberProgress, nameWidth: number, scene: Scene): string[] {
  const { now, paint, width = 80 } = scene;
  const line = (text: string) =>
    cut(`    ${MARK[member.phase]} ${member.member.padEnd(nameWidth)}  ${text}`.trimEnd(), width);
  switch (member.phase) {
    case 'Done':
      return [paint.good(line(member.powerState ?? ''))];
    case 'Pending':
      return [paint.dim(line(member.powerState ?? ''))];
    case 'Parked':
      return [
        paint.bad(line('parked')),
        ...wrapped(errorText(member), width).map((text) => paint.bad(text)),
        ...wrapped(cure(view, member), width).map((text) => paint.warn(text)),
      ];
    case 'InProgress': {
      const error = member.lastError ? wrapped(`${errorText(member)}${nextTry(member, now)}`, width) : [];
      const paused = healthOf(view)
        .filter(({ activityId }) => activityId !== undefined && activityId === member.activityId)
        .flatMap((finding) => healthLines(finding, MEMBER_INDENT, scene));
      return [paint.info(line(inProgress(member, now))), ...error.map((text) => paint.bad(text)), ...paused];
    }
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

function nextTry({ nextRetryAt }: MemberProgress, now: number): string {
  return nextRetryAt !== undefined && nextRetryAt > now ? `; next try in ${elapsed(nextRetryAt - now)}` : '';
}

function errorText({ lastError, waitsFor }: MemberProgress): string {
  return lastError ? `${lastError.class}: ${lastError.message}` : (waitsFor ?? 'its power operation failed');
}

/** The commands that bring a parked member's run on. */
function cure(view: GroupView, { member }: MemberProgress): string {
  const short = member.replace(/^VirtualMachineGroup\//, '');
  return `→ vmgroup retry ${groupName(view)} ${short} --reason TEXT   (or skip, mark-ready)`;
}

/** Of lines below a member. */
const MEMBER_INDENT = ' '.repeat(8);

/** Text on lines of its own below a member, broken between words. */
function wrapped(text: string, width: number, indent = MEMBER_INDENT): string[] {
  const room = Math.max(40, width - indent.length - 1);
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= room)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => indent + line);
}

/** Members of a group without an open run. */
function restingLines(view: GroupView, scene: Scene): string[] {
  const { paint, width = 80 } = scene;
  const nameWidth = Math.max(0, ...view.status.members.map(({ name }) => name.length));
  const rows = view.status.members
    .map((member) => restingMember(member, nameWidth, scene))
    .filter((row) => row.length > 0);
  const isWrong = rows.some((lines) => lines.length > 1);
  const said =
    isWrong || view.phase === 'Converged' || view.phase === 'Pending'
      ? []
      : wrapped(view.message, width).map((text) => paint.dim(text.slice(4)));
  const next = WANTS_ASKING.has(view.phase)
    ? [paint.warn(`    → vmgroup retry ${groupName(view)} --reason TEXT   asks for another run`)]
    : [];
  return [...said, ...rows.slice(0, MOST_MEMBERS).flat(), ...moreLine(rows.length, paint), ...next];
}

function restingMember(
  member: MemberStatus,
  nameWidth: number,
  { paint, detail = 'full', width = 80 }: Scene,
): string[] {
  const wrong = member.conditions.find(({ status }) => status === 'False');
  const name = member.name.padEnd(nameWidth);
  if (wrong && wrong.reason !== 'Pending') {
    const reason = cut(`    ✖ ${name}  ${wrong.reason}`, width);
    return [reason, ...wrapped(wrong.message, width)].map((text) => paint.bad(text));
  }
  if (detail === 'open') return [];
  if (wrong) return [paint.dim(`    · ${name}  ${member.powerState ?? ''}`.trimEnd())];
  const { zoneID, node } = member.placement ?? {};
  const place =
    zoneID === undefined ? '' : paint.dim(`  ${node === undefined ? zoneID : `${zoneID}/${node}`}`);
  return [paint.good(`    ✔ ${name}  ${member.powerState ?? ''}`.trimEnd()) + place];
}

/** At most `width` columns: a line that the terminal breaks makes the picture hard to read. */
function cut(line: string, width: number): string {
  return line.length > width ? `${line.slice(0, width - 1)}…` : line;
}

/** Groups as trees: each parent before what is in it, with how deep it is. */
export function asTrees(views: GroupView[]): { view: GroupView; depth: number }[] {
  const sorted = [...views].sort((a, b) => (groupName(a) < groupName(b) ? -1 : 1));
  const names = new Set(sorted.map(groupName));
  const parentOf = ({ metadata, spec }: GroupView) => {
    const parent = spec.groupName === undefined ? undefined : `${metadata.namespace}/${spec.groupName}`;
    return parent !== undefined && names.has(parent) ? parent : undefined;
  };
  const below = (parent: string | undefined, depth: number): { view: GroupView; depth: number }[] =>
    sorted
      .filter((view) => parentOf(view) === parent)
      .flatMap((view) => [{ view, depth }, ...below(groupName(view), depth + 1)]);
  return below(undefined, 0);
}
