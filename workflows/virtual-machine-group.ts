/**
 * The workflow of a group: it hears messages, asks the planner, and does what the planner says. Every decision is the planner's; this
 * file only drives it.
 *
 * W1: handlers are registered before the first await, and only change state; the loop alone acts.
 * W2: the run does not close over a message that it has not read: the decision to end is taken with nothing awaited after it, and the
 *     server refuses to close over a signal that arrived meanwhile.
 * W3: before the history grows past what the server suggests the run continues as new with its whole state; open operations are scheduled
 *     again with the same operation id, so the platform sees no second one.
 */
import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  patched,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities, GiveUpDetails, PowerInput } from '../activities';
import { decide, openStarts, type Start } from './decide';
import {
  applyPlan,
  attemptFailed,
  operatorUpdates,
  progress,
  relay,
  searchAttributeKeys,
  withdraw,
  type OperatorWord,
  type RecordedWord,
  type RunOutcome,
  type RunStart,
  type Verb,
  type WordAccepted,
} from './messages';
import { workflowId } from './plan';
import { detailsOf, parkedMembers, phaseOf, progressOf } from './progress';
import {
  attemptReported,
  begin,
  keepClaims,
  membersOf,
  operationsEnded,
  owesRelease,
  placed,
  placementFailed,
  receivePlan,
  released,
  withdrawn,
  type OperationEnd,
  type OperationFailure,
  type OperationResult,
  type Run,
} from './run';
import { objection, speak } from './words';

/** Milliseconds without a heartbeat after which an attempt counts as lost, and another worker takes it over. */
const HEARTBEAT_TIMEOUT = 5_000;

/** What each verb does, for the picker in the UI. */
const DESCRIPTIONS: Record<Verb, string> = {
  pause: 'Starts nothing new until resume. {actor, reason}',
  resume: 'Goes on after pause. {actor, reason}',
  retryMember:
    'Tries a parked or failing member again with a fresh budget; without member: all of them. {member?, actor, reason}',
  skipMember: 'Leaves a member out of this run. {member, actor, reason}',
  markReady: 'Counts a member as ready on your word. {member, actor, reason}',
  skipDelay: 'Ends the delay that runs. {actor, reason}',
  abort:
    'Ends the run; nothing starts by itself until the desired state changes or somebody asks. {actor, reason}',
};

/** One run of a group. Started by signal-with-start with {@link applyPlan}; ends with an outcome on record. */
export async function virtualMachineGroup(start: RunStart): Promise<RunOutcome> {
  let run = start.run;
  let dirty = true;
  let relays = 0;
  let outcome: RunOutcome | undefined;
  /** Operations that have ended since the last decision. */
  let ends: OperationEnd[] = [];
  const scopes: Record<string, CancellationScope> = {};

  function change(next: Run): void {
    run = next;
    dirty = true;
  }

  setHandler(
    applyPlan,
    (message) => change(run ? receivePlan(run, message, Date.now()) : begin(message, Date.now())),
    {
      description: 'Gives the run its plan. Sent by the bridge and by parent groups.',
    },
  );
  setHandler(withdraw, ({ reason }) => run && change(withdrawn(run, reason)), {
    description: 'Ends the run because the group is gone or a parent has taken over. {reason}',
  });
  setHandler(attemptFailed, (report) => run && change(attemptReported(run, report)), {
    description: 'An activity tells of a failed attempt while it goes on retrying.',
  });
  setHandler(relay, (word) => hear(word.verb, word), {
    description: "A parent group hands an operator's word on.",
  });
  for (const verb of Object.keys(operatorUpdates) as Verb[]) {
    setHandler(operatorUpdates[verb], (word: OperatorWord) => take(verb, word), {
      description: DESCRIPTIONS[verb],
      validator: (word: OperatorWord): void => {
        const why = objection(run, verb, word);
        if (why !== undefined) throw ApplicationFailure.nonRetryable(why, 'WordRefused');
      },
    });
  }
  setHandler(
    progress,
    () => {
      if (!run) throw ApplicationFailure.nonRetryable('the run has no plan yet', 'NoPlan');
      return progressOf(run, outcome);
    },
    { description: 'Where the run stands, and what each member waits for.' },
  );

  /** Takes an operator's word that the validator let through. */
  function take(verb: Verb, word: OperatorWord): WordAccepted {
    if (!run) throw ApplicationFailure.nonRetryable('the run has no plan yet', 'WordRefused');
    handOn(run, verb, word);
    const said = speak(run, verb, word, Date.now());
    change(said.run);
    return { message: said.message };
  }

  /** Takes a word that a parent handed on; one that does not apply here is no error. */
  function hear(verb: Verb, word: RecordedWord): void {
    if (run && objection(run, verb, word) === undefined) take(verb, word);
  }

  /** Hands words that concern a whole tree on to the nested groups whose runs are asked at the moment. */
  function handOn(from: Run, verb: Verb, word: OperatorWord): void {
    if (verb !== 'pause' && verb !== 'resume' && verb !== 'abort') return;
    const recorded: RecordedWord = { ...word, verb, at: Date.now() };
    for (const { key, member } of membersOf(from.plan)) {
      if (!member.plan || !from.members[key]?.operation) continue;
      relays += 1;
      getExternalWorkflowHandle(workflowId(from.plan.namespace, member.name))
        .signal(relay, recorded)
        .catch((error: unknown) =>
          log.warn('a nested group did not hear the word', { member: key, verb, error }),
        )
        .finally(() => {
          relays -= 1;
          dirty = true;
        });
    }
  }

  /**
   * Follows an activity in a scope of its own, so that it can be cancelled. One promise and no chain of them: a thousand members may start
   * together, and each promise costs the workflow thread a stack trace.
   */
  function follow<T>(
    activityId: string,
    activity: () => Promise<T>,
    done: (result: T) => void,
    failed: (failure: OperationFailure) => void,
  ): void {
    const scope = new CancellationScope();
    scopes[activityId] = scope;
    scope.run(activity).then(
      (result) => {
        delete scopes[activityId];
        done(result);
      },
      (error: unknown) => {
        delete scopes[activityId];
        if (!isCancellation(error)) failed(failureOf(error));
      },
    );
  }

  /** Schedules an activity; its end changes the state. */
  function launch(start: Start): void {
    const { activityId } = start;
    const ended = (end: { result: OperationResult } | { failure: OperationFailure }): void => {
      ends.push({ activityId, at: Date.now(), ...end });
      dirty = true;
    };
    const park = (failure: OperationFailure): void => ended({ failure });
    switch (start.activity) {
      case 'place':
        return follow(
          activityId,
          () => schedule(start, PLACE_TIMEOUT).place(start.input),
          (results) => run && change(placed(run, activityId, results)),
          ({ message }) => run && change(placementFailed(run, activityId, message)),
        );
      case 'release':
        return follow(
          activityId,
          () => schedule(start, RELEASE_TIMEOUT, RELEASE_TIMEOUT).release(start.input),
          (free) => run && change(released(run, activityId, { free })),
          ({ message }) => run && change(released(run, activityId, { failure: message })),
        );
      case 'powerGroup':
        return follow(
          activityId,
          () => schedule(start, GROUP_TIMEOUT).powerGroup(start.input),
          ({ outcome }) => ended({ result: { kind: 'VirtualMachineGroup', outcome } }),
          park,
        );
      case 'powerOn':
      case 'powerOff':
      case 'suspend':
        return follow(
          activityId,
          () => schedule(start, powerTimeout(start.input))[start.activity](start.input),
          ({ status, acted }) => ended({ result: { kind: 'VirtualMachine', status, acted } }),
          park,
        );
    }
  }

  const timer = delayTimer(() => (dirty = true));
  const shown = attributesShown();
  for (const each of run ? openStarts(run) : []) launch(each);

  for (;;) {
    await condition(() => dirty && run !== undefined);
    dirty = false;
    if (owesRelease(run as Run) && !patched(GIVES_BACK)) run = keepClaims(run as Run);
    const decision = decide(operationsEnded(run as Run, ends), Date.now());
    ends = [];
    run = decision.run;
    for (const activityId of decision.cancel) scopes[activityId]?.cancel();
    for (const each of decision.start) launch(each);
    timer.set(decision.wake);
    if (decision.outcome && relays === 0) {
      outcome = decision.outcome;
      shown.show(run, outcome);
      setCurrentDetails(detailsOf(run, outcome));
      return outcome;
    }
    shown.show(run);
    setCurrentDetails(detailsOf(run));
    if (workflowInfo().continueAsNewSuggested && relays === 0) {
      await continueAsNew<typeof virtualMachineGroup>({ ...start, run });
    }
  }
}

/** Runs that an older build has ended gave no place back, and replay so. */
const GIVES_BACK = 'ended-runs-give-places-back';
/** Milliseconds that a placement may take. */
const PLACE_TIMEOUT = 600_000;
/** Milliseconds that all attempts to give places back may take together, also where no worker takes them: the run is to end soon. */
const RELEASE_TIMEOUT = 15_000;
/** A nested group may wait for an operator for as long as it takes; milliseconds. */
const GROUP_TIMEOUT = 365 * 86_400_000;

/** The activity keeps these times itself; this is only the backstop. Milliseconds. */
function powerTimeout({ operationTimeout, gateTimeout, guestShutdownTimeout }: PowerInput): number {
  return operationTimeout + gateTimeout + guestShutdownTimeout + 60_000;
}

/** The activities, with the options of one that is to start now. Times of one attempt and of all in milliseconds; absent: no limit. */
function schedule(
  { activityId, summary }: Start,
  startToCloseTimeout: number,
  scheduleToCloseTimeout?: number,
): Activities {
  return proxyActivities<Activities>({
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    // A newer operation outranks an older one on the platform, so nothing has to wait for the old one to notice.
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    // The budget is counted by the activity, which sets each pause; the policy here rules only attempts that were lost with their worker.
    retry: { initialInterval: '1s', backoffCoefficient: 1 },
    startToCloseTimeout,
    ...(scheduleToCloseTimeout !== undefined && { scheduleToCloseTimeout }),
    activityId,
    summary,
  });
}

/** What an activity's last failure says. */
function failureOf(error: unknown): OperationFailure {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    const details = cause.details?.[0] as GiveUpDetails | undefined;
    return { class: cause.type ?? 'Error', message: cause.message, failures: details?.failures ?? [] };
  }
  return { class: 'Error', message: cause instanceof Error ? cause.message : String(cause), failures: [] };
}

/** One timer at most, for the delay that runs; it is left alone while its end stays the same. */
function delayTimer(over: () => void): { set(wake: { at: number; summary: string } | undefined): void } {
  let armed: { at: number; scope: CancellationScope } | undefined;
  return {
    set(wake) {
      if (armed?.at === wake?.at) return;
      armed?.scope.cancel();
      armed = undefined;
      if (!wake) return;
      const scope = new CancellationScope();
      const mine = { at: wake.at, scope };
      armed = mine;
      scope
        .run(() => sleep(Math.max(1, wake.at - Date.now()), { summary: wake.summary }))
        .then(() => {
          if (armed === mine) armed = undefined;
          over();
        })
        .catch((error: unknown) => {
          if (!isCancellation(error)) throw error;
        });
    },
  };
}

/** Keeps the search attributes up to date: one command where something changed, none otherwise. */
function attributesShown(): { show(run: Run, outcome?: RunOutcome): void } {
  let last = startedWith();
  return {
    show(run, outcome) {
      const next = attributesOf(run, outcome);
      if (JSON.stringify(next) === JSON.stringify(last)) return;
      last = next;
      upsertSearchAttributes([
        { key: searchAttributeKeys.phase, value: next.phase },
        { key: searchAttributeKeys.powerState, value: next.powerState },
        { key: searchAttributeKeys.parked, value: next.parked.length > 0 ? next.parked : null },
      ]);
    },
  };
}

interface Attributes {
  phase: string;
  powerState: string;
  parked: string[];
}

/** Most parked members that are listed in the search attribute. */
const LISTED = 50;

function attributesOf(run: Run, outcome?: RunOutcome): Attributes {
  const phase = phaseOf(run);
  return {
    // Placement is short and shows on the timeline: no command for it.
    phase: outcome?.outcome ?? (phase === 'Placing' ? 'PoweringOn' : phase),
    powerState: run.plan.powerState,
    parked: parkedMembers(run).slice(0, LISTED),
  };
}

/** What the starter of the run has set already. */
function startedWith(): Attributes {
  const { typedSearchAttributes: given } = workflowInfo();
  return {
    phase: given.get<'KEYWORD'>(searchAttributeKeys.phase) ?? '',
    powerState: given.get<'KEYWORD'>(searchAttributeKeys.powerState) ?? '',
    parked: given.get<'KEYWORD_LIST'>(searchAttributeKeys.parked) ?? [],
  };
}
