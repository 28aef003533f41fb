/** The stream of a watch: one JSON document a line. */
import { KubernetesError, type Status } from './error';
import type { WatchEvent } from './object';

/** Characters of the longest line: an object has a few million bytes at most. */
const LONGEST_LINE = 64 * 1024 * 1024;

/**
 * The lines of a stream. `onData` is called for every chunk.
 *
 * @throws Error when the stream ends in the middle of a line, or a line does not end.
 */
export async function* linesOf(
  stream: AsyncIterable<Uint8Array> | null,
  onData: () => void,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  /** The pieces of the line that is not complete yet. */
  let pieces: string[] = [];
  let length = 0;
  for await (const chunk of stream ?? []) {
    onData();
    const [end = '', ...lines] = decoder.decode(chunk, { stream: true }).split('\n');
    pieces.push(end);
    length += end.length;
    if (length > LONGEST_LINE)
      throw new Error(`a line of the stream has more than ${LONGEST_LINE} characters`);
    const begun = lines.pop();
    if (begun === undefined) continue;
    yield* [pieces.join(''), ...lines].filter((line) => line !== '');
    pieces = [begun];
    length = begun.length;
  }
  const rest = pieces.join('');
  if (rest !== '') throw new Error(`the stream ended in the middle of a line: ${rest.slice(0, 100)}`);
}

/**
 * The event that a line of a watch holds.
 *
 * @throws KubernetesError when the server ends the watch with this line, SyntaxError when it is no JSON.
 */
export function eventOf(what: string, line: string): WatchEvent {
  const { type, object } = JSON.parse(line) as { type: string; object: unknown };
  if (type !== 'ERROR') return { type, object } as WatchEvent;
  const { code = 500, reason = '', message = 'no message' } = object as Status;
  throw new KubernetesError(`${what}: the API server ended the watch: ${message}`, code, reason);
}
