/** Lines of a stream that come in pieces, and one that does not end. */
import { linesOf } from '../../kubernetes/watch-stream';

async function* streamOf(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk;
}

async function read(stream: AsyncIterable<Uint8Array>): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of linesOf(stream, () => undefined)) lines.push(line);
  return lines;
}

test('lines are put together from pieces, also where a piece ends inside a character', async () => {
  const [first = 0, ...rest] = new TextEncoder().encode('\u00fc');
  const pieces = streamOf(
    'a',
    'b\nc',
    '\n\n',
    '',
    'd',
    new Uint8Array([first]),
    new Uint8Array(rest),
    '\ne\nf',
    '\n',
  );
  expect(await read(pieces)).toEqual(['ab', 'c', 'd\u00fc', 'e', 'f']);
});

test('a stream that ends inside a line is an error', async () => {
  await expect(read(streamOf('a\nb', 'c'))).rejects.toThrow('in the middle of a line: bc');
});

test('a line that does not end is given up', async () => {
  const piece = new Uint8Array(1024 * 1024).fill('x'.charCodeAt(0));
  let pieces = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (; pieces < 200; pieces += 1) yield piece;
  }
  await expect(read(endless())).rejects.toThrow('more than 67108864 characters');
  expect(pieces).toBeLessThan(200);
});
