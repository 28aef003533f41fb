/**
 * What operators may say to a run, and what it changes. Pure.
 */
import { own } from '../api/own';
import { byteLength, firstFew } from '../api/text';
import { CHANGES, usesAll, type Uses } from './changes';
import {
  type OperatorCommand,
  type RecordedCommand,
  type OperatorVerb,
  memberKey,
  workflowId,
  type MemberKey,
  type Plan,
} from '../contract';
import { placeAgain } from './placing';
import { drop, end, membersOf, remember, type MemberState, type Run } from './state';

/** Longest reason or actor that is accepted, in bytes: commands stay in the history and in the record. */
const LONGEST = 1_000;

/**
 * Why a word cannot be taken now, in words for the person who said it; undefined where it can. Synchronous, so that it can serve as an
 * Update's validator.
 */
export function refusalOf(
  run: Run | undefined,
  verb: OperatorVerb,
  word: OperatorCommand,
): string | undefined {
  if (typeof word !== 'object' || word === null) return 'say it with one object: {member?, actor, reason}';
  for (const field of ['actor', 'reason'] as const) {
    const text: unknown = word[field];
    if (typeof text !== 'string' || text.trim() === '') return `${field} is missing: it goes on record`;
    if (byteLength(text) > LONGEST) return `${field} is longer than ${LONGEST} bytes`;
  }
  const member: unknown = word.member;
  if (member !== undefined && (typeof member !== 'string' || member.length > LONGEST))
    return 'member is not the name of a VM, or Kind/name';
  if (!run) return 'the run has no plan yet; try again in a moment';
  if (run.ending) return `the run is ending: ${run.ending.message}`;
  if (verb === 'skipDelay') return run.stages.some(inDelay) ? undefined : 'no delay is running';
  if (verb === 'pause' || verb === 'resume' || verb === 'abort') return undefined;
  if (word.member === undefined || word.member === '') {
    if (verb === 'retryMember') {
      const any = isPlacingInVain(run) || Object.values(run.members).some(canRetry);
      return any ? undefined : 'no member is parked or failing';
    }
    return 'member is missing: name a VM, or Kind/name';
  }
  return objectionToMember(run, verb, word.member);
}

function objectionToMember(
  run: Run,
  verb: 'retryMember' | 'skipMember' | 'markReady',
  name: string,
): string | undefined {
  const key = findMember(run.plan, name);
  const state = key === undefined ? undefined : own(run.members, key);
  if (key === undefined || !state) {
    const group = groupOf(run.plan, name);
    return group
      ? `${name} is a member of ${group.name}: say it to ${workflowId(group.namespace, group.name)}`
      : `${name} is not a member of ${run.plan.namespace}/${run.plan.name}`;
  }
  switch (verb) {
    case 'retryMember':
      return canRetry(state) || isAwaited(state)
        ? undefined
        : `${key} is ${state.phase}: there is nothing to retry`;
    case 'skipMember':
    case 'markReady':
      return state.reachedAt === undefined ? undefined : `${key} has reached its gate already`;
  }
}

function canRetry(state: MemberState): boolean {
  return (
    Boolean(state.parked ?? state.leftAlone ?? state.word) || (state.operation?.attempts.length ?? 0) > 0
  );
}

/** Whether a nested run is waited for without an activity: it may have ended without a word, which a retry finds at once. */
function isAwaited({ operation }: MemberState): boolean {
  return operation?.waiting !== undefined;
}

/** Whether the open call for places has failed before: a retry makes it at once. */
function isPlacingInVain({ placement }: Run): boolean {
  return placement.activityId !== undefined && placement.attempts.length > 0;
}

/** Whether a stage's delay runs. */
export function inDelay(stage: { dueAt?: number; releasedAt?: number }): boolean {
  return stage.dueAt !== undefined && stage.releasedAt === undefined;
}

/** The key of a member that an operator named. */
export function findMember(plan: Plan, name: string): MemberKey | undefined {
  for (const { key, member } of membersOf(plan)) {
    if (key === name || `${member.kind}/${member.name}` === name) return key;
  }
  // A nested group may be named without its kind where no VM has that name.
  for (const { key, member } of membersOf(plan)) if (member.name === name) return key;
  return undefined;
}

/** The nested group that holds the member. */
function groupOf(plan: Plan, name: string): Plan | undefined {
  for (const { member } of membersOf(plan)) {
    if (!member.plan) continue;
    if (findMember(member.plan, name) !== undefined) return member.plan;
    const deeper = groupOf(member.plan, name);
    if (deeper) return deeper;
  }
  return undefined;
}

/** The run after a word that nothing speaks against, and what to answer. */
export function applyCommand(
  run: Run,
  verb: OperatorVerb,
  word: OperatorCommand,
  now: number,
  uses: Uses = usesAll,
): { run: Run; message: string } {
  const recorded: RecordedCommand = { verb, actor: word.actor, reason: word.reason, at: now };
  if (word.member !== undefined) recorded.member = word.member;
  const said: Run = { ...run, words: remember(run.words, recorded) };
  const by = `${word.actor}: ${word.reason}`;
  switch (verb) {
    case 'pause':
      return {
        run: { ...said, paused: true },
        message: 'Nothing new starts until resume; open operations go on.',
      };
    case 'resume':
      return { run: { ...said, paused: false }, message: 'The run goes on.' };
    case 'abort':
      return {
        run: end(said, 'Cancelled', `Aborted by ${by}`),
        message: 'The run ends; nothing more is started.',
      };
    case 'skipDelay':
      return {
        run: {
          ...said,
          stages: said.stages.map((stage) => (inDelay(stage) ? { ...stage, dueAt: now } : stage)),
        },
        message: 'The delay ends now.',
      };
    case 'retryMember': {
      const keys = named(said, word);
      const ready = keys.filter((key) => {
        const state = own(said.members, key) as MemberState;
        return canRetry(state) || (Boolean(word.member) && isAwaited(state));
      });
      const next = change(said, ready, retry);
      const placing = !word.member && isPlacingInVain(next);
      if (placing) placeAgain(next);
      const what = [...(placing ? ['placement'] : []), ...firstFew(ready, SHOWN)];
      return { run: next, message: `Retrying ${what.join(', ')}.` };
    }
    case 'skipMember':
    case 'markReady': {
      const outcome = verb === 'skipMember' ? 'is left out' : 'counts as ready';
      const keys = named(said, word);
      const next = change(said, keys, (state) => {
        state.word = { verb, actor: word.actor, reason: word.reason, at: now };
      });
      // An open call asks for its place too.
      if (verb === 'skipMember' && next.placement.activityId !== undefined && uses(CHANGES.placesFollow))
        placeAgain(next);
      return { run: next, message: `${keys.join(', ')} ${outcome}.` };
    }
  }
}

function named(run: Run, word: OperatorCommand): MemberKey[] {
  if (!word.member) return Object.keys(run.members);
  const key = findMember(run.plan, word.member);
  return key === undefined ? [] : [key];
}

/** Most names in the answer to one command. */
const SHOWN = 20;

function retry(state: MemberState, next: Run, key: MemberKey): void {
  if (state.leftAlone?.reason === 'NoRoom') findRoom(next, key);
  delete state.parked;
  delete state.leftAlone;
  delete state.word;
  delete state.drifted;
  next.corrections = Object.fromEntries(Object.entries(next.corrections).filter(([other]) => other !== key));
}

/** Lets an optional VM be placed once more, by this run if its parent's run has found no room. */
function findRoom(run: Run, name: string): void {
  const { [name]: _found, ...roomless } = run.roomless ?? {};
  run.roomless = roomless;
  run.placedByParent = false;
}

/** Changes members; each gives its open operation up. */
function change(
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

/** The key under which a parent knows this group. */
export function groupKey(name: string): MemberKey {
  return memberKey({ kind: 'VirtualMachineGroup', name });
}
