/** Drives one run: receives messages, asks the planner for the next steps, and carries them out. Every decision is the planner's. */
import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  continueAsNew,
  log,
  patched,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { fitText } from '../../api/text';
import {
  progress,
  type Cancellation,
  type CommandAccepted,
  type OperatorCommand,
  type OperatorVerb,
  type OutcomeType,
  type Progress,
  type RunOutcome,
  type RunStart,
} from '../../contract';
import { CHANGES } from '../changes';
import { answeredText, answerStart, type AnswerStart } from '../answers';
import { applyCommand } from '../operator-commands';
import { nextSteps, openStarts, outcomeWithoutPlan } from '../planner';
import { detailsOf, progressOf } from '../progress';
import { parse } from '../schemas';
import { carried, unpacked, type CarriedRun } from '../carried-run';
import { cleaningUp } from '../clean-up';
import { end, MESSAGE_BYTES, remember, withdrawn, type Run } from '../state';
import { ShownAttributes } from './attributes';
import { CurrentRun } from './current-run';
import { DelayTimer } from './delay-timer';
import { handleSignals, handleUpdates } from './handlers';
import { OutgoingSignals } from './outgoing-signals';
import { RunningActivities } from './running-activities';
import { failureOf, scheduleAnswer, scheduleCancellation } from './schedule';
import { uses } from './uses';

/** One run of a group. */
export class GroupRun {
  readonly #start: RunStart;
  readonly #began = Date.now();
  readonly #current: CurrentRun;
  readonly #activities: RunningActivities;
  readonly #outgoing = new OutgoingSignals(() => this.#current.touch());
  readonly #delay = new DelayTimer(() => this.#current.touch());
  readonly #search = new DelayTimer(() => this.#current.touch());
  readonly #shown = new ShownAttributes();
  /** Set once the workflow is to end without a plan, or by a cancellation of an older build's run. */
  #finish: { outcome: RunOutcome } | { failure: unknown } | undefined;
  #outcome: RunOutcome | undefined;

  constructor(start: RunStart) {
    // A workflow may be started by hand, with any argument or none.
    this.#start = { ...(start as RunStart | undefined) } as RunStart;
    this.#current = new CurrentRun(this.#start);
    this.#activities = new RunningActivities(this.#current);
    if (this.#start.run !== undefined) this.#takeOver(this.#start.run);
    const effects = {
      withdraw: (reason: string) => this.#end('Superseded', reason, (run) => withdrawn(run, reason)),
      obey: (verb: OperatorVerb, command: OperatorCommand) => shielded(() => this.#obey(verb, command)),
    };
    handleSignals(this.#current, effects);
    handleUpdates(this.#current, effects);
    setHandler(progress, () => this.#progress(), {
      description: 'Where the run stands, and what each member waits for.',
    });
  }

  /** State comes only from the execution that continued as new. */
  #takeOver(run: unknown): void {
    if (workflowInfo().continuedFromExecutionRunId !== undefined)
      this.#current.set(unpacked(run as CarriedRun));
    else this.#current.ignore('run', 'only a run that continues as new hands its state over');
  }

  /** Begins as a run that clears up after another one; after continue-as-new, the run continues instead. */
  cleanUp(input: unknown): void {
    if (this.#current.run) return;
    const parsed = parse('cleanUp', input);
    const why =
      'why' in parsed
        ? parsed.why
        : this.#current.begin(parsed.value.plan, () => cleaningUp(parsed.value, this.#began));
    if (why !== undefined)
      this.#finish = {
        outcome: outcomeWithoutPlan('Cancelled', `nothing to clear up: ${why}`, this.#began, this.#began),
      };
  }

  /** Ends the run; without a plan there is nothing to end but the workflow. */
  #end(type: OutcomeType, message: string, how: (run: Run) => Run): void {
    if (this.#current.run) this.#current.change(how);
    else this.#finish = { outcome: outcomeWithoutPlan(type, message, this.#began, Date.now()) };
  }

  #progress(): Progress {
    if (!this.#current.run) throw ApplicationFailure.nonRetryable('the run has no plan yet', 'NoPlan');
    return progressOf(this.#current.run, this.#outcome);
  }

  #obey(verb: OperatorVerb, command: OperatorCommand): CommandAccepted | Promise<CommandAccepted> {
    const before = this.#current.run;
    if (!before) throw ApplicationFailure.nonRetryable('the run has no plan yet', 'WordRefused');
    this.#outgoing.relay(before, verb, command);
    const { run, message } = applyCommand(before, verb, command, Date.now(), uses);
    const asked = verb === 'answer' ? answerStart(run, command) : undefined;
    this.#current.set(asked?.run ?? run);
    return asked ? this.#answer(asked.start) : { message };
  }

  /** Answers when the platform has taken the answer; the end of the run waits for that. */
  async #answer(start: AnswerStart): Promise<CommandAccepted> {
    const answered = scheduleAnswer(start).then((raw) => answeredText(start, raw));
    this.#outgoing.await(
      answered.then(() => undefined),
      () => undefined,
    );
    try {
      return { message: await answered };
    } catch (error: unknown) {
      throw ApplicationFailure.nonRetryable(failureOf(error).message, 'AnswerRefused');
    }
  }

  /** Ends the run as `abort` does; `error` is what Temporal says of the cancellation. RUN-5. */
  cancel(error: unknown): void {
    if (!patched(CHANGES.cancelEnds)) {
      this.#activities.cancelAll();
      this.#finish = { failure: error };
      return;
    }
    const message = error instanceof CancelledFailure ? error.message : 'Cancellation requested';
    const before = this.#current.run;
    this.#end('Cancelled', message, (run) => end(run, 'Cancelled', message));
    if (!before) return;
    this.#outgoing.await(
      scheduleCancellation().then((raw) => {
        const parsed = parse('cancellation', raw);
        if ('why' in parsed) throw new TypeError(parsed.why);
        this.#cancelledBy(parsed.value, before, message);
      }),
      (failure) => {
        log.warn('failed to find out who cancelled the run', { error: failure });
        this.#cancelledBy({ identity: 'unknown', reason: '' }, before, message);
      },
    );
  }

  /**
   * Records who cancelled. A run that still ends with the message of that cancellation also names the actor in its outcome, and aborts what it
   * has asked of nested groups. RUN-5.
   */
  #cancelledBy({ identity, reason }: Cancellation, before: Run, message: string): void {
    const command = {
      actor: fitText(identity, MESSAGE_BYTES),
      reason: fitText(reason, MESSAGE_BYTES) || 'Request Cancellation',
    };
    const stillEnds = this.#current.run?.ending?.message === message || !patched(CHANGES.cancelledContinue);
    if (stillEnds) this.#outgoing.relay(before, 'abort', command);
    this.#current.change((run) => ({
      ...run,
      words: remember(run.words, { ...command, verb: 'abort', at: Date.now() }),
      ...(stillEnds && {
        ending: {
          ...run.ending,
          outcome: 'Cancelled',
          message: `Cancelled by ${command.actor}: ${command.reason}`,
        },
      }),
    }));
  }

  /** Acts until the run has ended. */
  async drive(): Promise<RunOutcome> {
    const carriedOver = this.#current.run;
    for (const start of carriedOver ? openStarts(carriedOver, uses) : []) this.#activities.launch(start);
    for (;;) {
      await condition(() => this.#finish !== undefined || this.#current.isDue);
      if (this.#finish) return finished(this.#finish);
      const outcome = this.#act(this.#current.run as Run);
      if (outcome) return outcome;
      if (workflowInfo().continueAsNewSuggested && this.#outgoing.isEmpty) await this.#continueAsNew();
    }
  }

  /** Carries the next steps out; answers with the outcome once the run is over. */
  #act(before: Run): RunOutcome | undefined {
    const { run, cancel, start, wake, search, outcome } = nextSteps(
      this.#current.take(before),
      Date.now(),
      uses,
    );
    this.#current.settle(run);
    for (const activityId of cancel) this.#activities.cancel(activityId);
    for (const each of start) this.#activities.launch(each);
    this.#delay.set(wake);
    this.#search.set(search);
    if (outcome) this.#notifyParent(run);
    if (outcome && this.#outgoing.isEmpty) this.#outcome = outcome;
    const after = this.#current.run as Run;
    this.#shown.show(after, this.#outcome);
    setCurrentDetails(detailsOf(after, this.#outcome));
    return this.#outcome;
  }

  /** Notifies the parent's run that waits for the end of this one, once. */
  #notifyParent({ notify, ...run }: Run): void {
    if (!notify || !patched(CHANGES.waitsIdle)) return;
    this.#current.settle(run);
    this.#outgoing.notifyOfEnd(notify);
  }

  async #continueAsNew(): Promise<void> {
    const { namespace, name } = this.#start;
    const run = carried(this.#current.run as Run);
    if (run) await continueAsNew<(start: RunStart) => Promise<RunOutcome>>({ namespace, name, run });
    else log.warn('the state of the run is too large to continue as new; the history grows on');
  }
}

function finished(finish: { outcome: RunOutcome } | { failure: unknown }): RunOutcome {
  if ('outcome' in finish) return finish.outcome;
  throw finish.failure;
}

/** Handles a message so that a cancellation before it rejects nothing of what it sends: handlers run in the scope that was cancelled. RUN-5. */
function shielded<T>(handle: () => T | Promise<T>): T | Promise<T> {
  if (!CancellationScope.current().consideredCancelled || !patched(CHANGES.commandsShielded)) return handle();
  return CancellationScope.nonCancellable(async () => handle());
}
