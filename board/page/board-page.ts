/**
 * The page of a board: what the bridge knows of groups now. Pure.
 *
 * BOARD-1: nothing is shown that was not observed. A group whose run does not answer says so, and a board that is not up to date says since when.
 * BOARD-2: whatever waits for an operator is at the top, with the command that helps.
 */
import type { Progress } from '../../contract';
import {
  nameOf as groupNameOf,
  openProgress,
  treesOf,
  type Estimate,
  type KnownGroup,
  type PlacedGroup,
} from '../../insight';
import { attentionOf } from './attention';
import { countsOf, totalOf } from './counts';
import { openTiers, restingTiers } from './tiers';
import type { ActionItem, Forecast, Freshness, GroupItem, Mark, Page, Target, TreeItem } from './page';
import { sentenceOf } from './sentence';
import { targetOf } from './targets';

/** What a board is made from. Times are milliseconds since the epoch. */
export interface BoardInput {
  title: string;
  now: number;
  freshness: Freshness;
  groups: readonly KnownGroup[];
  /** The last progress of the group's last run, once that is closed: a closed run has no tiers of its own. */
  lastProgress?: (group: KnownGroup) => Progress | undefined;
  /** Address of the page of a run in the Temporal UI. */
  runUrl?: (run: { workflowId: string; runId: string }) => string | undefined;
  /** What past runs say about an open run; absent: nothing is shown. */
  estimateOf?: (group: KnownGroup) => Estimate | undefined;
}

/** Most actions that a board shows, the newest first. */
const MOST_ACTIONS = 12;

/** Makes the page. */
export function boardPage(input: BoardInput): Page {
  const trees = treesOf(input.groups);
  return {
    kind: 'Board',
    title: input.title,
    at: input.now,
    freshness: input.freshness,
    trees: trees.map((tree) => treeItem(tree, input)),
    attention: trees.flatMap((tree) => tree.flatMap(({ group }) => attentionOf(group))),
    actions: actionsOf(input.groups),
  };
}

function treeItem(tree: PlacedGroup<KnownGroup>[], input: BoardInput): TreeItem {
  const groups = tree.map((placed) => groupItem(placed, input));
  const [top] = tree as [PlacedGroup<KnownGroup>];
  const [first] = groups as [GroupItem];
  const run = top.group.run;
  const progress = run && (openProgress(top.group) ?? input.lastProgress?.(top.group));
  const counts = countsOf(groups);
  const target = progress && runTarget(top.group, progress, input.now);
  const forecast = run && run.endedAt === undefined ? forecastOf(input.estimateOf?.(top.group)) : undefined;
  return {
    name: first.name,
    mark: treeMark(groups, first),
    sentence: sentenceOf(
      tree.map(({ group }) => group),
      counts,
      first,
    ),
    ...(progress?.test && { isTest: true as const }),
    counts,
    ...(run && { startedAt: run.startedAt }),
    ...(run?.endedAt !== undefined && { endedAt: run.endedAt }),
    ...(target && { target }),
    ...(forecast && { forecast }),
    groups,
  };
}

/** The mark of the tree: parked as soon as anything below it is. */
function treeMark(groups: readonly GroupItem[], first: GroupItem): Mark {
  const counts = countsOf(groups);
  if (counts.Parked > 0 || groups.some(({ warnings }) => warnings.length > 0)) return 'Parked';
  if (first.mark === 'Done' && counts.Done < totalOf(counts) - counts.SetAside) return 'Working';
  return first.mark;
}

function groupItem({ group, depth }: PlacedGroup<KnownGroup>, input: BoardInput): GroupItem {
  const { run } = group;
  const progress = openProgress(group);
  const url = run && input.runUrl?.(run);
  const isSilent = run !== undefined && run.endedAt === undefined && !progress;
  return {
    name: groupNameOf(group),
    depth,
    mark: groupMark(group),
    phase: group.phase,
    message: group.message,
    ...(run && { startedAt: run.startedAt }),
    ...(run?.endedAt !== undefined && { endedAt: run.endedAt }),
    ...(url !== undefined && { runUrl: url }),
    warnings: isSilent ? ['The run does not answer: what is shown of its members is their last status.'] : [],
    tiers: progress
      ? openTiers(group, progress, input.estimateOf?.(group), input.now)
      : restingTiers(group, run && input.lastProgress?.(group)),
  };
}

const PHASE_MARK: ReadonlyMap<string, Mark> = new Map([
  ['Converged', 'Done'],
  ['ConvergedWithExceptions', 'SetAside'],
  ['Failed', 'Parked'],
  ['Cancelled', 'Parked'],
  ['Superseded', 'SetAside'],
  ['OutOfSync', 'Parked'],
  ['Invalid', 'Parked'],
  ['Contested', 'Parked'],
  ['Waiting', 'Parked'],
  ['Paused', 'Parked'],
  ['Unmanaged', 'Waiting'],
  ['Pending', 'Queued'],
]);

function groupMark({ phase }: KnownGroup): Mark {
  return PHASE_MARK.get(phase) ?? 'Working';
}

/** Targets are about recovery: only a run that powers on has one. */
function runTarget({ run, phase }: KnownGroup, progress: Progress, now: number): Target | undefined {
  if (!run || progress.rto === undefined || progress.powerState !== 'PoweredOn') return undefined;
  if (run.endedAt === undefined) return targetOf(progress.rto, { elapsed: now - run.startedAt });
  return targetOf(progress.rto, { took: phase === 'Converged' ? run.endedAt - run.startedAt : undefined });
}

function forecastOf(estimate: Estimate | undefined): Forecast | undefined {
  return (
    estimate && {
      runs: estimate.runs,
      ...(estimate.end && { median: estimate.end.median, p90: estimate.end.p90 }),
      ...(estimate.why !== undefined && { why: estimate.why }),
    }
  );
}

function actionsOf(groups: readonly KnownGroup[]): ActionItem[] {
  return groups
    .flatMap((group) =>
      (openProgress(group)?.words ?? group.run?.outcome?.words ?? []).map(
        ({ at, actor, verb, member, choice, reason }): ActionItem => ({
          at,
          who: actor,
          group: groupNameOf(group),
          what: [verb, member, choice].filter((word) => word !== undefined).join(' '),
          reason,
        }),
      ),
    )
    .sort((a, b) => b.at - a.at)
    .slice(0, MOST_ACTIONS);
}
