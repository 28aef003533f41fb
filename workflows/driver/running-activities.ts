/** The activities of this workflow: each runs in a scope of its own, and its end changes the state of the run. */
import { CancellationScope, isCancellation } from '@temporalio/workflow';
import { own } from '../../api/own';
import { endsFound } from '../nested-runs';
import { placed, placementFailed, placesUnconfirmed, released } from '../placing';
import { workOf, type Start } from '../planner';
import { readEndedGroups, readOperation, readPlaces, readRelease } from '../results';
import type { OperationFailure } from '../state';
import type { CurrentRun } from './current-run';
import { failureOf, schedule } from './schedule';
import { uses } from './uses';

/** What the end of one activity does. */
interface Ends {
  done: (raw: unknown) => void;
  failed: (failure: OperationFailure) => void;
}

/** A scope around one activity. The SDK's own awaits what it runs, which makes two promises more; a scope without a time-out need not. */
class ActivityScope extends CancellationScope {
  protected override runInContext<T>(schedules: () => Promise<T>): Promise<T> {
    return schedules();
  }
}

/** The open activities of a run. */
export class RunningActivities {
  readonly #current: CurrentRun;
  readonly #scopes: Record<string, ActivityScope> = {};
  /** Scopes whose activity has ended, for the next ones: each new one makes three promises. */
  readonly #spare: ActivityScope[] = [];

  constructor(current: CurrentRun) {
    this.#current = current;
  }

  /**
   * Schedules an activity. One promise and no chain of them: a thousand members may start together, and each promise costs the workflow
   * thread a stack trace.
   */
  launch(start: Start): void {
    const { activityId } = start;
    const { done, failed } = this.#endsOf(start);
    const scope = this.#spare.pop() ?? new ActivityScope();
    this.#scopes[activityId] = scope;
    scope
      .run(() => schedule(start))
      .then(
        (raw) => {
          this.#settled(activityId, scope);
          done(raw);
        },
        (error: unknown) => {
          this.#settled(activityId, scope);
          if (!isCancellation(error)) failed(failureOf(error));
        },
      );
  }

  /** Cancels an activity that is open. */
  cancel(activityId: string): void {
    own(this.#scopes, activityId)?.cancel();
  }

  /** Cancels all open activities. */
  cancelAll(): void {
    for (const scope of Object.values(this.#scopes)) scope.cancel();
  }

  #settled(activityId: string, scope: ActivityScope): void {
    delete this.#scopes[activityId];
    if (!scope.consideredCancelled) this.#spare.push(scope);
  }

  #endsOf(start: Start): Ends {
    switch (workOf(start).activity) {
      case 'place':
        return this.#placing(start);
      case 'release':
        return this.#releasing(start);
      case 'findEndedGroups':
        return this.#searching(start);
      case 'powerOn':
      case 'powerOff':
      case 'suspend':
      case 'powerGroup':
        return this.#operating(start);
    }
  }

  #placing(start: Start): Ends {
    const { activityId } = start;
    const current = this.#current;
    return {
      done: (raw) => {
        const read = readPlaces(start, raw, uses);
        if ('result' in read) current.change((run) => placed(run, activityId, read.result, Date.now()));
        else {
          current.ignore(activityId, read.unconfirmed);
          current.change((run) => placesUnconfirmed(run, activityId));
        }
      },
      failed: (failure) => current.change((run) => placementFailed(run, activityId, failure)),
    };
  }

  #releasing(start: Start): Ends {
    const { activityId } = start;
    return {
      done: (raw) => {
        const read = readRelease(start, raw, uses);
        const answer = 'result' in read ? { free: read.result } : { failure: read.unconfirmed };
        this.#current.change((run) => released(run, activityId, answer));
      },
      failed: ({ message }) => this.#current.change((run) => released(run, activityId, { failure: message })),
    };
  }

  #searching(start: Start): Ends {
    const { activityId } = start;
    const found = (members: readonly string[]): void =>
      this.#current.change((run) => endsFound(run, activityId, members, Date.now()));
    return {
      done: (raw) => {
        const read = readEndedGroups(start, raw);
        if ('unconfirmed' in read) this.#current.ignore(activityId, read.unconfirmed);
        found('result' in read ? read.result : []);
      },
      failed: () => found([]),
    };
  }

  #operating(start: Start): Ends {
    const { activityId } = start;
    return {
      done: (raw) => this.#current.ended({ activityId, at: Date.now(), ...readOperation(start, raw, uses) }),
      failed: (failure) => this.#current.ended({ activityId, at: Date.now(), failure }),
    };
  }
}
