/** The stream of a watch: one JSON document a line. */
import { KubernetesError, type Status } from './error';
import type { WatchEvent } from './object';

/**
 * The lines of a stream. `onData` is called for every chunk.
 *
 * @throws Error when the stream ends in the middle of a line.
 */
export async function* linesOf(
  stream: AsyncIterable<Uint8Array> | null,
  onData: () => void,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream ?? []) {
    onData();
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines.filter((line) => line !== '');
  }
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
