/**
 * Turns the view of a group into the status of its object, and back. Pure.
 *
 * Besides the fields of VM Operator's status it has `phase`, `message` and `readyMembers` for people, and `run`: the last run, with what the
 * bridge has to remember across restarts and after Temporal has forgotten the run.
 */
import { fitText } from '../../../api';
import type { RunOutcome } from '../../../contract';
import type { KubernetesObject } from '../../../kubernetes';
import type { SentPlan } from '../../reconcile';
import { VIEW_API_VERSION, rfc3339, type Condition, type GroupView, type RunView } from '../../status';
import { fitStatus, STATUS_BYTES } from './fit-status';
import { readStatus } from './read-status';
import type { Remembered, StoredCondition, StoredRun, StoredStatus } from './shape';

/** Bytes of the longest message; a longer one is cut and ends with an ellipsis. A condition may have 32,768 characters. */
const LONGEST_MESSAGE = 4_096;
/** Most exceptions that are kept: a run can skip a thousand members. */
const MOST_EXCEPTIONS = 200;

/** The status of a group as it is written, in at most `bytes` bytes of JSON. */
export function storedStatus(view: GroupView, bytes = STATUS_BYTES): StoredStatus {
  const { status, run, sent } = view;
  const ready = status.members.filter(({ conditions }) => conditions.every((each) => each.status === 'True'));
  const whole: StoredStatus = {
    ...status,
    conditions: shortenedAll(status.conditions),
    members: status.members.map((member) => ({ ...member, conditions: shortenedAll(member.conditions) })),
    phase: view.phase,
    message: shortened(view.message),
    readyMembers: `${ready.length}/${status.members.length}`,
    ...((run ?? sent) && { run: storedRun(run, sent) }),
  };
  return fitStatus(whole, bytes);
}

/** What was sent may be remembered before its run was looked up. */
function storedRun(run: RunView | undefined, sent: SentPlan | undefined): StoredRun {
  const memory = sent ? { sent } : {};
  if (!run) return { workflowId: '', runId: sent?.runId ?? '', startTime: rfc3339(0), memory };
  return {
    workflowId: run.workflowId,
    runId: run.runId,
    startTime: rfc3339(run.startedAt),
    ...(run.endedAt !== undefined && { endTime: rfc3339(run.endedAt) }),
    ...(run.outcome && storedOutcome(run.outcome)),
    memory: { ...(run.endedAt !== undefined && { run: remembered(run) }), ...memory },
  };
}

function storedOutcome({
  outcome,
  message,
  exceptions,
}: RunOutcome): Pick<StoredRun, 'outcome' | 'message' | 'exceptions'> {
  const kept = shortenedAll(exceptions.slice(0, MOST_EXCEPTIONS));
  return { outcome, message: shortened(message), ...(kept.length > 0 && { exceptions: kept }) };
}

function remembered({ startedAt, endedAt, closedAs, outcome }: RunView): Remembered {
  const times = {
    startedAt,
    ...(endedAt !== undefined && { endedAt }),
    ...(closedAs !== undefined && { closedAs }),
  };
  if (!outcome) return times;
  const { outcome: type, message, exceptions, observed, placements, words, ...rest } = outcome;
  return { ...times, outcome: rest };
}

function shortened(message: string): string {
  return fitText(message, LONGEST_MESSAGE);
}

function shortenedAll<T extends { message: string }>(items: readonly T[]): T[] {
  return items.map((item) => ({ ...item, message: shortened(item.message) }));
}

/**
 * The view that an object's status was written from, without what the status leaves out or cannot be read (READ-1); undefined if we have not
 * written it.
 */
export function viewOfObject({ metadata, spec, status }: KubernetesObject): GroupView | undefined {
  const stored = readStatus(status);
  if (!stored || metadata.namespace === undefined) return undefined;
  const { phase, message, run, readyMembers, conditions, ...own } = stored;
  const runView = run && viewOfRun(run);
  return {
    apiVersion: VIEW_API_VERSION,
    kind: 'VirtualMachineGroup',
    metadata: {
      namespace: metadata.namespace,
      name: metadata.name,
      uid: metadata.uid ?? '',
      generation: metadata.generation ?? 0,
    },
    spec: specOfView(spec),
    status: { ...own, conditions: conditions.filter(isOfView) },
    phase,
    message,
    ...(runView && { run: runView }),
    ...(run?.memory.sent && { sent: run.memory.sent }),
  };
}

function specOfView(spec: unknown): GroupView['spec'] {
  const { powerState, groupName } = (spec ?? {}) as GroupView['spec'];
  return { ...(powerState && { powerState }), ...(groupName && { groupName }) };
}

function isOfView(condition: StoredCondition): condition is Condition {
  return condition.type !== 'StatusComplete';
}

function viewOfRun({
  workflowId,
  runId,
  startTime,
  outcome,
  message,
  exceptions,
  memory,
}: StoredRun): RunView | undefined {
  if (workflowId === '') return undefined;
  const { run } = memory;
  const rest = run?.outcome;
  return {
    workflowId,
    runId,
    startedAt: run?.startedAt ?? Date.parse(startTime),
    ...(run?.endedAt !== undefined && { endedAt: run.endedAt }),
    ...(run?.closedAs !== undefined && { closedAs: run.closedAs }),
    ...(rest && {
      outcome: {
        ...rest,
        outcome: outcome as RunOutcome['outcome'],
        message: message ?? '',
        exceptions: exceptions ?? [],
        observed: {},
        placements: {},
        words: [],
      },
    }),
  };
}
