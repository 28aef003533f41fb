/** `vmgroup get` and `vmgroup describe`. */
import type { WorkflowExecutionInfo } from '@temporalio/client';
import type { GroupView, MemberStatus } from '../../bridge';
import type { GroupName, ViewOptions } from '.';
import { groupLines, runTime } from '../groups/group-text';
import * as lazy from '../lazy';
import { clock, elapsed, print, table } from '../output/output';
import type { Column } from '../output/output';
import { paintFor } from '../output/colours';
import { withClient } from '../connections/temporal';
import { loadView, loadViews, noteIfStale } from '../groups/views';

/** Runs that `get runs` asks Temporal for at most. */
const MOST_RUNS = 200;

/** Prints groups. */
export async function getGroups(name: GroupName | undefined, options: ViewOptions): Promise<void> {
  const views = await loadViews(name, options, 'missing');
  print(options.output, views, () => {
    noteIfStale(views, options);
    const columns: Column<GroupView>[] = [
      { head: 'NAMESPACE', of: ({ metadata }) => metadata.namespace },
      { head: 'NAME', of: ({ metadata }) => metadata.name },
      { head: 'DESIRED', of: ({ spec }) => spec.powerState },
      { head: 'PHASE', of: ({ phase }) => phase },
      { head: 'READY', of: ({ status }) => `${readyMembers(status.members)}/${status.members.length}` },
      { head: 'RUN', of: (view) => runTime(view, Date.now()) },
      { head: 'PARENT', of: ({ spec }) => spec.groupName, wide: true },
      { head: 'MESSAGE', of: ({ message }) => message, wide: true },
    ];
    return table(columns, views, options.output);
  });
}

interface MachineRow extends MemberStatus {
  namespace: string;
  group: string;
}

/** Prints the VMs of groups. */
export async function getVirtualMachines(name: GroupName | undefined, options: ViewOptions): Promise<void> {
  const views = await loadViews(name, options, 'none');
  const rows = views.flatMap(({ metadata, status }) =>
    status.members
      .filter(({ kind }) => kind === 'VirtualMachine')
      .map((member): MachineRow => ({ namespace: metadata.namespace, group: metadata.name, ...member })),
  );
  print(options.output, rows, () => {
    noteIfStale(views, options);
    const columns: Column<MachineRow>[] = [
      { head: 'NAMESPACE', of: (row) => row.namespace },
      { head: 'NAME', of: (row) => row.name },
      { head: 'GROUP', of: (row) => row.group },
      { head: 'POWER', of: (row) => row.powerState },
      { head: 'SYNCED', of: (row) => conditionOf(row, 'PowerStateSynced') },
      { head: 'ZONE', of: (row) => row.placement?.zoneID },
      { head: 'NODE', of: (row) => row.placement?.node },
      { head: 'POOL', of: (row) => row.placement?.pool, wide: true },
      {
        head: 'DATASTORES',
        of: (row) => row.placement?.datastores?.map((store) => store.name).join(','),
        wide: true,
      },
      {
        head: 'MESSAGE',
        of: (row) => row.conditions.find(({ status }) => status !== 'True')?.message,
        wide: true,
      },
    ];
    return table(columns, rows, options.output);
  });
}

interface RunRow {
  namespace: string;
  group: string;
  workflowId: string;
  runId: string;
  /** Outcome of a closed run, phase of an open one. */
  phase: string;
  powerState?: string;
  root?: string;
  parked: string[];
  startedAt: string;
  endedAt?: string;
}

/** Prints the runs that Temporal knows. */
export async function getRuns(name: GroupName | undefined, options: ViewOptions): Promise<void> {
  const rows = await withClient(options, async ({ client }) => {
    const { WORKFLOW_TYPE, workflowId } = lazy.messages();
    const of = name ? ` AND WorkflowId = '${workflowId(name.namespace, name.name)}'` : '';
    const found: RunRow[] = [];
    for await (const run of client.workflow.list({ query: `WorkflowType = '${WORKFLOW_TYPE}'${of}` })) {
      found.push(runRow(run));
      if (found.length >= MOST_RUNS) break;
    }
    return found;
  });
  print(options.output, rows, () => {
    if (rows.length === 0) process.stderr.write('no runs\n');
    if (rows.length >= MOST_RUNS)
      process.stderr.write(`the newest ${MOST_RUNS} runs; name a group for its own\n`);
    const columns: Column<RunRow>[] = [
      { head: 'GROUP', of: (row) => `${row.namespace}/${row.group}` },
      { head: 'RUN', of: (row) => row.runId },
      { head: 'DESIRED', of: (row) => row.powerState },
      { head: 'PHASE', of: (row) => row.phase },
      { head: 'STARTED', of: (row) => row.startedAt },
      {
        head: 'TOOK',
        of: (row) => elapsed(Date.parse(row.endedAt ?? new Date().toISOString()) - Date.parse(row.startedAt)),
      },
      { head: 'ROOT', of: (row) => row.root, wide: true },
      { head: 'PARKED', of: (row) => row.parked.join(',') || undefined, wide: true },
    ];
    return table(columns, rows, options.output);
  });
}

function runRow(run: WorkflowExecutionInfo): RunRow {
  const { searchAttributeKeys } = lazy.messages();
  const attributes = run.typedSearchAttributes;
  const [, namespace = '', group = ''] = run.workflowId.split('/');
  const powerState = attributes.get(searchAttributeKeys.powerState);
  const root = attributes.get(searchAttributeKeys.root);
  return {
    namespace,
    group,
    workflowId: run.workflowId,
    runId: run.runId,
    phase: phaseOf(run.status.name, attributes.get(searchAttributeKeys.phase)),
    ...(powerState !== undefined && { powerState }),
    ...(root !== undefined && { root }),
    parked: attributes.get(searchAttributeKeys.parked) ?? [],
    startedAt: run.startTime.toISOString(),
    ...(run.closeTime && { endedAt: run.closeTime.toISOString() }),
  };
}

/** What Temporal says of how a run was ended from outside outranks the phase that it was in. */
function phaseOf(status: string, phase: string | undefined): string {
  if (status === 'RUNNING' || status === 'COMPLETED' || status === 'CONTINUED_AS_NEW') return phase ?? status;
  return status;
}

/** Prints everything about one group. */
export async function describeGroup(name: GroupName, options: ViewOptions): Promise<void> {
  const view = await loadView(name, options);
  print(options.output, view, () => {
    noteIfStale([view], options);
    return describeText(view, Date.now());
  });
}

/** Everything about one group, as text. */
export function describeText(view: GroupView, now: number): string {
  const { run, status } = view;
  const words = run?.progress?.words ?? run?.outcome?.words ?? [];
  const sections = [
    groupLines(view, { now, paint: paintFor(process.stdout), width: process.stdout.columns || 100 }).join(
      '\n',
    ) + '\n',
    `Message:  ${view.message}\n` +
      (run ? `Run:      ${run.workflowId}/${run.runId}\n` : '') +
      (run ? `Started:  ${new Date(run.startedAt).toISOString()}\n` : '') +
      (run?.endedAt ? `Ended:    ${new Date(run.endedAt).toISOString()}\n` : '') +
      (status.lastUpdatedPowerStateTime ? `Synced:   ${status.lastUpdatedPowerStateTime}\n` : ''),
    section('Members', memberTable(status.members)),
    section('Conditions', conditionTable(view)),
    section(
      'Exceptions',
      rows(run?.outcome?.exceptions ?? [], [
        { head: 'MEMBER', of: ({ member }) => member },
        { head: 'REASON', of: ({ reason }) => reason },
        { head: 'MESSAGE', of: ({ message }) => message },
      ]),
    ),
    section(
      'Operators',
      rows(words, [
        { head: 'TIME', of: ({ at }) => clock(at) },
        { head: 'WHO', of: ({ actor }) => actor },
        { head: 'WHAT', of: ({ verb, member }) => (member ? `${verb} ${member}` : verb) },
        { head: 'REASON', of: ({ reason }) => reason },
      ]),
    ),
    section(
      'Ignored input',
      rows(run?.progress?.ignored ?? [], [
        { head: 'TIME', of: ({ at }) => clock(at) },
        { head: 'WHAT', of: ({ what }) => what },
        { head: 'WHY', of: ({ why }) => why },
      ]),
    ),
  ];
  return sections.filter((text) => text !== '').join('\n');
}

function memberTable(members: MemberStatus[]): string {
  return rows(members, [
    { head: 'NAME', of: ({ name }) => name },
    { head: 'KIND', of: ({ kind }) => kind },
    { head: 'POWER', of: ({ powerState }) => powerState },
    { head: 'ZONE', of: ({ placement }) => placement?.zoneID },
    { head: 'NODE', of: ({ placement }) => placement?.node },
    {
      head: 'NOT AS WANTED',
      of: ({ conditions }) => conditions.find(({ status }) => status !== 'True')?.message,
    },
  ]);
}

function conditionTable({ status }: GroupView): string {
  return rows(status.conditions, [
    { head: 'TYPE', of: ({ type }) => type },
    { head: 'STATUS', of: (condition) => condition.status },
    { head: 'REASON', of: ({ reason }) => reason },
    { head: 'SINCE', of: ({ lastTransitionTime }) => lastTransitionTime },
    { head: 'MESSAGE', of: ({ message }) => message },
  ]);
}

function rows<T>(data: T[], columns: Column<T>[]): string {
  return data.length === 0 ? '' : table(columns, data);
}

function section(title: string, text: string): string {
  return text === '' ? '' : `${title}:\n${text.replace(/^(?=.)/gm, '  ')}`;
}

function readyMembers(members: MemberStatus[]): number {
  return members.filter(({ conditions }) => conditions.every(({ status }) => status === 'True')).length;
}

function conditionOf(member: MemberStatus, type: string): string | undefined {
  const condition = member.conditions.find((each) => each.type === type);
  return condition && (condition.status === 'True' ? 'True' : `${condition.status} (${condition.reason})`);
}
