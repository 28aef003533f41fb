/** Questions of the simulated platform, and the answers to them. Pure. */
import { own, type SimulatedFault } from '../../api';
import type { VirtualMachineRef } from '../../contract';
import type { Answer, Question } from '../../platforms';
import type { AnswerCall } from '../../platforms/simulated';
import { find, journalName, keyOf, ledgerOf, type EngineState } from './state';

/** The choice that gives the operation up. */
export const CANCEL = 'cancel';

/** What a fault makes the platform ask before an operation. */
export function questionOf({ kind = 'msg.uuid.altered' }: SimulatedFault, operationId: string): Question {
  return {
    id: `question of ${operationId}`,
    kind,
    text: 'simulated fault: this virtual machine may have been moved or copied',
    choices: [
      { key: 'moved', label: 'I moved it' },
      { key: 'copied', label: 'I copied it' },
      { key: CANCEL, label: 'Cancel' },
    ],
  };
}

/** What becomes of an answer at time `at`, as a journal entry. */
export function answerQuestion(
  state: EngineState,
  vm: VirtualMachineRef,
  { question, choice }: Answer,
  at: number,
): AnswerCall {
  const call = { type: 'answer' as const, at, ...journalName(vm), question, choice };
  const asked = find(state, vm)?.question;
  if (asked?.id === question) {
    if (asked.choices.some(({ key }) => key === choice)) return { ...call, answer: 'Accepted' };
    const keys = asked.choices.map(({ key }) => key).join(', ');
    return { ...call, answer: 'Refused', message: `${choice} is none of the choices: ${keys}` };
  }
  if (own(ledgerOf(state, vm)?.answers, question) === choice) return { ...call, answer: 'Duplicate' };
  return { ...call, answer: 'Refused', message: `VM ${keyOf(vm)} does not ask ${question}` };
}
