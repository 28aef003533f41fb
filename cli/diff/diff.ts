/** `vmgroup diff`: what a change of manifests would do against what runs, by the planner that would run it. */
import { formatDuration, type Manifests, type ObjectName } from '../../api';
import type { Plan } from '../../contract';
import { CliError } from '../errors';
import * as lazy from '../lazy';
import { counted, table } from '../output';
import type { DiffStep, GroupDiff } from './group-diff';
import { groupDiff } from './group-diff';
import { readRunning, type Running, type RunningOptions } from './running';

/** Options of `diff`. */
export interface DiffOptions extends RunningOptions {
  group?: ObjectName;
  output: 'table' | 'json';
}

/**
 * Prints what the changed manifests would do, and changes nothing.
 *
 * @throws CliError if they are invalid, there is no such group, or what runs cannot be read.
 */
export async function diff(paths: string[], options: DiffOptions): Promise<void> {
  const running = await readRunning(paths, options);
  const [before, after] = [plansOf(running, 'before'), plansOf(running, 'after')];
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  const wanted = options.group && `${options.group.namespace}/${options.group.name}`;
  if (wanted !== undefined && !names.includes(wanted))
    throw new CliError(`${wanted} has no run of its own, before or after the change`, [
      names.length > 0
        ? `groups with runs: ${names.join(', ')}`
        : 'check the manifests: vmgroup validate PATH',
    ]);
  const diffs = names
    .filter((name) => wanted === undefined || name === wanted)
    .map((name) => groupDiff(before.get(name), after.get(name), openRun(running, name)));
  process.stdout.write(
    options.output === 'json' ? JSON.stringify(diffs, undefined, 2) + '\n' : textOf(diffs),
  );
}

/** The plan of each group that starts runs, with VMs as they are now. */
function plansOf(
  { observe, placesAhead, names, ...running }: Running,
  when: 'before' | 'after',
): Map<string, Plan> {
  const manifests: Manifests = running[when];
  const platforms = names[when];
  const { driverOf, indexManifests, resolvePlan } = lazy.bridge();
  const index = indexManifests(manifests);
  const plans = manifests.groups.flatMap((group) => {
    if (driverOf(index, group, placesAhead) !== group) return [];
    const plan = resolvePlan(index, group, {
      ...{ observe, placesAhead },
      ...(platforms && { platformOf: platforms.of, probesItself: platforms.probesItself }),
    });
    return plan ? [[`${group.namespace}/${group.name}`, plan] as const] : [];
  });
  return new Map(plans);
}

/** The phase of the open run of a group. */
function openRun({ views }: Running, name: string): string | undefined {
  const view = views.find(({ metadata }) => `${metadata.namespace}/${metadata.name}` === name);
  return view?.run && view.run.endedAt === undefined ? view.phase : undefined;
}

function textOf(diffs: readonly GroupDiff[]): string {
  const shown = diffs.filter(({ change, steps }) => change !== 'Unchanged' || steps.length > 0);
  const rest = diffs.length - shown.length;
  const tail = rest === 0 ? '' : `${counted(rest, 'group')} without a change\n`;
  return [...shown.map(groupText), tail].filter((text) => text !== '').join('\n');
}

function groupText({
  group,
  change,
  changes,
  steps,
  end,
  waits,
  touched,
  untouched,
  left,
  openRun: phase,
}: GroupDiff): string {
  const open = phase === undefined ? '' : `; its run is open (${phase}) and takes the change over at once`;
  const lines = [
    `${group}: ${change.toLowerCase()}${open}`,
    ...changes.map((line) => `  ${line}`),
    ...(left.length > 0 ? [`  no longer touched: ${left.join(', ')}`] : []),
  ];
  if (change === 'Deleted') return `${lines.join('\n')}\n`;
  if (steps.length === 0) return `${[...lines, '  no VM would be touched'].join('\n')}\n`;
  const waiting = waits.map((wait) => `  waits: ${wait}\n`).join('');
  const total = `  ${counted(touched.length, 'VM')} touched, ${untouched} left as they are; at least ${formatDuration(end)} and the time that the VMs take\n`;
  return `${lines.join('\n')}\n\n${stepTable(steps)}${waiting}${total}`;
}

function stepTable(steps: readonly DiffStep[]): string {
  return table<DiffStep>(
    [
      { head: 'AT LEAST', of: ({ at }) => `+${formatDuration(at)}` },
      { head: 'GROUP', of: ({ group }) => group },
      { head: 'TIER', of: ({ tier }) => (tier < 0 ? undefined : tier + 1) },
      { head: 'STEP', of: ({ action }) => action },
      { head: 'MEMBER', of: ({ member }) => member },
      { head: 'WHY', of: whyText },
    ],
    [...steps],
  );
}

function whyText({ why, anyway, confirms }: DiffStep): string {
  if (confirms) return `${why} (in its state: only its gate is asked)`;
  return anyway ? `${why} (due anyway)` : why;
}
