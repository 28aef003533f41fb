/** `vmgroup describe`. */
import type { ObjectName } from '../../api';
import type { GroupView, MemberStatus } from '../../bridge';
import { estimate, type PastRun } from '../../insight';
import { groupLines, loadView, noteIfStale, PastRuns, terminalDrawing, wrapped } from '../groups';
import { clock, print, table, terminalWidth, type Column } from '../output';
import { givenCommands } from './given-commands';
import type { ViewOptions } from './options';

/** Indentation of the tables. */
const INDENT = '  ';

/** Prints everything about one group. */
export async function describeGroup(name: ObjectName, options: ViewOptions): Promise<void> {
  const view = await loadView(name, options);
  const pastRuns = new PastRuns(options);
  const past = await pastRuns.of(view).finally(() => pastRuns.close());
  const progress = view.run?.progress;
  const now = Date.now();
  const data = { ...view, ...(past && progress && { estimate: estimate(past, progress, now) }) };
  print(options.output, data, (shown) => {
    noteIfStale([view], options);
    return groupText(shown, now, past);
  });
}

/** Everything about one group, as text. */
function groupText(view: GroupView, now: number, past: readonly PastRun[] | undefined): string {
  const { run, status } = view;
  const drawing = { ...terminalDrawing(now), ...(past && { past }) };
  const sections = [
    groupLines(view, drawing).join('\n') + '\n',
    summary(view),
    section('Members', memberTable(status.members)),
    section('Conditions', conditionTable(view)),
    section('Exceptions', exceptionTable(run)),
    section(
      'Operator commands',
      givenCommands(run?.progress?.words ?? run?.outcome?.words ?? [], terminalWidth(INDENT.length)),
    ),
    section('Ignored input', ignoredTable(run)),
  ];
  return sections.filter((text) => text !== '').join('\n');
}

function summary({ message, run, status }: GroupView): string {
  const lines = [
    `Message:  ${wrapped(message, terminalWidth(), ' '.repeat(10)).join('\n').trimStart()}`,
    ...(run
      ? [`Run:      ${run.workflowId}/${run.runId}`, `Started:  ${new Date(run.startedAt).toISOString()}`]
      : []),
    ...(run?.endedAt ? [`Ended:    ${new Date(run.endedAt).toISOString()}`] : []),
    ...(status.lastUpdatedPowerStateTime ? [`Synced:   ${status.lastUpdatedPowerStateTime}`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function memberTable(members: MemberStatus[]): string {
  return tableOrNothing(members, [
    { head: 'NAME', of: ({ name }) => name },
    { head: 'KIND', of: ({ kind }) => kind },
    { head: 'POWER', of: ({ powerState }) => powerState },
    { head: 'ZONE', of: ({ placement }) => placement?.zoneID },
    { head: 'NODE', of: ({ placement }) => placement?.node },
    {
      head: 'NOT READY BECAUSE',
      prose: true,
      of: ({ conditions }) => conditions.find(({ status }) => status !== 'True')?.message,
    },
  ]);
}

function conditionTable({ status }: GroupView): string {
  return tableOrNothing(status.conditions, [
    { head: 'TYPE', of: ({ type }) => type },
    { head: 'STATUS', of: (condition) => condition.status },
    { head: 'REASON', of: ({ reason }) => reason },
    { head: 'SINCE', of: ({ lastTransitionTime }) => lastTransitionTime },
    { head: 'MESSAGE', prose: true, of: ({ message }) => message },
  ]);
}

function exceptionTable(run: GroupView['run']): string {
  return tableOrNothing(run?.outcome?.exceptions ?? [], [
    { head: 'MEMBER', of: ({ member }) => member },
    { head: 'REASON', of: ({ reason }) => reason },
    { head: 'MESSAGE', prose: true, of: ({ message }) => message },
  ]);
}

function ignoredTable(run: GroupView['run']): string {
  return tableOrNothing(run?.progress?.ignored ?? [], [
    { head: 'TIME', of: ({ at }) => clock(at) },
    { head: 'WHAT', of: ({ what }) => what },
    { head: 'WHY', prose: true, of: ({ why }) => why },
  ]);
}

function tableOrNothing<T>(rows: T[], columns: Column<T>[]): string {
  return rows.length === 0 ? '' : table(columns, rows, 'table', terminalWidth(INDENT.length));
}

function section(title: string, text: string): string {
  return text === '' ? '' : `${title}:\n${text.replace(/^(?=.)/gm, INDENT)}`;
}
