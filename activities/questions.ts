/**
 * Questions that the platform asks while a power operation waits.
 *
 * QUESTION-1: one that the policy answers is answered once by its id, and the answer is on record in the heartbeat and the result. All others are
 *     shown as what the operation waits for.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AnsweredQuestion, PowerInput } from '../contract';
import { questionText, type Platform, type Question, type VirtualMachineState } from '../platforms';
import type { AttemptRun } from './attempts';
import { classify, NEXT_STEP } from './failures';
import { KEPT_ANSWERS, type PowerProgress } from './power-progress';

/** Tries to give one answer, and milliseconds between them. */
const TRIES = 5;
const PAUSE = 1_000;

/** Watches over the questions of one attempt. */
export class Questions {
  readonly #platform: Platform;
  readonly #input: PowerInput;
  readonly #run: AttemptRun<PowerProgress>;
  /** Ids of the questions that this attempt answers. */
  readonly #taken = new Set<string>();
  #asked: string | undefined;

  constructor(platform: Platform, input: PowerInput, run: AttemptRun<PowerProgress>) {
    this.#platform = platform;
    this.#input = input;
    this.#run = run;
  }

  /** Looks at a state of the VM: shows its question, and answers it if the policy says how. */
  see({ question }: VirtualMachineState): void {
    if (question?.id === this.#asked) return;
    this.#asked = question?.id;
    this.#run.waitFor(question ? questionText(question) : undefined);
    const choice = question && this.#choiceFor(question);
    if (!question || choice === undefined) return;
    this.#taken.add(question.id);
    void this.#answer(question, choice);
  }

  /** The key that the policy chooses; undefined: none, or it was chosen before. */
  #choiceFor({ id, kind, choices }: Question): string | undefined {
    const before = this.#run.progress.answered?.some((each) => each.id === id);
    if (before || this.#taken.has(id)) return undefined;
    const policy = this.#input.questions?.find((each) => each.kind === kind);
    return choices.find(({ key }) => key === policy?.answer)?.key;
  }

  /** Never rejects: what went wrong is shown. */
  async #answer(question: Question, choice: string): Promise<void> {
    const { signal } = this.#run;
    for (let number = 1; number <= TRIES && !signal.aborted; number += 1) {
      try {
        await this.#platform.answer?.(this.#input.vm, { question: question.id, choice }, signal);
        return this.#note({ id: question.id, kind: question.kind ?? '', choice, at: Date.now() });
      } catch (error: unknown) {
        const { class: type, message } = classify(error);
        if (this.#asked === question.id)
          this.#run.waitFor(
            `${questionText(question)}; the answer ${choice} of the policy failed: ${message}`,
          );
        if (NEXT_STEP[type] === 'Never') return;
        await sleep(PAUSE, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  #note(answered: AnsweredQuestion): void {
    const { progress } = this.#run;
    this.#run.note({ ...progress, answered: [...(progress.answered ?? []), answered].slice(-KEPT_ANSWERS) });
  }
}
