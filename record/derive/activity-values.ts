/** Inputs and results of activities, as the record has them. Pure. */
import { fieldsOf } from '../../api/unknown';
import { own } from '../../api/own';
import { memberKey, platformTaskQueue, type MemberKey } from '../../contract';
import type { ActivityResult, ActivityTask, RecordedPlace } from '../facts';
import { read, shortText, type Allowed, type ReadAttempt } from './allowed';
import { textOf } from './history';

/** An input, as read. */
export interface ReadTask {
  task: ActivityTask;
  member?: MemberKey;
  /** Type of the activity whose result is to be expected. */
  work: string;
  /** Failed attempts before the activity was scheduled. */
  earlier: readonly ReadAttempt[];
}

/** Reads the input of an activity. */
export function readTask(activity: string, input: unknown): ReadTask {
  if (activity !== 'confirm') return taskOf(activity, input);
  const { activity: work, input: inner } = fieldsOf(input);
  const confirmed = taskOf(textOf(work), inner);
  const { task } = confirmed;
  if (task.type !== 'Power' && task.type !== 'Group' && task.type !== 'Place') return confirmed;
  return { ...confirmed, task: { ...task, confirms: true } };
}

function taskOf(activity: string, input: unknown): ReadTask {
  const reader = own(TASKS, activity);
  const done = reader?.(input);
  return {
    task: done?.task ?? { type: 'Unknown', activity: shortText(activity) ?? '' },
    ...(done?.member !== undefined && { member: done.member }),
    work: activity,
    earlier: done?.earlier ?? [],
  };
}

type TaskReader = (input: unknown) => (Pick<ReadTask, 'task' | 'member'> & Partial<ReadTask>) | undefined;

const TASKS: Readonly<Record<string, TaskReader>> = {
  powerOn: powerTask,
  powerOff: powerTask,
  suspend: powerTask,
  powerGroup: groupTask,
  awaitGroup: groupTask,
  place: (raw) => {
    const input = read('placeInput', raw);
    if (!input) return undefined;
    const { requests, sequence } = input;
    const vms = requests.filter(({ optional }) => !optional).map(({ vm }) => vm.name);
    const optional = requests.filter(({ optional }) => optional).map(({ vm }) => vm.name);
    return { task: { type: 'Place', vms, optional, ...(sequence !== undefined && { sequence }) } };
  },
  release: (raw) => {
    const input = read('releaseInput', raw);
    return input && { task: { type: 'Release', vms: namesOf(input.vms), sequence: input.sequence } };
  },
  answer: (raw) => {
    const input = read('answerInput', raw);
    return (
      input && { task: { type: 'Answer', vm: input.vm.name, choice: input.choice }, member: input.vm.name }
    );
  },
  findEndedGroups: (raw) => {
    const input = read('findEndedGroupsInput', raw);
    return input && { task: { type: 'FindEndedGroups', members: input.groups.map(({ member }) => member) } };
  },
  cancellation: () => ({ task: { type: 'FindCanceller' } }),
};

function powerTask(raw: unknown): ReturnType<TaskReader> {
  const input = read('powerInput', raw);
  if (!input) return undefined;
  const { vm, operation, earlier, ...rest } = input;
  return {
    task: {
      type: 'Power',
      vm: vm.name,
      uid: vm.uid,
      operation: operation.id,
      sequence: operation.sequence,
      ...rest,
    },
    member: vm.name,
    earlier,
  };
}

function groupTask(raw: unknown): ReturnType<TaskReader> {
  const input = read('groupInput', raw);
  if (!input) return undefined;
  const { plan, earlier, ...rest } = input;
  const { name, powerState, revision } = plan;
  return {
    task: { type: 'Group', group: name, powerState, revision, ...rest },
    member: memberKey({ kind: 'VirtualMachineGroup', name }),
    earlier,
  };
}

/** Reads the result of an activity of this type, with the attempts that failed before it. */
export function readResult(
  activity: string,
  value: unknown,
): { result: ActivityResult; failures: readonly ReadAttempt[] } {
  const reader = own(RESULTS, activity);
  return reader?.(value) ?? { result: { type: 'Unknown' }, failures: [] };
}

type ResultReader = (value: unknown) => ReturnType<typeof readResult> | undefined;

const RESULTS: Readonly<Record<string, ResultReader>> = {
  powerOn: powerResult,
  powerOff: powerResult,
  suspend: powerResult,
  powerGroup: groupResult,
  awaitGroup: groupResult,
  place: (value) => {
    // Workers of older builds answer with the list alone.
    const results = read('placements', Array.isArray(value) ? value : fieldsOf(value)['results']);
    return results && { result: placeResult(results), failures: [] };
  },
  release: (value) => {
    const free = read('machines', Array.isArray(value) ? value : fieldsOf(value)['free']);
    return free && { result: { type: 'Release', free: namesOf(free) }, failures: [] };
  },
  answer: (value) => {
    const result = read('answerResult', value);
    return result && { result: { type: 'Answer', message: result.message }, failures: [] };
  },
  findEndedGroups: (value) => {
    const result = read('findEndedGroupsResult', value);
    return result && { result: { type: 'FindEndedGroups', ended: result.ended }, failures: [] };
  },
  cancellation: (value) => {
    const result = read('cancellation', value);
    return result && { result: { type: 'FindCanceller', ...result }, failures: [] };
  },
};

function powerResult(value: unknown): ReturnType<ResultReader> {
  const result = read('powerResult', value);
  if (!result) return undefined;
  const { status, acted, probed, answered, failures = [] } = result;
  return {
    result: {
      type: 'Power',
      acted,
      observed: status,
      ...(probed !== undefined && { probed }),
      ...(answered && { answered }),
    },
    failures,
  };
}

function groupResult(value: unknown): ReturnType<ResultReader> {
  const done = read('groupResult', value);
  if (done) return { result: { type: 'Group', ...done.outcome }, failures: done.failures ?? [] };
  const waits = read('groupWaiting', value);
  return (
    waits && {
      result: { type: 'GroupWaiting', runId: waits.waiting.runId },
      failures: waits.failures ?? [],
    }
  );
}

function placeResult(results: Allowed<'placements'>): ActivityResult {
  const places: [string, RecordedPlace][] = [];
  const unplaced: [string, string][] = [];
  for (const result of results) {
    if ('unplaced' in result) unplaced.push([result.vm.name, result.unplaced]);
    else
      places.push([
        result.vm.name,
        { ...result.placement, ...(result.note !== undefined && { note: result.note }) },
      ]);
  }
  return { type: 'Place', places: Object.fromEntries(places), unplaced: Object.fromEntries(unplaced) };
}

/** Name of the platform of an activity's task queue; undefined: the default one. */
export function platformOf(taskQueue: string, workflowQueue: string): string | undefined {
  const prefix = platformTaskQueue(workflowQueue, '');
  return taskQueue.startsWith(prefix) ? taskQueue.slice(prefix.length) : undefined;
}

function namesOf(vms: readonly { name: string }[]): string[] {
  return vms.map(({ name }) => name);
}
