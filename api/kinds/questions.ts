/** The answers of a SequencePolicy to questions of platforms. */
import { z } from 'zod';
import type { QuestionPolicy } from '../model';
import { jsonLength } from '../text';
import { reportDuplicates, type Report } from './convert';
import { fields } from './fields';
import { listMap } from './server-checks';

const MOST = 16;
/** Bytes of all answers as JSON: a thousand operations are scheduled in one message of 4 MB, each with these answers. */
const MOST_BYTES = 600;
const LONGEST = 64;

/** `spec.questions`. */
export const questionsSchema = z
  .array(
    fields({
      kind: z
        .string()
        .min(1)
        .max(LONGEST)
        .describe('Kind of the question, as the platform names it, such as `msg.uuid.altered`.'),
      answer: z.string().min(1).max(LONGEST).describe('Key of the choice, as the platform names it.'),
    }),
  )
  .max(MOST)
  .meta(listMap('kind'));

/** The internal form of `spec.questions`. */
export function toQuestions(written: QuestionPolicy[], report: Report): QuestionPolicy[] {
  reportDuplicates(
    written,
    ({ kind }) => kind,
    (index) => `spec.questions[${index}]`,
    (index, kind, firstAt) =>
      report(
        ['spec', 'questions', index, 'kind'],
        `duplicate value: ${kind} is answered by ${firstAt} already`,
      ),
  );
  const bytes = jsonLength(written);
  if (bytes > MOST_BYTES)
    report(['spec', 'questions'], `takes ${bytes} bytes, at most ${MOST_BYTES} are allowed: leave some out`);
  return written;
}
