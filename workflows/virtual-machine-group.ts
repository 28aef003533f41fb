/**
 * The workflow of a group: it receives messages, asks the planner, and does what the planner says. Every decision is the planner's; this
 * file only drives it.
 *
 * W1: handlers are registered before the first await, and only change state; the loop alone acts.
 * W2: the run does not close over a message that it has not read: the decision to end is taken with nothing awaited after it, and the
 *     server refuses to close over a signal that arrived meanwhile.
 * W3: before the history grows past what the server suggests the run continues as new with its whole state; open operations are scheduled
 *     again with the same operation id, so the platform sees no second one.
 * W4: no input fails a workflow task: what cannot be read has no effect, and is shown.
 * W5: cancelling the workflow ends the run like `abort`: promised room is given back, and there is an outcome.
 */
import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  patched,
  setCurrentDetails,
  setDefaultSignalHandler,
  setHandler,
  workflowInfo,
  type SignalDefinition,
} from '@temporalio/workflow';
import {
  type Cancellation,
  activityPaused,
  applyPlan,
  attemptFailed,
  groupEnded,
  notifyOnEnd,
  operatorUpdates,
  progress,
  relay,
  withdraw,
  type IgnoredInput,
  type OperatorCommand,
  type OutcomeType,
  type PlanMessage,
  type Progress,
  type RecordedCommand,
  type RunOutcome,
  type RunStart,
  type OperatorVerb,
  type CommandAccepted,
  workflowId,
} from '../contract';
import { own } from '../api/own';
import { fitText } from '../api/text';
import { ShownAttributes } from './attributes';
import { CHANGES, type Uses } from './changes';
import { decide, openStarts, type Start } from './decide';
import { DelayTimer } from './delay-timer';
import { endsFound, groupHasEnded, notifying } from './nested-runs';
import { attemptReported, operationsEnded, pauseReported, type OperationEnd } from './operations';
import { placed, placementFailed, placesUnconfirmed, released } from './placing';
import { detailsOf, progressOf } from './progress';
import { readEndedGroups, readOperation, readPlaces, readRelease } from './results';
import { begin, receivePlan } from './run';
import { failureOf, schedule, scheduleCancellation } from './schedule';
import { parse, type Inputs } from './schemas';
import { carried, unpacked, type CarriedRun } from './size';
import {
  end,
  ignoring,
  membersOf,
  MESSAGE_BYTES,
  remember,
  withdrawn,
  type OperationFailure,
  type Run,
} from './state';
import { refusalOf, applyCommand } from './operator-commands';

/** What each verb does, for the picker in the UI. */
const DESCRIPTIONS: Record<OperatorVerb, string> = {
  pause: 'Starts nothing new until resume. {actor, reason}',
  resume: 'Continues after pause. {actor, reason}',
  retryMember:
    'Tries a parked or failing member again with a fresh budget; without member: all of them, and placement. {member?, actor, reason}',
  skipMember: 'Leaves a member out of this run. {member, actor, reason}',
  markReady: 'Counts a member as ready on your word. {member, actor, reason}',
  skipDelay: 'Ends the delay that is running. {actor, reason}',
  abort: 'Ends the run; nothing starts until the desired state changes or a person asks. {actor, reason}',
};

/** Behaviour of newer builds is used by runs that have not begun without it. */
const uses: Uses = (change) => patched(change);

/** One run of a group. Started by signal-with-start with {@link applyPlan}; ends with an outcome on record. */
export async function virtualMachineGroup(start: RunStart): Promise<RunOutcome> {
  const { cancelRequested } = CancellationScope.current();
  const run = new GroupRun(start);
  // W5: neither the loop nor what a cancellation leads to is in a scope that it cancels.
  cancelRequested.catch((error: unknown) => CancellationScope.nonCancellable(async () => run.cancel(error)));
  return CancellationScope.nonCancellable(() => run.drive());
}

class GroupRun {
  readonly #start: RunStart;
  #run: Run | undefined;
  #dirty = true;
  /** Answers that the end of the run waits for. */
  #awaited = 0;
  /** Set once the workflow is to end without a plan or by a cancellation of an older build's run. */
  #finish: { outcome: RunOutcome } | { failure: unknown } | undefined;
  #outcome: RunOutcome | undefined;
  /** Operations that have ended since the last decision. */
  #ends: OperationEnd[] = [];
  /** What could not be read before there was a plan. */
  readonly #early: IgnoredInput[] = [];
  readonly #scopes: Record<string, CancellationScope> = {};
  readonly #began = Date.now();

  constructor(start: RunStart) {
    // A workflow may be started by hand, with any argument or none.
    this.#start = { ...(start as RunStart | undefined) } as RunStart;
    if (this.#start.run !== undefined) this.#takeOver(this.#start.run);
    this.#handleSignals();
    this.#handleUpdates();
    setHandler(progress, () => this.#progress(), {
      description: 'Where the run stands, and what each member waits for.',
    });
  }

  /** State comes from the execution that continued as new, and from nobody else. */
  #takeOver(run: unknown): void {
    if (workflowInfo().continuedFromExecutionRunId !== undefined) this.#run = unpacked(run as CarriedRun);
    else
      this.#early.push({
        at: this.#began,
        what: 'run',
        why: 'only a run that continues as new hands its state over',
      });
  }

  // ---- Messages ------------------------------------------------------------------------------------------------------------------------

  #handleSignals(): void {
    this.#on(
      applyPlan,
      'applyPlan',
      'Gives the run its plan. Sent by the bridge and by parent groups.',
      (message) => this.#receive(message),
    );
    this.#on(
      withdraw,
      'withdraw',
      'Ends the run because the group is deleted or a parent has taken over. {reason}',
      ({ reason }) => this.#end('Superseded', reason, (run) => withdrawn(run, reason)),
    );
    this.#on(attemptFailed, 'attemptFailed', 'An activity reports a failed attempt, and retries.', (report) =>
      this.#change((run) => attemptReported(run, report)),
    );
    this.#on(activityPaused, 'activityPaused', 'An activity was paused or unpaused from outside.', (report) =>
      this.#change((run) => pauseReported(run, report)),
    );
    this.#on(relay, 'relay', "A parent group relays an operator's command.", (word) => {
      // One that does not apply here is no error.
      if (this.#run && refusalOf(this.#run, word.verb, word) === undefined) this.#take(word.verb, word);
    });
    this.#on(
      notifyOnEnd,
      'notifyOnEnd',
      "A parent group's run waits for the end of this one, and is to be notified of it.",
      (subscription) => this.#change((run) => notifying(run, subscription)),
    );
    this.#on(groupEnded, 'groupEnded', 'The run of a nested group is about to end.', (message) =>
      this.#change((run) => groupHasEnded(run, message)),
    );
    setDefaultSignalHandler((name) => this.#ignore({ at: Date.now(), what: name, why: 'unknown signal' }));
  }

  /** Handles a signal; one that cannot be read is only noted, W4. */
  #on<K extends keyof Inputs>(
    signal: SignalDefinition<[Inputs[K]]>,
    kind: K,
    description: string,
    handle: (input: Inputs[K]) => void,
  ): void {
    const handler = (input: unknown): void => {
      const parsed = parse(kind, input);
      if ('value' in parsed) handle(parsed.value);
      else this.#ignore({ at: Date.now(), what: kind, why: parsed.why });
    };
    setHandler(signal, handler, { description });
  }

  #handleUpdates(): void {
    for (const verb of Object.keys(operatorUpdates) as OperatorVerb[]) {
      setHandler(operatorUpdates[verb], (word: OperatorCommand) => this.#take(verb, word), {
        description: DESCRIPTIONS[verb],
        validator: (word: OperatorCommand): void => {
          const why = refusalOf(this.#run, verb, word);
          if (why !== undefined) throw ApplicationFailure.nonRetryable(why, 'WordRefused');
        },
      });
    }
  }

  #change(how: (run: Run) => Run): void {
    if (!this.#run) return;
    this.#run = how(this.#run);
    this.#dirty = true;
  }

  #ignore(input: IgnoredInput): void {
    log.warn('ignored an input that cannot be read', { ...input });
    if (this.#run) this.#change((run) => ignoring(run, input));
    else this.#early.push(input);
  }

  #receive(message: PlanMessage): void {
    const now = Date.now();
    this.#run = this.#run
      ? receivePlan(this.#run, message, now, uses)
      : this.#early.reduce(ignoring, begin(message, now));
    this.#dirty = true;
  }

  /** Ends the run; without a plan there is nothing to end but the workflow. */
  #end(type: OutcomeType, message: string, how: (run: Run) => Run): void {
    if (this.#run) this.#change(how);
    else this.#finish = { outcome: withoutPlan(type, message, this.#began, Date.now()) };
  }

  #progress(): Progress {
    if (!this.#run) throw ApplicationFailure.nonRetryable('the run has no plan yet', 'NoPlan');
    return progressOf(this.#run, this.#outcome);
  }

  /** Carries out an operator's command that the validator accepted. */
  #take(verb: OperatorVerb, word: OperatorCommand): CommandAccepted {
    if (!this.#run) throw ApplicationFailure.nonRetryable('the run has no plan yet', 'WordRefused');
    this.#relay(this.#run, verb, word);
    const { run, message } = applyCommand(this.#run, verb, word, Date.now(), uses);
    this.#run = run;
    this.#dirty = true;
    return { message };
  }

  /** Relays a command that concerns a whole tree to the nested groups whose runs are asked at the moment. */
  #relay(from: Run, verb: OperatorVerb, word: OperatorCommand): void {
    if (verb !== 'pause' && verb !== 'resume' && verb !== 'abort') return;
    const recorded: RecordedCommand = { ...word, verb, at: Date.now() };
    for (const { key, member } of membersOf(from.plan)) {
      if (!member.plan || !own(from.members, key)?.operation) continue;
      this.#delayEnd(
        getExternalWorkflowHandle(workflowId(from.plan.namespace, member.name)).signal(relay, recorded),
        (error) => log.warn('failed to relay a command to a nested group', { member: key, verb, error }),
      );
    }
  }

  /** Lets the end of the run wait for `promise`. */
  #delayEnd(promise: Promise<void>, failed: (error: unknown) => void): void {
    this.#awaited += 1;
    promise.catch(failed).finally(() => {
      this.#awaited -= 1;
      this.#dirty = true;
    });
  }

  /** W5. `error` is what Temporal says of the cancellation. */
  cancel(error: unknown): void {
    if (!patched(CHANGES.cancelEnds)) {
      for (const scope of Object.values(this.#scopes)) scope.cancel();
      this.#finish = { failure: error };
      return;
    }
    const message = error instanceof CancelledFailure ? error.message : 'Cancellation requested';
    const nested = this.#run;
    this.#end('Cancelled', message, (run) => end(run, 'Cancelled', message));
    if (!nested || !this.#run) return;
    this.#delayEnd(
      scheduleCancellation().then((raw) => {
        const parsed = parse('cancellation', raw);
        if ('why' in parsed) throw new TypeError(parsed.why);
        this.#cancelledBy(parsed.value, nested);
      }),
      (failure) => {
        log.warn('failed to find out who cancelled the run', { error: failure });
        this.#cancelledBy({ identity: 'unknown', reason: '' }, nested);
      },
    );
  }

  /** Puts on record who cancelled, and aborts what the run has asked of nested groups. */
  #cancelledBy({ identity, reason }: Cancellation, before: Run): void {
    const word: OperatorCommand = {
      actor: fitText(identity, MESSAGE_BYTES),
      reason: fitText(reason, MESSAGE_BYTES) || 'Request Cancellation',
    };
    this.#relay(before, 'abort', word);
    this.#change((run) => ({
      ...run,
      words: remember(run.words, { ...word, verb: 'abort', at: Date.now() }),
      ending: { ...run.ending, outcome: 'Cancelled', message: `Cancelled by ${word.actor}: ${word.reason}` },
    }));
  }

  // ---- Activities ----------------------------------------------------------------------------------------------------------------------

  /**
   * Follows an activity in a scope of its own, so that it can be cancelled. One promise and no chain of them: a thousand members may start
   * together, and each promise costs the workflow thread a stack trace.
   */
  #follow(start: Start, done: (raw: unknown) => void, failed: (failure: OperationFailure) => void): void {
    const { activityId } = start;
    const scope = new CancellationScope();
    this.#scopes[activityId] = scope;
    scope
      .run(() => schedule(start))
      .then(
        (raw) => {
          delete this.#scopes[activityId];
          done(raw);
        },
        (error: unknown) => {
          delete this.#scopes[activityId];
          if (!isCancellation(error)) failed(failureOf(error));
        },
      );
  }

  /** Schedules an activity; its end changes the state. */
  #launch(start: Start): void {
    const { activityId, activity } = start;
    if (activity === 'place' || (activity === 'confirm' && start.input.activity === 'place'))
      return this.#follow(
        start,
        (raw) => {
          const read = readPlaces(start, raw, uses);
          if ('result' in read) this.#change((run) => placed(run, activityId, read.result, Date.now()));
          else {
            this.#ignore({ at: Date.now(), what: activityId, why: read.unconfirmed });
            this.#change((run) => placesUnconfirmed(run, activityId));
          }
        },
        (failure) => this.#change((run) => placementFailed(run, activityId, failure)),
      );
    if (activity === 'findEndedGroups') {
      const found = (members: readonly string[]): void =>
        this.#change((run) => endsFound(run, activityId, members, Date.now()));
      return this.#follow(
        start,
        (raw) => {
          const read = readEndedGroups(start, raw);
          if ('unconfirmed' in read)
            this.#ignore({ at: Date.now(), what: activityId, why: read.unconfirmed });
          found('result' in read ? read.result : []);
        },
        () => found([]),
      );
    }
    if (activity === 'release')
      return this.#follow(
        start,
        (raw) => {
          const read = readRelease(start, raw, uses);
          const answer = 'result' in read ? { free: read.result } : { failure: read.unconfirmed };
          this.#change((run) => released(run, activityId, answer));
        },
        ({ message }) => this.#change((run) => released(run, activityId, { failure: message })),
      );
    const ended = (how: ReturnType<typeof readOperation> | { failure: OperationFailure }): void => {
      this.#ends.push({ activityId, at: Date.now(), ...how });
      this.#dirty = true;
    };
    this.#follow(
      start,
      (raw) => ended(readOperation(start, raw, uses)),
      (failure) => ended({ failure }),
    );
  }

  // ---- The loop ------------------------------------------------------------------------------------------------------------------------

  /** Decides and acts until the run has ended. */
  async drive(): Promise<RunOutcome> {
    const timers = {
      delay: new DelayTimer(() => (this.#dirty = true)),
      search: new DelayTimer(() => (this.#dirty = true)),
    };
    const shown = new ShownAttributes();
    for (const each of this.#run ? openStarts(this.#run, uses) : []) this.#launch(each);
    for (;;) {
      await condition(() => this.#finish !== undefined || (this.#dirty && this.#run !== undefined));
      if (this.#finish) return finished(this.#finish);
      const outcome = this.#decide(timers, shown);
      if (outcome) return outcome;
      if (workflowInfo().continueAsNewSuggested && this.#awaited === 0) await this.#continueAsNew();
    }
  }

  #decide(timers: { delay: DelayTimer; search: DelayTimer }, shown: ShownAttributes): RunOutcome | undefined {
    this.#dirty = false;
    const decision = decide(operationsEnded(this.#run as Run, this.#ends, uses), Date.now(), uses);
    this.#ends = [];
    this.#run = decision.run;
    for (const activityId of decision.cancel) own(this.#scopes, activityId)?.cancel();
    for (const each of decision.start) this.#launch(each);
    timers.delay.set(decision.wake);
    timers.search.set(decision.search);
    if (decision.outcome) this.#notifyParent(decision.run);
    if (decision.outcome && this.#awaited === 0) this.#outcome = decision.outcome;
    shown.show(this.#run, this.#outcome);
    setCurrentDetails(detailsOf(this.#run, this.#outcome));
    return this.#outcome;
  }

  /** Notifies the parent's run that waits for the end of this one, and lets the end wait for that. */
  #notifyParent(run: Run): void {
    const { notify, ...rest } = run;
    if (!notify || !patched(CHANGES.waitsIdle)) return;
    this.#run = rest;
    const { workflowId: parent, member, runId } = notify;
    this.#delayEnd(getExternalWorkflowHandle(parent).signal(groupEnded, { member, runId }), (error) =>
      log.warn('failed to notify the parent of the end of this run', { parent, error }),
    );
  }

  async #continueAsNew(): Promise<void> {
    const run = carried(this.#run as Run);
    if (run) await continueAsNew<typeof virtualMachineGroup>({ ...this.#start, run });
    else log.warn('the state of the run is too large to continue as new; the history grows on');
  }
}

function finished(finish: { outcome: RunOutcome } | { failure: unknown }): RunOutcome {
  if ('outcome' in finish) return finish.outcome;
  throw finish.failure;
}

/** The outcome of a run that never had a plan. */
function withoutPlan(outcome: OutcomeType, message: string, startedAt: number, endedAt: number): RunOutcome {
  return {
    outcome,
    message: `${message}; the run never received a plan`,
    revision: '',
    generation: 0,
    lineage: '',
    powerState: 'Unchanged',
    startedAt,
    endedAt,
    operations: 0,
    exceptions: [],
    observed: {},
    placements: {},
    corrections: {},
    words: [],
  };
}
