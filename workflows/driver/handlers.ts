/** Which messages a run receives. A signal is parsed before it has an effect; an Update is validated before it is accepted. */
import {
  ApplicationFailure,
  setDefaultSignalHandler,
  setHandler,
  type SignalDefinition,
} from '@temporalio/workflow';
import {
  activityPaused,
  applyPlan,
  attemptFailed,
  groupEnded,
  notifyOnEnd,
  OPERATOR_VERBS,
  operatorUpdates,
  relay,
  withdraw,
  type CommandAccepted,
  type OperatorCommand,
  type OperatorVerb,
} from '../../contract';
import { groupHasEnded, notifying } from '../nested-runs';
import { attemptReported, pauseReported } from '../operations';
import { CHANGES } from '../changes';
import { isFailing, refusalOf } from '../command-checks';
import { parse, type Inputs } from '../schemas';
import type { CurrentRun } from './current-run';
import { uses } from './uses';

/** What each verb does, for the picker in the UI. */
const DESCRIPTIONS: Record<OperatorVerb, string> = {
  pause: 'Starts nothing new until resume. {actor?, reason}',
  resume: 'Continues after pause. {actor?, reason}',
  retryMember:
    'Tries a parked or failing member again with a fresh budget; without member: all of them, and placement. {member?, actor?, reason}',
  skipMember: 'Leaves a member out of this run. {member, actor?, reason}',
  markReady: 'Counts a member as ready without observing it. {member, actor?, reason}',
  answer:
    'Answers a question of the platform about a VM with one of its choices. {member, choice, actor?, reason}',
  skipDelay: 'Ends the delay that is running. {actor?, reason}',
  abort:
    'Ends the run; nothing starts until the desired state changes or an operator requests a run. {actor?, reason}',
};

/** What a run does with messages that do more than change its state. */
export interface MessageEffects {
  withdraw: (reason: string) => void;
  /** Carries a command out that was validated. */
  obey: (verb: OperatorVerb, command: OperatorCommand) => CommandAccepted | Promise<CommandAccepted>;
}

/** Registers a handler for every signal. */
export function handleSignals(current: CurrentRun, effects: MessageEffects): void {
  const on = <K extends keyof Inputs>(
    signal: SignalDefinition<[Inputs[K]]>,
    kind: K,
    description: string,
    handle: (input: Inputs[K]) => void,
  ): void => {
    const handler = (input: unknown): void => {
      const parsed = parse(kind, input);
      if ('value' in parsed) handle(parsed.value);
      else current.ignore(kind, parsed.why);
    };
    setHandler(signal, handler, { description });
  };
  on(applyPlan, 'applyPlan', 'Gives the run its plan. Sent by the bridge and by parent groups.', (message) =>
    current.receive(message),
  );
  on(
    withdraw,
    'withdraw',
    'Ends the run because the group is deleted or a parent has taken over. {reason}',
    ({ reason }) => effects.withdraw(reason),
  );
  on(attemptFailed, 'attemptFailed', 'An activity reports a failed attempt, and retries.', (report) =>
    current.change((run) => attemptReported(run, report)),
  );
  on(activityPaused, 'activityPaused', 'An activity was paused or unpaused from outside.', (report) =>
    current.change((run) => pauseReported(run, report)),
  );
  on(relay, 'relay', "A parent group relays an operator's command.", (command) => {
    // One that does not apply here is no error.
    // An answer is for the run that it is sent to, and no caller waits for a failure here.
    if (command.verb === 'answer' || !current.run) return;
    const isLate = command.verb === 'abort' && isFailing(current.run);
    if (isLate && !uses(CHANGES.failingAborted)) return;
    if (refusalOf(current.run, command.verb, command) === undefined) void effects.obey(command.verb, command);
  });
  on(
    notifyOnEnd,
    'notifyOnEnd',
    "A parent group's run waits for the end of this one, and is to be notified of it.",
    (subscription) => current.change((run) => notifying(run, subscription)),
  );
  on(
    groupEnded,
    'groupEnded',
    'The run of a nested group is about to end, or was ended from outside.',
    (message) => current.change((run) => groupHasEnded(run, message)),
  );
  setDefaultSignalHandler((name) => current.ignore(name, 'unknown signal'));
}

/** Registers a handler for every operator Update. */
export function handleUpdates(current: CurrentRun, { obey }: MessageEffects): void {
  for (const verb of OPERATOR_VERBS) {
    setHandler(operatorUpdates[verb], (command: OperatorCommand) => obey(verb, command), {
      description: DESCRIPTIONS[verb],
      validator: (command: OperatorCommand): void => {
        const why = refusalOf(current.run, verb, command);
        if (why !== undefined) throw ApplicationFailure.nonRetryable(why, 'WordRefused');
      },
    });
  }
}
