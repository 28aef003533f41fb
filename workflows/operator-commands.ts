/** What operator commands change in a run. Pure. */
import { firstFew } from '../api/text';
import { own } from '../api/own';
import {
  UNNAMED_ACTOR,
  type MemberKey,
  type OperatorCommand,
  type OperatorVerb,
  type RecordedCommand,
} from '../contract';
import { CHANGES, usesAll, type Uses } from './changes';
import { canRetry, findMember, isAwaited, isInDelay, isPlacingInVain } from './command-checks';
import { placeAgain } from './placing';
import { drop, end, remember, type MemberState, type Run } from './state';

/** The run after a command, and the answer to the operator. */
export interface Obeyed {
  run: Run;
  message: string;
}

/** Applies a command that `refusalOf` accepts. `now` is milliseconds since the Unix epoch. */
export function applyCommand(
  before: Run,
  verb: OperatorVerb,
  command: OperatorCommand,
  now: number,
  uses: Uses = usesAll,
): Obeyed {
  const { member, choice } = command;
  const recorded = recordedCommand(verb, command, now);
  const { actor, reason } = recorded;
  const run: Run = { ...before, words: remember(before.words, recorded) };
  switch (verb) {
    case 'pause':
      return {
        run: { ...run, paused: true },
        message: 'Nothing new starts until resume; open operations continue.',
      };
    case 'resume':
      return { run: { ...run, paused: false }, message: 'The run continues.' };
    case 'abort':
      return {
        run: end(run, 'Cancelled', `Aborted by ${actor}: ${reason}`),
        message: 'The run ends; nothing more is started.',
      };
    case 'skipDelay':
      return { run: withoutDelay(run, now), message: 'The delay ends now.' };
    case 'answer':
      return { run, message: `The question about ${member} is answered with ${choice}.` };
    case 'retryMember':
      return retryMembers(run, member);
    case 'skipMember':
    case 'markReady':
      return setAside(run, { verb, actor, reason, at: now }, member, uses);
  }
}

/** A command as it is recorded. */
export function recordedCommand(
  verb: OperatorVerb,
  { member, choice, actor, reason, known }: OperatorCommand,
  at: number,
): RecordedCommand {
  return {
    verb,
    actor: actor ?? UNNAMED_ACTOR,
    reason,
    at,
    ...(member !== undefined && { member }),
    ...(choice !== undefined && { choice }),
    ...(known && { known }),
  };
}

function withoutDelay(run: Run, now: number): Run {
  const stages = run.stages.map((stage) => (isInDelay(stage) ? { ...stage, dueAt: now } : stage));
  return { ...run, stages };
}

/** Most names in the answer to one command. */
const SHOWN = 20;

function retryMembers(run: Run, name: string | undefined): Obeyed {
  const keys = keysNamed(run, name).filter((key) => {
    const state = own(run.members, key) as MemberState;
    return canRetry(state) || (Boolean(name) && isAwaited(state));
  });
  const next = changeMembers(run, keys, retry);
  const placing = !name && isPlacingInVain(next);
  if (placing) placeAgain(next);
  const what = [...(placing ? ['placement'] : []), ...firstFew(keys, SHOWN)];
  return { run: next, message: `Retrying ${what.join(', ')}.` };
}

function setAside(
  run: Run,
  word: NonNullable<MemberState['word']>,
  name: string | undefined,
  uses: Uses,
): Obeyed {
  const keys = keysNamed(run, name);
  const next = changeMembers(run, keys, (state) => {
    state.word = word;
  });
  const skips = word.verb === 'skipMember';
  // An open call asks for its place too.
  if (skips && next.placement.activityId !== undefined && uses(CHANGES.placesFollow)) placeAgain(next);
  return { run: next, message: `${keys.join(', ')} ${skips ? 'is left out' : 'counts as ready'}.` };
}

/** The member that a command names, or all members if it names none. */
function keysNamed(run: Run, name: string | undefined): MemberKey[] {
  if (!name) return Object.keys(run.members);
  const key = findMember(run.plan, name);
  return key === undefined ? [] : [key];
}

function retry(state: MemberState, next: Run, key: MemberKey): void {
  if (state.leftAlone?.reason === 'NoRoom') findRoom(next, key);
  delete state.parked;
  delete state.leftAlone;
  delete state.word;
  delete state.drifted;
  next.corrections = Object.fromEntries(Object.entries(next.corrections).filter(([other]) => other !== key));
}

/** Lets an optional VM be placed again, by this run if its parent's run has found no room. Changes `run`. */
function findRoom(run: Run, name: string): void {
  const { [name]: _found, ...roomless } = run.roomless ?? {};
  run.roomless = roomless;
  run.placedByParent = false;
}

/** The run with changed members; their open operations are dropped. */
function changeMembers(
  run: Run,
  keys: MemberKey[],
  how: (state: MemberState, next: Run, key: MemberKey) => void,
): Run {
  const next: Run = { ...run, members: { ...run.members }, dropped: [...run.dropped] };
  for (const key of keys) {
    const state = { ...(own(run.members, key) as MemberState) };
    if (state.operation) drop(next, state);
    how(state, next, key);
    next.members[key] = state;
  }
  return next;
}
