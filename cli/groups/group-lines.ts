/** A group as lines of text for a terminal: heading, health, tiers with their members, problems. Pure. */
import type { GroupView, MemberStatus } from '../../bridge';
import { estimate, type HealthFinding } from '../../insight';
import { cut, type Paint } from '../output';
import { runEstimateText } from './estimate-text';
import { healthLines, healthOf } from './health-lines';
import { commandLines, moreLine, MOST_MEMBERS, wrapped, type Drawing } from './lines';
import { tierLines } from './tier-lines';
import { groupName, needsNewRun, runTime } from './view';

/** The lines of one group. */
export function groupLines(view: GroupView, drawing: Drawing): string[] {
  const { paint } = drawing;
  const progress = view.run?.progress;
  const expected =
    progress && view.run?.endedAt === undefined && drawing.past
      ? estimate(drawing.past, progress, drawing.now)
      : undefined;
  const body = progress
    ? [
        ...(expected ? [paint.dim(`  ${runEstimateText(expected, drawing.now)}`)] : []),
        ...progress.tiers.flatMap((tier) => tierLines(view, { progress, tier, expected }, drawing)),
      ]
    : restingLines(view, drawing);
  const health = healthOf(view)
    .filter((finding) => !isShownAtMember(view, finding))
    .flatMap((finding) => healthLines(finding, '  ', drawing));
  const problems = (view.problems ?? []).map(({ message }) => `  ${paint.bad(`manifest: ${message}`)}`);
  return [heading(view, drawing), ...health, ...ignoredLines(view, drawing), ...body, ...problems];
}

function heading(view: GroupView, { now, paint, nested }: Drawing): string {
  const { powerState, groupName: parent } = view.spec;
  const words = [
    paint.strong(groupName(view)),
    powerState ?? '',
    paintPhase(view.phase, paint),
    runTime(view, now) ?? '',
    parent === undefined || nested ? '' : paint.dim(`in ${view.metadata.namespace}/${parent}`),
  ];
  return words.filter((word) => word !== '').join('  ');
}

function paintPhase(phase: string, paint: Paint): string {
  if (phase === 'Converged') return paint.good(phase);
  if (phase === 'Failed') return paint.bad(phase);
  if (['ConvergedWithExceptions', 'Cancelled', 'Waiting', 'Paused', 'OutOfSync'].includes(phase))
    return paint.warn(phase);
  return paint.info(phase);
}

/** Input that the run could not read and ignored. */
function ignoredLines({ run }: GroupView, { paint, width = 80 }: Drawing): string[] {
  const ignored = run?.progress?.ignored ?? [];
  const last = ignored.at(-1);
  if (!last) return [];
  const text = `! ignored unreadable input (${ignored.length}), the last: ${last.what}: ${last.why}`;
  return wrapped(text, width, '  ').map((line) => paint.warn(line));
}

function isShownAtMember({ run }: GroupView, { activityId }: HealthFinding): boolean {
  if (activityId === undefined) return false;
  return run?.progress?.members.some((member) => member.activityId === activityId) ?? false;
}

/** The members of a group without an open run. */
function restingLines(view: GroupView, drawing: Drawing): string[] {
  const { paint, width = 80 } = drawing;
  const nameWidth = Math.max(0, ...view.status.members.map(({ name }) => name.length));
  const rows = view.status.members
    .map((member) => restingMember(member, nameWidth, drawing))
    .filter((row) => row.length > 0);
  const hasErrors = rows.some((lines) => lines.length > 1);
  const message =
    hasErrors || view.phase === 'Converged' || view.phase === 'Pending'
      ? []
      : wrapped(view.message, width, '    ').map((text) => paint.dim(text));
  const next = needsNewRun(view.phase)
    ? [
        paint.dim('    to ask for another run:'),
        ...commandLines(`vmgroup retry ${groupName(view)} --reason TEXT`, '    ', drawing),
      ]
    : [];
  return [...message, ...rows.slice(0, MOST_MEMBERS).flat(), ...moreLine(rows.length, paint), ...next];
}

function restingMember(
  member: MemberStatus,
  nameWidth: number,
  { paint, detail = 'full', width = 80 }: Drawing,
): string[] {
  const unmet = member.conditions.find(({ status }) => status !== 'True');
  const name = member.name.padEnd(nameWidth);
  if (unmet && unmet.reason !== 'Pending') {
    const reason = cut(`    ✖ ${name}  ${unmet.reason}`, width);
    return [reason, ...wrapped(unmet.message, width)].map((text) => paint.bad(text));
  }
  if (detail === 'open') return [];
  if (unmet) return [paint.dim(`    · ${name}  ${member.powerState ?? ''}`.trimEnd())];
  const { zoneID, node } = member.placement ?? {};
  const place =
    zoneID === undefined ? '' : paint.dim(`  ${node === undefined ? zoneID : `${zoneID}/${node}`}`);
  return [paint.good(`    ✔ ${name}  ${member.powerState ?? ''}`.trimEnd()) + place];
}
