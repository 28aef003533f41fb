/** Which operator commands a run accepts, and why it refuses the others. Pure. */
import { own } from '../api/own';
import { byteLength } from '../api/text';
import { workflowId, type MemberKey, type OperatorCommand, type OperatorVerb, type Plan } from '../contract';
import { waitsForPlace } from './planner';
import { membersOf, type MemberState, type Run } from './state';

/** Longest reason or actor that is accepted, in bytes: commands stay in the history and in the state of the run. */
const LONGEST = 1_000;

/** Why a run refuses a command now; undefined if it accepts it. Synchronous, since it is the validator of the Updates. */
export function refusalOf(
  run: Run | undefined,
  verb: OperatorVerb,
  command: OperatorCommand,
): string | undefined {
  const malformed = formProblem(command);
  if (malformed !== undefined) return malformed;
  if (!run) return 'the run has no plan yet; try again in a moment';
  if (run.ending && !(verb === 'abort' && isFailing(run))) return `the run is ending: ${run.ending.message}`;
  switch (verb) {
    case 'pause':
    case 'resume':
    case 'abort':
      return undefined;
    case 'skipDelay':
      return run.stages.some(isInDelay) ? undefined : 'no delay is running';
    case 'retryMember':
      return command.member ? memberRefusal(run, verb, command.member) : retryAllRefusal(run);
    case 'answer':
      return answerRefusal(run, command);
    case 'skipMember':
    case 'markReady':
      return command.member
        ? memberRefusal(run, verb, command.member)
        : 'member is missing: name a VM, or Kind/name';
  }
}

/** Whether a run is to end once what is open has ended, which may take hours: only `abort` ends that at once. */
export function isFailing({ ending }: Run): boolean {
  return ending !== undefined && ending.release !== true;
}

/** What is wrong with the argument of a command, whatever the run: it may be any JSON. */
function formProblem(command: OperatorCommand): string | undefined {
  if (typeof command !== 'object' || command === null)
    return 'the argument must be one object: {member?, actor?, reason}';
  for (const field of ['actor', 'reason'] as const) {
    const text: unknown = command[field];
    // The Temporal UI names its user by the identity of the request, which the record has.
    if (field === 'actor' && text === undefined) continue;
    if (typeof text !== 'string' || text.trim() === '')
      return `${field} is missing: it is recorded with the command`;
    if (byteLength(text) > LONGEST) return `${field} is longer than ${LONGEST} bytes`;
  }
  const known: unknown = command.known;
  if (known !== undefined && known !== true) return 'known is not true';
  const member: unknown = command.member;
  const isName = typeof member === 'string' && member.length <= LONGEST;
  if (member !== undefined && !isName) return 'member is not the name of a VM, or Kind/name';
  const choice: unknown = command.choice;
  const isChoice = typeof choice === 'string' && byteLength(choice) <= LONGEST;
  return choice === undefined || isChoice ? undefined : 'choice is not the key of a choice';
}

function retryAllRefusal(run: Run): string | undefined {
  const any = isPlacingInVain(run) || Object.values(run.members).some(canRetry);
  return any ? undefined : 'no member is parked or failing';
}

/** Whether the platform asks anything is known to it alone: its activity refuses an answer to nothing. */
function answerRefusal(run: Run, { member: name, choice }: OperatorCommand): string | undefined {
  if (!name) return 'member is missing: name a VM';
  if (!choice) return 'choice is missing: name one of the choices of the question';
  const key = findMember(run.plan, name);
  if (key === undefined) return strangerText(run, name);
  const placed = membersOf(run.plan).find((each) => each.key === key);
  if (placed?.member.kind !== 'VirtualMachine') return `${key} is a group, and platforms ask about VMs`;
  return placed.member.link === 'Linked' ? undefined : `${key} is not linked to the group`;
}

/** Why a name is none of a member. */
function strangerText({ plan }: Run, name: string): string {
  const group = groupOf(plan, name);
  return group
    ? `${name} is a member of ${group.name}: send the command to ${workflowId(group.namespace, group.name)}`
    : `${name} is not a member of ${plan.namespace}/${plan.name}`;
}

function memberRefusal(
  run: Run,
  verb: 'retryMember' | 'skipMember' | 'markReady',
  name: string,
): string | undefined {
  const key = findMember(run.plan, name);
  const state = key === undefined ? undefined : own(run.members, key);
  if (key === undefined || !state) return strangerText(run, name);
  if (verb === 'retryMember')
    return canRetry(state) || isAwaited(state)
      ? undefined
      : `${key} is ${state.phase}: there is nothing to retry`;
  if (state.reachedAt === undefined) return undefined;
  // Of a group that is off, or leaves power alone, a VM without room may hold up the places of all.
  if (verb === 'skipMember' && waitsForPlace(run, key)) return undefined;
  return `${key} has reached its gate already`;
}

/** Whether a member is parked, left alone, set aside by an operator, or failing. */
export function canRetry(state: MemberState): boolean {
  return (
    Boolean(state.parked ?? state.leftAlone ?? state.word) || (state.operation?.attempts.length ?? 0) > 0
  );
}

/** Whether a nested run is waited for without an activity. It may have ended without notifying this run, which a retry finds at once. */
export function isAwaited({ operation }: MemberState): boolean {
  return operation?.waiting !== undefined;
}

/** Whether the open call for places has failed before: a retry repeats it at once. */
export function isPlacingInVain({ placement }: Run): boolean {
  return placement.activityId !== undefined && placement.attempts.length > 0;
}

/** Whether the delay of a stage is running. */
export function isInDelay(stage: { dueAt?: number; releasedAt?: number }): boolean {
  return stage.dueAt !== undefined && stage.releasedAt === undefined;
}

/** The key of a member that an operator named. */
export function findMember(plan: Plan, name: string): MemberKey | undefined {
  for (const { key, member } of membersOf(plan)) {
    if (key === name || `${member.kind}/${member.name}` === name) return key;
  }
  // A nested group may be named without its kind if no VM has that name.
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
