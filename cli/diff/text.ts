/** Differences for people. Pure. */
import { formatDuration } from '../../api';
import { listed } from '../../api/text';
import { counted, elapsed, table } from '../output';
import { placesText, type PlannedPlaces } from '../plan';
import type { DiffStep, GroupDiff } from './group-diff';

/** A difference, and where VMs would be placed. */
export type ShownDiff = GroupDiff & PlannedPlaces;

/** Most VMs that one line names. */
const MOST_NAMED = 12;

const SECOND = 1_000;

/** The groups that change or have steps due; the others are counted. */
export function diffText(diffs: readonly ShownDiff[]): string {
  const shown = diffs.filter(({ change, steps }) => change !== 'Unchanged' || steps.length > 0);
  const rest = diffs.length - shown.length;
  const tail = rest === 0 ? '' : `${counted(rest, 'group')} without a change\n`;
  return [...shown.map(groupText), tail].filter((text) => text !== '').join('\n');
}

function groupText(diff: ShownDiff): string {
  const { change, steps, waits } = diff;
  const marked = change !== 'Unchanged';
  const head = `${headLines(diff).join('\n')}\n`;
  if (change === 'Deleted') return head;
  const waiting = waits.map((wait) => `  waits: ${wait}\n`).join('');
  if (steps.length === 0) return `${head}  no VM would be touched\n${waiting}${keptText(diff)}`;
  return `${head}\n${stepTable(steps, { marked })}${waiting}${totalText(diff)}${keptText(diff)}${placesText(diff)}`;
}

function headLines({ group, change, changes, left, givenUp, openRun }: GroupDiff): string[] {
  const takes = change === 'Deleted' ? 'ends' : 'takes the change over at once';
  const open =
    openRun === undefined || change === 'Unchanged' ? '' : `; its run is open (${openRun}) and ${takes}`;
  const operations = givenUp.map(({ action, member }) => `${action} ${member}`);
  return [
    `${group}: ${change.toLowerCase()}${open}`,
    ...changes.map((line) => `  ${line}`),
    ...(left.length > 0 ? [`  no longer touched: ${listed(left, MOST_NAMED)}`] : []),
    ...(operations.length > 0 ? [`  cancelled: ${listed(operations, MOST_NAMED)}`] : []),
  ];
}

function totalText({ touched, end, about }: GroupDiff): string {
  const usual =
    about === undefined ? 'and the time that the VMs take' : `about ${elapsed(about)} by past runs`;
  return `  ${counted(touched.length, 'VM')} touched; at least ${earliest(end)}, ${usual}\n`;
}

/** Whole seconds, apart from the first one: what is left of a delay that runs has thousandths. */
function earliest(at: number): string {
  return formatDuration(at < SECOND ? at : at - (at % SECOND));
}

function keptText({ kept }: GroupDiff): string {
  return kept.length === 0
    ? ''
    : `  ${counted(kept.length, 'VM')} left as ${kept.length === 1 ? 'it is' : 'they are'}: ${listed(kept, MOST_NAMED)}\n`;
}

/** `marked`: steps that are due without the change too say so. */
function stepTable(steps: readonly DiffStep[], { marked }: { marked: boolean }): string {
  return table<DiffStep>(
    [
      { head: 'AT LEAST', of: ({ at }) => `+${earliest(at)}` },
      ...(steps.some(({ about }) => about !== undefined)
        ? [
            {
              head: 'ABOUT',
              of: ({ about }: DiffStep) => (about === undefined ? undefined : `+${elapsed(about)}`),
            },
          ]
        : []),
      { head: 'GROUP', of: ({ group }) => group },
      { head: 'TIER', of: ({ tier }) => (tier < 0 ? undefined : tier + 1) },
      { head: 'STEP', of: ({ action }) => action },
      { head: 'MEMBER', of: ({ member }) => member },
      { head: 'WHY', prose: true, of: (step) => whyText(step, marked) },
    ],
    [...steps],
  );
}

function whyText({ why, anyway, confirms, underWay }: DiffStep, marked: boolean): string {
  if (underWay) return 'under way: continues';
  if (confirms) return `${why} (in its state: only its gate is asked)`;
  return anyway && marked ? `${why} (due anyway)` : why;
}
