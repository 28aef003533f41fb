/**
 * Answers a question of the platform about one VM, as an operator has chosen.
 *
 * ANSWER-1: an attempt that takes over from a lost one knows which question that one has answered, and answers no other.
 */
import { ApplicationFailure, Context } from '@temporalio/activity';
import type { AnswerInput, AnswerResult } from '../contract';
import { PlatformError, questionText, virtualMachineKey, type Platform } from '../platforms';
import { classify, NEXT_STEP } from './failures';
import type { ActivityDependencies } from './power';

/** Heartbeat details. */
interface Memory {
  /** Id of the question that was answered, or was about to be. */
  question: string;
}

/**
 * The activity `answer`.
 *
 * @throws ApplicationFailure whose `type` is the class of the failure; non-retryable if the VM asks nothing, or the choice is none of the question.
 */
export async function answer({ platform }: ActivityDependencies, input: AnswerInput): Promise<AnswerResult> {
  try {
    return { operation: input.operation, message: await give(platform, input) };
  } catch (error: unknown) {
    const { class: type, message } = classify(error);
    throw ApplicationFailure.create({ message, type, nonRetryable: NEXT_STEP[type] === 'Never' });
  }
}

async function give(platform: Platform, { vm, choice }: AnswerInput): Promise<string> {
  const context = Context.current();
  const before = context.info.heartbeatDetails as Memory | undefined | null;
  const name = virtualMachineKey(vm);
  const question = (await platform.read(vm, context.cancellationSignal))?.question;
  // Its answer, or that of another person, may have ended the question.
  if (before && before.question !== question?.id)
    return `The platform no longer asks the question about ${name}; whether the answer ${choice} of an earlier attempt arrived is not known.`;
  if (!question || !platform.answer)
    throw new PlatformError('Permanent', `the platform asks nothing about ${name}`);
  const chosen =
    question.choices.find(({ key }) => key === choice) ??
    question.choices.find(({ label }) => label === choice);
  if (!chosen)
    throw new PlatformError(
      'Permanent',
      `${choice} is none of the choices for ${name}: ${questionText(question)}`,
    );
  context.heartbeat({ question: question.id } satisfies Memory);
  await platform.answer(vm, { question: question.id, choice: chosen.key }, context.cancellationSignal);
  return `Answered ${chosen.key} (${chosen.label}) to the question about ${name}: ${question.text}`;
}
