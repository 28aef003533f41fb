/** What a history says of signals and Updates of one execution, incoming and outgoing. */
import { fieldsOf } from '../../api/unknown';
import { isCommandUpdate, OPERATOR_VERBS, UNNAMED_ACTOR, type OperatorVerb } from '../../contract';
import type { CommandAnswered, CommandReceived, HistoryFact, SignalReceived, SignalSent } from '../events';
import { unreadSignal, type ActivityFacts } from './activity-facts';
import { read, shortText } from './allowed';
import { payloadValues, textOf, type HistoryEvent } from './history';
import type { PlanFacts } from './plan-facts';

/** The messages of one execution. */
export class MessageFacts {
  readonly #activities: ActivityFacts;
  readonly #plans: PlanFacts;
  readonly #updates = new Map<string, string>();
  readonly #sent = new Map<string, { name: string; to: string }>();

  constructor(activities: ActivityFacts, plans: PlanFacts) {
    this.#activities = activities;
    this.#plans = plans;
  }

  signaled({ attributes }: HistoryEvent): HistoryFact[] {
    const name = textOf(attributes['signalName']);
    const identity = shortText(attributes['identity']);
    const [value] = payloadValues(attributes['input']);
    return this.#signal(name, value, identity) ?? [unreadSignal(name, identity)];
  }

  #signal(name: string, value: unknown, identity: string | undefined): HistoryFact[] | undefined {
    const from = { ...(identity !== undefined && { identity }) };
    switch (name) {
      case 'applyPlan':
        return this.#plans.received(value, identity);
      case 'attemptFailed':
        return this.#activities.attemptReported(value);
      case 'activityPaused':
        return this.#activities.pauseReported(value);
      case 'withdraw': {
        const message = read('withdraw', value);
        return message && [{ kind: 'Withdrawn', reason: message.reason, ...from }];
      }
      case 'relay': {
        const command = read('relay', value);
        if (!command) return undefined;
        const { actor = UNNAMED_ACTOR, known = false, ...rest } = command;
        return [{ kind: 'CommandReceived', ...rest, actor: { name: actor, known }, ...from, relayed: true }];
      }
      case 'notifyOnEnd': {
        const message = read('notifyOnEnd', value);
        return message && [notice(name, message.member, message.workflowId, from)];
      }
      case 'groupEnded': {
        const message = read('groupEnded', value);
        return message && [notice(name, message.member, message.runId, from)];
      }
      default:
        return [
          {
            kind: 'SignalReceived',
            name: shortText(name) ?? '',
            ...from,
            ignored: 'a run has no such signal',
          },
        ];
    }
  }

  updateAccepted({ id, attributes }: HistoryEvent): (CommandReceived | SignalReceived)[] {
    const { meta, input } = fieldsOf(attributes['acceptedRequest']);
    const updateId = shortText(fieldsOf(meta)['updateId']) ?? textOf(attributes['protocolInstanceId']);
    const identity = shortText(fieldsOf(meta)['identity']);
    const { name, args } = fieldsOf(input);
    this.#updates.set(String(id), updateId);
    const command = read('command', payloadValues(args)[0]);
    const verb = verbOf(name);
    if (!command || verb === undefined) return [unreadSignal(textOf(name), identity)];
    // Who types `known` into a form has no `OperatorCommand` behind it.
    const { actor = identity ?? UNNAMED_ACTOR, known = false, ...rest } = command;
    return [
      {
        kind: 'CommandReceived',
        verb,
        ...rest,
        actor: { name: actor, known: known && isCommandUpdate(updateId) },
        updateId,
        ...(identity !== undefined && { identity }),
      },
    ];
  }

  updateCompleted({ attributes }: HistoryEvent): CommandAnswered[] {
    const { success, failure } = fieldsOf(attributes['outcome']);
    const updateId =
      this.#updates.get(textOf(attributes['acceptedEventId'])) ??
      shortText(fieldsOf(attributes['meta'])['updateId']) ??
      '';
    const [answer] = payloadValues(success);
    const text = shortText(fieldsOf(failure ?? answer)['message']) ?? '';
    return [
      { kind: 'CommandAnswered', updateId, message: text, ...(failure !== undefined && { failed: true }) },
    ];
  }

  signalInitiated({ id, attributes }: HistoryEvent): SignalSent[] {
    const sent = {
      name: shortText(attributes['signalName']) ?? '',
      to: shortText(fieldsOf(attributes['workflowExecution'])['workflowId']) ?? '',
    };
    this.#sent.set(String(id), sent);
    return [{ kind: 'SignalSent', ...sent }];
  }

  signalEnded(kind: 'SignalDelivered' | 'SignalFailed', { attributes }: HistoryEvent): SignalSent[] {
    const sent = this.#sent.get(textOf(attributes['initiatedEventId'])) ?? { name: '', to: '' };
    const reason = shortText(attributes['cause']);
    return [{ kind, ...sent, ...(reason !== undefined && { reason }) }];
  }
}

function notice(name: string, member: string, about: string, from: { identity?: string }): SignalReceived {
  return { kind: 'SignalReceived', name, member, about, ...from };
}

function verbOf(name: unknown): OperatorVerb | undefined {
  return OPERATOR_VERBS.find((verb) => verb === name);
}
