/** Questions to the user on a terminal. */
import { createInterface } from 'node:readline';

/** The terminal. */
interface Terminal {
  input: NodeJS.ReadableStream;
  output: NodeJS.WritableStream;
}

/** What the user answers, an empty text at the end of the input; undefined: Ctrl-C. */
export function answerOf(
  question: string,
  terminal: Terminal = { input: process.stdin, output: process.stderr },
): Promise<string | undefined> {
  const lines = createInterface(terminal);
  return new Promise<string | undefined>((resolve) => {
    lines.once('SIGINT', () => resolve(undefined));
    lines.once('close', () => resolve(''));
    lines.question(question, resolve);
  }).finally(() => lines.close());
}
