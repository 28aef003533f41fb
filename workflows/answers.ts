/** Answers of operators to questions of platforms. Pure. */
import { machineRef, type AnswerInput, type OperatorCommand } from '../contract';
import { findMember } from './command-checks';
import { nextId, shorten } from './planner';
import { parse } from './schemas';
import { membersOf, type Run } from './state';

/** The activity that gives one answer. `platform`: as in {@link Start}. */
export interface AnswerStart {
  activityId: string;
  summary: string;
  platform?: string;
  input: AnswerInput;
}

/**
 * The run with the id of the activity in use, and the activity. For a command that `refusalOf` accepts.
 *
 * @throws TypeError if the command names no member.
 */
export function answerStart(
  before: Run,
  { member: name = '', choice = '' }: OperatorCommand,
): { run: Run; start: AnswerStart } {
  const key = findMember(before.plan, name);
  const member = membersOf(before.plan).find((each) => each.key === key)?.member;
  if (key === undefined || !member) throw new TypeError(`${name} is no member`);
  const run: Run = { ...before, activityIds: { ...before.activityIds } };
  const activityId = nextId(run, `answer/${key}`);
  const { platform } = member;
  const vm = machineRef(run.plan.namespace, member);
  return {
    run,
    start: {
      activityId,
      summary: shorten(`answer ${choice} about ${member.name}`),
      ...(platform !== undefined && { platform }),
      input: { operation: activityId, vm, choice },
    },
  };
}

/**
 * What was answered, from the result of the activity.
 *
 * @throws TypeError if the result is not its own.
 */
export function answeredText({ activityId }: AnswerStart, raw: unknown): string {
  const parsed = parse('answer', raw);
  if ('why' in parsed) throw new TypeError(`its result cannot be read: ${parsed.why}`);
  if (parsed.value.operation !== activityId)
    throw new TypeError('its result does not name its operation: it was completed by hand');
  return parsed.value.message;
}
