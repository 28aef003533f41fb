/** `vmgroup get`. */
import type { ObjectName } from '../../api';
import type { GroupView, MemberStatus } from '../../bridge';
import { withTemporalClient } from '../connections';
import { commandLines, loadViews, noteIfStale, runTime, terminalDrawing } from '../groups';
import {
  type Column,
  elapsed,
  paintFor,
  print,
  printError,
  printNote,
  table,
  terminalWidth,
} from '../output';
import type { RunsOptions, ViewOptions } from './options';
import { listRuns, stuckRuns, type RunRow, type StuckMember, type StuckRun } from '../runs';

/** Most runs that `get runs` lists. */
const MOST_RUNS = 200;

const GROUP_COLUMNS: Column<GroupView>[] = [
  { head: 'NAMESPACE', of: ({ metadata }) => metadata.namespace },
  { head: 'NAME', of: ({ metadata }) => metadata.name },
  { head: 'DESIRED', of: ({ spec }) => spec.powerState },
  { head: 'PHASE', of: ({ phase }) => phase },
  { head: 'READY', of: ({ status }) => `${readyCount(status.members)}/${status.members.length}` },
  { head: 'RUN', of: (view) => runTime(view, Date.now()) },
  { head: 'PARENT', of: ({ spec }) => spec.groupName, wide: true },
  { head: 'MESSAGE', prose: true, of: ({ message }) => message, wide: true },
];

interface MachineRow extends MemberStatus {
  namespace: string;
  group: string;
}

const MACHINE_COLUMNS: Column<MachineRow>[] = [
  { head: 'NAMESPACE', of: ({ namespace }) => namespace },
  { head: 'NAME', of: ({ name }) => name },
  { head: 'GROUP', of: ({ group }) => group },
  { head: 'POWER', of: ({ powerState }) => powerState },
  { head: 'SYNCED', of: (row) => conditionText(row, 'PowerStateSynced') },
  { head: 'ZONE', of: ({ placement }) => placement?.zoneID },
  { head: 'NODE', of: ({ placement }) => placement?.node },
  { head: 'POOL', of: ({ placement }) => placement?.pool, wide: true },
  {
    head: 'DATASTORES',
    of: ({ placement }) => placement?.datastores?.map(({ name }) => name).join(','),
    wide: true,
  },
  {
    head: 'MESSAGE',
    prose: true,
    of: ({ conditions }) => conditions.find(({ status }) => status !== 'True')?.message,
    wide: true,
  },
];

const RUN_COLUMNS: Column<RunRow>[] = [
  { head: 'GROUP', of: ({ namespace, group }) => `${namespace}/${group}` },
  { head: 'RUN', of: ({ runId }) => runId },
  { head: 'DESIRED', of: ({ powerState }) => powerState },
  { head: 'PHASE', of: ({ phase }) => phase },
  { head: 'STARTED', of: ({ startedAt }) => startedAt },
  {
    head: 'TOOK',
    of: ({ startedAt, endedAt }) =>
      elapsed((endedAt === undefined ? Date.now() : Date.parse(endedAt)) - Date.parse(startedAt)),
  },
  { head: 'ROOT', of: ({ root }) => root, wide: true },
  { head: 'PARKED', of: ({ parked }) => parked.join(',') || undefined, wide: true },
];

/** Prints groups. */
export async function getGroups(name: ObjectName | undefined, options: ViewOptions): Promise<void> {
  const views = await loadViews(name, options, 'missing');
  print(options.output, views, (shown) => {
    noteIfStale(views, options);
    return table(GROUP_COLUMNS, shown, options.output);
  });
}

/** Prints the VMs of groups. */
export async function getVirtualMachines(name: ObjectName | undefined, options: ViewOptions): Promise<void> {
  const views = await loadViews(name, options, 'none');
  const rows = views.flatMap(({ metadata, status }) =>
    status.members
      .filter(({ kind }) => kind === 'VirtualMachine')
      .map((member): MachineRow => ({ namespace: metadata.namespace, group: metadata.name, ...member })),
  );
  print(options.output, rows, (shown) => {
    noteIfStale(views, options);
    return table(MACHINE_COLUMNS, shown, options.output);
  });
}

interface StuckRow extends StuckMember {
  run: StuckRun;
}

const STUCK_COLUMNS: Column<StuckRow>[] = [
  { head: 'GROUP', of: ({ run }) => `${run.namespace}/${run.group}` },
  { head: 'MEMBER', of: ({ member }) => member },
  { head: 'HELD BY', of: ({ kind }) => kind },
  { head: 'CLASS', of: (row) => row.class },
  { head: 'ATTEMPTS', of: ({ attempts }) => attempts },
  { head: 'FOR', of: ({ since }) => since && elapsed(Date.now() - Date.parse(since)) },
  { head: 'RUN', of: ({ run }) => run.runId, wide: true },
  { head: 'MESSAGE', prose: true, of: ({ message }) => message, wide: true },
];

/** Prints the runs that Temporal knows; with `--stuck`, what keeps open ones from going on. */
export async function getRuns(name: ObjectName | undefined, options: RunsOptions): Promise<void> {
  const { root, since, stuck } = options;
  const filter = {
    ...(name && { group: name }),
    ...(root && { root }),
    ...(since !== undefined && { since }),
    ...(stuck && { stuck }),
  };
  const rows = await withTemporalClient(options, async (client): Promise<(RunRow | StuckRun)[]> => {
    const found = await listRuns(client, filter, MOST_RUNS);
    return stuck ? stuckRuns(client, found) : found;
  });
  let suggested: string[] = [];
  print(options.output, rows, (shown) => {
    if (rows.length === 0) printNote(stuck ? 'no stuck runs' : 'no runs');
    if (rows.length >= MOST_RUNS)
      printNote(`only the newest ${MOST_RUNS} runs are listed; name a group to list its own`);
    if (!stuck) return table(RUN_COLUMNS, shown, options.output);
    const members = shown.flatMap((run) =>
      'stuck' in run ? run.stuck.map((each) => ({ ...each, run })) : [],
    );
    suggested = commandsFor(members);
    return table<StuckRow>(STUCK_COLUMNS, members, options.output);
  });
  suggest(suggested);
}

/** What explains the first member that is stuck, and what helps: it alone, or all that are parked. */
function commandsFor(rows: readonly StuckRow[]): string[] {
  const [first] = rows;
  if (!first) return [];
  const parked = rows.filter(({ kind }) => kind === 'Parked').length;
  const helps = parked > 1 ? 'vmgroup retry --all --reason TEXT' : first.commands[0];
  const { namespace, group } = first.run;
  return [...new Set([`vmgroup why ${namespace}/${group}`, ...(helps === undefined ? [] : [helps])])];
}

/** Prints commands on standard error, as the table may be read by a program. */
function suggest(commands: readonly string[]): void {
  const drawing = { ...terminalDrawing(), paint: paintFor({}), width: terminalWidth() };
  for (const command of commands) printError(`${commandLines(command, '', drawing).join('\n')}\n`);
}

function readyCount(members: MemberStatus[]): number {
  return members.filter(({ conditions }) => conditions.every(({ status }) => status === 'True')).length;
}

function conditionText({ conditions }: MemberStatus, type: string): string | undefined {
  const condition = conditions.find((each) => each.type === type);
  return condition && (condition.status === 'True' ? 'True' : `${condition.status} (${condition.reason})`);
}
