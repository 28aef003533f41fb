/** Questions of platforms, in words. Pure. */
import { firstFew, fitText } from '../api';
import type { Question } from './platform';

/** Bytes of the text of a question, and of the label of a choice, that are shown. */
const TEXT_BYTES = 300;
const LABEL_BYTES = 60;
/** Choices that are shown. */
const CHOICES = 10;

/** A question with its choices: `the platform asks: "Moved or copied?" (msg.uuid.altered); choices: moved ("I moved it"), cancel`. */
export function questionText({ kind, text, choices }: Question): string {
  const named = choices.map(({ key, label }) =>
    label === key ? key : `${key} (${JSON.stringify(fitText(label, LABEL_BYTES))})`,
  );
  const what = `${JSON.stringify(fitText(text, TEXT_BYTES))}${kind === undefined ? '' : ` (${fitText(kind, LABEL_BYTES)})`}`;
  return `the platform asks: ${what}; choices: ${firstFew(named, CHOICES).join(', ')}`;
}
