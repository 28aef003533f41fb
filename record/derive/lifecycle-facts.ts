/** What a history says of the execution itself: its start, its end, and what was done to it in Temporal. Pure. */
import { fieldsOf } from '../../api/unknown';
import { own } from '../../api/own';
import { searchAttributeKeys } from '../../contract';
import type {
  DelayEnded,
  DelayStarted,
  ExecutionReset,
  ExecutionStarted,
  HistoryFact,
  PhaseChanged,
  RunCompleted,
  RunControlled,
  RunEnded,
  RunRef,
  WorkflowTaskFailed,
} from '../events';
import type { Actor } from '../facts';
import { failureClass } from './activity-facts';
import { read, shortText } from './allowed';
import { enumName, milliseconds, payloadValues, textOf, type Fields, type HistoryEvent } from './history';

/** Which execution a history is of. */
export interface ExecutionName {
  workflowId: string;
  runId: string;
}

/** What the first event of a history says of its run. */
export function runOf({ attributes }: HistoryEvent, { workflowId, runId }: ExecutionName): RunRef {
  const [, namespace = '', group = workflowId] = /^vmgroup\/([^/]+)\/([^/]+)$/.exec(workflowId) ?? [];
  const root = indexed(attributes['searchAttributes'], searchAttributeKeys.root.name);
  return {
    namespace,
    group,
    workflowId,
    runId: textOf(attributes['firstExecutionRunId']) || runId,
    root: typeof root === 'string' && root !== '' ? root : group,
  };
}

/** The first event of an execution. */
function started({ attributes }: HistoryEvent): ExecutionStarted {
  const identity = shortText(attributes['identity']);
  const continuedFrom = textOf(attributes['continuedExecutionRunId']);
  const { cleanUp } = read('start', payloadValues(attributes['input'])[0]) ?? {};
  return {
    kind: 'ExecutionStarted',
    workflow: shortText(fieldsOf(attributes['workflowType'])['name']) ?? '',
    ...(identity !== undefined && { identity }),
    ...(continuedFrom !== '' && { continuedFrom }),
    ...(cleanUp && { cleansUp: { ...cleanUp, actor: { name: cleanUp.actor, known: false } } }),
  };
}

/** A workflow task that failed, or the reset that is recorded as one. */
function taskFailed({ id, attributes }: HistoryEvent): WorkflowTaskFailed | ExecutionReset {
  const cause = enumName(attributes['cause'], 'WORKFLOW_TASK_FAILED_CAUSE_');
  const message = shortText(fieldsOf(attributes['failure'])['message']);
  const identity = shortText(attributes['identity']);
  const by = { ...(identity !== undefined && { identity }) };
  if (cause === 'RESET_WORKFLOW')
    return {
      kind: 'ExecutionReset',
      from: textOf(attributes['baseRunId']),
      upTo: id - 1,
      reason: message ?? '',
      ...by,
    };
  return { kind: 'WorkflowTaskFailed', cause, ...(message !== undefined && { message }), ...by };
}

/** A workflow task that timed out. */
function taskTimedOut({ attributes }: HistoryEvent): WorkflowTaskFailed {
  return { kind: 'WorkflowTaskTimedOut', cause: enumName(attributes['timeoutType'], 'TIMEOUT_TYPE_') };
}

/** A request to cancel the run, a pause of it, or a change of its options. */
function controlled(kind: RunControlled['kind'], { attributes }: HistoryEvent): RunControlled {
  const reason = shortText(attributes['reason']) ?? shortText(attributes['cause']);
  return { kind, ...actorIn(attributes), ...(reason !== undefined && { reason }) };
}

/** The run ended by itself. */
function completed({ attributes }: HistoryEvent): RunCompleted {
  const outcome = read('outcome', payloadValues(attributes['result'])[0]);
  return { kind: 'RunCompleted', ...(outcome && { outcome }) };
}

/** The execution was ended. */
function ended(kind: RunEnded['kind'], { attributes }: HistoryEvent): RunEnded {
  const failure = fieldsOf(attributes['failure']);
  const message = shortText(failure['message']);
  const reason =
    message === undefined ? shortText(attributes['reason']) : `${failureClass(failure)}: ${message}`;
  return { kind, ...actorIn(attributes), ...(reason !== undefined && { reason }) };
}

/**
 * The phase and parked members that the search attributes show; undefined: none of them is among these. The SDK itself adds one that names the
 * behaviour that a run uses, as a marker does.
 */
function phaseChanged({ attributes }: HistoryEvent): PhaseChanged[] | undefined {
  const found = attributes['searchAttributes'];
  const keys = Object.keys(fieldsOf(fieldsOf(found)['indexedFields']));
  if (keys.length > 0 && keys.every((key) => key === CHANGE_VERSION)) return [];
  const phase = shortText(indexed(found, searchAttributeKeys.phase.name));
  if (phase === undefined) return undefined;
  const parked = indexed(found, searchAttributeKeys.parked.name);
  const powerState = shortText(indexed(found, searchAttributeKeys.powerState.name));
  return [
    {
      kind: 'PhaseChanged',
      phase,
      ...(powerState !== undefined && { powerState }),
      parked: Array.isArray(parked) ? parked.flatMap((name) => shortText(name) ?? []) : [],
    },
  ];
}

const CHANGE_VERSION = 'TemporalChangeVersion';

/** The delays of one execution. */
export class DelayFacts {
  readonly #summaries = new Map<string, string>();

  started({ id, time, attributes, summary }: HistoryEvent): DelayStarted {
    const duration = milliseconds(attributes['startToFireTimeout']);
    const text = shortText(summary);
    if (text !== undefined) this.#summaries.set(String(id), text);
    return {
      kind: 'DelayStarted',
      timerId: textOf(attributes['timerId']),
      duration,
      until: new Date(Math.min(Date.parse(time) + duration, LAST_MOMENT)).toISOString(),
      ...(text !== undefined && { summary: text }),
    };
  }

  ended(kind: DelayEnded['kind'], { attributes }: HistoryEvent): DelayEnded {
    const summary = this.#summaries.get(textOf(attributes['startedEventId']));
    return { kind, timerId: textOf(attributes['timerId']), ...(summary !== undefined && { summary }) };
  }
}

/** The last moment that a `Date` can hold, milliseconds. */
const LAST_MOMENT = 8.64e15;

/** Handlers of the events that need no memory. */
const SIMPLE: Readonly<Record<string, (event: HistoryEvent) => HistoryFact[] | undefined>> = {
  WORKFLOW_EXECUTION_STARTED: (event) => [started(event)],
  WORKFLOW_EXECUTION_COMPLETED: (event) => [completed(event)],
  WORKFLOW_EXECUTION_FAILED: (event) => [ended('RunFailed', event)],
  WORKFLOW_EXECUTION_TIMED_OUT: (event) => [ended('RunTimedOut', event)],
  WORKFLOW_EXECUTION_TERMINATED: (event) => [ended('RunTerminated', event)],
  WORKFLOW_EXECUTION_CANCELED: (event) => [ended('RunCancelled', event)],
  WORKFLOW_EXECUTION_CONTINUED_AS_NEW: ({ attributes }) => [
    { kind: 'ContinuedAsNew', next: textOf(attributes['newExecutionRunId']) },
  ],
  WORKFLOW_EXECUTION_CANCEL_REQUESTED: (event) => [controlled('CancelRequested', event)],
  WORKFLOW_EXECUTION_PAUSED: (event) => [controlled('RunPaused', event)],
  WORKFLOW_EXECUTION_UNPAUSED: (event) => [controlled('RunUnpaused', event)],
  WORKFLOW_EXECUTION_OPTIONS_UPDATED: (event) => [controlled('OptionsChanged', event)],
  WORKFLOW_TASK_FAILED: (event) => [taskFailed(event)],
  WORKFLOW_TASK_TIMED_OUT: (event) => [taskTimedOut(event)],
  UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: (event) => phaseChanged(event),
};

/** The facts of an event about the execution; undefined: it is about something else. */
export function lifecycleFacts(event: HistoryEvent): HistoryFact[] | undefined {
  return own(SIMPLE, event.type)?.(event);
}

function actorIn(attributes: Fields): { actor?: Actor } {
  const name = shortText(attributes['identity']);
  return name === undefined ? {} : { actor: { name, known: false } };
}

/** The value of a search attribute. */
function indexed(searchAttributes: unknown, key: string): unknown {
  const payload = own(fieldsOf(fieldsOf(searchAttributes)['indexedFields']), key);
  return payload === undefined ? undefined : payloadValues({ payloads: [payload] })[0];
}
