/**
 * Answers a question of the platform about one VM, as an operator has chosen.
 *
 * ANSWER-1: an attempt that takes over from a lost one knows which question that one has answered, and answers no other.
 */
import { ApplicationFailure, Context } from '@temporalio/activity';
import * as v from 'valibot';
import type { AnswerInput, AnswerResult } from '../contract';
import { PlatformError, questionText, virtualMachineKey, type Platform } from '../platforms';
import { classify, NEXT_STEP } from './failures';
import type { ActivityDependencies } from './power';

/** Heartbeat details. `question`: id of the one that was answered, or was about to be. */
const memory = v.object({ question: v.string() });

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
  const details: unknown = context.info.heartbeatDetails;
  const name = virtualMachineKey(vm);
  const question = (await platform.read(vm, context.cancellationSignal))?.question;
  // Its answer, or that of another person, may have ended the question.
  const before = details ? v.safeParse(memory, details) : undefined;
  if (before && !before.success)
    return `Whether an earlier attempt has answered a question about ${name} is not known: its heartbeat cannot be read. Answer again if the platform still asks.`;
  if (before && before.output.question !== question?.id)
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
  context.heartbeat({ question: question.id } satisfies v.InferOutput<typeof memory>);
  await platform.answer(vm, { question: question.id, choice: chosen.key }, context.cancellationSignal);
  return `Answered ${chosen.key} (${chosen.label}) to the question about ${name}: ${question.text}`;
}
