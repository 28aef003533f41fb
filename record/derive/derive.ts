/**
 * The events of one execution, derived from its history. Pure: the same history gives the same events, on every machine and in every process.
 *
 * RECORD-3: nothing is lost. The fact of each event of a history is on record, unless its type is in {@link WITHOUT_MEANING}. One that is not
 *     known is on record as such.
 * RECORD-4: nothing is invented. Each derived event names the event of the history that it comes from.
 * RECORD-5: an execution that a reset has made repeats events of the one before; with `inherits` those are not on record again.
 */
import { fieldsOf } from '../../api/unknown';
import { own } from '../../api/own';
import type { HistoryFact, RunEvent, RunRef } from '../events';
import { ActivityFacts } from './activity-facts';
import { readHistory, textOf, type HistoryEvent } from './history';
import { DelayFacts, lifecycleFacts, runOf, type ExecutionName } from './lifecycle-facts';
import { MessageFacts } from './message-facts';
import { PlanFacts } from './plan-facts';

/** Types of history events that say nothing of a run, and why. */
export const WITHOUT_MEANING: Readonly<Record<string, string>> = {
  WORKFLOW_TASK_SCHEDULED: 'bookkeeping of the server',
  WORKFLOW_TASK_STARTED: 'bookkeeping of the server',
  WORKFLOW_TASK_COMPLETED: 'its decisions are events of their own',
  MARKER_RECORDED: 'which behaviour of which build the run uses: for replay alone',
  WORKFLOW_PROPERTIES_MODIFIED: 'a memo, which runs do not have',
  WORKFLOW_EXECUTION_UPDATE_ADMITTED: 'the command is on record once it is accepted',
};

/** What a history says. */
export interface Derived {
  run: RunRef;
  /** In the order of the history. */
  events: RunEvent[];
  /** The execution that it continues, or repeats up to an event: of the same run. */
  before?: string;
  /** The execution that continues the run. */
  next?: string;
}

/** How a history is derived. */
export interface DeriveOptions {
  /** The execution that was reset is on record: what this one repeats of it is left out. */
  inherits?: boolean;
}

/**
 * Derives the events of one execution.
 *
 * @param history in the JSON form of Temporal's own tools.
 * @throws HistoryError if it is no history.
 */
export function deriveEvents(
  history: unknown,
  execution: ExecutionName,
  { inherits = false }: DeriveOptions = {},
): Derived {
  const events = readHistory(history);
  const [first] = events as [HistoryEvent, ...HistoryEvent[]];
  const run = runOf(first, execution);
  const facts = new HistoryFacts(first);
  const reset = { from: '', upTo: 0 };
  let [before, next] = [textOf(first.attributes['continuedExecutionRunId']), ''];
  const derived = events.flatMap((event) =>
    facts.of(event).map((fact): RunEvent => {
      if (fact.kind === 'ExecutionReset')
        [reset.from, reset.upTo, before] = [fact.from, fact.upTo, fact.from];
      if (fact.kind === 'ContinuedAsNew') next = fact.next;
      return {
        ...fact,
        run,
        execution: execution.runId,
        time: event.time,
        source: { from: 'History', eventId: event.id },
      };
    }),
  );
  return {
    run,
    events: inherits ? derived.filter(({ source }) => isAfter(source, reset.upTo)) : derived,
    ...(before !== '' && { before }),
    ...(next !== '' && { next }),
  };
}

function isAfter(source: RunEvent['source'], eventId: number): boolean {
  return source.from === 'History' && source.eventId > eventId;
}

/** The facts of one execution, event by event. */
class HistoryFacts {
  readonly #activities: ActivityFacts;
  readonly #plans: PlanFacts;
  readonly #messages: MessageFacts;
  readonly #delays = new DelayFacts();

  constructor({ attributes }: HistoryEvent) {
    this.#activities = new ActivityFacts(textOf(fieldsOf(attributes['taskQueue'])['name']));
    this.#plans = new PlanFacts(textOf(attributes['continuedExecutionRunId']) !== '');
    this.#messages = new MessageFacts(this.#activities, this.#plans);
  }

  of(event: HistoryEvent): HistoryFact[] {
    const facts = this.#messageOrActivity(event) ?? lifecycleFacts(event);
    if (facts) return facts;
    if (own(WITHOUT_MEANING, event.type) !== undefined) return [];
    return [{ kind: 'HistoryEventUnknown', type: event.type }];
  }

  #messageOrActivity(event: HistoryEvent): HistoryFact[] | undefined {
    switch (event.type) {
      case 'WORKFLOW_EXECUTION_SIGNALED':
        return this.#messages.signaled(event);
      case 'WORKFLOW_EXECUTION_UPDATE_ACCEPTED':
        return this.#messages.updateAccepted(event);
      case 'WORKFLOW_EXECUTION_UPDATE_COMPLETED':
        return this.#messages.updateCompleted(event);
      case 'SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED':
        return this.#messages.signalInitiated(event);
      case 'EXTERNAL_WORKFLOW_EXECUTION_SIGNALED':
        return this.#messages.signalEnded('SignalDelivered', event);
      case 'SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED':
        return this.#messages.signalEnded('SignalFailed', event);
      case 'ACTIVITY_TASK_SCHEDULED':
        return this.#activities.scheduled(event);
      case 'ACTIVITY_TASK_STARTED':
        return this.#activities.started(event);
      case 'ACTIVITY_TASK_COMPLETED':
        return this.#completed(event);
      case 'ACTIVITY_TASK_FAILED':
      case 'ACTIVITY_TASK_TIMED_OUT':
        return this.#activities.failed(event);
      case 'ACTIVITY_TASK_CANCEL_REQUESTED':
        return this.#activities.cancelled('ActivityCancelRequested', event);
      case 'ACTIVITY_TASK_CANCELED':
        return this.#activities.cancelled('ActivityCancelled', event);
      case 'TIMER_STARTED':
        return [this.#delays.started(event)];
      case 'TIMER_FIRED':
        return [this.#delays.ended('DelayEnded', event)];
      case 'TIMER_CANCELED':
        return [this.#delays.ended('DelayCancelled', event)];
      default:
        return undefined;
    }
  }

  #completed(event: HistoryEvent): HistoryFact[] {
    const facts = this.#activities.completed(event);
    for (const fact of facts) {
      if (fact.kind === 'ActivityCompleted' && fact.result.type === 'Power' && fact.member !== undefined)
        this.#plans.saw(fact.member, fact.result.observed);
    }
    return facts;
  }
}
