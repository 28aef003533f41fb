/**
 * Questions of the platform during a power operation: QUESTION-1, ANSWER-1.
 *
 * Guarantees: G1, G8.
 */
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { SimulatedFault } from '../../api';
import type { AnswerResult, PowerInput } from '../../contract';
import { placement, vm, withFaults } from '../simulator/fixtures';
import { until } from '../support/until';
import { attempt, bench, powerInput, story, type Bench } from './fixtures';

const ASKED =
  'the platform asks: "simulated fault: this virtual machine may have been moved or copied" (msg.uuid.altered); ' +
  'choices: moved ("I moved it"), copied ("I copied it"), cancel ("Cancel")';

function asking(use: (parts: Bench) => Promise<void>, ...faults: Partial<SimulatedFault>[]): Promise<void> {
  const inventory = withFaults(
    { type: 'Question' },
    ...faults.map((fault) => ({ ...fault }) as SimulatedFault),
  );
  return bench(inventory, async (parts) => {
    await parts.platform.place([placement('db')], { caller: 'test' });
    await use(parts);
  });
}

const input = (over: Partial<PowerInput> = {}): PowerInput => powerInput('db', over);
const policy = (answer: string) => ({ questions: [{ kind: 'msg.uuid.altered', answer }] });

function answerAs({ activities }: Bench, choice: string, details?: unknown): Promise<AnswerResult> {
  const info = { attempt: details === undefined ? 1 : 2, heartbeatDetails: details };
  const environment = new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') });
  return environment.run(activities.answer, { operation: 'answer/db', vm: vm('db'), choice });
}

async function answers({ desk }: Bench): Promise<string[]> {
  return (await desk.journal()).flatMap((line) =>
    line.type === 'answer' ? [`${line.choice} ${line.answer}`] : [],
  );
}

test('QUESTION-1: what the policy answers is answered once, and on record', () =>
  asking(async (parts) => {
    const { result } = await attempt(parts.activities.powerOn, input(policy('moved')));
    expect(result).toMatchObject({
      acted: true,
      status: { powerState: 'PoweredOn' },
      answered: [
        {
          id: 'question of run/db',
          kind: 'msg.uuid.altered',
          choice: 'moved',
          at: expect.any(Number) as number,
        },
      ],
    });
    expect(await answers(parts)).toEqual(['moved Accepted']);
  }));

test('QUESTION-1: all others are shown, and an operator answers', () =>
  asking(async (parts) => {
    const beats: { waitsFor?: string }[] = [];
    const ended = attempt(
      parts.activities.powerOn,
      input({ questions: [{ kind: 'msg.other', answer: 'moved' }] }),
      1,
      undefined,
      (environment) => environment.on('heartbeat', (beat: { waitsFor?: string }) => beats.push(beat)),
    );
    await until(() => beats.some(({ waitsFor }) => waitsFor === ASKED));
    await expect(answerAs(parts, 'burned')).rejects.toMatchObject({
      type: 'Permanent',
      nonRetryable: true,
      message: `burned is none of the choices for prod/db: ${ASKED}`,
    });
    expect(await answerAs(parts, 'I copied it')).toEqual({
      operation: 'answer/db',
      message:
        'Answered copied (I copied it) to the question about prod/db: simulated fault: this virtual machine may have been moved or copied',
    });
    const { result } = await ended;
    expect(result).toMatchObject({ acted: true, status: { powerState: 'PoweredOn' } });
    expect(result).not.toHaveProperty('answered');
    await expect(answerAs(parts, 'moved')).rejects.toMatchObject({
      message: 'the platform asks nothing about prod/db',
      nonRetryable: true,
    });
    // ANSWER-1: the attempt before was lost after it gave the answer, or failed to give it, and another person has answered.
    expect(await answerAs(parts, 'copied', { question: 'question of run/db' })).toMatchObject({
      message:
        'The platform no longer asks the question about prod/db; whether the answer copied of an earlier attempt arrived is not known.',
    });
    expect(await answers(parts)).toEqual(['copied Accepted']);
  }));

test.each([['text'], [[]], [{}], [{ question: null }]])(
  'ANSWER-1: after a heartbeat that holds %j no question is answered, as that may have happened',
  (details) =>
    asking(async (parts) => {
      const working = attempt(parts.activities.powerOn, input());
      await until(async () => (await parts.platform.read(vm('db')))?.question !== undefined);
      expect((await answerAs(parts, 'moved', details)).message).toBe(
        'Whether an earlier attempt has answered a question about prod/db is not known: its heartbeat cannot be read. Answer again if the platform still asks.',
      );
      expect(await answers(parts)).toEqual([]);
      await answerAs(parts, 'moved');
      await working;
    }),
);

test('without an answer the member is parked at once with the question, as another operation would only meet it again', () =>
  asking(async (parts) => {
    const { error } = await attempt(parts.activities.powerOn, input({ operationTimeout: 300 }));
    expect(error).toMatchObject({ type: 'Unanswered', nonRetryable: true });
    expect(error?.message).toBe(
      `power on prod/db: attempt 1 of 3: VM prod/db was asked to power on (operation run/db), and it did not happen within 0.3 s: ${ASKED}`,
    );
    expect(story(await parts.desk.journal(), 'db')).toEqual(['run/db Accepted']);
  }));

test('an answer that cancels fails the operation in the words of the platform', () =>
  asking(async (parts) => {
    const { error } = await attempt(parts.activities.powerOn, input(policy('cancel')));
    expect(error).toMatchObject({ type: 'Permanent', nonRetryable: true });
    expect(error?.message).toMatch(/the question was answered with cancel$/);
  }));

test('an answer of the policy that is none of the choices leaves the question to an operator', () =>
  asking(async (parts) => {
    const { error } = await attempt(
      parts.activities.powerOn,
      input({ ...policy('no-such-choice'), operationTimeout: 300 }),
    );
    expect(error).toMatchObject({ type: 'Unanswered' });
    expect(await answers(parts)).toEqual([]);
  }));

test('after a lost worker the next attempt does not answer again', () =>
  asking(async (parts) => {
    const first = await attempt(parts.activities.powerOn, input(policy('moved')));
    const { progress } = first.details as { progress: { answered: unknown[] } };
    expect(progress.answered).toHaveLength(1);
    const { result } = await attempt(parts.activities.powerOn, input(policy('moved')), 2, {
      ...(first.details as object),
    });
    expect(result).toMatchObject({ answered: [{ choice: 'moved' }] });
    expect(await answers(parts)).toEqual(['moved Accepted']);
  }));
