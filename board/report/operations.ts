/** The operations of the members of one run, from its events. Pure. */
import type { Gate } from '../../api';
import type { DesiredPowerState, MemberKey, OutcomeType } from '../../contract';
import type { ActivityCompleted, ActivityScheduled, RunEvent } from '../../record';

/** One operation on one member. Times are milliseconds since the epoch. */
export interface Operation {
  /** The id on the platform; an operation that continues in a further execution of the run is one operation. */
  id: string;
  powerState: DesiredPowerState;
  /** Of a VM. */
  gate?: Gate;
  askedAt: number;
  failures: { at: number; class: string; message: string }[];
  /** When the VM came into the power state, by the platform's clock. */
  poweredAt?: number;
  /** Absent: it is open. */
  endedAt?: number;
  end: 'Done' | 'GaveUp' | 'Dropped' | 'Open';
  /** `Done` only: the VM was in the power state already. */
  untouched?: true;
  /** `GaveUp` only: class and message. */
  why?: string;
}

const GOT_THERE: ReadonlySet<OutcomeType> = new Set(['Converged', 'ConvergedWithExceptions']);

/** Collects operations event by event. */
export class OperationLog {
  readonly #byMember = new Map<MemberKey, Operation[]>();
  /** The operation that an activity of an execution is about. */
  readonly #byActivity = new Map<string, Operation>();

  take(event: RunEvent, at: number): void {
    switch (event.kind) {
      case 'ActivityScheduled':
        return this.#scheduled(event, activityOf(event), at);
      case 'AttemptFailed': {
        const { class: type, message } = event;
        const operation = this.#byActivity.get(activityOf(event));
        operation?.failures.push({ at: within(event.at, operation.askedAt, at), class: type, message });
        return;
      }
      case 'ActivityCompleted':
        return this.#completed(event, activityOf(event), at);
      case 'ActivityFailed': {
        const why = `${event.class}: ${event.message}`;
        return end(this.#byActivity.get(activityOf(event)), { endedAt: at, end: 'GaveUp', why });
      }
      case 'ActivityCancelRequested':
      case 'ActivityCancelled':
        return end(this.#byActivity.get(activityOf(event)), { endedAt: at, end: 'Dropped' });
      default:
        return;
    }
  }

  /** The operations; those that were open when the run ended were dropped then. */
  closed(endedAt: number | undefined): ReadonlyMap<MemberKey, readonly Operation[]> {
    if (endedAt === undefined) return this.#byMember;
    for (const operations of this.#byMember.values())
      for (const operation of operations) end(operation, { endedAt, end: 'Dropped' });
    return this.#byMember;
  }

  #scheduled({ task, member }: ActivityScheduled, activity: string, at: number): void {
    if (member === undefined || (task.type !== 'Power' && task.type !== 'Group')) return;
    const operations = this.#byMember.get(member) ?? [];
    this.#byMember.set(member, operations);
    const id = task.operation ?? activity;
    const last = operations.at(-1);
    // A further execution of the run takes over an open operation; a parent continues to wait for a nested run.
    if (last?.id === id && (last.end === 'Open' || last.end === 'Dropped')) {
      last.end = 'Open';
      delete last.endedAt;
      this.#byActivity.set(activity, last);
      return;
    }
    const { powerState } = task;
    const gate = task.type === 'Power' ? { gate: task.gate } : {};
    const operation: Operation = { id, powerState, ...gate, askedAt: at, failures: [], end: 'Open' };
    operations.push(operation);
    this.#byActivity.set(activity, operation);
  }

  #completed({ result }: ActivityCompleted, activity: string, at: number): void {
    const operation = this.#byActivity.get(activity);
    // While a nested run continues, its parent has ended the activity, not the operation.
    if (!operation || result.type === 'GroupWaiting') return;
    if (result.type === 'Power') {
      const { since, powerState } = result.observed;
      if (since !== undefined && powerState === operation.powerState && result.acted)
        operation.poweredAt = within(since, operation.askedAt, at);
    }
    if (result.type === 'Group' && !GOT_THERE.has(result.outcome))
      return end(operation, { endedAt: at, end: 'GaveUp', why: `${result.outcome}: ${result.message}` });
    const untouched = result.type === 'Power' && !result.acted;
    end(operation, { endedAt: at, end: 'Done', ...(untouched && { untouched: true }) });
  }
}

/** The first end counts: a cancelled activity may still report another one. */
function end(operation: Operation | undefined, how: Partial<Operation>): void {
  if (operation?.end === 'Open') Object.assign(operation, how);
}

function activityOf({ execution, activityId }: { execution: string; activityId: string }): string {
  return `${execution} ${activityId}`;
}

function within(at: number, from: number, to: number): number {
  return Math.min(to, Math.max(from, at));
}
